/* t_runtimes.c: several runtimes in one process share nothing: neither numbers nor workers nor
 * cancels; and the end of one is nothing to the others.
 */
#include "tests/child.h"
#include "tests/threads.h"

enum { RUNS = 4, NEWS = 2, ALL = RUNS + NEWS, WORKERS_EACH = 2, CHILDREN = 40 };

static rv_runtime *known[ALL];
static unsigned up, turns_of[ALL];
static bool over[ALL]; /* this one is to end */

static unsigned *self_of(rv_runtime *rt)
{
    for (unsigned i = 0; i < ALL; i++)
        if (__atomic_load_n(&known[i], __ATOMIC_SEQ_CST) == rt)
            return &turns_of[i];
    return NULL;
}

/* ---- what a runtime's tasks see of it ---- */

static int note_child(void *arg)
{
    const unsigned *number = arg;

    CHECK(rv_runtime_self() == known[*number]);
    CHECK(rv_workers() == WORKERS_EACH && rv_worker() < WORKERS_EACH);
    __atomic_add_fetch(&turns_of[*number], 1, __ATOMIC_SEQ_CST);
    return rv_sleep(RV_US);
}

static int one_turn(unsigned number)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    for (int i = 0; i < CHILDREN; i++)
        rv_go(&g, note_child, &number);
    return rv_group_close(&g, 0);
}

