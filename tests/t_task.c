// LINK: -lm
/* t_task.c: what a task is: its argument, its name, its number, its thread, its result, its
 * floating-point environment; and a runtime's life around it.
 */
#include "tap.h"

#include <fenv.h>
#include <pthread.h>
#include <stddef.h>

#include "reeve.h"
#include "sched/worker.h"

/* ---- arguments ---- */

struct copied {
    size_t len;
    int runs;
    const unsigned char *from;
};

static struct copied copied;

static int look_at_copy(void *arg)
{
    const unsigned char *copy = arg;

    CHECK(copy != NULL && copy != copied.from);
    CHECK((uintptr_t)copy % _Alignof(max_align_t) == 0);
    for (size_t i = 0; i < copied.len; i++)
        if (copy[i] != (unsigned char)(i * 7 + copied.len))
            CHECK(!"the copy differs");
    memset(arg, 0, copied.len); /* it is the task's own */
    copied.runs++;
    return 0;
}

static void fill(unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)(i * 7 + len);
}

static int copies(void *arg)
{
    static const size_t lens[] = {0, 1, 15, 63, 64, 65, 100, 4096, 16384};
    unsigned char *bytes = arg;

    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        rv_group g;

        copied = (struct copied){.len = lens[i], .from = bytes};
        rv_group_open(&g, RV_NEVER);
        fill(bytes, lens[i]);
        rv_go_copy(&g, look_at_copy, bytes, lens[i]);
        CHECK_EQ(rv_try_go_copy(&g, look_at_copy, bytes, lens[i]), 0);
        memset(bytes, 0xee, lens[i]); /* the caller's may go away at once */
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK_EQ(copied.runs, 2);
    }
    return 0;
}

TEST(a_task_has_its_own_aligned_copy_of_the_argument)
{
    static unsigned char bytes[16384];

    CHECK_EQ(rv_run(copies, bytes, NULL), 0);
}

static int must_not_run(void *arg)
{
    (void)arg;
    CHECK(!"it ran");
    return 0;
}

static int copy_too_much(void *arg)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    CHECK_EQ(rv_try_go_copy(&g, must_not_run, arg, 16385), -E2BIG);
    CHECK_EQ(rv_group_close(&g, 3), 3);
    rv_group_open(&g, RV_NEVER);
    rv_go_copy(&g, must_not_run, arg, 1 << 20);
    CHECK_EQ(rv_sleep(RV_S), -ECANCELED);
    CHECK_EQ(rv_group_close(&g, 0), -E2BIG);
    return 0;
}

TEST(a_copy_that_would_fill_the_stack_is_too_big_for_try_and_fails_the_group)
{
    static unsigned char bytes[1 << 20];

    CHECK_EQ(rv_run(copy_too_much, bytes, NULL), 0);
}

static int null_copy(void *arg)
{
    rv_group g;

    (void)arg;
    copied = (struct copied){0};
    rv_group_open(&g, RV_NEVER);
    rv_go_copy(&g, look_at_copy, NULL, 0);
    return rv_group_close(&g, 0);
}

TEST(a_copy_of_nothing_may_be_of_null)
{
    CHECK_EQ(rv_run(null_copy, NULL, NULL), 0);
    CHECK_EQ(copied.runs, 1);
}

static int same_pointer(void *arg)
{
    CHECK(arg == &copied || arg == NULL);
    return 0;
}

static int pass_pointers(void *arg)
{
    rv_group g;

    CHECK(arg == &g || arg == &copied);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, same_pointer, &copied);
    rv_go(&g, same_pointer, NULL);
    return rv_group_close(&g, 0);
}

TEST(a_plain_argument_is_passed_on_as_it_is)
{
    CHECK_EQ(rv_run(pass_pointers, &copied, NULL), 0);
}

/* ---- results ---- */

static int give(void *arg)
{
    return (int)(intptr_t)arg;
}

TEST(rv_run_returns_what_the_first_task_does)
{
    static const int results[] = {0, 1, INT32_MAX, -1, -EPIPE, -ECANCELED, -ETIMEDOUT, INT32_MIN};

    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
        CHECK_EQ(rv_run(give, (void *)(intptr_t)results[i], NULL), results[i]);
}

/* ---- identity ---- */

static uint64_t last_id;

static int note_id(void *arg)
{
    uint64_t id = rv_id();

    (void)arg;
    CHECK(id != 0);
    CHECK_EQ(rv_yield(), 0);
    CHECK_EQ(rv_id(), id); /* it stays */
    last_id = id > last_id ? id : last_id;
    return 0;
}

