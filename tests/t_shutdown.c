/* t_shutdown.c: how several workers end: at once, in the middle of anything, with an error, by a
 * deadlock that spans them; joined always, and nothing is left.
 */
#include "tests/child.h"
#include "tests/threads.h"

static const unsigned counts[] = {1, 2, 4};

enum { COUNTS = sizeof counts / sizeof counts[0] };

static int run_on(unsigned workers, rv_fn *fn, void *arg)
{
    return rv_run(fn, arg, WORKERS(workers));
}

/* ---- stops ---- */

static unsigned began, ended;

static int at_once(void *arg)
{
    return *(int *)arg;
}

TEST(hazard_54_workers_stop_at_once_after_their_start)
{
    static int results[] = {0, 5, -EIO, -ECANCELED, -EDEADLK};

    NOT_IN_SIM(NO_REAL_THREADS);
    for (int i = 0; i < SCALED(60, 15); i++)
        CHECK_EQ(run_on(counts[i % COUNTS], at_once, &results[i % 5]), results[i % 5]);
}

/* Each a way to be in the middle of something. */
static int busy(void *arg)
{
    const intptr_t kind = (intptr_t)arg;
    int result = 0, ends[2];
    char byte;

    __atomic_add_fetch(&began, 1, __ATOMIC_SEQ_CST);
    CHECK_EQ(rv_pipe(ends, 0), 0);
    while (result == 0) {
        if (kind % 5 == 0)
            result = rv_yield();
        else if (kind % 5 == 1)
            result = rv_sleep(RV_US);
        else if (kind % 5 == 2)
            result = rv_sleep(RV_NEVER);
        else if (kind % 5 == 3)
            result = (int)rv_read(ends[0], &byte, 1);
        else
            result = rv_on((unsigned)kind % rv_workers(), at_once, &(int){0});
    }
    close_both(ends);
    __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
    return result;
}

struct stop {
    int steps, result;
    rv_fn *fn;
};

enum { BUSY = 20 };

static int stop_after(void *arg)
{
    const struct stop *s = arg;
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    for (intptr_t i = 0; i < BUSY; i++)
        rv_go(&g, s->fn, (void *)i);
    for (int i = 0; i < s->steps; i++)
        CHECK_EQ(i % 3 ? rv_yield() : rv_sleep(20 * RV_US), 0);
    return rv_group_close(&g, s->result);
}

TEST(hazard_54_a_stop_at_any_step_cancels_and_joins_what_is_on_all_workers)
{
    int fds;

    NOT_IN_SIM(NO_REAL_THREADS);
    CHECK_EQ(run_on(4, at_once, &(int){0}), 0);
    fds = count_fds();
    for (int i = 0; i < SCALED(60, 15); i++) {
        struct stop s = {i, -EINTR, busy};

        began = ended = 0;
        CHECK_EQ(run_on(counts[i % COUNTS], stop_after, &s), -EINTR);
        CHECK_EQ(began, BUSY);
        CHECK_EQ(ended, BUSY);
    }
    CHECK_EQ(count_fds(), fds);
}

static int fail_soon(void *arg)
{
    if ((intptr_t)arg != 13)
        return busy(arg);
    __atomic_add_fetch(&began, 1, __ATOMIC_SEQ_CST);
    (void)!rv_sleep(50 * RV_US);
    __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
    return -ENOTTY;
}

TEST(hazard_54_an_error_on_any_worker_ends_all_and_is_the_result)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    for (int i = 0; i < SCALED(60, 15); i++) {
        struct stop s = {0, 0, fail_soon};

        began = ended = 0;
        CHECK_EQ(run_on(counts[i % COUNTS], stop_after, &s), -ENOTTY);
        CHECK_EQ(began, BUSY);
        CHECK_EQ(ended, BUSY);
    }
}

/* Posts that are under way, or lie on a shelf, when the first task ends. */
static int busy_copied(void *arg)
{
    return busy((void *)*(intptr_t *)arg);
}

static int post_in_turn(void *arg)
{
    for (intptr_t i = 0; i < BUSY; i++)
        CHECK_EQ(rv_runtime_post(rv_runtime_self(), busy_copied, &i, sizeof i), 0);
    for (int i = 0; i < *(int *)arg; i++)
        CHECK_EQ(rv_yield(), 0);
    return 3;
}

