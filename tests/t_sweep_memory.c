/* t_sweep_memory.c: each allocation of a run fails once: of memory, mappings, guards, threads,
 * descriptors of the library's own. It is an error in words, and the next one works; nothing
 * crashes, hangs or leaks. Then the same with a machine that has but so many descriptors.
 */
// LINK: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
// LINK: -Wl,--wrap=mmap,--wrap=madvise,--wrap=mprotect,--wrap=sigaltstack
// LINK: -Wl,--wrap=pthread_create,--wrap=eventfd,--wrap=epoll_create1,--wrap=epoll_ctl
// LINK: -Wl,--wrap=io_uring_queue_init_params
#include "tests/fault_work.h"

#include <liburing.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "sched/worker.h"

/* ---- what fails ---- */

static const struct fault_way no_memory[] = {{-ENOMEM, MAY}};
static const struct fault_way no_descriptor[] = {{-EMFILE, SAID}, {-ENOMEM, SAID}};

#define FAILS(type, name, parameters, arguments, ways, value) \
    type __real_##name parameters;                            \
    type __wrap_##name parameters;                            \
    type __wrap_##name parameters                             \
    {                                                         \
        const struct fault_way *f = FAULT_NEXT(#name, ways);  \
                                                              \
        if (f == NULL)                                        \
            return __real_##name arguments;                   \
        errno = -f->error;                                    \
        return value;                                         \
    }

FAILS(void *, malloc, (size_t bytes), (bytes), no_memory, NULL)
FAILS(void *, calloc, (size_t count, size_t bytes), (count, bytes), no_memory, NULL)
FAILS(void *, realloc, (void *old, size_t bytes), (old, bytes), no_memory, NULL)
FAILS(void *, aligned_alloc, (size_t to, size_t bytes), (to, bytes), no_memory, NULL)
FAILS(void *, mmap, (void *at, size_t bytes, int prot, int flags, int fd, off_t offset),
      (at, bytes, prot, flags, fd, offset), no_memory, MAP_FAILED)
FAILS(int, madvise, (void *at, size_t bytes, int advice), (at, bytes, advice), no_memory, -1)
FAILS(int, mprotect, (void *at, size_t bytes, int prot), (at, bytes, prot), no_memory, -1)
FAILS(int, sigaltstack, (const stack_t *s, stack_t *old), (s, old), no_memory, -1)
FAILS(int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*fn)(void *), void *arg),
      (t, a, fn, arg), no_memory, EAGAIN)
FAILS(int, eventfd, (unsigned value, int flags), (value, flags), no_descriptor, -1)
FAILS(int, epoll_create1, (int flags), (flags), no_descriptor, -1)
FAILS(int, epoll_ctl, (int set, int what, int fd, struct epoll_event *ev), (set, what, fd, ev),
      no_memory, -1)
FAILS(int, io_uring_queue_init_params,
      (unsigned entries, struct io_uring *ring, struct io_uring_params *params),
      (entries, ring, params), no_memory, -ENOMEM)

SWEEP_EACH(stands_each_want_of_memory, NULL, true)

/* ---- tables that grow ---- */

enum { CROWD = 300, PIPES = 40 };

static int read_one(void *arg)
{
    char byte;

    return (int)note_unless(1, rv_read(*(int *)arg, &byte, 1));
}

static int wake_them(int pipes[PIPES][2], int err)
{
    for (int i = 0; i < CROWD && err == 0; i++)
        err = (int)note_unless(1, rv_write(pipes[i % PIPES][1], "x", 1));
    return err;
}

/* More tasks, stacks, numbers and watches than the first tables have room for. */
static int crowd(void *unused)
{
    int pipes[PIPES][2], made = 0, err = 0;
    rv_group g;

    (void)unused;
    while (made < PIPES && (err = (int)note(rv_pipe(pipes[made], 0))) == 0)
        made++;
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < CROWD && err == 0; i++)
        rv_go(&g, read_one, &pipes[i % PIPES][0]);
    err = err ? err : (int)note(rv_sleep(RV_US));
    err = (int)note(rv_group_close(&g, wake_them(pipes, err)));
    while (made--)
        err = finish_fd(pipes[made][0], finish_fd(pipes[made][1], err));
    return err;
}

SWEEP_EVERYWHERE(a_crowd_stands_each_want_of_memory, crowd, NULL, true)

/* ---- what is left when there was too little once ---- */

static int sleep_a_little(void *arg)
{
    (void)arg;
    return rv_sleep(RV_US);
}

static int spawn_one(size_t stack)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    if (stack)
        rv_group_stack(&g, stack);
    rv_go(&g, sleep_a_little, NULL);
    return rv_group_close(&g, 0);
}

