/* t_sim.c: simulated worlds: one seed, one run; what the seed decides; what the audit finds.
 *
 * What is in such a world (connections, pipes, files) is tested by the suite itself, which runs in
 * one with REEVE_BACKEND=sim.
 */
#include "tests/child.h"
#include "tests/net.h"

#include <time.h>

#include "reeve_sim.h"

static const rv_sim_options calm = {.without = RV_SIM_ALL};

/* ---- an exchange that gives the seed something to decide ---- */

static int answer(void *arg)
{
    int fd = rv_accept(*(int *)arg, NULL, NULL);
    char byte;

    while (fd >= 0 && rv_read(fd, &byte, 1) == 1 && rv_write_all(fd, &byte, 1) == 0)
        ;
    if (fd >= 0)
        rv_close(fd);
    return 0;
}

static int ask(void *arg)
{
    int fd = rv_socket(AF_INET, SOCK_STREAM, 0);
    char word[8] = "a word";

    if (fd >= 0 && rv_connect(fd, arg, sizeof(struct sockaddr_in)) == 0 &&
        rv_write_all(fd, word, sizeof word) == 0)
        rv_sim_note("heard", rv_read_full(fd, word, sizeof word));
    if (fd >= 0)
        rv_close(fd);
    return 0;
}

/* A listener of the world, or -errno as the seed has it. */
static int listener_at(struct sockaddr_in *at)
{
    socklen_t len = sizeof *at;
    int fd = rv_socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        return fd;
    CHECK_EQ(rv_bind(fd, (struct sockaddr *)at, len), 0);
    CHECK_EQ(rv_listen(fd, 16), 0);
    CHECK_EQ(rv_getsockname(fd, (struct sockaddr *)at, &len), 0);
    return fd;
}

static int exchange(void *unused)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int listener = listener_at(&at);
    rv_group servers, clients;

    (void)unused;
    if (listener < 0)
        return 0;
    rv_group_open(&servers, RV_NEVER);
    rv_group_open(&clients, rv_after(RV_S));
    for (int i = 0; i < 3; i++) {
        rv_go(&servers, answer, &listener);
        rv_go(&clients, ask, &at);
    }
    CHECK_EQ(rv_group_close(&clients, 0), 0);
    rv_group_cancel(&servers);
    CHECK_EQ(rv_group_close(&servers, 0), 0);
    return rv_close(listener);
}

TEST(one_seed_is_one_run_and_another_seed_another)
{
    uint64_t hash[20];

    for (uint64_t seed = 0; seed < 20; seed++) {
        CHECK_EQ(rv_sim_run(seed, NULL, exchange, NULL), 0);
        hash[seed] = rv_sim_last().hash;
        for (uint64_t other = 0; other < seed; other++)
            CHECK(hash[other] != hash[seed]);
    }
    for (uint64_t seed = 0; seed < 20; seed++) {
        CHECK_EQ(rv_sim_run(seed, NULL, exchange, NULL), 0);
        CHECK_EQ(rv_sim_last().hash, hash[seed]);
    }
}

/* A change of the world changes this number, and that is fine; that of the CPU does not. */
TEST(a_run_is_the_same_on_every_cpu)
{
    uint64_t all = 0;

    for (uint64_t seed = 1; seed <= 100; seed++) {
        CHECK_EQ(rv_sim_run(seed, NULL, exchange, NULL), 0);
        all = all * 31 + rv_sim_last().hash;
    }
    CHECK_EQ(all, 4910417170140777117);
}

/* ---- time ---- */

static int sleep_long(void *unused)
{
    rv_time began = rv_now();

    (void)unused;
    CHECK_EQ(rv_sleep(10 * 3600 * RV_S), 0);
    CHECK(rv_now() - began >= 10 * 3600 * RV_S);
    return 0;
}

static int look_until(void *unused)
{
    rv_time until = rv_after(RV_MS);

    (void)unused;
    while (rv_now() < until)
        ;
    return 0;
}

TEST(ten_hours_pass_in_no_time_and_looking_at_the_clock_moves_it)
{
    struct timespec before, after;

    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK_EQ(rv_sim_run(1, NULL, sleep_long, NULL), 0);
    CHECK_EQ(rv_sim_run(1, NULL, look_until, NULL), 0);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK(after.tv_sec - before.tv_sec < 20);
}

static int sleep_on(void *unused)
{
    (void)unused;
    for (;;)
        if (rv_sleep(RV_S) < 0)
            return -ECANCELED;
}

TEST(a_run_that_lasts_too_long_is_a_failure)
{
    rv_sim_options opt = {.time_max = 100 * RV_S};

    CHECK_EQ(rv_sim_run(1, &opt, sleep_on, NULL), -ENOTRECOVERABLE);
    CHECK(rv_sim_last().time < 110 * RV_S);
}

