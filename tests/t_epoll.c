/* t_epoll.c: what could go wrong on the epoll backend alone: registrations that nobody can remove,
 * helpers that hang, calls that old kernels do not have.
 */
// LINK: -Wl,--wrap=pthread_create,--wrap=epoll_ctl
#include "tests/forbid.h"
#include "tests/net.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>

#include "kernel/fds.h"
#include "sched/worker.h"

__attribute__((constructor)) static void on_epoll(void)
{
    setenv("REEVE_BACKEND", "epoll", 1);
}

/* ---- a machine that has no more of something ---- */

static bool no_threads;
static _Thread_local int epoll_error; /* of the next registration that this thread makes */

int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
int __real_epoll_ctl(int set, int what, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int set, int what, int fd, struct epoll_event *ev);

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
    return no_threads ? EAGAIN : __real_pthread_create(t, a, fn, arg);
}

int __wrap_epoll_ctl(int set, int what, int fd, struct epoll_event *ev)
{
    if (epoll_error && what == EPOLL_CTL_ADD) {
        errno = epoll_error;
        epoll_error = 0;
        return -1;
    }
    return __real_epoll_ctl(set, what, fd, ev);
}

static int temporary_file(void)
{
    char path[] = "/tmp/reeve-XXXXXX";
    int fd = MUST(mkstemp(path));

    unlink(path);
    return fd;
}

TEST_TASK(files_are_read_and_written_even_if_no_thread_can_be_made)
{
    char buf[16];
    int fd = temporary_file(), other;

    no_threads = true;
    CHECK_EQ(rv_write(fd, "by hand", 7), 7);
    CHECK_EQ(rv_fsync(fd), 0);
    MUST(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
    CHECK_EQ(rv_pread(fd, buf, sizeof buf, 0), 7);
    other = rv_openat(AT_FDCWD, "/tmp", O_RDWR | O_TMPFILE, 0600);
    CHECK(other >= 0);
    CHECK_EQ(rv_close(other), 0);
    CHECK_EQ(rv_close(fd), 0);
    return 0;
}

TEST_TASK(what_may_last_without_end_says_that_there_is_no_thread_for_it)
{
    struct address at;
    int listener = listening(AF_INET, &at), fd = rv_socket(AF_INET, SOCK_STREAM, 0);

    no_threads = true;
    CHECK_EQ(rv_connect(fd, address_of(&at), at.len), -ENOMEM);
    MUST(connect(fd, address_of(&at), at.len));
    CHECK_EQ(rv_accept(listener, NULL, NULL), -ENOMEM);
    no_threads = false;
    CHECK_EQ(rv_close(rv_accept(listener, NULL, NULL)), 0);
    CHECK_EQ(rv_close(fd), 0);
    return rv_close(listener);
}

TEST_TASK(a_wait_for_which_there_is_no_memory_says_so_and_the_next_one_waits)
{
    static const int errors[] = {ENOSPC, ENOMEM};
    char byte;
    int p[2];

    CHECK_EQ(rv_sleep(RV_US), 0); /* a worker's bell is registered with the first step */
    MUST(pipe(p));
    for (int i = 0; i < 2; i++) {
        epoll_error = errors[i];
        CHECK_EQ(WITHIN(LONG, rv_read(p[0], &byte, 1)), -ENOMEM);
        CHECK_EQ(WITHIN(A_MOMENT, rv_read(p[0], &byte, 1)), -ETIMEDOUT);
        CHECK_EQ(rv_close(p[0]), 0);
        CHECK_EQ(rv_close(p[1]), 0);
        MUST(pipe(p));
    }
    close_both(p);
    return 0;
}

/* ---- kernels and filters of another age ---- */

static int sleep_and_open(void *arg)
{
    static const char path[] = "/proc/self/status";
    rv_time begin = rv_now();
    int fd;

    (void)arg;
    for (int i = 1; i <= 5; i++) {
        CHECK_EQ(rv_sleep(300 * RV_US), 0);
        CHECK(rv_now() >= begin + i * 300 * RV_US);
    }
    fd = rv_openat(AT_FDCWD, path, O_RDONLY, 0);
    CHECK(fd >= 0 && fcntl(fd, F_GETFL) >= 0 && !(fcntl(fd, F_GETFL) & O_NONBLOCK));
    CHECK_EQ(rv_openat(AT_FDCWD, "/nowhere", O_RDONLY, 0), -ENOENT);
    return rv_close(fd);
}

TEST(calls_that_a_kernel_or_a_filter_does_not_know_are_done_without)
{
    static const int calls[] = {SYS_epoll_pwait2, SYS_openat2};
    static const int errors[] = {ENOSYS, EPERM};

    for (int i = 0; i < 2; i++) {
        FORBID(calls, errors[i]);
        CHECK_EQ(rv_run(sleep_and_open, NULL, NULL), 0);
    }
}

/* ---- registrations ---- */

/* How many the worker's set has, as the kernel tells; its bell is one of them. Of one worker: they
 * are counted by process. */
static int registrations(void)
{
    char path[64], line[256], what[64];
    int count = 0;

    for (int fd = 0; fd < 100; fd++) {
        ssize_t n;
        FILE *info;

        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        n = readlink(path, what, sizeof what - 1);
        what[n > 0 ? n : 0] = 0;
        if (strcmp(what, "anon_inode:[eventpoll]") != 0)
            continue;
        snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
        info = fopen(path, "r");
        while (info && fgets(line, sizeof line, info))
            count += strncmp(line, "tfd:", 4) == 0;
        if (info)
            fclose(info);
    }
    return count;
}

static int read_one(void *arg)
{
    char byte;
    ssize_t n = rv_read(*(int *)arg, &byte, 1);

    return n == 1 ? 0 : -EIO;
}

static uint32_t events_of(int fd)
{
    struct fd_entry *e;

    return fds_get(worker_self->kernel, fd, &e) == 0 ? e->events : 0;
}

/* A pair whose first end was waited on, and closed behind the library's back; it lives on at
 * `kept`, and its number leads to `other`. */
struct ghost {
    int fds[2], kept, other[2];
};

static void make_ghost(struct ghost *g)
{
    char byte;

    MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, g->fds));
    CHECK_EQ(WITHIN(A_MOMENT, rv_read(g->fds[0], &byte, 1)), -ETIMEDOUT);
    g->kept = MUST(dup(g->fds[0]));
    close(g->fds[0]);
    CHECK_EQ(rv_socketpair(AF_UNIX, SOCK_STREAM, 0, g->other), 0);
    CHECK_EQ(g->other[0], g->fds[0]);
}