static int ids(void *arg)
{
    enum { COUNT = 1000 };
    uint64_t mine = rv_id();

    (void)arg;
    for (int i = 0; i < COUNT; i++) {
        uint64_t before = last_id;
        rv_group g;

        rv_group_open(&g, RV_NEVER);
        rv_go(&g, note_id, NULL);
        CHECK_EQ(rv_group_close(&g, 0), 0);
        CHECK(last_id > before && last_id > mine);
    }
    return 0;
}

TEST(every_task_has_a_number_that_no_other_has)
{
    CHECK_EQ(rv_run(ids, NULL, NULL), 0);
}

/* ---- one thread ---- */

static pthread_t home;

static int stay(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        CHECK(pthread_equal(pthread_self(), home));
        CHECK_EQ(i % 5 ? rv_yield() : rv_sleep(10 * RV_US), 0);
    }
    CHECK(pthread_equal(pthread_self(), home));
    return 0;
}

static int many_stay(void *arg)
{
    rv_group g;

    (void)arg;
    home = pthread_self();
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 100; i++)
        rv_go(&g, stay, NULL);
    return rv_group_close(&g, 0);
}

TEST(hazard_1_a_task_finds_itself_on_its_thread_at_each_resume)
{
    CHECK_EQ(rv_run(many_stay, NULL, NULL), 0);
}

static pthread_barrier_t both_run;

/* Neither ring is closed before the other is open: TSan does not see that liburing unmaps one, and
 * would take the next at its address for the same memory. */
static int own_thread(void *arg)
{
    pthread_t me = pthread_self();

    pthread_barrier_wait(&both_run);
    for (int i = 0; i < 1000; i++) {
        CHECK(pthread_equal(pthread_self(), me));
        CHECK_EQ(i % 50 ? rv_yield() : rv_sleep(20 * RV_US), 0);
    }
    return (int)(intptr_t)arg;
}

static void *run_in_thread(void *arg)
{
    return (void *)(intptr_t)rv_run(own_thread, arg, NULL);
}

TEST(two_threads_run_a_runtime_each)
{
    pthread_t threads[2];
    void *result;

    CHECK_EQ(pthread_barrier_init(&both_run, NULL, 2), 0);
    for (intptr_t i = 0; i < 2; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, run_in_thread, (void *)(i + 5)), 0);
    for (intptr_t i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(threads[i], &result), 0);
        CHECK_EQ((intptr_t)result, i + 5);
    }
}

/* ---- order and number ---- */

static char order[64];

static int note_letter(void *arg)
{
    strncat(order, arg, 1);
    return 0;
}

static int note_branch(void *arg)
{
    rv_group g;

    strncat(order, arg, 1);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, note_letter, (char *)arg + 1);
    rv_go(&g, note_letter, (char *)arg + 2);
    return rv_group_close(&g, 0);
}

static int tree(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, note_branch, "Aab");
    rv_go(&g, note_branch, "Bcd");
    return rv_group_close(&g, 0);
}

TEST(a_tree_of_spawns_is_walked_depth_first_the_newest_first)
{
    CHECK_EQ(rv_run(tree, NULL, NULL), 0);
    CHECK(strcmp(order, "BdcAba") == 0);
}

static long ran;

static int count(void *arg)
{
    (void)arg;
    ran++;
    return 0;
}

static int spawn_many(void *arg)
{
    long number = *(long *)arg;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (long i = 0; i < number; i++)
        rv_go(&g, count, NULL);
    CHECK_EQ(ran, 0); /* a spawn is a note: nobody ran yet */
    return rv_group_close(&g, 0);
}

TEST(a_hundred_thousand_spawned_at_once_all_run)
{
    long number = 100000;

    CHECK_EQ(rv_run(spawn_many, &number, NULL), 0);
    CHECK_EQ(ran, number);
}

static int wait_a_turn(void *arg)
{
    CHECK_EQ(rv_sleep(RV_MS), 0);
    return count(arg);
}

static int park_many(void *arg)
{
    long number = *(long *)arg;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (long i = 0; i < number; i++)
        rv_go(&g, wait_a_turn, NULL);
    return rv_group_close(&g, 0);
}

TEST(twenty_thousand_parked_at_once_all_come_back)
{
    long number = SCALED(20000, 500);

    CHECK_EQ(rv_run(park_many, &number, NULL), 0);
    CHECK_EQ(ran, number);
}

