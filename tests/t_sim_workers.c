/* t_sim_workers.c: several workers in one simulated world, in turns on one thread.
 *
 * What they do to each other is tried by the scenarios of tests/sim, with many seeds.
 */
#include "tests/child.h"
#include "tests/net.h"

#include "reeve_sim.h"

enum { WORKERS = 4 };

static const rv_sim_options any = {.runtime.workers = WORKERS};
static const rv_sim_options calm = {.without = RV_SIM_ALL, .runtime.workers = WORKERS};

static unsigned seen; /* bits of workers */

static int leaf(void *unused)
{
    (void)unused;
    seen |= 1u << rv_worker();
    rv_sim_note("leaf", rv_worker());
    return rv_sleep((rv_time)rv_sim_random(RV_MS));
}

static int branch(void *unused)
{
    rv_group g;

    (void)unused;
    rv_spread_open(&g, RV_NEVER);
    for (int i = 0; i < 5; i++)
        rv_go(&g, leaf, NULL);
    return rv_group_close(&g, 0);
}

static int tree_of(int branches)
{
    rv_group g;

    rv_spread_open(&g, RV_NEVER);
    for (int i = 0; i < branches; i++)
        rv_go(&g, branch, NULL);
    return rv_group_close(&g, 0);
}

static int tree(void *unused)
{
    (void)unused;
    return tree_of(10);
}

static int big_tree(void *unused)
{
    (void)unused;
    return tree_of(200);
}

TEST(one_seed_is_one_run_with_several_workers_too)
{
    uint64_t hash[20];

    for (uint64_t seed = 0; seed < 20; seed++) {
        CHECK_EQ(rv_sim_run(seed, &any, tree, NULL), 0);
        hash[seed] = rv_sim_last().hash;
        for (uint64_t other = 0; other < seed; other++)
            CHECK(hash[other] != hash[seed]);
    }
    for (uint64_t seed = 0; seed < 20; seed++) {
        CHECK_EQ(rv_sim_run(seed, &any, tree, NULL), 0);
        CHECK_EQ(rv_sim_last().hash, hash[seed]);
    }
}

/* There a worker goes on for a pass. */
TEST(all_workers_take_part_and_in_a_calm_world_if_there_is_much_to_do)
{
    CHECK_EQ(rv_sim_run(1, &any, tree, NULL), 0);
    CHECK_EQ(seen, (1u << WORKERS) - 1);
    seen = 0;
    CHECK_EQ(rv_sim_run(1, &calm, big_tree, NULL), 0);
    CHECK_EQ(seen, (1u << WORKERS) - 1);
}

/* ---- how many ---- */

static int count_workers(void *out)
{
    *(unsigned *)out |= 1u << rv_workers();
    return 0;
}

TEST(a_seed_has_as_many_workers_as_its_options_say_whatever_the_environment_does)
{
    const rv_sim_options drawn = {.runtime.workers = RV_WORKERS_AUTO};
    unsigned counts = 0;

    setenv("REEVE_WORKERS", "3", 1);
    CHECK_EQ(rv_sim_run(1, NULL, count_workers, &counts), 0);
    CHECK_EQ(counts, 1u << 1);
    counts = 0;
    for (uint64_t seed = 1; seed <= 20; seed++)
        CHECK_EQ(rv_sim_run(seed, &drawn, count_workers, &counts), 0);
    CHECK_EQ(counts, 1u << 1 | 1u << 2 | 1u << 3 | 1u << 4);
}

TEST(a_program_that_is_run_in_a_simulated_world_has_the_workers_of_the_environment)
{
    unsigned counts = 0;

    setenv("REEVE_BACKEND", "sim", 1);
    setenv("REEVE_WORKERS", "3", 1);
    CHECK_EQ(rv_run(count_workers, &counts, NULL), 0);
    CHECK_EQ(counts, 1u << 3);
}

/* ---- turns ---- */

static bool done;

static int do_it_late(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++)
        if (rv_yield() < 0)
            return -ECANCELED;
    done = true;
    return 0;
}