TEST(hazard_54_what_the_first_task_posted_before_it_ended_runs_and_is_cancelled)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    for (int i = 0; i < SCALED(60, 15); i++) {
        began = ended = 0;
        CHECK_EQ(run_on(counts[i % COUNTS], post_in_turn, &i), 3);
        CHECK_EQ(began, BUSY);
        CHECK_EQ(ended, BUSY);
    }
}

/* ---- deadlocks ---- */

static int sleep_for_ever(void *arg)
{
    (void)arg;
    rv_name("%s", "sleeper");
    return rv_sleep(RV_NEVER);
}

static int sleepers_everywhere(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    for (unsigned i = 0; i < rv_workers(); i++)
        rv_go_on(&g, i, sleep_for_ever, NULL);
    return rv_group_close(&g, 0);
}

static int run_sleepers(void *arg)
{
    return run_on(*(unsigned *)arg, sleepers_everywhere, NULL) == -EDEADLK ? 0 : 1;
}

static int count_of(const char *text, const char *words)
{
    int count = 0;

    for (; (text = strstr(text, words)); text++)
        count++;
    return count;
}

TEST(hazard_48_a_deadlock_across_workers_is_reported_by_all_of_them_and_ended)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    for (unsigned workers = 2; workers <= 4; workers *= 2) {
        struct child c = child_result(run_sleepers, &workers);

        CHECK_EQ(c.code, 0);
        check_says(&c, "reeve: deadlock: all tasks asleep, nothing pending", "a deadlock");
        CHECK_EQ(count_of(c.words, "reeve: deadlock: "), 1);
        check_says(&c, "\"main\", spawned at rv_run: waits in rv_group_close", "a deadlock");
        CHECK_EQ(count_of(c.words, "\"sleeper\", spawned at tests/t_shutdown.c:"), (int)workers);
        for (unsigned i = 0; i < workers; i++) {
            char words[64];

            snprintf(words, sizeof words, "worker %u: %d tasks started", i, i == 0 ? 2 : 1);
            check_says(&c, words, "a deadlock");
        }
        check_says(&c, "reeve: cancelling them all", "a deadlock");
    }
}

/* Groups of one worker that wait for groups of the next: a chain over all of them, twice round. */
static int chain(void *arg)
{
    int left = *(int *)arg;
    rv_group g;

    if (left == 0)
        return rv_sleep(RV_NEVER);
    left--;
    rv_group_open(&g, RV_NEVER);
    rv_go_on(&g, (unsigned)left % rv_workers(), chain, &left);
    return rv_group_close(&g, 0);
}

static int run_chain(void *arg)
{
    int links = 9;

    return run_on(*(unsigned *)arg, chain, &links) == -EDEADLK ? 0 : 1;
}

TEST(hazard_48_a_chain_of_waits_over_all_workers_is_ended_from_any_of_them)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    for (unsigned i = 0; i < COUNTS; i++) {
        unsigned workers = counts[i];
        struct child c = child_result(run_chain, &workers);

        CHECK_EQ(c.code, 0);
        check_says(&c, "reeve: deadlock: ", "a chain");
    }
}

static int recover(void *arg)
{
    rv_group g;

    (void)arg;
    rv_spread_open(&g, RV_NEVER);
    for (int i = 0; i < 8; i++)
        rv_go(&g, sleep_for_ever, NULL);
    CHECK_EQ(rv_group_close(&g, 0), -ECANCELED);
    return 12;
}

TEST(hazard_48_who_ends_well_after_a_deadlock_across_workers_keeps_its_result)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    CHECK_EQ(run_on(2, recover, NULL), 12);
    CHECK_EQ(run_on(4, recover, NULL), 12);
}

static int shielded(void *arg)
{
    rv_scope s;

    (void)arg;
    rv_shield_open(&s, RV_NEVER);
    return rv_scope_close(&s, rv_sleep(RV_NEVER));
}

static int shielded_elsewhere(void *arg)
{
    return rv_on(1, shielded, arg);
}

static int run_shielded(void *arg)
{
    return run_on(2, shielded_elsewhere, arg);
}

TEST(hazard_48_a_deadlock_on_another_worker_that_cannot_be_broken_dies_in_words)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    check_dies(run_shielded, NULL, "what waits cannot be cancelled", "a shield without a deadline");
}

static int clean_up_slowly(void *arg)
{
    rv_scope s;

    (void)arg;
    CHECK_EQ(rv_sleep(RV_NEVER), -ECANCELED);
    rv_shield_open(&s, rv_after(20 * RV_MS));
    CHECK_EQ(rv_sleep(RV_NEVER), -ECANCELED);
    CHECK_EQ(rv_scope_close(&s, -ECANCELED), -ETIMEDOUT);
    return -EIO;
}