/* ---- order ---- */

static int arrivals[3], arrived;

static int arrive(void *arg)
{
    arrivals[arrived++] = (int)(intptr_t)arg;
    return 0;
}

static int race(void *unused)
{
    rv_group g;

    (void)unused;
    arrived = 0;
    rv_group_open(&g, RV_NEVER);
    for (intptr_t i = 0; i < 3; i++)
        rv_go(&g, arrive, (void *)i);
    return rv_group_close(&g, 0);
}

TEST(every_order_of_three_tasks_comes_with_some_seed)
{
    bool seen[27] = {false};
    int orders = 0;

    for (uint64_t seed = 0; seed < 300; seed++) {
        CHECK_EQ(rv_sim_run(seed, NULL, race, NULL), 0);
        seen[arrivals[0] * 9 + arrivals[1] * 3 + arrivals[2]] = true;
    }
    for (int i = 0; i < 27; i++)
        orders += seen[i];
    CHECK_EQ(orders, 6);
}

/* ---- on which side of a completion a cancel lands ---- */

static int cancelled_open(void *arg)
{
    int *outcomes = arg, fd;
    rv_scope s;

    rv_scope_open(&s, rv_after(100 * RV_US));
    fd = rv_openat(AT_FDCWD, "/file", O_CREAT | O_RDWR, 0600);
    (void)rv_scope_close(&s, 0);
    outcomes[fd >= 0 ? 0 : fd == -ECANCELED ? 1 : 2]++;
    return fd >= 0 ? rv_close(fd) : 0;
}

TEST(a_deadline_beside_a_completion_has_either_outcome)
{
    int outcomes[3] = {0};

    for (uint64_t seed = 0; seed < 300; seed++)
        CHECK_EQ(rv_sim_run(seed, NULL, cancelled_open, outcomes), 0);
    CHECK(outcomes[0] > 10);
    CHECK(outcomes[1] > 10);
}

/* ---- the audit ---- */

static int leave_open(void *unused)
{
    int fds[2];

    (void)unused;
    CHECK_EQ(rv_pipe(fds, 0), 0);
    return 0;
}

TEST(a_descriptor_that_is_left_open_is_told_with_its_maker)
{
    rv_sim_options allowed = {.without = RV_SIM_ALL, .leave_open = true};

    CHECK_EQ(rv_sim_run(1, &calm, leave_open, NULL), -ENOTRECOVERABLE);
    CHECK_EQ(rv_sim_run(1, &allowed, leave_open, NULL), 0);
}

static int open_and_leave(void *unused)
{
    (void)unused;
    rv_name("untidy");
    CHECK(rv_openat(AT_FDCWD, "/file", O_CREAT | O_RDWR, 0600) >= 0);
    return 0;
}

static void run_untidy(void *unused)
{
    (void)unused;
    CHECK_EQ(rv_sim_run(1, &calm, open_and_leave, NULL), -ENOTRECOVERABLE);
}

TEST(what_an_operation_made_is_told_with_the_task_that_asked_for_it)
{
    struct child c = child_run(run_untidy, NULL);

    CHECK_EQ(c.code, 0);
    CHECK(child_said(&c, "made by task 1 \"untidy\""));
}

static int wait_for_nobody(void *unused)
{
    int fds[2];
    char byte;
    ssize_t n;

    (void)unused;
    CHECK_EQ(rv_pipe(fds, 0), 0);
    n = rv_read(fds[0], &byte, 1);
    close_both(fds);
    return (int)n;
}

TEST(a_wait_that_nothing_in_the_world_can_end_is_a_deadlock)
{
    CHECK_EQ(rv_sim_run(1, &calm, wait_for_nobody, NULL), -ENOTRECOVERABLE);
}

static int fail(void *unused)
{
    (void)unused;
    return rv_sim_random(4) ? 0 : -EPROTO;
}

static int be_content(void *unused)
{
    (void)unused;
    (void)!rv_sleep(RV_NEVER);
    return 0;
}

TEST(a_deadlock_fails_the_run_whatever_its_function_says)
{
    CHECK_EQ(rv_sim_run(1, &calm, be_content, NULL), -ENOTRECOVERABLE);
    CHECK_EQ(rv_sim_seeds(1, 3, NULL, be_content, NULL), -ENOTRECOVERABLE);
}