static int yield_until_done(void *unused)
{
    rv_group g;

    (void)unused;
    done = false;
    rv_group_open(&g, RV_NEVER);
    rv_go_on(&g, WORKERS - 1, do_it_late, NULL);
    while (!done)
        CHECK_EQ(rv_yield(), 0);
    return rv_group_close(&g, 0);
}

TEST(a_worker_that_is_always_busy_does_not_keep_the_others_from_their_turn)
{
    CHECK_EQ(rv_sim_run(1, &calm, yield_until_done, NULL), 0);
    CHECK_EQ(rv_sim_run(1, &any, yield_until_done, NULL), 0);
}

static int order[2], ordered;

static int arrive(void *arg)
{
    order[ordered++] = (int)(intptr_t)arg;
    return 0;
}

static int race(void *unused)
{
    rv_group g;

    (void)unused;
    ordered = 0;
    rv_group_open(&g, RV_NEVER);
    for (intptr_t i = 0; i < 2; i++)
        rv_go_on(&g, 1 + (unsigned)i, arrive, (void *)i);
    return rv_group_close(&g, 0);
}

TEST(either_of_two_workers_comes_first_with_some_seed)
{
    int firsts[2] = {0};

    for (uint64_t seed = 0; seed < 50; seed++) {
        CHECK_EQ(rv_sim_run(seed, &any, race, NULL), 0);
        firsts[order[0]]++;
    }
    CHECK(firsts[0] > 0 && firsts[1] > 0);
}

/* ---- time ---- */

static int sleep_ten_hours(void *unused)
{
    rv_time began = rv_now();

    (void)unused;
    CHECK_EQ(rv_sleep(10 * 3600 * RV_S), 0);
    CHECK(rv_now() - began >= 10 * 3600 * RV_S);
    return 0;
}

static int on_another_worker(void *fn)
{
    rv_fn *call = *(rv_fn **)fn;

    return rv_on(2, call, NULL);
}

static int run_there(const rv_sim_options *opt, rv_fn *fn)
{
    return rv_sim_run(1, opt, on_another_worker, &fn);
}

TEST(time_passes_when_all_workers_sleep)
{
    CHECK_EQ(run_there(&calm, sleep_ten_hours), 0);
    CHECK_EQ(run_there(&any, sleep_ten_hours), 0);
    CHECK(rv_sim_last().steps < 1000);
}

static int sleep_on(void *unused)
{
    (void)unused;
    while (rv_sleep(RV_S) == 0)
        ;
    return -ECANCELED;
}

static int chat_on(void *unused)
{
    int err;

    (void)unused;
    do
        err = rv_on(1, leaf, NULL);
    while (err == 0);
    return err;
}

TEST(a_run_on_several_workers_that_lasts_too_long_is_a_failure)
{
    const rv_sim_options opt = {.time_max = 100 * RV_S, .runtime.workers = WORKERS};

    CHECK_EQ(run_there(&opt, sleep_on), -ENOTRECOVERABLE);
    CHECK_EQ(run_there(&opt, chat_on), -ENOTRECOVERABLE);
}

/* ---- nobody can be woken ---- */

static int sleep_for_ever(void *unused)
{
    (void)unused;
    rv_name("sleeper");
    return rv_sleep(RV_NEVER);
}

static void deadlock_there(void *unused)
{
    (void)unused;
    CHECK_EQ(run_there(&any, sleep_for_ever), -ENOTRECOVERABLE);
}

TEST(a_deadlock_of_several_workers_is_told_with_all_who_wait)
{
    struct child c = child_run(deadlock_there, NULL);

    CHECK_EQ(c.code, 0);
    CHECK(child_said(&c, "deadlock: all tasks asleep"));
    CHECK(child_said(&c, "\"main\""));
    CHECK(child_said(&c, "\"sleeper\""));
}

/* ---- posts ---- */

static int ends[2];

static int write_byte(void *unused)
{
    (void)unused;
    CHECK_EQ(rv_write_all(ends[1], "x", 1), 0);
    return 0;
}