static void end_ghost(struct ghost *g)
{
    CHECK_EQ(rv_close(g->kept), 0);
    CHECK_EQ(rv_close(g->fds[1]), 0);
    close_both(g->other);
}

static void haunt(const struct ghost *g, int times)
{
    char byte;

    for (int i = 0; i < times; i++) {
        CHECK_EQ(rv_send(g->fds[1], "x", 1, 0), 1);
        CHECK_EQ(rv_sleep(10 * RV_US), 0);
        MUST(recv(g->kept, &byte, 1, MSG_DONTWAIT));
    }
}

TEST_TASK_ALONE(hazard_49_events_of_the_file_that_had_the_number_before_are_dropped)
{
    struct ghost ghost;
    uint32_t before;
    rv_group g;

    make_ghost(&ghost);
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, read_one, &ghost.other[0]);
    CHECK_EQ(rv_sleep(RV_MS), 0);
    CHECK_EQ(registrations(), 3); /* the bell's, the ghost's, the new one's */
    before = events_of(ghost.other[0]);
    haunt(&ghost, 10);
    CHECK_EQ(events_of(ghost.other[0]), before);
    CHECK_EQ(rv_write(ghost.other[1], "x", 1), 1);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    end_ghost(&ghost);
    return 0;
}

TEST_TASK_ALONE(hazard_49_a_file_that_talks_on_without_its_number_is_left_behind_in_the_end)
{
    struct ghost ghost;
    int p[2];
    rv_group g;

    MUST(pipe(p));
    make_ghost(&ghost);
    rv_group_open(&g, rv_after(LONG));
    rv_go(&g, read_one, &p[0]);
    rv_go(&g, read_one, &ghost.other[0]);
    CHECK_EQ(rv_sleep(A_MOMENT), 0);
    CHECK_EQ(registrations(), 4);
    haunt(&ghost, 100);
    CHECK_EQ(registrations(), 3); /* and who waits has lost nothing */
    CHECK_EQ(rv_write(ghost.other[1], "x", 1), 1);
    CHECK_EQ(rv_write(p[1], "x", 1), 1);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    end_ghost(&ghost);
    close_both(p);
    return 0;
}

static void come_home(bool watched)
{
    struct ghost ghost;
    clock_t before;
    int number;
    rv_group g;

    make_ghost(&ghost);
    number = ghost.other[0];
    rv_group_open(&g, rv_after(LONG));
    if (watched)
        rv_go(&g, read_one, &number); /* of the other file, when it begins */
    CHECK_EQ(rv_sleep(RV_MS), 0);
    MUST(dup2(ghost.kept, number));
    if (!watched)
        rv_go(&g, read_one, &number);
    CHECK_EQ(rv_sleep(watched ? RV_S : RV_MS), 0); /* until it is noticed */
    before = clock();
    CHECK_EQ(rv_sleep(100 * RV_MS), 0);
    CHECK(clock() - before < CLOCKS_PER_SEC / 20); /* and is waited for, not asked all the time */
    CHECK_EQ(rv_send(ghost.fds[1], "x", 1, 0), 1);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    end_ghost(&ghost);
}

TEST_TASK(hazard_49_a_number_that_leads_to_its_old_file_again_is_watched_again)
{
    come_home(false);
    come_home(true);
    return 0;
}
