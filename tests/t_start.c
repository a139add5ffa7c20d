/* t_start.c: several workers start together or not at all. What one of them cannot have is an error
 * in words, no thread and no descriptor is left of the others, and the next start works.
 */
// LINK: -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
// LINK: -Wl,--wrap=mmap,--wrap=madvise,--wrap=mprotect,--wrap=sigaltstack
// LINK: -Wl,--wrap=pthread_create,--wrap=eventfd,--wrap=epoll_create1,--wrap=epoll_ctl
// LINK: -Wl,--wrap=io_uring_queue_init_params
#include "tests/child.h"
#include "tests/threads.h"

#include <liburing.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* ---- what fails ---- */

enum kind { MEMORY, MAPPING, THREAD, BELL, RING, SET, KINDS };

/* Of one kind (or all) the call number `at` fails, and with `all_after` those that follow. */
static struct {
    bool on, all_after;
    unsigned kinds; /* bits */
    unsigned at, calls;
    int error;
    const char *hit; /* this one */
} fault;

static bool fails(const char *call, enum kind kind)
{
    unsigned number;

    if (!__atomic_load_n(&fault.on, __ATOMIC_ACQUIRE) || !(fault.kinds >> kind & 1))
        return false;
    number = __atomic_add_fetch(&fault.calls, 1, __ATOMIC_RELAXED);
    if (number != fault.at && (number < fault.at || !fault.all_after))
        return false;
    __atomic_store_n(&fault.hit, call, __ATOMIC_RELAXED);
    errno = fault.error;
    return true;
}

#define FAILS(type, name, parameters, arguments, kind, value)          \
    type __real_##name parameters;                                     \
    type __wrap_##name parameters;                                     \
    type __wrap_##name parameters                                      \
    {                                                                  \
        return fails(#name, kind) ? (value) : __real_##name arguments; \
    }

FAILS(void *, malloc, (size_t bytes), (bytes), MEMORY, NULL)
FAILS(void *, calloc, (size_t count, size_t bytes), (count, bytes), MEMORY, NULL)
FAILS(void *, realloc, (void *old, size_t bytes), (old, bytes), MEMORY, NULL)
FAILS(void *, aligned_alloc, (size_t to, size_t bytes), (to, bytes), MEMORY, NULL)
FAILS(void *, mmap, (void *at, size_t bytes, int prot, int flags, int fd, off_t offset),
      (at, bytes, prot, flags, fd, offset), MAPPING, MAP_FAILED)
FAILS(int, madvise, (void *at, size_t bytes, int advice), (at, bytes, advice), MAPPING, -1)
FAILS(int, mprotect, (void *at, size_t bytes, int prot), (at, bytes, prot), MAPPING, -1)
FAILS(int, sigaltstack, (const stack_t *s, stack_t *old), (s, old), MAPPING, -1)
FAILS(int, pthread_create, (pthread_t * t, const pthread_attr_t *a, void *(*fn)(void *), void *arg),
      (t, a, fn, arg), THREAD, fault.error)
FAILS(int, eventfd, (unsigned value, int flags), (value, flags), BELL, -1)
FAILS(int, epoll_create1, (int flags), (flags), SET, -1)
FAILS(int, epoll_ctl, (int set, int what, int fd, struct epoll_event *ev), (set, what, fd, ev),
      MAPPING, -1)
FAILS(int, io_uring_queue_init_params,
      (unsigned entries, struct io_uring *ring, struct io_uring_params *params),
      (entries, ring, params), RING, -fault.error)

static void fail_at(unsigned kinds, unsigned at, bool all_after, int error)
{
    fault.kinds = kinds;
    fault.at = at;
    fault.all_after = all_after;
    fault.error = error;
    fault.calls = 0;
    fault.hit = NULL;
}

static void fail_from_here(void)
{
    __atomic_store_n(&fault.on, true, __ATOMIC_RELEASE);
}

static void fail_no_more(void)
{
    __atomic_store_n(&fault.on, false, __ATOMIC_RELEASE);
}

/* ---- one start ---- */

static bool first_ran;

static int on_worker(void *arg)
{
    return arg == NULL ? (int)rv_worker() : -EPROTO;
}

static int visit_all(void *arg)
{
    (void)arg;
    first_ran = true;
    fail_no_more();
    for (unsigned i = 0; i < rv_workers(); i++)
        CHECK_EQ(rv_on(i, on_worker, NULL), i);
    return 17;
}

static off_t words_said(void)
{
    return lseek(STDERR_FILENO, 0, SEEK_END);
}

/* With what fails set: the start's error, or 17. And then one without. */
static int start_and_judge(const rv_options *options)
{
    int threads = count_threads(), fds = count_fds(), result;
    off_t words = words_said();

    first_ran = false;
    fail_from_here();
    result = rv_run(visit_all, NULL, options);
    fail_no_more();
    CHECK_EQ(result == 17, first_ran);
    if (result != 17 && words_said() == words)
        CHECK(!"it did not start, without a word");
    check_threads(threads);
    CHECK_EQ(count_fds(), fds);
    CHECK_EQ(rv_run(visit_all, NULL, options), 17);
    check_threads(threads);
    return result;
}

/* ---- each in turn ---- */

enum { STEP = SCALED(1, 5) };

static void sweep(unsigned kinds, int error, const rv_options *options)
{
    int failed = 0;

    CHECK_EQ(rv_run(visit_all, NULL, options), 17); /* what libc gets once is got */
    for (unsigned at = 1; tap_failures < 10; at += STEP) {
        int result;

        fail_at(kinds, at, false, error);
        result = start_and_judge(options);
        if (tap_failures)
            fprintf(stderr, "when call %u (%s) failed, result %d\n", at,
                    fault.hit ? fault.hit : "none", result);
        if (fault.hit == NULL)
            break;
        failed += result < 0;
    }
    CHECK(failed > 0);
}

static const rv_options four = {.workers = 4, .watchdog_ms = 10000};

TEST(hazard_54_four_workers_stand_each_want_of_memory_at_their_start)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    sweep(1u << MEMORY, ENOMEM, &four);
}

