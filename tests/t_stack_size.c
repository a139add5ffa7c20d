/* t_stack_size.c: the stack that was promised is there, byte for byte, and is what was asked for.
 */
#include "child.h"

#include "reeve.h"
#include "sched/worker.h"

enum { KIB = 1024, PAGE = 4096 };

/* Of what was asked for, the task's own first frames and the calls that it makes take some. */
enum { FRAMES_TAKE = 512 };

struct sized {
    size_t ask;      /* rv_group_stack(), 0: not called */
    size_t promised; /* usable bytes */
};

static __attribute__((noinline)) long use(size_t bytes)
{
    volatile char *block = __builtin_alloca(bytes);
    long sum = 0;

    for (size_t i = 0; i < bytes; i++)
        block[i] = (char)(i * 7);
    for (size_t i = 0; i < bytes; i++)
        sum += block[i] == (char)(i * 7);
    return sum;
}

static int use_all(void *arg)
{
    const struct sized *s = arg;
    size_t bytes = s->promised - FRAMES_TAKE;

    CHECK(stack_bytes(&worker_self->task->stack) >= s->promised);
    CHECK(stack_bytes(&worker_self->task->stack) < 2 * s->promised + 4 * PAGE);
    CHECK_EQ(use(bytes), bytes);
    return rv_yield();
}

static int one_of(void *arg)
{
    const struct sized *s = arg;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    if (s->ask)
        rv_group_stack(&g, s->ask);
    for (int i = 0; i < 3; i++)
        rv_go(&g, use_all, arg);
    return rv_group_close(&g, 0);
}

TEST(every_byte_of_a_groups_stack_size_can_be_used)
{
    static struct sized sizes[] = {
        {1, 16 * KIB},        {16 * KIB, 16 * KIB},     {100000, 100000},
        {64 * KIB, 64 * KIB}, {1024 * KIB, 1024 * KIB}, {8192 * KIB, 8192 * KIB}};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        CHECK_EQ(rv_run(one_of, &sizes[i], NULL), 0);
}

TEST(the_default_is_64_kib_and_every_byte_can_be_used)
{
    static struct sized s = {0, 64 * KIB};

    CHECK_EQ(rv_run(one_of, &s, NULL), 0);
}

TEST(the_first_task_has_the_default_too)
{
    static struct sized s = {0, 64 * KIB};

    CHECK_EQ(rv_run(use_all, &s, NULL), 0);
}

TEST(reeve_stack_sets_the_default)
{
    static struct sized s = {0, 256 * KIB}, small = {0, 16 * KIB};

    setenv("REEVE_STACK", "256K", 1);
    CHECK_EQ(rv_run(one_of, &s, NULL), 0);
    setenv("REEVE_STACK", "16384", 1);
    CHECK_EQ(rv_run(one_of, &small, NULL), 0);
}

TEST(the_programs_own_stack_size_beats_reeve_stack)
{
    static struct sized s = {0, 512 * KIB};
    rv_options options = {.stack_bytes = 512 * KIB};

    setenv("REEVE_STACK", "32K", 1);
    CHECK_EQ(rv_run(one_of, &s, &options), 0);
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static void run_nothing(void *arg)
{
    setenv("REEVE_STACK", arg, 1);
    CHECK_EQ(rv_run(nothing, NULL, NULL), -EINVAL);
}

TEST(a_reeve_stack_that_makes_no_sense_is_refused_in_words)
{
    static char *wrong[] = {"1", "16383", "-1", "64 K", "64KB", "lots", "", "4G", "0"};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct child c = child_run(run_nothing, wrong[i]);
        char text[64];
        snprintf(text, sizeof text, "reeve: REEVE_STACK=%s: a number from 16384", wrong[i]);
        CHECK(child_said(&c, text));
        CHECK_EQ(c.code, 0);
    }
}

static int too_much(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_group_stack(&g, SIZE_MAX / 2);
    return rv_group_close(&g, 0);
}

TEST_DIES(a_group_stack_beyond_2_gib_is_named, "rv_group_stack: ")
{
    CHECK_EQ(rv_run(too_much, NULL, NULL), 0);
}

static int mixed(void *arg)
{
    static struct sized small = {16 * KIB, 16 * KIB}, large = {1024 * KIB, 1024 * KIB};
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 200; i++) {
        struct sized *s = i % 2 ? &small : &large;
        rv_group_stack(&g, s->ask);
        rv_go(&g, use_all, s);
    }
    return rv_group_close(&g, 0);
}

TEST(each_task_of_a_group_has_the_size_that_held_when_it_was_spawned)
{
    CHECK_EQ(rv_run(mixed, NULL, NULL), 0);
}

/* ---- where tops lie ---- */

enum { LINES = PAGE / 64, TASKS = 4 * 32 };

static int note_line(void *arg)
{
    int *used = arg;
    volatile char here = 0;

    used[(uintptr_t)&here % PAGE / 64]++;
    return rv_sleep(10 * RV_MS);
}

static int note_lines(void *arg)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < TASKS; i++)
        rv_go(&g, note_line, arg);
    return rv_group_close(&g, 0);
}

TEST(frames_of_equal_tasks_fall_on_different_cache_lines)
{
    int used[LINES] = {0}, lines = 0;

    CHECK_EQ(rv_run(note_lines, used, NULL), 0);
    for (int i = 0; i < LINES; i++) {
        lines += used[i] > 0;
        CHECK(used[i] <= 2 * TASKS / 32);
    }
    CHECK(lines >= 32);
}
