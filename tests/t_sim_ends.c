/* t_sim_ends.c: a simulated run comes to an end whatever its program does, and says how. */
#include <time.h>

#include "reeve_sim.h"
#include "tests/tap.h"

static int turn(void *unused)
{
    int err;

    (void)unused;
    while ((err = rv_yield()) == 0)
        ;
    return err;
}

TEST(a_program_that_turns_in_place_for_a_day_is_found_in_seconds)
{
    const rv_sim_options a_day = {.without = RV_SIM_ALL, .time_max = SCALED(0, 1800 * RV_S)};
    struct timespec before, after;

    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK_EQ(rv_sim_run(1, &a_day, turn, NULL), -ENOTRECOVERABLE);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK(after.tv_sec - before.tv_sec < 50);
}

static int turn_whatever_is_said(void *unused)
{
    char byte;

    (void)unused;
    while (rv_read(-1, &byte, 1) != 1)
        ;
    return 0;
}

TEST_DIES(a_program_that_no_cancel_ends_dies_with_its_seed,
          "seed 1: the process ends by a signal; replay:")
{
    rv_sim_options short_one = {.without = RV_SIM_ALL, .time_max = RV_S};

    (void)rv_sim_run(1, &short_one, turn_whatever_is_said, NULL);
}

static int sleep_and_clean_up(void *unused)
{
    int err = rv_sleep(RV_NEVER);
    rv_scope s;

    (void)unused;
    rv_shield_open(&s, RV_NEVER);
    CHECK_EQ(rv_sleep(RV_S / 2), 0);
    return rv_scope_close(&s, err);
}

static int outlast(void *unused)
{
    rv_group g;

    (void)unused;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, sleep_and_clean_up, NULL);
    return rv_group_close(&g, rv_sleep(3600 * RV_S));
}

TEST(who_is_cancelled_after_too_long_has_time_to_clean_up)
{
    rv_sim_options short_one = {.without = RV_SIM_ALL, .time_max = RV_S};

    CHECK_EQ(rv_sim_run(1, &short_one, outlast, NULL), -ENOTRECOVERABLE);
    CHECK(rv_sim_last().time < 3602 * RV_S);
}

/* ---- by REEVE_BACKEND ---- */

static int leave_open(void *unused)
{
    int fds[2];

    (void)unused;
    return rv_pipe(fds, 0);
}

static int fail_by_word(void *unused)
{
    (void)unused;
    rv_sim_fail("as asked");
    return 0;
}

static int wait_for_nobody(void *unused)
{
    int fds[2];
    char byte;

    (void)unused;
    CHECK_EQ(rv_pipe(fds, 0), 0);
    CHECK_EQ(rv_read(fds[0], &byte, 1), -ECANCELED);
    return 0;
}

TEST(what_the_audit_finds_fails_rv_run_too_but_not_what_outlives_it)
{
    setenv("REEVE_BACKEND", "sim", 1);
    CHECK_EQ(rv_run(leave_open, NULL, NULL), 0);
    CHECK_EQ(rv_run(fail_by_word, NULL, NULL), -ENOTRECOVERABLE);
    CHECK_EQ(rv_run(wait_for_nobody, NULL, NULL), 0); /* who ends well, ended well */
}
