/* t_uring_setup.c: starting where io_uring is forbidden, poor, or older than it might be. */
// LINK: -Wl,--wrap=io_uring_submit_and_wait,--wrap=io_uring_submit_and_wait_timeout
// LINK: -Wl,--wrap=io_uring_submit_and_get_events,--wrap=io_uring_submit
// LINK: -Wl,--wrap=io_uring_queue_init_params
#include "tests/forbid.h"
#include "tests/uring_faults.h"

#include <grp.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* ---- a set-up that refuses ---- */

static struct {
    unsigned flags_refused;
    unsigned entries_most; /* more are -ENOMEM; 0: any */
    int error;             /* whatever is asked for */
} setup;

/* What was let through; of worker 0, as each has a thread of its own. */
static _Thread_local struct {
    unsigned entries, flags;
} seen;

int __real_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params);

/* The combinations that the kernel itself would not take are refused too, since it is below. */
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring,
                                      struct io_uring_params *params)
{
    if (setup.error)
        return setup.error;
    if (params->flags & setup.flags_refused)
        return -EINVAL;
    if (setup.entries_most && entries > setup.entries_most)
        return -ENOMEM;
    seen.entries = entries;
    seen.flags = params->flags;
    return __real_io_uring_queue_init_params(entries, ring, params);
}

/* What a run of work says on stderr, and whether it went well. */
static char words[4096];

static int work(void *unused)
{
    (void)unused;
    return work_all(4, 5);
}

static const rv_options ring_or_nothing = {.backend = "uring"};

static int run_and_listen(const rv_options *options)
{
    int memory = MUST(memfd_create("words", MFD_CLOEXEC)), err = MUST(dup(2)), result;
    ssize_t n;

    MUST(dup2(memory, 2));
    result = rv_run(work, NULL, options ? options : &ring_or_nothing);
    MUST(dup2(err, 2));
    n = pread(memory, words, sizeof words - 1, 0);
    words[n > 0 ? n : 0] = 0;
    close(memory);
    close(err);
    return result;
}

#define CHECK_SAID(text)                                        \
    do {                                                        \
        if (strstr(words, text) == NULL) {                      \
            CHECK(!"said: " text);                              \
            fprintf(stderr, "but what it said was: %s", words); \
        }                                                       \
    } while (0)

TEST(hazard_26_each_kernel_gets_the_flags_that_it_knows)
{
    static const unsigned known[] = {IORING_SETUP_SUBMIT_ALL, IORING_SETUP_COOP_TASKRUN,
                                     IORING_SETUP_TASKRUN_FLAG, IORING_SETUP_SINGLE_ISSUER,
                                     IORING_SETUP_DEFER_TASKRUN};

    ONLY_ON_URING("io_uring itself");
    for (unsigned subset = 0; subset < 32; subset++) {
        setup.flags_refused = 0;
        for (int i = 0; i < 5; i++)
            setup.flags_refused |= subset >> i & 1 ? known[i] : 0;
        CHECK_EQ(run_and_listen(NULL), 0);
        CHECK_EQ(strlen(words), 0);
        CHECK_EQ(seen.flags & setup.flags_refused, 0);
    }
}