TEST(hazard_54_four_workers_stand_each_want_of_mappings_at_their_start)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    sweep(1u << MAPPING, ENOMEM, &four);
}

TEST(hazard_54_four_workers_stand_each_want_of_threads_rings_and_bells_at_their_start)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    sweep(1u << THREAD | 1u << BELL | 1u << RING | 1u << SET, EMFILE, &four);
}

/* ---- in words ---- */

struct start {
    unsigned kinds, at;
    int error, expected;
};

static void start_with(void *arg)
{
    const struct start *s = arg;

    fail_at(s->kinds, s->at, true, s->error);
    CHECK_EQ(start_and_judge(&four), s->expected);
}

static void check_start(struct start s, const char *what, const char *who)
{
    struct child c = child_run(start_with, &s);

    CHECK_EQ(c.code, 0);
    check_says(&c, what, "a start");
    check_says(&c, who, "a start");
    if (tap_failures)
        fprintf(stderr, "%s", c.words);
}

TEST(a_worker_without_a_thread_is_named)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    check_start((struct start){1u << THREAD, 1, EAGAIN, -EAGAIN},
                "reeve: cannot start: a thread: Resource temporarily unavailable",
                "reeve: cannot start worker 1 of 4 (counted from 0)");
    check_start((struct start){1u << THREAD, 3, EAGAIN, -EAGAIN}, "cannot start: a thread",
                "reeve: cannot start worker 3 of 4 (counted from 0)");
}

TEST(a_watchdog_without_a_thread_is_named)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    check_start((struct start){1u << THREAD, 4, EAGAIN, -EAGAIN},
                "cannot start: the watchdog: ", "Resource temporarily unavailable");
}

/* In "auto" the first worker would take the next room; the others have what the first one has. */
TEST(a_worker_without_a_ring_is_named_and_gets_no_other_backend_than_the_first)
{
    ONLY_ON_URING("rings");
    check_start((struct start){1u << RING, 2, ENOMEM, -ENOMEM}, "io_uring",
                "reeve: cannot start worker 1 of 4 (counted from 0)");
    check_start((struct start){1u << RING, 4, ENOMEM, -ENOMEM}, "io_uring",
                "reeve: cannot start worker 3 of 4 (counted from 0)");
}

TEST(a_worker_without_a_bell_is_named)
{
    ONLY_ON_URING("bells are the only eventfds there");
    check_start((struct start){1u << BELL, 3, EMFILE, -EMFILE},
                "reeve: cannot start: a worker's bell: Too many open files",
                "reeve: cannot start worker 2 of 4 (counted from 0)");
}

/* ---- as few descriptors as there may be ---- */

static int start_with_so_few(void *arg)
{
    struct rlimit limit;
    int few = *(int *)arg, err;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = (rlim_t)few;
    setrlimit(RLIMIT_NOFILE, &limit);
    err = rv_run(visit_all, NULL, &four);
    limit.rlim_cur = limit.rlim_max < 1024 ? limit.rlim_max : 1024;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (err == 17)
        return 100;
    return err == -EMFILE && rv_run(visit_all, NULL, &four) == 17 && !tap_failures ? 50 : 1;
}