TEST(a_runtime_may_come_after_another)
{
    for (int i = 0; i < 20; i++) {
        long number = 100;

        ran = 0;
        CHECK_EQ(rv_run(spawn_many, &number, NULL), 0);
        CHECK_EQ(ran, number);
    }
}

/* ---- floating point ---- */

static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};

static int keep_mode(void *arg)
{
    int mode = modes[(intptr_t)arg % 4];

    CHECK_EQ(fegetround(), FE_TONEAREST);
    CHECK_EQ(fesetround(mode), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(i % 7 ? rv_yield() : rv_sleep(10 * RV_US), 0);
        CHECK_EQ(fegetround(), mode);
    }
    return 0;
}

static int keep_default(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(fegetround(), FE_TONEAREST);
        CHECK_EQ(i % 7 ? rv_yield() : rv_sleep(10 * RV_US), 0);
    }
    return 0;
}

static int round_about(void *arg)
{
    rv_group own, plain;

    (void)arg;
    rv_group_open(&own, RV_NEVER);
    rv_group_fenv(&own);
    rv_group_open(&plain, RV_NEVER);
    for (intptr_t i = 0; i < 24; i++) {
        rv_go(&own, keep_mode, (void *)i);
        rv_go(&plain, keep_default, NULL);
    }
    CHECK_EQ(keep_default(NULL), 0);
    CHECK_EQ(rv_group_close(&plain, 0), 0);
    CHECK_EQ(rv_group_close(&own, 0), 0);
    CHECK_EQ(fegetround(), FE_TONEAREST);
    return 0;
}

TEST(hazard_6_a_group_with_fenv_gives_each_task_a_rounding_mode_and_spares_the_others)
{
    CHECK_EQ(rv_run(round_about, NULL, NULL), 0);
    CHECK_EQ(fegetround(), FE_TONEAREST);
}

static int end_rounded(void *arg)
{
    return fesetround(modes[(intptr_t)arg % 4]);
}

static int one_after_the_other(void *arg)
{
    (void)arg;
    for (intptr_t i = 0; i < 12; i++) {
        rv_group own, plain;

        rv_group_open(&own, RV_NEVER);
        rv_group_fenv(&own);
        rv_group_open(&plain, RV_NEVER);
        rv_go(&own, keep_mode, (void *)i);
        rv_go(&plain, keep_default, NULL);
        rv_go(&own, end_rounded, (void *)i);
        rv_go(&own, end_rounded, (void *)(i + 1));
        CHECK_EQ(rv_group_close(&plain, 0), 0);
        CHECK_EQ(rv_group_close(&own, 0), 0);
        CHECK_EQ(fegetround(), FE_TONEAREST);
    }
    return 0;
}

TEST(hazard_6_a_task_that_ends_takes_its_rounding_mode_along)
{
    CHECK_EQ(rv_run(one_after_the_other, NULL, NULL), 0);
}

static int turn_and_wait(void *arg)
{
    CHECK_EQ(fesetround(FE_UPWARD), 0);
    CHECK_EQ(rv_sleep(2 * RV_MS), 0);
    CHECK_EQ(fegetround(), FE_UPWARD);
    return *(int *)arg;
}

/* Ends when nobody is ready and its record is the newest: on its stack the next task could run. */
static int spawn_and_end(void *arg)
{
    static int result;

    rv_go(arg, turn_and_wait, &result);
    return 0;
}

static int hand_over(void *arg)
{
    uint32_t careful = worker_self->careful; /* C++ is in sanitizers' own libraries */
    rv_group own, plain;

    (void)arg;
    rv_group_open(&own, RV_NEVER);
    rv_group_fenv(&own);
    rv_group_open(&plain, RV_NEVER);
    rv_go(&plain, keep_default, NULL);
    rv_go(&plain, spawn_and_end, &own);
    CHECK_EQ(rv_group_close(&plain, 0), 0);
    CHECK_EQ(keep_default(NULL), 0);
    CHECK_EQ(rv_group_close(&own, 0), 0);
    CHECK_EQ(worker_self->careful, careful);
    return keep_default(NULL);
}

TEST(hazard_6_nor_does_a_rounding_mode_leak_where_a_plain_task_made_room_for_one_that_has_it)
{
    CHECK_EQ(rv_run(hand_over, NULL, NULL), 0);
}