static int clean_up_elsewhere(void *arg)
{
    return rv_on(1, clean_up_slowly, arg);
}

TEST(hazard_48_clean_up_on_another_worker_has_its_time)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    CHECK_EQ(run_on(2, clean_up_elsewhere, NULL), -EDEADLK);
    CHECK_EQ(run_on(4, clean_up_elsewhere, NULL), -EDEADLK);
}

/* ---- none ---- */

enum { QUIET_FOR_MS = 30 };

static int compute(void *arg)
{
    rv_time end = rv_now() + QUIET_FOR_MS * RV_MS;

    (void)arg;
    while (rv_now() < end)
        ;
    return 0;
}

static int sleep_a_while(void *arg)
{
    (void)arg;
    return rv_sleep(QUIET_FOR_MS * RV_MS);
}

static int read_a_byte(void *arg)
{
    char byte;
    ssize_t n = rv_read(*(int *)arg, &byte, 1);

    return n == 1 ? 0 : n < 0 ? (int)n : -EPROTO;
}

static void *write_later(void *arg)
{
    usleep(QUIET_FOR_MS * 1000);
    MUST(write(*(int *)arg, "x", 1));
    return NULL;
}

static int wait_for_a_thread(void *arg)
{
    pthread_t writer;
    int ends[2], err;

    (void)arg;
    MUST(pipe2(ends, O_CLOEXEC));
    start_thread(&writer, write_later, &ends[1]);
    err = rv_on(1, read_a_byte, &ends[0]);
    MUST(-pthread_join(writer, NULL));
    close_both(ends);
    return err;
}

/* The handle is known: a post could come from anywhere, at any time. */
static rv_group *posted_cancels;

static int cancel_posted(void *arg)
{
    (void)arg;
    rv_group_cancel(posted_cancels);
    return 0;
}

static void *post_later(void *arg)
{
    usleep(QUIET_FOR_MS * 1000);
    CHECK_EQ(rv_runtime_call(arg, cancel_posted, NULL), 0);
    return NULL;
}

static int wait_for_a_post(void *arg)
{
    pthread_t poster;
    rv_group g;
    int err;

    (void)arg;
    rv_spread_open(&g, RV_NEVER);
    posted_cancels = &g;
    start_thread(&poster, post_later, rv_runtime_self());
    for (int i = 0; i < 8; i++)
        rv_go(&g, sleep_for_ever, NULL);
    err = rv_group_close(&g, 0);
    MUST(-pthread_join(poster, NULL));
    return err;
}

static int on_the_other(void *fn)
{
    return rv_on(1, *(rv_fn **)fn, NULL);
}

struct quiet {
    rv_fn *first;
    void *arg;
};

static int run_quietly(void *arg)
{
    const struct quiet *q = arg;

    for (unsigned workers = 2; workers <= 4; workers *= 2)
        CHECK_EQ(run_on(workers, q->first, q->arg), 0);
    return tap_failures;
}

static void check_quiet(struct quiet q)
{
    struct child c = child_result(run_quietly, &q);

    CHECK_EQ(c.code, 0);
    CHECK_EQ(strlen(c.words), 0);
    if (tap_failures)
        fprintf(stderr, "%s", c.words);
}

TEST(hazard_48_it_is_no_deadlock_while_another_worker_is_busy_or_has_a_timer_or_a_descriptor)
{
    rv_fn *fns[] = {compute, sleep_a_while};

    NOT_IN_SIM(NO_REAL_THREADS);
    check_quiet((struct quiet){on_the_other, &fns[0]});
    check_quiet((struct quiet){on_the_other, &fns[1]});
    check_quiet((struct quiet){wait_for_a_thread, NULL});
}

TEST(hazard_48_it_is_no_deadlock_while_another_thread_may_post)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    check_quiet((struct quiet){wait_for_a_post, NULL});
}

/* Messages that cross while workers fall asleep: each hand-over is a chance for a false alarm. */
static int hand_over(void *arg)
{
    for (int i = 0; i < *(int *)arg; i++)
        CHECK_EQ(rv_on((unsigned)i % rv_workers(), at_once, &i), i);
    return 0;
}

TEST(hazard_48_it_is_no_deadlock_while_workers_send_each_other_from_one_sleep_to_the_next)
{
    int times = SCALED(20000, 2000);

    NOT_IN_SIM(NO_REAL_THREADS);
    check_quiet((struct quiet){hand_over, &times});
}
