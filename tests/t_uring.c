/* t_uring.c: the ring when the kernel refuses, interrupts, submits in part, or overflows.
 *
 * // LINK lines: what of liburing is ours here.
 */
// LINK: -Wl,--wrap=io_uring_submit_and_wait,--wrap=io_uring_submit_and_wait_timeout
// LINK: -Wl,--wrap=io_uring_submit_and_get_events,--wrap=io_uring_submit,--wrap=clock_gettime
#include "tests/uring_faults.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "sched/worker.h"

/* Time, which a test may push on. */
static _Thread_local int64_t pushed_ns; /* of worker 0's clock */
int __real_clock_gettime(clockid_t clock, struct timespec *t);
int __wrap_clock_gettime(clockid_t clock, struct timespec *t);

int __wrap_clock_gettime(clockid_t clock, struct timespec *t)
{
    int err = __real_clock_gettime(clock, t);

    t->tv_sec += pushed_ns / RV_S;
    return err;
}

/* With every so-manieth enter spoilt. Starting up is not part of it. */
static int work(void *every)
{
    int err;

    faults.every = *(int *)every;
    err = work_all(SCALED(20, 8), 20);
    faults.every = 0;
    return err;
}

static void spoil(const int *errors, int count)
{
    faults.errors = errors;
    faults.error_count = count;
    faults.spoilt = 0;
}

static const int all_errors[] = {-EINTR, -EAGAIN, 1, -EBUSY, -ENOMEM, 1, 1, -EINTR};
static const int in_part[] = {-EINTR, 1, 1}; /* even if it is each: there is progress */

enum { ALL_ERRORS = sizeof all_errors / sizeof all_errors[0] };

TEST(hazard_26_an_enter_that_fails_or_submits_in_part_is_repeated)
{
    const rv_options tiny = {.ring_entries = 8};

    ONLY_ON_URING("io_uring itself");
    for (int every = 1; every < 5; every++) {
        if (every == 1)
            spoil(in_part, 3);
        else
            spoil(all_errors, ALL_ERRORS);
        CHECK_EQ(rv_run(work, &every, NULL), 0);
        CHECK_EQ(rv_run(work, &every, &tiny), 0);
        CHECK(faults.spoilt > 20);
    }
}

static int sleep_a_little(void *unused)
{
    (void)unused;
    spoil((const int[]){-EBUSY}, 1);
    faults.every = 1; /* and for good */
    CHECK_EQ(rv_yield(), 0);
    return rv_sleep(RV_MS);
}

TEST(hazard_26_a_deadline_passes_even_if_no_enter_ever_succeeds)
{
    ONLY_ON_URING("io_uring itself");
    CHECK_EQ(rv_run(sleep_a_little, NULL, NULL), 0);
    CHECK(faults.spoilt > 0);
}

static int open_and_close(void *unused)
{
    int fd = rv_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0);

    (void)unused;
    return fd < 0 ? fd : rv_close(fd);
}

static int open_many_and_sleep(void *unused)
{
    rv_group g;
    int err;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 20; i++)
        rv_go(&g, open_and_close, NULL);
    err = sleep_a_little(unused);
    faults.every = 0;
    return rv_group_close(&g, err);
}

TEST(hazard_26_nor_does_one_wait_for_what_the_ring_has_no_room_for)
{
    const rv_options tiny = {.ring_entries = 8};

    ONLY_ON_URING("io_uring itself");
    CHECK_EQ(rv_run(open_many_and_sleep, NULL, &tiny), 0);
    CHECK(faults.spoilt > 0);
}

TEST_DIES(an_enter_that_fails_for_good_says_so, "io_uring_enter: Bad file descriptor")
{
    ONLY_ON_URING("io_uring itself");
    spoil((const int[]){-EBADF}, 1);
    rv_run(work, (int[]){3}, NULL);
}

/* ---- operations ---- */

static void refuse(int opcode, int times, int result)
{
    faults.opcode = opcode;
    faults.times = times;
    faults.result = result;
    faults.swaps = 0;
}

