/* t_watchdog.c: who keeps a worker is named, with its worker and the place where it was spawned,
 * and told again when it is over; who lets others run is not, however busy; and it costs nothing
 * while all sleep.
 */
// LINK: -Wl,--wrap=pthread_create,--wrap=pthread_mutex_lock
#include "tests/child.h"
#include "tests/threads.h"

enum { HOG_MS = SCALED(300, 600), SPAN_MS = 100 };

static const rv_options two = {.workers = 2}, watched_one = {.workers = 1, .watchdog_ms = SPAN_MS};

struct hog {
    rv_options options;
    unsigned worker;
    rv_fn *fn;
};

static int compute_for(rv_time span)
{
    rv_time end = rv_now() + span;

    while (rv_now() < end)
        ;
    return 0;
}

/* Of the thread's own time: what a crowded machine takes from it does not count. */
static int compute(void *arg)
{
    struct timespec t = {0};

    (void)arg;
    rv_name("%s", "the hog");
    while (t.tv_sec == 0 && t.tv_nsec < HOG_MS * 1000000l)
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return 0;
}

static int block(void *arg)
{
    (void)arg;
    rv_name("%s", "the blocker");
    usleep(HOG_MS * 1000);
    return 0;
}

static int hog_one(void *arg)
{
    const struct hog *h = arg;
    int err = rv_on(h->worker, h->fn, NULL);

    return err < 0 ? err : rv_sleep(SPAN_MS * RV_MS / 2); /* it is told when it is over */
}

static int run_hog(void *arg)
{
    const struct hog *h = arg;

    return rv_run(hog_one, arg, &h->options);
}

static struct child run_as_child(const rv_options *options, unsigned worker, rv_fn *fn)
{
    struct hog h = {*options, worker, fn};
    struct child c = child_result(run_hog, &h);

    CHECK_EQ(c.code, 0);
    return c;
}

/* The milliseconds that are said after the text, or -1. */
static double number_after(const char *words, const char *text)
{
    const char *at = strstr(words, text);

    return at ? atof(at + strlen(text)) : -1;
}

static void check_named(const struct child *c, unsigned worker, const char *name)
{
    char words[128];

    snprintf(words, sizeof words, "reeve: watchdog: worker %u is kept by task ", worker);
    check_says(c, words, "the watchdog");
    snprintf(words, sizeof words, "\"%s\", spawned at tests/t_watchdog.c:", name);
    check_says(c, words, "the watchdog");
    snprintf(words, sizeof words, "reeve: watchdog: worker %u goes on, after ", worker);
    check_says(c, words, "the watchdog");
    CHECK(number_after(c->words, ": for ") >= SPAN_MS / 2);
    CHECK(number_after(c->words, "goes on, after ") >= HOG_MS * 0.7);
    CHECK(number_after(c->words, "goes on, after ") > number_after(c->words, ": for "));
    if (tap_failures)
        fprintf(stderr, "%s", c->words);
}

TEST(a_task_that_computes_for_long_is_named_and_told_when_it_is_over)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    for (unsigned worker = 0; worker < 2; worker++) {
        struct child c = run_as_child(&two, worker, compute);

        check_named(&c, worker, "the hog");
        CHECK(number_after(c.words, "has run (") > 10); /* it had its part of a CPU */
    }
}

TEST(a_task_that_blocks_its_thread_is_named_and_used_little_cpu)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    for (unsigned worker = 0; worker < 2; worker++) {
        struct child c = run_as_child(&two, worker, block);

        check_named(&c, worker, "the blocker");
        CHECK(number_after(c.words, "has run (") < SPAN_MS / 2);
    }
}

TEST(one_worker_is_watched_if_that_is_asked_for_and_not_otherwise)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    c = run_as_child(&watched_one, 0, block);
    check_named(&c, 0, "the blocker");
    c = run_as_child(&(rv_options){.workers = 1}, 0, block);
    CHECK_EQ(strlen(c.words), 0);
    setenv("REEVE_WATCHDOG", "50", 1);
    c = run_as_child(&(rv_options){.workers = 1}, 0, block);
    check_named(&c, 0, "the blocker");
}

TEST(a_watchdog_that_is_off_says_nothing)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    c = run_as_child(&(rv_options){.workers = 2, .watchdog_ms = RV_WATCHDOG_OFF}, 1, block);
    CHECK_EQ(strlen(c.words), 0);
    setenv("REEVE_WATCHDOG", "off", 1);
    c = run_as_child(&two, 1, block);
    CHECK_EQ(strlen(c.words), 0);
    setenv("REEVE_WATCHDOG", "3600000", 1);
    c = run_as_child(&two, 1, block);
    CHECK_EQ(strlen(c.words), 0);
}

/* ---- who is not named ---- */

/* These say nothing where the machine lets every worker run in time: with a wide span. */
static const rv_options patient = {.workers = 2, .watchdog_ms = SCALED(400, 1000)};

static int sleep_long(void *arg)
{
    (void)arg;
    return rv_sleep(1500 * RV_MS);
}

