/* t_sanitize.c: the sanitizers are told enough: no false report, none missed, however long it runs.
 *
 * In a plain build these are small stress tests; under a sanitizer each would end with a report if
 * the library forgot to tell it something.
 */
#include "child.h"

#include "reeve.h"
#include "stack/sanitize.h"

enum { LIVES = SCALED(1000000, 200000), FIBERS = SCALED(20000, 2000), ROUNDS = 6 };

/* ---- dead frames ---- */

static volatile char sink;

/* Sizes vary, so that redzones of one life lie where another has its bytes. */
static __attribute__((noinline)) void leave_redzones(int life)
{
    volatile char fixed[48];
    volatile char *varying = __builtin_alloca((size_t)(16 + life % 61 * 8));

    fixed[life % 48] = 1;
    varying[0] = fixed[life % 48];
    sink = varying[0];
}

static int die_deep_inside(void *arg)
{
    int life = *(int *)arg;
    volatile char frame[200];

    frame[life % 200] = 1;
    sink = frame[life % 200];
    leave_redzones(life);
    if (life % 16 == 0)
        return rv_yield();
    return 0;
}

static int recycle(void *arg)
{
    rv_group g;

    (void)arg;
    for (int i = 0; i < LIVES; i += 50) {
        rv_group_open(&g, RV_NEVER);
        for (int j = i; j < i + 50; j++)
            rv_go_copy(&g, die_deep_inside, &j, sizeof j);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}

TEST(hazard_14_a_million_recycled_stacks_give_no_false_report)
{
    CHECK_EQ(rv_run(recycle, NULL, NULL), 0);
}

/* What a task marked on its stack and left so, as frames do that never return. */
static __attribute__((noinline, no_sanitize("address"))) int leave_poison(void *arg)
{
    volatile char block[16384]; /* the lowest quarter: the end of the task needs some below this */

    block[0] = 1;
    sink = block[0];
#ifdef __SANITIZE_ADDRESS__
    __asan_poison_memory_region((void *)block, sizeof block / 4);
#endif
    (void)arg;
    return 0;
}

static int walk_over(void *arg)
{
    volatile char block[20000];

    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)i;
    (void)arg;
    return block[19999] == (char)19999 ? 0 : -EINVAL;
}

static int one_after_another(void *arg)
{
    rv_fn *fns[] = {leave_poison, walk_over};
    rv_group g;

    for (int i = 0; i < LIVES / 20; i++) {
        rv_group_open(&g, RV_NEVER);
        rv_go(&g, fns[i % 2], arg);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}

TEST(hazard_14_poison_of_a_dead_task_is_gone_when_its_stack_is_lent_again)
{
    CHECK_EQ(rv_run(one_after_another, NULL, NULL), 0);
}

/* ---- fibers ---- */

static int sleep_until_cancelled(void *arg)
{
    ++*(int *)arg;
    return rv_sleep(RV_NEVER);
}

static int crowd(void *arg)
{
    int there = 0;
    rv_group g;

    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        there = 0;
        rv_group_open(&g, RV_NEVER);
        for (int i = 0; i < FIBERS; i++)
            rv_go(&g, sleep_until_cancelled, &there);
        while (there < FIBERS)
            CHECK_EQ(rv_yield(), 0);
        rv_group_cancel(&g);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    return 0;
}

TEST(hazard_15_fibers_of_finished_tasks_serve_again)
{
    CHECK_EQ(rv_run(crowd, NULL, NULL), 0);
}

static int yield_once(void *arg)
{
    (void)arg;
    return rv_yield();
}

static int churn(void *arg)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < LIVES; i++) {
        rv_go(&g, yield_once, arg);
        if (i % 10 == 0)
            CHECK_EQ(rv_yield(), 0);
    }
    return rv_group_close(&g, 0);
}

TEST(hazard_15_a_million_spawns_do_not_use_up_the_fibers)
{
    CHECK_EQ(rv_run(churn, NULL, NULL), 0);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

TEST(hazard_15_runtimes_that_come_and_go_leave_no_fibers)
{
    for (int i = 0; i < SCALED(2000, 500); i++)
        CHECK_EQ(rv_run(nothing, NULL, NULL), 0);
}

/* ---- leaks ---- */

static int hold_and_park(void *arg)
{
    char *volatile held = malloc(100); /* nowhere but on this stack */

    memset(held, 1, 100);
    ++*(int *)arg;
    int err = rv_sleep(RV_NEVER);
    free(held);
    return err;
}

/* exit() out of the running task: the others never end. */
static int exit_while_others_are_parked(void *arg)
{
    int there = 0;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    rv_group_stack(&g, *(size_t *)arg);
    for (int i = 0; i < 100; i++)
        rv_go(&g, hold_and_park, &there);
    while (there < 100)
        CHECK_EQ(rv_yield(), 0);
    exit(tap_failures ? 1 : 0);
}

static void run_and_exit(void *arg)
{
    rv_run(exit_while_others_are_parked, arg, NULL);
}

TEST(hazard_16_a_block_that_only_a_parked_task_knows_is_no_leak)
{
#ifdef __SANITIZE_ADDRESS__
    size_t sizes[] = {16 << 10, 64 << 10, 1 << 20};

    for (int i = 0; i < 3; i++) {
        struct child c = child_run(run_and_exit, &sizes[i]);
        CHECK_EQ(c.code, 0);
        CHECK(strstr(c.words, "leak") == NULL);
    }
#else
    (void)run_and_exit;
    SKIP("only LeakSanitizer looks for leaks: SAN=address");
#endif
}

static int lose_a_block(void *arg)
{
    char *volatile lost = malloc(4321);

    (void)arg;
    memset(lost, 1, 4321);
    lost = NULL;
    return 0;
}

static void run_and_leak(void *arg)
{
    rv_run(lose_a_block, arg, NULL);
}

TEST(hazard_16_a_real_leak_in_a_task_is_found)
{
#ifdef __SANITIZE_ADDRESS__
    struct child c = child_run(run_and_leak, NULL);

    CHECK(c.code != 0);
    CHECK(child_said(&c, "leak of 4321 byte(s)"));
    CHECK(child_said(&c, "lose_a_block"));
#else
    (void)run_and_leak;
    SKIP("only LeakSanitizer finds leaks: SAN=address");
#endif
}

/* ---- what must be found ---- */

static __attribute__((noinline)) void write_past(volatile char *block, size_t at)
{
    block[at] = 1;
}

static int overrun(void *arg)
{
    volatile char block[32];

    CHECK_EQ(rv_yield(), 0);
    write_past(block, *(size_t *)arg);
    return block[0];
}

static void run_overrun(void *arg)
{
    rv_run(overrun, arg, NULL);
}

TEST(a_real_overrun_on_a_recycled_stack_is_found)
{
#ifdef __SANITIZE_ADDRESS__
    size_t at = 32;
    struct child c;

    CHECK_EQ(rv_run(recycle, NULL, NULL), 0);
    c = child_run(run_overrun, &at);
    CHECK(child_said(&c, "stack-buffer-overflow"));
    CHECK(child_said(&c, "in overrun"));
#else
    (void)run_overrun;
    SKIP("only AddressSanitizer sees it: SAN=address");
#endif
}
