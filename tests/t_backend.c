/* t_backend.c: which backend is taken where, and how it is told. */
#include "tests/child.h"
#include "tests/forbid.h"
#include "tests/net.h"

#include <grp.h>
#include <sys/mman.h>
#include <sys/resource.h>

static const rv_options any = {.backend = "auto"};

static bool ring_works(void)
{
    unsetenv("REEVE_BACKEND");
    return strcmp(tap_world(), "uring") == 0;
}

struct answer {
    char name[16], why[256];
};

/* As well as what it is: does it work? */
static int ask(void *arg)
{
    struct answer *a = arg;
    const char *why = NULL;
    char byte = 0, path[] = "/tmp/reeve-XXXXXX";
    int p[2], fd = MUST(mkstemp(path));

    unlink(path);
    snprintf(a->name, sizeof a->name, "%s", rv_backend(&why));
    snprintf(a->why, sizeof a->why, "%s", why);
    CHECK(rv_backend(NULL) != NULL);
    MUST(pipe(p));
    CHECK_EQ(WITHIN(A_MOMENT, rv_read(p[0], &byte, 1)), -ETIMEDOUT);
    CHECK_EQ(rv_write(p[1], "x", 1), 1);
    CHECK_EQ(rv_read(p[0], &byte, 1), 1);
    CHECK_EQ(rv_write(fd, "file", 4), 4);
    CHECK_EQ(rv_fsync(fd), 0);
    close_both(p);
    return rv_close(fd);
}

static void print(const struct answer *a)
{
    fprintf(stderr, "it is %s, and not better: %s\n", a->name, a->why);
}

#define CHECK_ANSWER(a, backend, words)                                         \
    do {                                                                        \
        if (strcmp((a).name, backend) != 0 || strstr((a).why, (words)) == NULL) \
            print(&(a));                                                        \
        CHECK(strcmp((a).name, backend) == 0);                                  \
        CHECK(strstr((a).why, (words)) != NULL);                                \
    } while (0)

TEST(the_ring_is_taken_where_there_is_one)
{
    struct answer a;

    if (!ring_works())
        SKIP("no io_uring here");
    CHECK_EQ(rv_run(ask, &a, &any), 0);
    CHECK_ANSWER(a, "uring", "");
    CHECK_EQ(a.why[0], 0);
}

TEST(what_was_asked_for_by_name_is_taken_and_needs_no_reason)
{
    const rv_options epoll = {.backend = "epoll"};
    struct answer a;

    CHECK_EQ(rv_run(ask, &a, &epoll), 0);
    CHECK_ANSWER(a, "epoll", "");
    CHECK_EQ(a.why[0], 0);
}

/* ---- places without io_uring ---- */

static int ask_for_ring(void *unused)
{
    const rv_options ring = {.backend = "uring"};
    struct answer a;

    (void)unused;
    return rv_run(ask, &a, &ring) != -ENOSYS;
}

TEST(a_library_that_was_built_without_io_uring_says_so)
{
    const char *words = "io_uring: this library was built without it";
    struct answer a;

    if (TAP_URING)
        SKIP("this one has it");
    CHECK_EQ(rv_run(ask, &a, &any), 0);
    CHECK_ANSWER(a, "epoll", words);

    struct child c = child_result(ask_for_ring, NULL);

    CHECK_EQ(c.code, 0);
    check_says(&c, words, "asking for the ring");
}

static const int all_calls[] = {SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register};

#define FORBID_RING(error)                                  \
    do {                                                    \
        if (!TAP_URING)                                     \
            SKIP("the library was built without io_uring"); \
        FORBID(all_calls, error);                           \
    } while (0)

static void run_quietly(struct answer *a)
{
    int memory = MUST(memfd_create("words", MFD_CLOEXEC)), err = MUST(dup(2));
    char words[512];
    ssize_t n;

    MUST(dup2(memory, 2));
    CHECK_EQ(rv_run(ask, a, &any), 0);
    n = pread(memory, words, sizeof words, 0);
    MUST(dup2(err, 2));
    if (n != 0)
        fprintf(stderr, "said: %.*s\n", (int)n, words);
    CHECK_EQ(n, 0);
}

TEST(hazard_29_a_filter_that_forbids_io_uring_makes_it_epoll)
{
    struct answer a;
    int before = count_in("/proc/self/fd");

    FORBID_RING(EPERM);
    run_quietly(&a);
    CHECK_ANSWER(a, "epoll", "seccomp");
    CHECK_EQ(count_in("/proc/self/fd"), before + 2); /* its own words */
}

TEST(hazard_29_a_kernel_without_io_uring_makes_it_epoll)
{
    struct answer a;

    FORBID_RING(ENOSYS);
    run_quietly(&a);
    CHECK_ANSWER(a, "epoll", "Linux 5.13");
}