/* The first task's stack, of the default size, is not given back meanwhile. */
TEST_TASK(a_stack_that_could_not_be_had_once_is_tried_again_though_none_was_given_back)
{
    static const size_t sizes[] = {0, 128 << 10, 256 << 10, 512 << 10, 1 << 20, 2 << 20};
    int failures = 0;

    NOT_IN_SIM("the real kernel's failures");
    for (int i = 0; i < 6; i++) {
        fault.calls = 0;
        fault.at = i ? (unsigned)i : 1;
        fault.on = true;
        failures += spawn_one(sizes[i]) == -ENOMEM;
        fault.on = false;
        CHECK_EQ(spawn_one(sizes[i]), 0);
    }
    CHECK(failures >= 4);
    return 0;
}

/* ---- several workers ---- */

enum { SPREAD = 12, SPREAD_LIMIT = 3 };

static rv_group *spread;

static int end_at_once_or_late(void *arg)
{
    return arg ? rv_sleep(RV_US) : 0;
}

static int end_with_a_copy(void *copy)
{
    return ((char *)copy)[0] ? -EPROTO : rv_yield();
}

/* Of what other workers do for each other there is something of each kind. */
static int spread_further(void *arg)
{
    static const char large[500], small[8];
    unsigned next = (rv_worker() + 1) % rv_workers();
    rv_group g;

    rv_go(spread, end_at_once_or_late, arg);
    rv_go_copy(spread, end_with_a_copy, large, sizeof large);
    rv_spread_open(&g, RV_NEVER);
    rv_go_on(&g, next, end_at_once_or_late, &g);
    rv_go_copy(&g, end_with_a_copy, small, sizeof small);
    rv_go_on(&g, next, end_at_once_or_late, NULL);
    return rv_group_close(&g, rv_on(next, end_at_once_or_late, &g));
}

static int spread_over(size_t limit)
{
    rv_group g, spawners;

    rv_spread_open(&g, RV_NEVER);
    __atomic_store_n(&spread, &g, __ATOMIC_RELAXED);
    if (limit)
        rv_group_limit(&g, limit);
    rv_spread_open(&spawners, RV_NEVER);
    for (unsigned i = 0; i < SPREAD; i++)
        rv_go_on(&spawners, i % rv_workers(), spread_further, i % 2 ? &g : NULL);
    return rv_group_close(&g, rv_group_close(&spawners, 0));
}

/* Children may fail: their groups say it. */
static int spread_twice(void *unused)
{
    int err = (int)note(spread_over(0));

    (void)unused;
    return err ? err : (int)note(spread_over(SPREAD_LIMIT));
}

static const struct sweep_on on_four_uring = {"uring, 4 workers",
                                              {.backend = "uring", .workers = 4}};
static const struct sweep_on on_four_epoll = {"epoll, 4 workers",
                                              {.backend = "epoll", .workers = 4}};

TEST(workers_and_what_they_do_for_each_other_stand_each_want_of_memory_on_uring)
{
    sweep_through(&on_four_uring, spread_twice, NULL, true);
}

TEST(workers_and_what_they_do_for_each_other_stand_each_want_of_memory_on_epoll)
{
    sweep_through(&on_four_epoll, spread_twice, NULL, true);
}

/* ---- few descriptors ---- */

static void sweep_descriptors(const struct sweep_on *on, rv_fn *scenario)
{
    static const struct fault_way no_more = {-EMFILE, MAY};
    int free_now = MUST(dup(STDERR_FILENO));
    struct rlimit few;

    sweep_begin(on);
    close(free_now);
    getrlimit(RLIMIT_NOFILE, &few);
    fault.limit = &few;
    fault.standing = &no_more;
    for (fault.at = 0; fault.at < 12; fault.at++) {
        few.rlim_cur = (rlim_t)free_now + fault.at;
        fault_run(on, scenario, NULL, false);
        CHECK(fault.at > 0 || !fault.ran);
    }
    CHECK(fault.ran && fault.first_error == 0); /* the last one had enough */
}

static void sweep_descriptors_of_all(const struct sweep_on *on)
{
    sweep_descriptors(on, echo_tcp);
    sweep_descriptors(on, deadlines);
    sweep_descriptors(on, files);
    sweep_descriptors(on, tree);
}

TEST(want_of_descriptors_is_an_error_and_no_more_on_uring)
{
    sweep_descriptors_of_all(&on_uring);
}

TEST(want_of_descriptors_is_an_error_and_no_more_on_epoll)
{
    sweep_descriptors_of_all(&on_epoll);
}