TEST_TASK(hazard_20_an_interrupted_open_is_repeated)
{
    ONLY_ON_URING("io_uring itself");
    for (int error = 512; error <= 516; error++) {
        int fd;

        refuse(IORING_OP_OPENAT, 2, -error);
        fd = rv_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0);
        CHECK(fd >= 0);
        CHECK_EQ(faults.swaps, 2);
        CHECK_EQ(rv_close(fd), 0);
    }
    refuse(IORING_OP_OPENAT, 1, -EINTR);
    CHECK_EQ(rv_openat(AT_FDCWD, "/no/such/file", O_RDONLY, 0), -ENOENT);
    return 0;
}

static rv_scope *victim;

static void cancel_when_refused(void)
{
    faults.meanwhile = NULL;
    rv_cancel(victim);
}

TEST_TASK(hazard_20_an_interrupted_open_in_a_cancelled_scope_is_cancelled)
{
    rv_scope s;

    ONLY_ON_URING("io_uring itself");
    victim = &s;
    refuse(IORING_OP_OPENAT, 1, -512);
    faults.meanwhile = cancel_when_refused;
    rv_scope_open(&s, RV_NEVER);
    CHECK_EQ(rv_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0), -ECANCELED);
    CHECK_EQ(rv_scope_close(&s, -ECANCELED), 0);
    return 0;
}

static struct address door;
static int guest;

static void knock(void)
{
    guest = MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    MUST(connect(guest, address_of(&door), door.len));
}

TEST_TASK(an_operation_that_would_block_waits_for_readiness_and_is_repeated)
{
    int listener = listening(AF_INET, &door), fd;

    ONLY_ON_URING("io_uring itself");
    refuse(IORING_OP_ACCEPT, 1, -EAGAIN);
    CHECK_EQ(WITHIN(A_MOMENT, rv_accept(listener, NULL, NULL)), -ETIMEDOUT);
    CHECK_EQ(faults.swaps, 1);
    for (int i = 0; i < 3; i++) { /* now it is watched */
        refuse(IORING_OP_ACCEPT, 1, -EAGAIN);
        faults.meanwhile = knock; /* after the kernel looked, and before we hear of either */
        fd = (int)WITHIN(LONG, rv_accept(listener, NULL, NULL));
        CHECK_EQ(faults.swaps, 1);
        CHECK(fd >= 0);
        CHECK_EQ(rv_close(fd), 0);
        CHECK_EQ(rv_close(guest), 0);
    }
    return rv_close(listener);
}

static int accept_in_scope(void *arg)
{
    int fd;
    rv_scope s;

    victim = &s;
    rv_scope_open(&s, RV_NEVER);
    fd = rv_accept(*(int *)arg, NULL, NULL);
    CHECK(fd >= 0);
    CHECK_EQ(rv_scope_close(&s, 0), 0);
    return rv_close(fd);
}

/* An enter takes the open, which is ahead of the cancel in the ring, and no more; and brings the
 * accept's completion. */
TEST_TASK(hazard_23_a_close_meets_an_operation_that_is_back_while_its_cancel_is_not)
{
    int listener = listening(AF_INET, &door);
    rv_group g;

    ONLY_ON_URING("io_uring itself");
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, accept_in_scope, &listener);
    CHECK_EQ(rv_sleep(RV_MS), 0);
    rv_go(&g, open_and_close, NULL);
    CHECK_EQ(rv_yield(), 0);
    rv_cancel(victim);
    knock();
    spoil((const int[]){1}, 1);
    faults.every = 1;
    worker_self->credit = 1;
    CHECK_EQ(rv_yield(), 0);
    CHECK_EQ(faults.spoilt, 1);
    faults.every = 0;
    CHECK_EQ(rv_close(listener), 0);
    CHECK_EQ(rv_close(guest), 0);
    return rv_group_close(&g, 0);
}

/* One of many who take turns: the accept is refused, and while its task is still far back in the
 * queue, its descriptor is closed, and the number given to another file. */
enum { CROWD = 1500 };

struct crowd {
    int listener, other;
    int resumes;
    long accepted;
    enum { GATHER, CLOSE, REPLACE, DISPERSE } phase;
};