/* All are there before one begins. */
static int stay(void *arg)
{
    unsigned number = *(unsigned *)arg;
    int err = 0;

    CHECK(rv_id() <= WORKERS_EACH); /* the first task of its runtime, whoever else has begun */
    __atomic_store_n(&known[number], rv_runtime_self(), __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
    while (err == 0 && __atomic_load_n(&up, __ATOMIC_SEQ_CST) < ALL)
        err = rv_sleep(RV_US * 100);
    while (err == 0 && !__atomic_load_n(&over[number], __ATOMIC_SEQ_CST))
        err = one_turn(number);
    return err < 0 ? err : (int)number;
}

struct runner {
    pthread_t thread;
    unsigned number;
    int result;
};

static void *run(void *arg)
{
    struct runner *r = arg;

    r->result = rv_run(stay, &r->number, WORKERS(WORKERS_EACH));
    return NULL;
}

static void begin(struct runner runners[RUNS])
{
    for (unsigned i = 0; i < NEWS; i++) {
        known[RUNS + i] = new_runtime(WORKERS_EACH);
        __atomic_add_fetch(&up, 1, __ATOMIC_SEQ_CST);
    }
    for (unsigned i = 0; i < RUNS; i++) {
        runners[i] = (struct runner){.number = i, .result = -EPROTO};
        start_thread(&runners[i].thread, run, &runners[i]);
    }
    wait_until_at_least(&up, ALL);
}

static int one_posted_turn(void *arg)
{
    const unsigned *mine = self_of(rv_runtime_self());

    (void)arg;
    CHECK(mine != NULL);
    return mine ? one_turn((unsigned)(mine - turns_of)) : -EPROTO;
}

static void end(struct runner *r)
{
    __atomic_store_n(&over[r->number], true, __ATOMIC_SEQ_CST);
    MUST(-pthread_join(r->thread, NULL));
    CHECK_EQ(r->result, r->number);
}

/* Those from `from` on go on: they have further turns. */
static void check_going(unsigned from)
{
    for (unsigned i = from; i < RUNS; i++)
        wait_until_at_least(&turns_of[i], __atomic_load_n(&turns_of[i], __ATOMIC_SEQ_CST) + 1);
    for (unsigned i = RUNS; i < ALL; i++)
        if (known[i])
            CHECK_EQ(rv_runtime_call(known[i], one_posted_turn, NULL), 0);
}

TEST(six_runtimes_have_numbers_workers_and_ends_of_their_own)
{
    struct runner runners[RUNS];
    int threads, fds;

    NOT_IN_SIM(NO_REAL_THREADS);
    rv_runtime_free(new_runtime(WORKERS_EACH));
    threads = count_threads();
    fds = count_fds();
    begin(runners);
    check_going(0);
    for (unsigned i = 0; i < RUNS; i++) {
        end(&runners[i]);
        if (i < NEWS) {
            rv_runtime_free(known[RUNS + i]);
            known[RUNS + i] = NULL;
        }
        check_going(i + 1);
    }
    check_threads(threads);
    CHECK_EQ(count_fds(), fds);
}

/* ---- cancels, errors and deadlocks stay at home ---- */

static int sleep_for_ever(void *arg)
{
    (void)arg;
    return rv_sleep(RV_NEVER);
}

static int fail(void *arg)
{
    (void)arg;
    return -EIO;
}

/* A cancelled group, a failed one and a deadline, over and over. */
static int make_trouble(void *arg)
{
    rv_group g;

    for (int i = 0; i < SCALED(200, 50); i++) {
        rv_spread_open(&g, i % 3 == 2 ? rv_after(RV_US) : RV_NEVER);
        for (int k = 0; k < 8; k++)
            rv_go(&g, sleep_for_ever, NULL);
        if (i % 3 == 0)
            rv_go(&g, fail, NULL);
        if (i % 3 == 1)
            rv_group_cancel(&g);
        CHECK_EQ(rv_group_close(&g, 0), i % 3 == 0 ? -EIO : i % 3 == 1 ? 0 : -ETIMEDOUT);
    }
    return *(int *)arg;
}

static int be_left_alone(void *arg)
{
    unsigned number = RUNS;
    rv_group g;

    (void)arg;
    rv_spread_open(&g, RV_NEVER);
    for (int i = 0; i < 50; i++)
        rv_go(&g, note_child, &number);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(rv_sleep(100 * RV_US), 0);
    CHECK(!rv_cancelled());
    return rv_group_close(&g, 0);
}

static void *trouble_thread(void *arg)
{
    CHECK_EQ(rv_run(make_trouble, arg, WORKERS(WORKERS_EACH)), *(int *)arg);
    return NULL;
}

TEST(one_runtime_s_cancels_and_errors_are_nothing_to_another)
{
    int results[RUNS] = {0, 7, -ETIMEDOUT, -ECANCELED};
    pthread_t threads[RUNS];

    NOT_IN_SIM(NO_REAL_THREADS);
    known[RUNS] = new_runtime(WORKERS_EACH);
    for (int i = 0; i < RUNS; i++)
        start_thread(&threads[i], trouble_thread, &results[i]);
    CHECK_EQ(rv_runtime_call(known[RUNS], be_left_alone, NULL), 0);
    for (int i = 0; i < RUNS; i++)
        MUST(-pthread_join(threads[i], NULL));
    CHECK_EQ(rv_runtime_call(known[RUNS], be_left_alone, NULL), 0);
    rv_runtime_free(known[RUNS]);
}

static void *deadlock_thread(void *arg)
{
    CHECK_EQ(rv_run(sleep_for_ever, arg, WORKERS(WORKERS_EACH)), -EDEADLK);
    return NULL;
}

static void deadlock_beside_another(void *arg)
{
    pthread_t thread;

    (void)arg;
    known[RUNS] = new_runtime(WORKERS_EACH);
    start_thread(&thread, deadlock_thread, NULL);
    CHECK_EQ(rv_runtime_call(known[RUNS], be_left_alone, NULL), 0);
    MUST(-pthread_join(thread, NULL));
    CHECK_EQ(rv_runtime_call(known[RUNS], be_left_alone, NULL), 0);
    rv_runtime_free(known[RUNS]);
}

TEST(hazard_48_one_runtime_s_deadlock_is_its_own)
{
    struct child c;

    NOT_IN_SIM(NO_REAL_THREADS);
    c = child_run(deadlock_beside_another, NULL);
    CHECK_EQ(c.code, 0);
    check_says(&c, "reeve: deadlock: all tasks asleep, nothing pending", "a deadlock");
    CHECK(strstr(c.words, "keeper") == NULL); /* of the other one */
    if (tap_failures)
        fprintf(stderr, "%s", c.words);
}
