/* Whatever decides something that the seed does not know of makes two runs of one seed differ, and
 * rv_sim_seeds() finds that. */
#include "child.h"
#include "reeve_sim.h"

#include <time.h>

static const char *const differ = "two runs of one seed differ";

static int run_seeds(void *fn)
{
    rv_fn *const *scenario = fn;

    return rv_sim_seeds(1, 33, NULL, *scenario, NULL) == -ENOTRECOVERABLE ? 42 : 0;
}

static void check_differs(rv_fn *scenario)
{
    struct child c = child_result(run_seeds, &scenario);

    CHECK_EQ(c.code, 42);
    check_says(&c, differ, "it");
    check_says(&c, "replay: REEVE_SEED=1 ", "it");
}

static int real_clock(void *arg)
{
    struct timespec now;

    (void)arg;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return rv_sleep(now.tv_nsec) < 0 ? -1 : 0;
}

TEST(a_real_clock_that_decides_how_long_to_sleep_is_found)
{
    check_differs(real_clock);
}

static int noted_address(void *arg)
{
    (void)arg;
    rv_sim_note("where", (int64_t)(intptr_t)strdup("a string that nobody frees"));
    return 0;
}

TEST(an_address_that_is_told_to_the_world_is_found)
{
#ifdef __SANITIZE_ADDRESS__
    SKIP("it leaks, and is meant to");
#endif
    check_differs(noted_address);
}

static int run_count;

static int counting(void *arg)
{
    int fds[2];

    (void)arg;
    if (++run_count % 2 && rv_pipe(fds, 0) == 0) {
        rv_close(fds[0]);
        rv_close(fds[1]);
    }
    return 0;
}

TEST(what_the_last_run_left_behind_is_found)
{
    check_differs(counting);
}

static int by_the_seed(void *arg)
{
    uint64_t random;

    (void)arg;
    rv_random(&random, sizeof random);
    rv_sim_note("now", rv_now());
    rv_sim_note("random", (int64_t)random);
    return rv_sleep((rv_time)rv_sim_random(RV_S)) < 0 ? -1 : 0;
}

TEST(what_the_seed_decides_is_the_same_again)
{
    uint64_t hash;

    CHECK_EQ(rv_sim_seeds(1, 33, NULL, by_the_seed, NULL), 0);
    CHECK_EQ(rv_sim_run(7, NULL, by_the_seed, NULL), 0);
    hash = rv_sim_last().hash;
    CHECK_EQ(rv_sim_run(7, NULL, by_the_seed, NULL), 0);
    CHECK(rv_sim_last().hash == hash);
    CHECK_EQ(rv_sim_run(8, NULL, by_the_seed, NULL), 0);
    CHECK(rv_sim_last().hash != hash);
}
