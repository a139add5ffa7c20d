/* t_foreign_ends.c: how runtimes that other threads know begin and end: what is posted meanwhile
 * ran or was refused; what waits for ever is cancelled; nothing is left.
 */
// LINK: -Wl,--wrap=realloc
#include "tests/child.h"
#include "tests/threads.h"

/* ---- a post while the runtime ends ---- */

enum { ENDING_POSTERS = 3, ENDINGS = SCALED(30, 8) };

static unsigned posted, ran;
static unsigned refused; /* so many posters: what TSan sees, and not the pipe */

static int note_run(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&ran, 1, __ATOMIC_SEQ_CST);
    return rv_yield(); /* or cancelled, which is not told */
}

struct poster {
    rv_runtime *rt;
    pthread_t thread;
    int over; /* it says so here */
};

static void *post_until_refused(void *arg)
{
    struct poster *p = arg;
    int err;

    while ((err = rv_runtime_post(p->rt, note_run, NULL, 0)) == 0)
        __atomic_add_fetch(&posted, 1, __ATOMIC_SEQ_CST);
    CHECK_EQ(err, -ECANCELED);
    __atomic_add_fetch(&refused, 1, __ATOMIC_SEQ_CST);
    MUST(write(p->over, "x", 1));
    return NULL;
}

/* Keeps the runtime there until nobody will post any more, whatever is cancelled. */
static int anchor(void *arg)
{
    int fd = *(int *)arg;
    char bytes[ENDING_POSTERS];
    rv_scope s;

    rv_shield_open(&s, RV_NEVER);
    CHECK_EQ(rv_read_full(fd, bytes, sizeof bytes), sizeof bytes);
    CHECK_EQ(__atomic_load_n(&refused, __ATOMIC_SEQ_CST), ENDING_POSTERS);
    return rv_scope_close(&s, 0);
}

struct ending {
    struct poster posters[ENDING_POSTERS];
    int over[2];
};

static void begin_posting(struct ending *e, rv_runtime *rt)
{
    posted = ran = refused = 0;
    MUST(pipe2(e->over, O_CLOEXEC));
    CHECK_EQ(rv_runtime_post(rt, anchor, &e->over[0], sizeof e->over[0]), 0);
    for (int i = 0; i < ENDING_POSTERS; i++) {
        e->posters[i] = (struct poster){.rt = rt, .over = e->over[1]};
        start_thread(&e->posters[i].thread, post_until_refused, &e->posters[i]);
    }
}

static void check_posted(struct ending *e)
{
    for (int i = 0; i < ENDING_POSTERS; i++)
        MUST(-pthread_join(e->posters[i].thread, NULL));
    close(e->over[0]);
    close(e->over[1]);
    CHECK_EQ(ran, posted);
}

static int end_soon(void *arg)
{
    struct ending *e = arg;

    begin_posting(e, rv_runtime_self());
    return rv_sleep(RV_MS);
}

static void end_both_ways(unsigned workers)
{
    struct ending e;
    rv_runtime *rt = new_runtime(workers);

    begin_posting(&e, rt);
    usleep(1000);
    rv_runtime_free(rt);
    check_posted(&e);
    CHECK_EQ(rv_run(end_soon, &e, WORKERS(workers)), 0);
    check_posted(&e);
}

static void end_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < ENDINGS; i++)
        end_both_ways(1u << i % 3);
}

TEST(hazard_54_what_is_posted_while_the_runtime_ends_ran_or_was_refused)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    c = child_run(end_often, NULL);
    CHECK_EQ(c.code, 0);
    CHECK_EQ(strlen(c.words), 0);
    if (tap_failures)
        fprintf(stderr, "%s", c.words);
}

/* ---- what waits for ever ---- */

static unsigned began, cancelled;

static int note_cancelled(long result)
{
    if (result == -ECANCELED)
        __atomic_add_fetch(&cancelled, 1, __ATOMIC_SEQ_CST);
    return (int)result;
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    __atomic_add_fetch(&began, 1, __ATOMIC_SEQ_CST);
    return note_cancelled(rv_sleep(RV_NEVER));
}