TEST(of_workers_that_sleep_for_long_nothing_is_said)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    c = run_as_child(&patient, 1, sleep_long);
    CHECK_EQ(strlen(c.words), 0);
}

static int compute_a_little_and_yield(void *arg)
{
    rv_time end = rv_after(1200 * RV_MS);
    int err = 0;

    (void)arg;
    while (err == 0 && rv_now() < end) {
        compute_for(50 * RV_US);
        err = rv_yield();
    }
    return err;
}

TEST(of_a_worker_that_is_busy_and_gets_round_nothing_is_said)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    c = run_as_child(&patient, 1, compute_a_little_and_yield);
    CHECK_EQ(strlen(c.words), 0);
    if (tap_failures)
        fprintf(stderr, "%s", c.words);
}

/* ---- many together ---- */

static int take_turns(void *arg)
{
    (void)arg;
    for (int i = 0; i < 30; i++) {
        compute_for(2 * RV_MS);
        if (rv_yield() != 0)
            return -ECANCELED;
    }
    return 0;
}

/* A pass of these lasts longer than the span, and none of them keeps the others from running. */
static int slow_pass(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 8; i++)
        rv_go(&g, take_turns, NULL);
    return rv_group_close(&g, 0);
}

TEST(tasks_that_take_turns_and_keep_their_worker_together_are_not_taken_for_one_that_does)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    c = run_as_child(&two, 1, slow_pass);
    CHECK(strstr(c.words, "no other task of it has run") == NULL);
    check_says(&c, "reeve: watchdog: worker 1 has not got round for ", "the watchdog");
    if (tap_failures)
        fprintf(stderr, "%s", c.words);
}

/* ---- starts and ends ---- */

enum { SLOW_MS = 200 };

static bool slow_start; /* making a thread takes its maker long */
static _Thread_local bool slow_end;

int __real_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg);
int __real_pthread_mutex_lock(pthread_mutex_t *lock);
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock);

int __wrap_pthread_create(pthread_t *t, const pthread_attr_t *a, void *(*fn)(void *), void *arg)
{
    int err = __real_pthread_create(t, a, fn, arg);

    if (slow_start)
        usleep(SLOW_MS * 1000);
    return err;
}

/* The watchdog's: what worker 0 takes when all have left their loops, to stop it. */
int __wrap_pthread_mutex_lock(pthread_mutex_t *lock)
{
    if (slow_end)
        usleep(SLOW_MS * 1000);
    slow_end = false;
    return __real_pthread_mutex_lock(lock);
}

static int end_slowly(void *arg)
{
    slow_end = *(bool *)arg;
    return 0;
}

static int run_slowly(void *arg)
{
    const rv_options hasty = {.workers = 2, .watchdog_ms = SLOW_MS / 10};

    slow_start = !*(bool *)arg;
    return rv_run(end_slowly, arg, &hasty);
}

TEST(of_workers_that_take_long_to_start_or_to_end_nothing_is_said)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    for (int ends = 0; ends < 2; ends++) {
        bool slow = ends;
        struct child c = child_result(run_slowly, &slow);

        CHECK_EQ(c.code, 0);
        CHECK(strstr(c.words, "watchdog") == NULL);
        if (tap_failures)
            fprintf(stderr, "%s", c.words);
    }
}

/* ---- what it costs ---- */

static long switches_of_watchdog(void)
{
    struct thread_seen seen[THREADS_SEEN];
    int count = see_threads(seen);

    for (int i = 0; i < count; i++)
        if (strcmp(seen[i].name, "reeve-watchdog") == 0)
            return seen[i].switches;
    return -1;
}

/* The second sleep is one in which nothing is left of what came before. */
static int watch_the_watchdog(void *arg)
{
    long before, after;

    (void)arg;
    CHECK_EQ(rv_sleep(2 * SPAN_MS * RV_MS), 0);
    before = switches_of_watchdog();
    CHECK_EQ(rv_sleep(RV_S), 0);
    after = switches_of_watchdog();
    CHECK(before > 0);
    CHECK(after - before <= 12); /* ticking, it would be 40 */
    if (tap_failures)
        fprintf(stderr, "%ld, then %ld switches\n", before, after);
    return 0;
}

TEST(hazard_55_the_watchdog_does_not_tick_while_all_workers_sleep)
{
    NOT_IN_SIM(NO_REAL_THREADS);
    CHECK_EQ(rv_run(watch_the_watchdog, NULL, &two), 0);
    CHECK_EQ(rv_run(watch_the_watchdog, NULL, &watched_one), 0);
}

/* It slept, and is there again when it is needed. */
static int sleep_and_block(void *arg)
{
    int err = rv_sleep(3 * SPAN_MS * RV_MS);

    return err < 0 ? err : block(arg);
}

TEST(a_watchdog_that_was_asleep_names_who_comes_then)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    c = run_as_child(&two, 1, sleep_and_block);
    check_named(&c, 1, "the blocker");
}