static int give_null(void *unused)
{
    int fds[2];

    (void)unused;
    CHECK_EQ(rv_socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(rv_write(fds[0], NULL, 1), -EFAULT);
    CHECK_EQ(rv_write(fds[0], "a", 1), 1);
    CHECK_EQ(rv_read(fds[1], NULL, 1), -EFAULT);
    CHECK_EQ(rv_sim_host_open(&(rv_sim_host){0}, NULL), -EINVAL);
    CHECK_EQ(rv_sim_partition(NULL, "*", 1), -EINVAL);
    close_both(fds);
    return 0;
}

TEST(null_is_refused_and_ends_no_process)
{
    CHECK_EQ(rv_sim_run(1, &calm, give_null, NULL), 0);
}

TEST(options_that_mean_nothing_are_refused)
{
    const rv_sim_options unknown = {.without = RV_SIM_ALL + 1};

    CHECK_EQ(rv_sim_run(1, &unknown, be_content, NULL), -EINVAL);
    CHECK_EQ(rv_sim_seeds(1, 0, &calm, fail, NULL), -EINVAL);
}

static int take_all_numbers(void *unused)
{
    int fds[100], count = 0;

    (void)unused;
    while (count < 100 && (fds[count] = rv_socket(AF_INET, SOCK_DGRAM, 0)) >= 0)
        count++;
    CHECK_EQ(count, 10);
    CHECK_EQ(fds[count], -EMFILE);
    while (count)
        CHECK_EQ(rv_close(fds[--count]), 0);
    return 0;
}

TEST(a_world_has_as_many_descriptors_as_it_was_told)
{
    rv_sim_options opt = {.without = RV_SIM_ALL, .fds_max = 10};

    CHECK_EQ(rv_sim_run(1, &opt, take_all_numbers, NULL), 0);
}

static int use_real_one(void *unused)
{
    char byte;

    (void)unused;
    CHECK_EQ(rv_read(0, &byte, 1), 0);
    CHECK_EQ(rv_read(MUST(dup(2)), &byte, 1), -EBADF);
    return 0;
}

TEST(a_descriptor_of_the_real_world_is_named)
{
    CHECK_EQ(rv_sim_run(1, &calm, use_real_one, NULL), 0);
}

TEST(seeds_run_until_one_fails)
{
    CHECK_EQ(rv_sim_seeds(1, 1000, &calm, fail, NULL), -EPROTO);
    CHECK(rv_sim_last().seed < 100);
    CHECK_EQ(rv_sim_run(rv_sim_last().seed, &calm, fail, NULL), -EPROTO);
}

static int die_by_seed(void *unused)
{
    (void)unused;
    if (rv_sim_random(4) == 0)
        abort();
    return 0;
}

TEST_DIES(a_process_that_ends_in_a_run_says_the_seed_and_how_to_replay_it, "replay: REEVE_SEED=")
{
    CHECK_EQ(rv_sim_seeds(1, 1000, &calm, die_by_seed, NULL), 0);
}

static int look_outside(void *unused)
{
    struct timespec t;

    (void)unused;
    clock_gettime(CLOCK_MONOTONIC, &t);
    rv_sim_note("now", t.tv_nsec);
    return 0;
}

TEST(what_a_replay_would_not_repeat_is_found_by_running_a_seed_twice)
{
    CHECK_EQ(rv_sim_seeds(1, 100, &calm, look_outside, NULL), -ENOTRECOVERABLE);
}

static int sleep_by_the_real_clock(void *unused)
{
    struct timespec t;

    (void)unused;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return rv_sleep(t.tv_nsec) < 0 ? -1 : 0;
}

TEST(a_run_that_only_takes_longer_than_its_twin_is_another)
{
    CHECK_EQ(rv_sim_seeds(1, 33, &calm, sleep_by_the_real_clock, NULL), -ENOTRECOVERABLE);
}

static void *kept[4];

static int tell_an_address(void *unused)
{
    static unsigned count;
    void **one = &kept[count++ % 4];

    (void)unused;
    *one = malloc(100);
    rv_sim_note("address", (int64_t)(intptr_t)*one);
    return 0;
}

TEST(an_address_that_gets_into_the_world_is_found)
{
    CHECK_EQ(rv_sim_seeds(1, 1, &calm, tell_an_address, NULL), -ENOTRECOVERABLE);
}

static int count_runs(void *unused)
{
    static int64_t count;

    (void)unused;
    rv_sim_note("runs", ++count);
    return 0;
}

TEST(what_the_last_run_left_behind_is_found)
{
    CHECK_EQ(rv_sim_seeds(1, 33, &calm, count_runs, NULL), -ENOTRECOVERABLE);
}

TEST_DIES(a_real_world_has_no_power_cuts, "rv_sim_random: this world is real")
{
    rv_options opt = {.backend = "auto"};

    setenv("REEVE_BACKEND", "auto", 1);
    (void)rv_run(fail, NULL, &opt);
}