static int read_for_ever(void *arg)
{
    char byte;

    __atomic_add_fetch(&began, 1, __ATOMIC_SEQ_CST);
    return note_cancelled(rv_read(*(int *)arg, &byte, 1));
}

static int group_for_ever(void *arg)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    for (int i = 0; i < 4; i++)
        rv_go(&g, read_for_ever, arg);
    return note_cancelled(rv_group_close(&g, 0));
}

enum { FOR_EVER = 40 };

static void post_for_ever(rv_runtime *rt, int fd)
{
    began = cancelled = 0;
    for (int i = 0; i < FOR_EVER; i++) {
        CHECK_EQ(rv_runtime_post(rt, sleep_for_ever, NULL, 0), 0);
        CHECK_EQ(rv_runtime_post(rt, read_for_ever, &fd, sizeof fd), 0);
        CHECK_EQ(rv_runtime_post(rt, group_for_ever, &fd, sizeof fd), 0);
    }
    wait_until_at_least(&began, 6 * FOR_EVER);
}

static void free_with_waiters(void *arg)
{
    int ends[2];

    (void)arg;
    MUST(pipe2(ends, O_CLOEXEC));
    for (int i = 0; i < SCALED(12, 3); i++) {
        rv_runtime *rt = new_runtime(1u << i % 3);

        post_for_ever(rt, ends[0]);
        rv_runtime_free(rt);
        CHECK_EQ(cancelled, 7 * FOR_EVER);
    }
}

TEST(hazard_54_a_free_cancels_what_waits_for_ever_joins_it_and_says_nothing)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    c = child_run(free_with_waiters, NULL);
    CHECK_EQ(c.code, 0);
    CHECK_EQ(strlen(c.words), 0);
    if (tap_failures)
        fprintf(stderr, "%s", c.words);
}

/* ---- no stack ---- */

static bool no_realloc;

void *__real_realloc(void *old, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

void *__wrap_realloc(void *old, size_t bytes)
{
    if (__atomic_load_n(&no_realloc, __ATOMIC_SEQ_CST)) {
        errno = ENOMEM;
        return NULL;
    }
    return __real_realloc(old, bytes);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* The first tables of a worker have room for so many. */
enum { ROOM = 64, TOO_MANY = 80 };

static void call_without_memory(void *arg)
{
    rv_runtime *rt = new_runtime(1);

    (void)arg;
    __atomic_store_n(&no_realloc, true, __ATOMIC_SEQ_CST);
    for (int i = 0; i < TOO_MANY; i++)
        CHECK_EQ(rv_runtime_post(rt, sleep_for_ever, NULL, 0), 0);
    wait_until_at_least(&began, ROOM - 1); /* and the runtime's own */
    CHECK_EQ(rv_runtime_call(rt, nothing, NULL), -ENOMEM);
    __atomic_store_n(&no_realloc, false, __ATOMIC_SEQ_CST);
    CHECK_EQ(rv_runtime_call(rt, nothing, NULL), 0);
    CHECK_EQ(began, ROOM - 1);
    CHECK_EQ(cancelled, 0);
    rv_runtime_free(rt);
    CHECK_EQ(cancelled, ROOM - 1);
}

TEST(who_calls_or_posts_what_gets_no_stack_hears_of_it_and_nobody_else_does)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    c = child_run(call_without_memory, NULL);
    CHECK_EQ(c.code, 0);
    check_says(
        &c, "rv_runtime_post, from sleep_for_ever@tests/t_foreign_ends.c:", "a post without stack");
    check_says(&c, ": it could not start: Cannot allocate memory\n", "a post without stack");
}

/* ---- new and free ---- */

static void use_once(unsigned workers)
{
    rv_runtime *rt = new_runtime(workers);

    CHECK_EQ(rv_runtime_call(rt, nothing, NULL), 0);
    rv_runtime_free(rt);
}

TEST(a_hundred_runtimes_one_after_the_other_leave_no_thread_and_no_descriptor)
{
    int threads, fds;

    NOT_IN_SIM(NO_REAL_THREADS);
    use_once(1);
    threads = count_threads();
    fds = count_fds();
    for (int i = 0; i < 100; i++)
        use_once(1u << i % 3);
    check_threads(threads);
    CHECK_EQ(count_fds(), fds);
}

TEST(two_runtimes_stand_side_by_side)
{
    rv_runtime *one, *other;

    NOT_IN_SIM(NO_REAL_THREADS);
    one = new_runtime(2);
    other = new_runtime(1);
    CHECK(one != other);
    CHECK_EQ(rv_runtime_call(one, nothing, NULL), 0);
    rv_runtime_free(one);
    CHECK_EQ(rv_runtime_call(other, nothing, NULL), 0);
    rv_runtime_free(other);
}

TEST(to_free_no_runtime_is_nothing)
{
    rv_runtime_free(NULL);
}

static void new_with_bad_options(void *arg)
{
    static const rv_options bad[] = {
        {.workers = 1000}, {.backend = "none such"}, {.stack_bytes = 1}, {.ring_entries = 1}};
    int threads = count_threads(), fds = count_fds();

    (void)arg;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        rv_runtime *rt = NULL;

        CHECK_EQ(rv_runtime_new(&rt, &bad[i]), -EINVAL);
        CHECK(rt == NULL);
    }
    check_threads(threads);
    CHECK_EQ(count_fds(), fds);
}

