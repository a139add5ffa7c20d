/* t_group_tree.c: cancellation through wide and deep trees of groups, and what a group gives its
 * tasks: stacks, room under rv_options.tasks_max.
 */
#include "tap.h"

#include "virtual.h"

static long started, cancelled;

static long number(void)
{
    return SCALED(10000, 500);
}

static int leaf(void *arg)
{
    int result;

    (void)arg;
    started++;
    result = rv_sleep(RV_NEVER);
    cancelled += result == -ECANCELED;
    return result;
}

static int nest(void *arg)
{
    long depth = (long)(intptr_t)arg;
    rv_group g;

    if (depth == 0)
        return leaf(NULL);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, nest, (void *)(intptr_t)(depth - 1));
    return rv_group_close(&g, 0);
}

static int cancel_when_all_started(void *arg)
{
    long expected = *(long *)arg;

    while (started < expected)
        CHECK_EQ(rv_yield(), 0);
    return -EPIPE;
}

static int cancel_deep(void *arg)
{
    rv_group g;
    long one = 1;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, nest, (void *)(intptr_t)number());
    rv_go(&g, cancel_when_all_started, &one);
    return rv_group_close(&g, 0);
}

TEST(a_cancel_reaches_the_last_of_ten_thousand_nested_tasks)
{
    CHECK_EQ(run_virtual(cancel_deep, NULL), -EPIPE);
    CHECK_EQ(cancelled, 1);
}

static int cancel_wide(void *arg)
{
    long wanted = number();
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    for (long i = 0; i < wanted; i++)
        rv_go(&g, leaf, NULL);
    rv_go(&g, cancel_when_all_started, &wanted);
    return rv_group_close(&g, 0);
}

TEST(a_cancel_reaches_ten_thousand_tasks_of_one_group)
{
    CHECK_EQ(run_virtual(cancel_wide, NULL), -EPIPE);
    CHECK_EQ(cancelled, number());
}

static int branch(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    rv_scope s;
    rv_group g;

    if (depth == 0)
        return leaf(NULL);
    rv_scope_open(&s, RV_NEVER);
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 3; i++)
        rv_go(&g, branch, (void *)(depth - 1));
    return rv_scope_close(&s, rv_group_close(&g, 0));
}

enum { DEPTH = 5, LEAVES = 3 * 3 * 3 * 3 * 3 };

static int cancel_tree(void *arg)
{
    long wanted = LEAVES;
    rv_scope s;
    rv_group g;

    (void)arg;
    rv_scope_open(&s, RV_NEVER);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, branch, (void *)DEPTH);
    while (started < wanted)
        CHECK_EQ(rv_yield(), 0);
    rv_cancel(&s);
    CHECK_EQ(rv_group_close(&g, 0), -ECANCELED);
    return rv_scope_close(&s, -ECANCELED);
}

TEST(a_cancel_reaches_groups_in_groups_past_scopes_between_them)
{
    CHECK_EQ(run_virtual(cancel_tree, NULL), 0);
    CHECK_EQ(cancelled, LEAVES);
}

static int deadline_tree(void *arg)
{
    rv_scope s;

    (void)arg;
    rv_scope_open(&s, rv_after(RV_S));
    return rv_scope_close(&s, branch((void *)DEPTH));
}

TEST(a_deadline_reaches_groups_in_groups)
{
    CHECK_EQ(run_virtual(deadline_tree, NULL), -ETIMEDOUT);
    CHECK_EQ(cancelled, LEAVES);
}

static int shielded_child(void *arg)
{
    rv_scope s;
    int result;

    (void)arg;
    rv_shield_open(&s, RV_NEVER);
    started++;
    result = rv_sleep(RV_S);
    CHECK_EQ(result, 0);
    CHECK_EQ(rv_scope_close(&s, result), 0);
    CHECK_EQ(rv_yield(), -ECANCELED);
    cancelled++;
    return -ECANCELED;
}

static int shielded_group(void *arg)
{
    rv_scope s;
    rv_group g;

    (void)arg;
    rv_shield_open(&s, RV_NEVER);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, shielded_child, NULL); /* a second shield, inside of a shielded group */
    CHECK_EQ(rv_sleep(RV_S / 2), 0);
    CHECK_EQ(rv_yield(), 0);
    rv_group_cancel(&g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(rv_scope_close(&s, 0), 0);
    CHECK_EQ(rv_yield(), -ECANCELED);
    return 0;
}

static int cancel_past_shields(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, shielded_child, NULL);
    rv_go(&g, shielded_group, NULL);
    while (started < 2)
        CHECK_EQ(rv_yield(), 0);
    rv_group_cancel(&g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(cancelled, 2);
    return 0;
}

TEST(a_shield_in_a_task_keeps_a_cancel_from_all_that_is_inside_it)
{
    CHECK_EQ(run_virtual(cancel_past_shields, NULL), 0);
}

/* ---- what a group gives its tasks ---- */

static int use_stack(void *arg)
{
    size_t bytes = *(size_t *)arg * 3 / 4;
    volatile char *deep = __builtin_alloca(bytes);

    for (size_t i = 0; i < bytes; i += 512)
        deep[i] = 1;
    CHECK_EQ(rv_yield(), 0);
    started++;
    return deep[0] - 1;
}

static int stacks(void *arg)
{
    static size_t sizes[] = {16 << 10, 17 << 10, 64 << 10, 100 << 10, 1 << 20, 8 << 20};

    (void)arg;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        rv_group g;

        rv_group_open(&g, RV_NEVER);
        rv_group_stack(&g, sizes[i]);
        for (int n = 0; n < 3; n++)
            rv_go(&g, use_stack, &sizes[i]);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    CHECK_EQ(started, 18);
    return 0;
}

TEST(a_group_s_tasks_can_use_the_stack_that_it_was_told)
{
    CHECK_EQ(rv_run(stacks, NULL, NULL), 0);
}

static int up_to_the_cap(void *arg)
{
    size_t bytes = 100;
    rv_group g;
    int got;

    (void)arg;
    for (int i = 0; i < 3; i++) { /* as tasks end, there is room again */
        rv_group_open(&g, RV_NEVER);
        for (got = 0; rv_try_go(&g, use_stack, &bytes) == 0; got++)
            ;
        CHECK_EQ(got, 9); /* this task is the tenth */
        CHECK_EQ(rv_try_go(&g, use_stack, NULL), -EAGAIN);
        CHECK_EQ(rv_group_close(&g, 0), 0);
    }
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 10; i++)
        rv_go(&g, leaf, NULL);
    CHECK_EQ(rv_group_close(&g, 0), -EAGAIN); /* the one too many failed the group */
    CHECK_EQ(cancelled, 9);
    return 0;
}

TEST(hazard_46_tasks_beyond_tasks_max_are_refused_and_fail_the_group)
{
    const rv_options ten = {.tasks_max = 10, .workers = 1}; /* several would divide them */

    CHECK_EQ(rv_run(up_to_the_cap, NULL, &ten), 0);
}