/* Each end is one worker's: the post goes to worker 0 first. */
static int wait_for_post(void *unused)
{
    rv_runtime *rt = rv_runtime_self();
    char byte;

    (void)unused;
    CHECK_EQ(rv_pipe(ends, 0), 0);
    CHECK_EQ(rv_runtime_post(rt, write_byte, NULL, 0), 0);
    CHECK_EQ(rv_read(ends[0], &byte, 1), 1);
    close_both(ends);
    return 0;
}

TEST(a_post_ends_the_sleep_of_who_waits_for_nothing_else)
{
    const rv_sim_options alone = {.without = RV_SIM_ALL};

    CHECK_EQ(rv_sim_run(1, &alone, wait_for_post, NULL), 0);
}

static int posts_run;

static int run_post(void *unused)
{
    (void)unused;
    posts_run++;
    seen |= 1u << rv_worker();
    return 0;
}

static int post_many(void *unused)
{
    rv_runtime *rt = rv_runtime_self();

    (void)unused;
    for (int i = 0; i < 10 * WORKERS; i++)
        CHECK_EQ(rv_runtime_post(rt, run_post, NULL, 0), 0);
    return 0;
}

TEST(posts_of_tasks_run_on_all_workers_before_the_runtime_ends)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        posts_run = 0;
        CHECK_EQ(rv_sim_run(seed, &any, post_many, NULL), 0);
        CHECK_EQ(posts_run, 10 * WORKERS);
    }
    CHECK_EQ(seen, (1u << WORKERS) - 1);
    CHECK_EQ(rv_sim_seeds(0, 50, &any, post_many, NULL), 0); /* and twice the same */
}

TEST(a_runtime_of_threads_cannot_be_simulated)
{
    const rv_options opt = {.backend = "sim"};
    rv_runtime *rt;

    CHECK_EQ(rv_runtime_new(&rt, &opt), -EINVAL);
}

/* ---- hosts ---- */

static int make_file(void *unused)
{
    int fd = rv_openat(AT_FDCWD, "state", O_WRONLY | O_CREAT, 0600);

    (void)unused;
    CHECK(fd >= 0);
    return rv_close(fd);
}

static int work_elsewhere(void *unused)
{
    (void)unused;
    return rv_on(2, make_file, NULL);
}

static int look_for_file(void *out)
{
    int fd = rv_openat(AT_FDCWD, "state", O_RDONLY, 0);

    *(int *)out = fd;
    return fd < 0 ? 0 : rv_close(fd);
}

static int have_a_host(void *unused)
{
    rv_sim_host h;
    int there, here;

    (void)unused;
    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    rv_go(&h.tasks, work_elsewhere, NULL);
    CHECK_EQ(rv_sim_host_close(&h, 0), 0);
    CHECK_EQ(rv_sim_host_open(&h, "10.0.0.1"), 0);
    rv_go(&h.tasks, look_for_file, &there);
    CHECK_EQ(rv_sim_host_close(&h, 0), 0);
    CHECK_EQ(look_for_file(&here), 0);
    CHECK(there >= 0);
    CHECK_EQ(here, -ENOENT);
    return 0;
}

TEST(a_task_is_on_the_host_of_its_groups_on_whichever_worker)
{
    CHECK_EQ(rv_sim_run(1, &calm, have_a_host, NULL), 0);
}

/* ---- stacks ---- */

static __attribute__((noinline)) int fall(volatile char *above, int left)
{
    volatile char here[2000];

    here[0] = *above;
    return left ? fall(here, left - 1) + here[0] : 0;
}

static int overflow(void *unused)
{
    char first = 0;

    (void)unused;
    rv_name("falling");
    return fall(&first, 1000);
}

static void overflow_there(void *unused)
{
    (void)unused;
    (void)run_there(&calm, overflow);
}

TEST(hazard_03_an_overflow_is_named_on_each_of_the_workers_of_a_thread)
{
    struct child c = child_run(overflow_there, NULL);

    CHECK(ended_by(&c, SIGSEGV));
    CHECK(child_said(&c, "stack overflow in task"));
    CHECK(child_said(&c, "\"falling\""));
}