TEST(hazard_29_a_ring_that_is_made_and_cannot_be_used_makes_it_epoll)
{
    static const int enter[] = {SYS_io_uring_enter};
    struct answer a;

    if (!ring_works())
        SKIP("no io_uring here");
    FORBID(enter, EPERM);
    run_quietly(&a);
    CHECK_ANSWER(a, "epoll", "forbidden");
}

TEST(hazard_29_asked_for_by_name_it_fails_where_it_is_forbidden)
{
    const rv_options ring = {.backend = "uring"};
    struct answer a;

    FORBID_RING(EPERM);
    CHECK_EQ(rv_run(ask, &a, &ring), -EPERM);
}

/* Since Linux 6.14 rings are charged; before, the ring is taken. */
TEST(hazard_30_without_lockable_memory_it_is_epoll_or_a_ring_that_needs_none)
{
    const struct rlimit none = {0, 0};
    struct answer a;

    if (getuid() != 0)
        SKIP("needs root, to become nobody");
    MUST(setrlimit(RLIMIT_MEMLOCK, &none));
    MUST(setgroups(0, NULL));
    MUST(setresgid(65534, 65534, 65534));
    MUST(setresuid(65534, 65534, 65534)); /* which drops CAP_IPC_LOCK */
    CHECK_EQ(rv_run(ask, &a, &any), 0);
    if (strcmp(a.name, "epoll") == 0 && ring_works())
        CHECK_ANSWER(a, "epoll", "RLIMIT_MEMLOCK");
}

/* No more than this, while it is the whole machine that has no io_uring. */
static int ask_name(void *arg)
{
    struct answer *a = arg;
    const char *why;

    snprintf(a->name, sizeof a->name, "%s", rv_backend(&why));
    snprintf(a->why, sizeof a->why, "%s", why);
    return 0;
}

/* For everybody on the machine, so only where nobody else is said to be. */
TEST(hazard_29_the_sysctl_that_disables_io_uring_makes_it_epoll)
{
    static const char path[] = "/proc/sys/kernel/io_uring_disabled";
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct answer a = {"", ""};
    char before;

    if (getenv("TEST_SYSCTL") == NULL)
        SKIP("changes the machine: set TEST_SYSCTL=1 where that is fine");
    if (fd < 0 || read(fd, &before, 1) != 1 || pwrite(fd, "2", 1, 0) != 1)
        SKIP("kernel.io_uring_disabled cannot be set here");
    CHECK_EQ(rv_run(ask_name, &a, &any), 0);
    MUST(pwrite(fd, &before, 1, 0));
    CHECK_ANSWER(a, "epoll", "kernel.io_uring_disabled");
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* No room is better then, and to try them all would hide what is wrong. */
TEST(running_out_of_descriptors_is_an_error_on_every_backend)
{
    const rv_options epoll = {.backend = "epoll", .workers = 1}; /* each takes two more */
    struct rlimit few;

    getrlimit(RLIMIT_NOFILE, &few);
    few.rlim_cur = (rlim_t)MUST(dup(2)) + 1; /* the lowest free number: all below are taken */
    setrlimit(RLIMIT_NOFILE, &few);
    CHECK_EQ(rv_run(nothing, NULL, &any), -EMFILE);
    CHECK_EQ(rv_run(nothing, NULL, &epoll), -EMFILE);
    few.rlim_cur += 1; /* for the bell, and not for the set */
    setrlimit(RLIMIT_NOFILE, &few);
    CHECK_EQ(rv_run(nothing, NULL, &epoll), -EMFILE);
    few.rlim_cur += 1;
    setrlimit(RLIMIT_NOFILE, &few);
    CHECK_EQ(rv_run(nothing, NULL, &epoll), 0);
}

/* ---- the log ---- */

static int run_logged(void *arg)
{
    setenv("REEVE_LOG", arg ? arg : "1", 1);
    return rv_run(nothing, NULL, &any);
}

static int run_forbidden(void *arg)
{
    if (!forbid(all_calls, 3, EPERM))
        return 77;
    return run_logged(arg);
}

TEST(at_start_the_log_says_which_backend_it_is_and_why)
{
    struct child c;

    if (ring_works()) {
        c = child_result(run_logged, NULL);
        CHECK_EQ(c.code, 0);
        CHECK(strcmp(c.words, "reeve: backend uring\n") == 0);
    }
    c = child_result(run_forbidden, NULL);
    if (c.code == 77)
        SKIP("no seccomp filters here");
    CHECK_EQ(c.code, 0);
    check_says(&c,
               TAP_URING
                   ? "reeve: backend epoll; not a better one: io_uring: forbidden here"
                   : "reeve: backend epoll; not a better one: io_uring: this library was built",
               "the log");
    CHECK(strchr(c.words, '\n') == c.words + strlen(c.words) - 1);
    c = child_result(run_forbidden, "0");
    CHECK_EQ(strlen(c.words), 0);
}
