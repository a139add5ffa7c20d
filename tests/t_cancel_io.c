/* t_cancel_io.c: deadlines and cancels against the kernel: nothing is written late, nothing is
 * lost, nothing comes twice, and every call comes back once.
 */
#include "tests/net.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

/* A call with a deadline did something or ran out of time. False: it did neither, and is told. */
static bool in_order(long n)
{
    if (n <= 0 && n != -ETIMEDOUT)
        CHECK_EQ(n, -ETIMEDOUT);
    return n > 0 || n == -ETIMEDOUT;
}

/* ---- hazard 18 ---- */

enum { CANARY = 0x5a };

struct frames {
    int fds[2];
    int rounds;
    int late; /* bytes that changed after their call had returned */
};

/* A frame with a buffer that a read was given, and gave back. */
__attribute__((noinline)) static long hasty_read(struct frames *f, rv_time span)
{
    unsigned char buf[512];

    return WITHIN(span, rv_read(f->fds[1], buf, sizeof buf));
}

/* The same part of the stack in another call's hands. */
__attribute__((noinline)) static int later_frame(void)
{
    unsigned char buf[2048];
    volatile unsigned char *bytes = buf;
    int changed = 0;

    memset(buf, CANARY, sizeof buf);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(rv_yield(), 0);
    CHECK_EQ(rv_sleep(20 * RV_US), 0);
    for (size_t i = 0; i < sizeof buf; i++)
        changed += bytes[i] != CANARY;
    return changed;
}

static int read_in_haste(void *arg)
{
    struct frames *f = arg;
    uint32_t dice = (uint32_t)rv_id();

    while (f->rounds-- > 0) {
        long n = hasty_read(f, next_random(&dice) % 60 * RV_US);

        if (!in_order(n))
            return -EIO;
        f->late += later_frame();
    }
    return 0;
}

static int write_at_random(void *arg)
{
    struct frames *f = arg;
    uint32_t dice = 77;
    char text[100];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\n'; /* a terminal hands over whole lines */
    while (f->rounds > 0) {
        CHECK_EQ(rv_sleep(next_random(&dice) % 60 * RV_US), 0);
        /* where most reads are too late, it is full, and then the last of the readers leaves */
        if (!in_order(WITHIN(A_MOMENT, rv_write(f->fds[0], text, sizeof text))))
            return -EIO;
    }
    return 0;
}

static void race_frames(struct frames *f)
{
    rv_group g;

    f->rounds = SCALED(2000, 300);
    rv_group_open(&g, rv_after(LONG));
    for (int i = 0; i < 4; i++)
        rv_go(&g, read_in_haste, f);
    rv_go(&g, write_at_random, f);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(f->late, 0);
}