/* DEFER_TASKRUN is the last that came. */
static bool kernel_knows_all(void)
{
    struct io_uring_params params = {.flags =
                                         IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN};
    int fd = (int)syscall(SYS_io_uring_setup, 1, &params);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The kernels that brought the flags, oldest first: nothing that they know is left out. */
TEST(a_kernel_is_asked_for_all_that_it_knows)
{
    const unsigned submit_all = IORING_SETUP_SUBMIT_ALL, single = IORING_SETUP_SINGLE_ISSUER;
    const unsigned coop = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    const unsigned defer = IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    const unsigned all = submit_all | single | coop | defer;
    const unsigned kernels[] = {0, submit_all, submit_all | coop, submit_all | coop | single, all};
    const unsigned wanted[] = {0, submit_all, submit_all | coop, submit_all | coop | single,
                               submit_all | single | defer};

    ONLY_ON_URING("io_uring itself");
    if (!kernel_knows_all())
        SKIP("this kernel knows less: Linux 6.1");
    for (int i = 0; i < 5; i++) {
        setup.flags_refused = all & ~kernels[i];
        CHECK_EQ(run_and_listen(NULL), 0);
        CHECK_EQ(seen.flags & all, wanted[i]);
    }
}

TEST(hazard_30_a_ring_that_does_not_fit_is_halved_and_says_so)
{
    const rv_options big = {.backend = "uring", .ring_entries = 256};

    ONLY_ON_URING("io_uring itself");
    setup.entries_most = 32;
    CHECK_EQ(run_and_listen(&big), 0);
    CHECK_EQ(seen.entries, 32);
    CHECK_SAID("a ring of 32 entries, not 256");
    setup.entries_most = 1;
    CHECK_EQ(run_and_listen(NULL), -ENOMEM);
    CHECK_SAID("RLIMIT_MEMLOCK");
}

TEST(hazard_29_a_ring_that_is_refused_is_explained)
{
    ONLY_ON_URING("io_uring itself");
    setup.error = -EPERM;
    CHECK_EQ(run_and_listen(NULL), -EPERM);
    CHECK_SAID("seccomp");
    CHECK_SAID("io_uring_disabled");
    setup.error = -ENOSYS;
    CHECK_EQ(run_and_listen(NULL), -ENOSYS);
    CHECK_SAID("Linux 5.13");
    setup.error = -EMFILE;
    CHECK_EQ(run_and_listen(NULL), -EMFILE);
    CHECK_SAID("Too many open files");
    setup.error = 0; /* and nothing of this stays behind */
    CHECK_EQ(run_and_listen(NULL), 0);
}

/* ---- the real thing ---- */

TEST(hazard_29_a_filter_that_forbids_io_uring_is_named)
{
    const int calls[] = {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register};
    int before = count_in("/proc/self/fd");

    ONLY_ON_URING("io_uring itself");
    FORBID(calls, EPERM);
    CHECK_EQ(run_and_listen(NULL), -EPERM);
    CHECK_SAID("seccomp");
    CHECK_EQ(count_in("/proc/self/fd"), before);
}

TEST(hazard_29_a_filter_that_hides_io_uring_is_understood)
{
    const int calls[] = {SYS_io_uring_setup};

    ONLY_ON_URING("io_uring itself");
    FORBID(calls, ENOSYS);
    CHECK_EQ(run_and_listen(NULL), -ENOSYS);
    CHECK_SAID("this kernel has none");
}

TEST(hazard_29_a_filter_that_lets_a_ring_be_made_and_not_used_is_found_at_the_start)
{
    const int calls[] = {SYS_io_uring_enter};
    int before = count_in("/proc/self/fd");

    ONLY_ON_URING("io_uring itself");
    FORBID(calls, EPERM);
    CHECK_EQ(run_and_listen(NULL), -EPERM);
    CHECK_SAID("forbidden");
    CHECK_EQ(count_in("/proc/self/fd"), before);
}

TEST(what_only_makes_it_faster_may_be_forbidden)
{
    const int calls[] = {SYS_io_uring_register};

    ONLY_ON_URING("io_uring itself");
    FORBID(calls, EPERM);
    CHECK_EQ(run_and_listen(NULL), 0);
}

TEST(hazard_30_without_lockable_memory_it_runs_or_says_what_to_raise)
{
    const struct rlimit none = {0, 0};
    int result;

    ONLY_ON_URING("io_uring itself");
    if (getuid() != 0)
        SKIP("needs root, to become nobody");
    MUST(setrlimit(RLIMIT_MEMLOCK, &none));
    MUST(setgroups(0, NULL));
    MUST(setresgid(65534, 65534, 65534));
    MUST(setresuid(65534, 65534, 65534)); /* which drops CAP_IPC_LOCK */
    result = run_and_listen(NULL);
    CHECK(result == 0 || result == -ENOMEM);
    if (result < 0)
        CHECK_SAID("RLIMIT_MEMLOCK");
}

/* ---- what is left behind ---- */

enum { LOOKED_AT = 64 };

static bool there_before[LOOKED_AT];

/* Each descriptor that was made meanwhile, by whatever call, ends at an exec. */
static int look_at_descriptors(void *unused)
{
    struct address at;
    int listener = listening(AF_INET, &at), fd = rv_socket(AF_INET, SOCK_STREAM, 0);

    (void)unused;
    CHECK_EQ(rv_connect(fd, address_of(&at), at.len), 0);
    CHECK(rv_accept(listener, NULL, NULL) >= 0);
    CHECK(rv_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0) >= 0);
    for (int i = 0; i < LOOKED_AT; i++) {
        int flags = fcntl(i, F_GETFD);

        CHECK(there_before[i] || flags < 0 || flags & FD_CLOEXEC);
    }
    return 0;
}

TEST(hazard_32_no_descriptor_is_passed_on_to_other_programs)
{
    NOT_IN_SIM("real descriptors: flags");
    for (int i = 0; i < LOOKED_AT; i++)
        there_before[i] = fcntl(i, F_GETFD) >= 0;
    CHECK_EQ(rv_run(look_at_descriptors, NULL, NULL), 0);
}

TEST(a_runtime_leaves_no_descriptor_behind)
{
    int before = count_in("/proc/self/fd");

    for (int i = 0; i < 20; i++)
        CHECK_EQ(rv_run(work, NULL, NULL), 0);
    CHECK_EQ(count_in("/proc/self/fd"), before);
}
