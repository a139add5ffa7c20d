/* t_spread.c: groups whose tasks start on any worker: each starts once, somewhere, with what it was
 * given, and stays there; what is not started others may take; and its memory comes home.
 */
#include "tests/workers.h"

#include <fenv.h>

#include "sched/record.h"
#include "sched/spread.h"

static int ran[WORKERS];

static int workers_seen(void)
{
    int seen = 0;

    for (int i = 0; i < WORKERS; i++)
        seen += GET(ran[i]) != 0;
    return seen;
}

/* ---- where they start ---- */

static int ran_in_all(void)
{
    return ran[0] + ran[1] + ran[2] + ran[3];
}

static int count_here(void *unused)
{
    (void)unused;
    ADD(ran[rv_worker()]);
    return 0;
}

TEST_WORKERS(tasks_of_a_spread_group_run_on_more_than_one_worker)
{
    int spawned = 0;
    rv_group g;

    rv_spread_open(&g, rv_after(LONG));
    for (; workers_seen() < 2 && rv_yield() == 0; spawned++)
        for (int i = 0; i < 50; i++)
            rv_go(&g, count_here, NULL);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(ran_in_all(), 50 * spawned);
    check_no_branches();
    return 0;
}

enum { MANY = SCALED(1000000, 50000) };

static unsigned char *runs;

static int run_once(void *arg)
{
    ADD(runs[(intptr_t)arg]);
    return 0;
}

TEST_WORKERS(each_of_a_million_tasks_runs_once)
{
    int wrong = 0, err = 0;
    rv_group g;

    runs = calloc(MANY, 1);
    rv_spread_open(&g, RV_NEVER);
    for (intptr_t i = 0; i < MANY; i++) {
        rv_go(&g, run_once, (void *)i);
        if (i % 1000 == 0)
            err = err ? err : rv_yield();
    }
    CHECK_EQ(rv_group_close(&g, err), 0);
    for (int i = 0; i < MANY; i++)
        wrong += runs[i] != 1;
    CHECK_EQ(wrong, 0);
    free(runs);
    return 0;
}

/* A tree: each spawns into a group of its own, wherever it was taken to. */
static int tree(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    rv_group g;

    ADD(ran[rv_worker()]);
    if (depth == 0)
        return 0;
    rv_spread_open(&g, RV_NEVER);
    for (int i = 0; i < 10; i++)
        rv_go(&g, tree, (void *)(depth - 1));
    return rv_group_close(&g, 0);
}

TEST_WORKERS(a_tree_of_spread_groups_has_all_its_leaves)
{
    enum { DEPTH = SCALED(5, 3), NODES = SCALED(111111, 1111) };

    CHECK_EQ(tree((void *)(intptr_t)DEPTH), 0);
    CHECK_EQ(ran_in_all(), NODES);
    check_no_branches();
    return 0;
}

static int same_worker(void *arg)
{
    CHECK_EQ(rv_worker(), (intptr_t)arg);
    CHECK_EQ(rv_yield(), 0);
    CHECK_EQ(rv_worker(), (intptr_t)arg);
    ADD(ran[rv_worker()]);
    return 0;
}

static int open_a_plain_one(void *unused)
{
    rv_group g;

    (void)unused;
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 100; i++)
        rv_go(&g, same_worker, (void *)(intptr_t)rv_worker());
    return rv_group_close(&g, 0);
}

TEST_WORKERS(what_a_task_spawns_in_a_plain_group_stays_on_its_worker)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    GO_ON_EACH(&g, open_a_plain_one, NULL);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    for (int i = 0; i < WORKERS; i++)
        CHECK_EQ(ran[i], 100);
    return 0;
}

static int order[2][10], ordered[2];

static int note_order(void *arg)
{
    int which = (int)(intptr_t)arg / 10;

    order[which][ordered[which]++] = (int)(intptr_t)arg % 10;
    CHECK_EQ(rv_worker(), 0);
    return 0;
}

static int with_one_worker(void *unused)
{
    rv_group g;

    (void)unused;
    CHECK_EQ(rv_workers(), 1);
    rv_spread_open(&g, RV_NEVER);
    CHECK_EQ(g.scope.in_group, GROUP_PLAIN);
    for (intptr_t i = 0; i < 10; i++)
        rv_go(&g, note_order, (void *)i);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    rv_group_open(&g, RV_NEVER);
    for (intptr_t i = 10; i < 20; i++)
        rv_go(&g, note_order, (void *)i);
    return rv_group_close(&g, 0);
}