static void open_terminal(int fds[2])
{
    fds[0] = MUST(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    MUST(grantpt(fds[0]));
    MUST(unlockpt(fds[0]));
    fds[1] = MUST(open(ptsname(fds[0]), O_RDWR | O_NOCTTY | O_CLOEXEC));
}

TEST_TASK(hazard_18_no_late_write_into_a_returned_frame_from_a_socket)
{
    struct frames f = {.late = 0};

    tcp_pair(f.fds);
    race_frames(&f);
    close_both(f.fds);
    return 0;
}

TEST_TASK(hazard_18_no_late_write_into_a_returned_frame_from_the_ring)
{
    struct frames f = {.late = 0};

    NOT_IN_SIM("real descriptors: terminals");
    open_terminal(f.fds); /* which is read by operations of the ring */
    race_frames(&f);
    close_both(f.fds);
    return 0;
}

/* ---- hazard 19 ---- */

struct stream {
    int fds[2];
    uint64_t written, read, sum_written, sum_read;
    rv_time enough; /* where nearly every call runs out of time, fewer bytes must do */
    bool over;
};

enum { BYTES = SCALED(100000, 20000) };

static int write_numbered(void *arg)
{
    struct stream *s = arg;
    unsigned char buf[64];
    uint32_t dice = 5;

    while (s->written < BYTES && (s->written == 0 || rv_now() < s->enough)) {
        size_t len = 1 + next_random(&dice) % (sizeof buf - 1);
        long n;

        for (size_t i = 0; i < len; i++)
            buf[i] = (unsigned char)('0' + (s->written + i) % 75);
        buf[len - 1] = '\n';
        n = WITHIN(next_random(&dice) % 40 * RV_US, rv_write(s->fds[0], buf, len));
        if (!in_order(n))
            return -EIO;
        for (long i = 0; i < n; i++)
            s->sum_written += buf[i];
        s->written += n > 0 ? (uint64_t)n : 0;
        if (next_random(&dice) % 8 == 0)
            CHECK_EQ(rv_sleep(10 * RV_US), 0);
    }
    return 0;
}

static int read_numbered(void *arg)
{
    struct stream *s = arg;
    unsigned char buf[48];
    uint32_t dice = (uint32_t)rv_id() * 31;

    while (!s->over) {
        long n = WITHIN(next_random(&dice) % 40 * RV_US, rv_read(s->fds[1], buf, sizeof buf));

        if (!in_order(n))
            return -EIO;
        for (long i = 0; i < n; i++)
            s->sum_read += buf[i];
        s->read += n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

static void conserve(struct stream *s)
{
    rv_time give_up = rv_after(LONG);
    rv_group readers, writer;

    rv_group_open(&readers, RV_NEVER);
    for (int i = 0; i < 3; i++)
        rv_go(&readers, read_numbered, s);
    rv_group_open(&writer, rv_after(LONG));
    s->enough = rv_after(LONG / 2);
    rv_go(&writer, write_numbered, s);
    CHECK_EQ(rv_group_close(&writer, 0), 0);
    while (s->read < s->written && rv_now() < give_up)
        CHECK_EQ(rv_sleep(RV_MS), 0);
    s->over = true;
    CHECK_EQ(rv_group_close(&readers, 0), 0);
    CHECK_EQ(s->read, s->written);
    CHECK_EQ(s->sum_read, s->sum_written);
}

TEST_TASK(hazard_19_no_byte_of_a_pipe_is_lost_or_doubled_by_deadlines)
{
    struct stream s = {.over = false};
    int p[2];

    MUST(rv_pipe(p, 0));
    s.fds[0] = p[1];
    s.fds[1] = p[0];
    conserve(&s);
    close_both(s.fds);
    return 0;
}

TEST_TASK(hazard_19_no_byte_of_a_fifo_is_lost_or_doubled_by_deadlines)
{
    struct stream s = {.over = false};
    char folder[] = "/tmp/reeve-XXXXXX", path[64];

    NOT_IN_SIM("real descriptors: FIFOs");
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/fifo", folder);
    MUST(mkfifo(path, 0600));
    s.fds[1] = MUST(open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    s.fds[0] = MUST(open(path, O_WRONLY | O_CLOEXEC));
    MUST(fcntl(s.fds[1], F_SETFL, 0));
    conserve(
        &s); /* which is read and written by the ring where the kernel has no RWF_NOWAIT for it */
    close_both(s.fds);
    unlink(path);
    rmdir(folder);
    return 0;
}

TEST_TASK(hazard_19_no_byte_of_a_socket_is_lost_or_doubled_by_deadlines)
{
    struct stream s = {.over = false};

    tcp_pair(s.fds);
    conserve(&s);
    close_both(s.fds);
    return 0;
}

TEST_TASK(hazard_19_no_byte_of_a_terminal_is_lost_or_doubled_by_deadlines)
{
    struct stream s = {.over = false};

    NOT_IN_SIM("real descriptors: terminals");
    open_terminal(s.fds);
    conserve(&s);
    close_both(s.fds);
    return 0;
}

/* ---- hazard 20, 31 ---- */

struct fifo {
    char folder[24], path[40];
};

static void make_fifo(struct fifo *f)
{
    snprintf(f->folder, sizeof f->folder, "/tmp/reeve-XXXXXX");
    CHECK(mkdtemp(f->folder) != NULL);
    snprintf(f->path, sizeof f->path, "%s/fifo", f->folder);
    MUST(mkfifo(f->path, 0600));
}

static void drop_fifo(const struct fifo *f)
{
    unlink(f->path);
    rmdir(f->folder);
}

struct opener {
    const char *path;
    rv_time span;
    int *opened;
};

static int open_in_haste(void *arg)
{
    struct opener *o = arg;
    long fd = WITHIN(o->span, rv_openat(AT_FDCWD, o->path, O_RDONLY, 0));

    if (fd < 0 && !rv_cancelled())
        CHECK_EQ(fd, -ETIMEDOUT);
    if (fd >= 0) {
        ++*o->opened;
        CHECK_EQ(rv_close((int)fd), 0);
    }
    return 0;
}

TEST_TASK(hazard_20_opens_of_a_fifo_are_cancelled_without_a_trace)
{
    struct fifo f;
    uint32_t dice = 9;
    int before, opened = 0;

    NOT_IN_SIM("real descriptors: FIFOs");
    make_fifo(&f);
    before = count_fds();
    for (int wave = 0; wave < 5; wave++) {
        rv_group g;

        rv_group_open(&g, rv_after(LONG));
        for (int i = 0; i < 60; i++) {
            struct opener o = {f.path, next_random(&dice) % 3000 * RV_US, &opened};

            rv_go_copy(&g, open_in_haste, &o, sizeof o);
        }
        CHECK_EQ(rv_sleep(RV_MS), 0);
        if (wave % 2) { /* some succeed, at whatever moment */
            int fd = open(f.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

            if (fd >= 0)
                close(fd);
        }
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    CHECK_EQ(count_fds(), before);
    drop_fifo(&f);
    return 0;
}

/* Kernel threads count as the process's own; the workers and their watchdog are not meant. Waits
 * until there are no more of them. */
static void check_threads(int most)
{
    int threads = 0, before;

    most += rv_workers() > 1 ? (int)rv_workers() + 1 : 1;

    do {
        before = threads;
        CHECK_EQ(rv_sleep(50 * RV_MS), 0);
        threads = count_in("/proc/self/task");
    } while (threads > before && threads <= most);
    CHECK(threads > 1 || in_sim()); /* or the count is of something else */
    if (threads > most)
        CHECK_EQ(threads, most);
}

TEST_TASK(hazard_31_opens_that_block_take_a_bounded_number_of_threads)
{
    struct fifo f;
    int opened = 0;
    rv_group g;

    NOT_IN_SIM("real descriptors: FIFOs");
    make_fifo(&f);
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 200; i++) {
        struct opener o = {f.path, RV_NEVER, &opened};

        rv_go_copy(&g, open_in_haste, &o, sizeof o);
    }
    /* With helpers, those that may wait for ever; and without openat2(2) those that look first. */
    check_threads((strcmp(rv_backend(NULL), "uring") == 0 ? 16 : 64 + 16) + 2);
    rv_group_cancel(&g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    drop_fifo(&f);
    return 0;
}

static int connect_in_vain(void *arg)
{
    struct address *at = arg;
    int fd = rv_socket(AF_UNIX, SOCK_STREAM, 0);

    CHECK_EQ(rv_connect(fd, address_of(at), at->len), -ECANCELED);
    return rv_close(fd);
}

TEST_TASK(hazard_31_connects_that_block_take_a_bounded_number_of_threads)
{
    struct address at;
    int listener = bound(AF_UNIX, SOCK_STREAM, &at), first = rv_socket(AF_UNIX, SOCK_STREAM, 0);
    rv_group g;

    MUST(rv_listen(listener, 0));
    CHECK_EQ(rv_connect(first, address_of(&at), at.len), 0); /* the queue is full now */
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 200; i++)
        rv_go(&g, connect_in_vain, &at);
    check_threads(64 + 16 + 2);
    rv_group_cancel(&g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_close(first), 0);
    return rv_close(listener);
}