TEST(with_too_few_descriptors_the_workers_do_not_start_and_with_enough_they_do)
{
    int refused = 0, few;

    NOT_IN_SIM(NO_REAL_THREADS);
    for (few = 6; few < 60; few++) {
        struct child c = child_result(start_with_so_few, &few);

        if (c.code == 100)
            break;
        CHECK_EQ(c.code, 50);
        check_says(&c, "Too many open files", "a start with few descriptors");
        refused++;
    }
    CHECK(refused > 3);
    CHECK(few < 60);
}

/* ---- a start that works ---- */

static const char *backends[4];

static int note_backend(void *arg)
{
    (void)arg;
    backends[rv_worker()] = rv_backend(NULL);
    return 0;
}

static int ask_all(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(rv_on(i, note_backend, NULL), 0);
    for (unsigned i = 0; i < 4; i++)
        CHECK(strcmp(backends[i], tap_world()) == 0);
    return 0;
}

TEST(all_workers_have_the_same_backend)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    CHECK_EQ(rv_run(ask_all, NULL, &four), 0);
}

static int count_cpus(void *arg)
{
    cpu_set_t set;

    (void)arg;
    CPU_ZERO(&set);
    MUST(sched_getaffinity(0, sizeof set, &set));
    return CPU_COUNT(&set) == 1 ? 100 + (int)rv_worker() : 0;
}

static int check_pins(void *arg)
{
    bool pinned = *(bool *)arg;

    for (unsigned i = 0; i < 4; i++)
        CHECK_EQ(rv_on(i, count_cpus, NULL), pinned ? 100 + i : 0);
    return 0;
}

TEST(pinned_workers_have_one_cpu_each_and_the_caller_is_let_go_afterwards)
{
    cpu_set_t before, after;
    bool pinned = true;

    NOT_IN_SIM(NO_REAL_THREADS);
    MUST(sched_getaffinity(0, sizeof before, &before));
    CHECK_EQ(rv_run(check_pins, &pinned, &(rv_options){.workers = 4, .pin_workers = true}), 0);
    MUST(sched_getaffinity(0, sizeof after, &after));
    CHECK(CPU_EQUAL(&before, &after));
    pinned = CPU_COUNT(&before) == 1;
    CHECK_EQ(rv_run(check_pins, &pinned, &four), 0);
}

TEST(a_caller_whose_pinned_workers_did_not_start_is_let_go_as_well)
{
    cpu_set_t before, after;

    NOT_IN_SIM(NO_REAL_THREADS);
    MUST(sched_getaffinity(0, sizeof before, &before));
    fail_at(1u << THREAD, 2, false, EAGAIN);
    CHECK_EQ(start_and_judge(&(rv_options){.workers = 4, .pin_workers = true}), -EAGAIN);
    MUST(sched_getaffinity(0, sizeof after, &after));
    CHECK(CPU_EQUAL(&before, &after));
}

/* ---- of a runtime without a first task ---- */

static void new_without_things(void *arg)
{
    unsigned workers = *(unsigned *)arg;
    int threads = count_threads(), fds = count_fds(), failed = 0;

    rv_runtime_free(new_runtime(workers));
    for (unsigned at = 1; tap_failures < 10; at += STEP) {
        off_t words = words_said();
        rv_runtime *rt = NULL;
        int err;

        fail_at((1u << KINDS) - 1, at, false, ENOMEM);
        fail_from_here();
        err = rv_runtime_new(&rt, WORKERS(workers));
        fail_no_more();
        if (err == 0) {
            CHECK_EQ(rv_runtime_call(rt, on_worker, (void *)1), -EPROTO);
            rv_runtime_free(rt);
        } else if (words_said() == words) {
            CHECK(!"it did not start, without a word");
            fprintf(stderr, "when call %u (%s) failed: %s\n", at, fault.hit, strerror(-err));
        }
        failed += err < 0;
        check_threads(threads);
        CHECK_EQ(count_fds(), fds);
        if (fault.hit == NULL)
            break;
    }
    CHECK(failed > 0);
}

TEST(a_new_runtime_stands_each_want_at_its_start)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    for (unsigned workers = 1; workers <= 2; workers++) {
        c = child_run(new_without_things, &workers);
        CHECK_EQ(c.code, 0);
        if (tap_failures)
            fprintf(stderr, "%s", c.words);
    }
}

/* ---- often ---- */

TEST(four_workers_start_and_stop_two_hundred_times_and_leave_nothing)
{
    int threads = count_threads(), fds;

    NOT_IN_SIM(NO_REAL_THREADS);
    CHECK_EQ(rv_run(visit_all, NULL, WORKERS(4)), 17);
    fds = count_fds();
    for (int i = 0; i < SCALED(200, 40); i++)
        CHECK_EQ(rv_run(visit_all, NULL, WORKERS(4)), 17);
    check_threads(threads);
    CHECK_EQ(count_fds(), fds);
}