static int accept_among_many(void *arg)
{
    struct crowd *c = arg;

    c->accepted = rv_accept(c->listener, NULL, NULL);
    return 0;
}

static int mill_about(void *arg)
{
    struct crowd *c = arg;

    while (c->phase != DISPERSE) {
        c->resumes++;
        if (c->phase == GATHER && faults.swaps) {
            c->phase = CLOSE;
            CHECK_EQ(rv_close(c->listener), 0);
        } else if (c->phase == CLOSE && fcntl(c->listener, F_GETFD) < 0) {
            MUST(dup2(c->other, c->listener));
            CHECK_EQ(c->accepted, 99); /* or the test is none */
            c->phase = REPLACE;
            c->resumes = 0;
        } else if (c->phase == REPLACE && c->resumes > 4 * CROWD) {
            c->phase = DISPERSE;
            CHECK_EQ(c->accepted, -EBADF);
        }
        CHECK_EQ(rv_yield(), 0);
    }
    return 0;
}

TEST_TASK(hazard_23_an_accept_that_would_block_does_not_wait_for_the_numbers_next_file)
{
    struct crowd c = {.accepted = 99, .phase = GATHER};
    rv_group g;

    ONLY_ON_URING("io_uring itself");
    faults.swaps = 0;
    c.listener = listening(AF_INET, &door);
    c.other = bound(AF_INET, SOCK_DGRAM, &door);
    rv_group_open(&g, rv_after(LONG));
    for (int i = 0; i < CROWD; i++)
        rv_go(&g, mill_about, &c);
    while (c.resumes < 2 * CROWD)
        CHECK_EQ(rv_yield(), 0);
    refuse(IORING_OP_ACCEPT, 1, -EAGAIN);
    rv_go(&g, accept_among_many, &c);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_close(c.listener), 0);
    return rv_close(c.other);
}

TEST_TASK(a_write_that_takes_nothing_more_ends_rv_write_all)
{
    int fd = MUST(memfd_create("full", MFD_CLOEXEC));

    ONLY_ON_URING("io_uring itself");
    refuse(IORING_OP_WRITE, 1, 0);
    CHECK_EQ(rv_write_all(fd, "words", 5), -EIO);
    CHECK_EQ(rv_write_all(fd, "words", 5), 0);
    CHECK_EQ(rv_write_all(fd, "", 0), 0);
    return rv_close(fd);
}

/* ---- hazard 18, with submissions that fail ---- */

__attribute__((noinline)) static long hasty_read(int fd, rv_time span)
{
    char buf[512];

    return WITHIN(span, rv_read(fd, buf, sizeof buf));
}

__attribute__((noinline)) static int later_frame(void)
{
    unsigned char buf[2048];
    volatile unsigned char *bytes = buf;
    int changed = 0;

    memset(buf, 0x5a, sizeof buf);
    CHECK_EQ(rv_sleep(10 * RV_US), 0);
    for (size_t i = 0; i < sizeof buf; i++)
        changed += bytes[i] != 0x5a;
    return changed;
}

static int read_in_haste(void *arg)
{
    int fd = *(int *)arg;
    uint32_t dice = (uint32_t)rv_id();

    for (int i = 0; i < SCALED(300, 60); i++) {
        long n = hasty_read(fd, next_random(&dice) % 50 * RV_US);

        CHECK(n == 2 || n == -ETIMEDOUT);
        CHECK_EQ(later_frame(), 0);
    }
    return 0;
}

static int write_lines(void *arg)
{
    while (!rv_cancelled()) {
        CHECK_EQ(write(*(int *)arg, "x\n", 2), 2);
        if (rv_sleep(15 * RV_US) < 0)
            break;
    }
    return 0;
}