TEST(with_one_worker_a_spread_group_is_a_plain_one)
{
    const rv_options one = {.workers = 1};

    CHECK_EQ(rv_run(with_one_worker, NULL, &one), 0);
    if (!in_sim()) /* where the seed says who is next */
        CHECK(memcmp(order[0], order[1], sizeof order[0]) == 0);
}

/* ---- one thread for life ---- */

static __thread int of_this_thread;

static __attribute__((noinline)) int *where_errno_is(void)
{
    return &errno;
}

static __attribute__((noinline)) int *where_a_local_is(void)
{
    return &of_this_thread;
}

struct home {
    pid_t thread;
    unsigned worker;
    int *errno_at, *local_at;
};

static struct home home_now(void)
{
    return (struct home){(pid_t)syscall(SYS_gettid), rv_worker(), where_errno_is(),
                         where_a_local_is()};
}

static void check_home(const struct home *was)
{
    struct home is = home_now();

    CHECK(is.thread == was->thread && is.worker == was->worker);
    CHECK(is.errno_at == was->errno_at && is.local_at == was->local_at);
}

static int nothing(void *unused)
{
    (void)unused;
    return 0;
}

static int wait_in_all_ways(void *arg)
{
    struct home home = home_now();
    int number = (int)(intptr_t)arg;
    rv_group g;

    for (int i = 0; i < SCALED(30, 10); i++) {
        errno = number;
        CHECK_EQ(rv_yield(), 0);
        check_home(&home);
        CHECK_EQ(rv_sleep(RV_US), 0);
        check_home(&home);
        CHECK_EQ(rv_on((unsigned)(number + i) % WORKERS, nothing, NULL), 0);
        check_home(&home);
        rv_spread_open(&g, RV_NEVER);
        rv_go(&g, nothing, NULL);
        rv_go(&g, nothing, NULL);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        check_home(&home);
    }
    return 0;
}

TEST_WORKERS(hazard_01_a_started_task_keeps_its_thread_through_all_its_waits)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    for (intptr_t i = 0; i < 100; i++)
        rv_go(&g, wait_in_all_ways, (void *)i);
    return rv_group_close(&g, 0);
}

/* ---- what a task is given ---- */

enum { LENGTHS = 6 };

static const size_t lengths[LENGTHS] = {0, 1, 8, RECORD_COPY_SMALL, RECORD_COPY_SMALL + 1, 5000};

static int check_copy(const unsigned char *copy, size_t len)
{
    int wrong = 0;

    for (size_t i = 0; i < len; i++)
        wrong += copy[i] != (unsigned char)(len * 7 + i);
    return wrong;
}

#define COPY_TAKER(number)                             \
    static int take_copy_##number(void *arg)           \
    {                                                  \
        CHECK_EQ(check_copy(arg, lengths[number]), 0); \
        if (lengths[number])                           \
            memset(arg, 0xee, lengths[number]);        \
        return count_here(NULL);                       \
    }

COPY_TAKER(0)
COPY_TAKER(1)
COPY_TAKER(2)
COPY_TAKER(3)
COPY_TAKER(4)
COPY_TAKER(5)

static int spawn_copies(rv_group *g, rv_fn *fn, size_t len)
{
    unsigned char bytes[5000];
    int spawned = 0;

    for (; workers_seen() < 2 && rv_yield() == 0; spawned++) {
        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)(len * 7 + i);
        for (int i = 0; i < 20; i++)
            rv_go_copy(g, fn, len ? bytes : NULL, len);
        memset(bytes, 0xdd, sizeof bytes);
    }
    return 20 * spawned;
}

TEST_WORKERS(a_copied_argument_of_any_length_goes_with_its_task)
{
    static rv_fn *const takers[LENGTHS] = {take_copy_0, take_copy_1, take_copy_2,
                                           take_copy_3, take_copy_4, take_copy_5};

    for (int i = 0; i < LENGTHS; i++) {
        int spawned;
        rv_group g;

        memset(ran, 0, sizeof ran);
        rv_spread_open(&g, rv_after(LONG));
        spawned = spawn_copies(&g, takers[i], lengths[i]);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(ran_in_all(), spawned);
    }
    return 0;
}