TEST(a_runtime_with_bad_options_is_refused_in_words)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    c = child_run(new_with_bad_options, NULL);
    CHECK_EQ(c.code, 0);
    check_says(&c, "rv_options.workers: 1000 is out of range", "too many workers");
    check_says(&c, "backend \"none such\" is unknown", "a backend that there is not");
    check_says(&c, "rv_options.stack_bytes: 1 is out of range", "too small a stack");
    check_says(&c, "rv_options.ring_entries: 1 is out of range", "too small a ring");
}

/* ---- signals ---- */

static const int asynchronous[] = {SIGHUP,  SIGINT,  SIGTERM, SIGUSR1, SIGUSR2,
                                   SIGCHLD, SIGALRM, SIGPIPE, SIGIO,   SIGWINCH};
static const int faults_of_a_cpu[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS};

static bool is_blocked(const struct thread_seen *t, int sig)
{
    return t->blocked >> (sig - 1) & 1;
}

static bool masked_as_it_should(const struct thread_seen *t)
{
    for (size_t s = 0; s < sizeof asynchronous / sizeof asynchronous[0]; s++)
        if (!is_blocked(t, asynchronous[s]))
            return false;
    if (strcmp(t->name, "reeve-helper") == 0) /* it makes nothing but system calls */
        return true;
    for (size_t s = 0; s < sizeof faults_of_a_cpu / sizeof faults_of_a_cpu[0]; s++)
        if (is_blocked(t, faults_of_a_cpu[s]))
            return false;
    return true;
}

/* One that has just begun blocks all for a moment, by libc's doing. */
static int count_masked(int *out_all)
{
    struct thread_seen seen[THREADS_SEEN];
    int right = 0;

    *out_all = see_threads(seen);
    for (int i = 0; i < *out_all; i++)
        right += masked_as_it_should(&seen[i]);
    return right;
}

TEST(the_library_s_threads_take_no_signal_that_the_program_handles)
{
    rv_time end = rv_after(LONG / 4);
    rv_runtime *rt;
    int all, right;

    NOT_IN_SIM(NO_REAL_THREADS);
    MUST(rv_runtime_new(&rt, &(rv_options){.workers = 3, .watchdog_ms = 1000}));
    CHECK_EQ(rv_runtime_call(rt, nothing, NULL), 0);
    while (((right = count_masked(&all)) != all || all < 4) && rv_now() < end)
        usleep(1000);
    CHECK(all >= 4); /* three workers and the watchdog */
    CHECK_EQ(right, all);
    rv_runtime_free(rt);
}

TEST(the_mask_of_who_makes_a_runtime_is_as_it_was)
{
    sigset_t before, after;
    rv_runtime *rt;

    NOT_IN_SIM(NO_REAL_THREADS);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    rt = new_runtime(2);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int sig = 1; sig < 32; sig++)
        CHECK_EQ(sigismember(&after, sig), sigismember(&before, sig));
    rv_runtime_free(rt);
}