static int race_frames(void *unused)
{
    int outside = MUST(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)), inside;
    rv_group readers, writer;

    (void)unused;
    faults.every = 2;
    MUST(grantpt(outside));
    MUST(unlockpt(outside));
    inside = MUST(open(ptsname(outside), O_RDWR | O_NOCTTY | O_CLOEXEC));
    rv_group_open(&writer, RV_NEVER);
    rv_go(&writer, write_lines, &outside);
    rv_group_open(&readers, rv_after(LONG));
    for (int i = 0; i < 12; i++)
        rv_go(&readers, read_in_haste, &inside);
    CHECK_EQ(rv_group_close(&readers, 0), 0);
    rv_group_cancel(&writer);
    return rv_group_close(&writer, 0);
}

TEST(hazard_18_no_late_write_though_every_other_submission_fails)
{
    const rv_options tiny = {.ring_entries = 8, .cq_entries = 8};

    ONLY_ON_URING("io_uring itself");
    spoil(all_errors, ALL_ERRORS);
    CHECK_EQ(rv_run(race_frames, NULL, &tiny), 0);
    CHECK(faults.spoilt > 20);
}

/* ---- hazard 25 ---- */

static int many_echoes(void *unused)
{
    (void)unused;
    return work_all(SCALED(200, 60), 10);
}

TEST(hazard_25_an_overflowing_completion_queue_loses_nothing)
{
    const rv_options tiny = {.ring_entries = 8, .cq_entries = 8};

    ONLY_ON_URING("io_uring itself");
    CHECK_EQ(rv_run(many_echoes, NULL, &tiny), 0);
    CHECK(faults.overflows > 0);
}

/* ---- hazard 38 ---- */

static int wait_for_guest(void *arg)
{
    rv_scope *s = victim = arg;
    int fd, listener = listening(AF_INET, &door);

    rv_name("doorman");
    rv_scope_open(s, rv_after(2 * RV_S)); /* behind the cancel, and before the report */
    fd = rv_accept(listener, NULL, NULL);
    CHECK(fd >= 0); /* it could not be cancelled: the result wins */
    CHECK_EQ(rv_scope_close(s, -ECANCELED), 0);
    CHECK_EQ(rv_close(fd), 0);
    return rv_close(listener);
}

/* As if the kernel had looked between two places where an operation can be, or interrupted it
 * before it waited. */
TEST_TASK(hazard_19_a_cancel_that_ends_nothing_is_given_again)
{
    int listener = listening(AF_INET, &door);

    ONLY_ON_URING("io_uring itself");
    for (int i = 0; i < 2; i++) {
        refuse(IORING_OP_ASYNC_CANCEL, 3, i ? -ENOENT : -EALREADY);
        CHECK_EQ(WITHIN(A_MOMENT, rv_accept(listener, NULL, NULL)), -ETIMEDOUT);
        CHECK_EQ(faults.swaps, 3);
    }
    return rv_close(listener);
}

/* Whether stderr, which `memory` stands for, was given this text. */
static bool was_said(int memory, const char *text)
{
    char words[4096];
    ssize_t n = pread(memory, words, sizeof words - 1, 0);

    words[n > 0 ? n : 0] = 0;
    return strstr(words, text) != NULL;
}

TEST_TASK(hazard_38_an_operation_that_cannot_be_cancelled_is_named_after_five_seconds)
{
    int memory = MUST(memfd_create("words", MFD_CLOEXEC)), err = MUST(dup(2));
    rv_scope s;
    rv_group g;

    ONLY_ON_URING("io_uring itself");
    MUST(dup2(memory, 2));
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, wait_for_guest, &s);
    CHECK_EQ(rv_sleep(RV_MS), 0);
    refuse(IORING_OP_ASYNC_CANCEL, 1000, -EALREADY);
    rv_cancel(victim);
    CHECK_EQ(rv_sleep(RV_MS), 0);
    CHECK(faults.swaps > 0);
    pushed_ns = 4 * RV_S;
    CHECK_EQ(rv_sleep(RV_MS), 0);
    CHECK(!was_said(memory, "doorman"));
    pushed_ns = 6 * RV_S;
    CHECK_EQ(rv_sleep(RV_MS), 0);
    MUST(dup2(err, 2));
    CHECK(was_said(memory, "doorman"));
    CHECK(was_said(memory, "rv_accept"));
    knock();
    return rv_group_close(&g, 0);
}