enum { BIG = 512 << 10 };

static __attribute__((noinline)) int fill_much(void)
{
    volatile char much[BIG - (64 << 10)];

    for (size_t i = 0; i < sizeof much; i += 4096)
        much[i] = 1;
    return much[0];
}

static int use_much(void *unused)
{
    (void)unused;
    ADD(ran[rv_worker()]);
    CHECK_EQ(worker_self->task->stack.pool->usable_bytes, BIG);
    CHECK_EQ(fill_much(), 1);
    return 0;
}

/* Of a task of another worker, who spawns into the same group. */
static int use_much_and_spawn(void *group)
{
    rv_go(group, use_much, NULL);
    rv_go_on(group, (rv_worker() + 1) % WORKERS, use_much, NULL);
    return use_much(NULL);
}

TEST_WORKERS(a_groups_stack_size_holds_on_all_workers)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    rv_group_stack(&g, BIG);
    GO_ON_EACH(&g, use_much_and_spawn, &g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(ran_in_all(), 3 * WORKERS);
    return 0;
}

static int round_upward(void *unused)
{
    (void)unused;
    CHECK_EQ(fegetround(), FE_TONEAREST);
    CHECK_EQ(fesetround(FE_UPWARD), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(rv_yield(), 0);
        CHECK_EQ(fegetround(), FE_UPWARD);
    }
    return 0;
}

static int round_upward_and_spawn(void *group)
{
    rv_go(group, round_upward, NULL);
    return round_upward(NULL);
}

static int round_as_ever(void *unused)
{
    (void)unused;
    for (int i = 0; i < 50; i++) {
        CHECK_EQ(fegetround(), FE_TONEAREST);
        CHECK_EQ(rv_yield(), 0);
    }
    return 0;
}

TEST_WORKERS(a_groups_floating_point_environments_are_their_tasks_own_on_all_workers)
{
    rv_group g, plain;

    rv_spread_open(&plain, RV_NEVER);
    GO_ON_EACH(&plain, round_as_ever, NULL);
    rv_spread_open(&g, RV_NEVER);
    rv_group_fenv(&g);
    GO_ON_EACH(&g, round_upward_and_spawn, &g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    return rv_group_close(&plain, 0);
}

enum { NUMBERED = SCALED(20000, 2000) };

static uint64_t ids[2 * NUMBERED];
static int numbered;

static int note_id(void *unused)
{
    (void)unused;
    ids[ADD(numbered) - 1] = rv_id();
    return 0;
}

static int note_id_and_spawn(void *group)
{
    rv_go(group, note_id, NULL);
    return note_id(NULL);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int sleep_on(void *unused)
{
    (void)unused;
    return rv_sleep(RV_NEVER);
}

static int spawn_too_many(void *unused)
{
    rv_group g;
    int there = 0, refused = 0, err = 0;

    (void)unused;
    rv_spread_open(&g, RV_NEVER);
    for (int i = 0; i < 400 && err == 0; i++) {
        int spawned = rv_try_go(&g, sleep_on, NULL);

        there += spawned == 0;
        refused += spawned == -EAGAIN;
        err = rv_yield(); /* it starts, here or elsewhere */
    }
    CHECK_EQ(there, 99); /* and this one */
    CHECK_EQ(refused, 301);
    rv_group_cancel(&g);
    return rv_group_close(&g, err);
}

TEST(tasks_max_is_one_count_for_all_workers)
{
    const rv_options few = {.workers = WORKERS, .tasks_max = 100};

    CHECK_EQ(rv_run(spawn_too_many, NULL, &few), 0);
    CHECK_EQ(rv_run(spawn_too_many, NULL, &few), 0);
}

TEST_WORKERS(no_two_tasks_of_all_workers_have_the_same_id)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    for (unsigned i = 0; i < NUMBERED; i++)
        rv_go_on(&g, i % WORKERS, note_id_and_spawn, &g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(numbered, 2 * NUMBERED);
    qsort(ids, 2 * NUMBERED, sizeof ids[0], by_number);
    CHECK(ids[0] != 0);
    for (int i = 1; i < 2 * NUMBERED; i++)
        CHECK(ids[i - 1] != ids[i]);
    return 0;
}
