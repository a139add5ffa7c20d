/* t_fairness.c: nobody who is ready, due or spawned waits for ever behind those who are always
 * busy. Bounds are in resumes, or in virtual time that passes with them, not in seconds.
 */
#include "tap.h"

#include <poll.h>

#include "virtual.h"

static long resumes;
static bool done;

/* ---- hazard 40: the world behind tasks that never rest ---- */

/* Each turn takes a microsecond of the virtual clock. */
static int never_rest(void *arg)
{
    (void)arg;
    while (!done) {
        resumes++;
        virtual_pass(RV_US);
        CHECK_EQ(rv_yield(), 0);
    }
    return 0;
}

static int timer_behind(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, never_rest, NULL);
    rv_go(&g, never_rest, NULL);
    for (int i = 0; i < 10; i++) {
        rv_time when = rv_after(3 * RV_MS);

        CHECK_EQ(rv_sleep_until(when), 0);
        CHECK(rv_now() - when <= (PASS_CREDIT + 2) * RV_US);
    }
    done = true;
    return rv_group_close(&g, 0);
}

TEST(hazard_40_a_timer_is_late_by_no_more_than_a_pass)
{
    CHECK_EQ(run_virtual(timer_behind, NULL), 0);
}

static int ends[2];
static long written_at;

/* Sockets: before Linux 6.4 it is a thread of the kernel that reads a pipe, when it gets to run. */
static void open_ends(void)
{
    CHECK_EQ(rv_socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

static int write_at(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        resumes++;
        CHECK_EQ(rv_yield(), 0);
    }
    written_at = resumes;
    CHECK_EQ(rv_write(ends[1], "x", 1), 1);
    return never_rest(NULL);
}

static int byte_behind(void *arg)
{
    rv_group g;
    char byte;

    (void)arg;
    open_ends();
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, write_at, NULL);
    rv_go(&g, never_rest, NULL);
    CHECK_EQ(rv_read(ends[0], &byte, 1), 1);
    CHECK(written_at > 0 && resumes - written_at <= 2 * PASS_CREDIT);
    done = true;
    CHECK_EQ(rv_close(ends[0]), 0);
    CHECK_EQ(rv_close(ends[1]), 0);
    return rv_group_close(&g, 0);
}

TEST(hazard_40_a_byte_is_noticed_within_two_passes)
{
    if (under_qemu())
        SKIP("qemu has no RWF_NOWAIT: a byte in a pipe comes through a helper thread");
    CHECK_EQ(run_virtual(byte_behind, NULL), 0);
}

/* Its data is always there: no call of it ever parks. */
static int always_served(void *arg)
{
    char byte = 'x';

    (void)arg;
    for (int i = 0; i < 10000; i++) {
        CHECK_EQ(rv_write(ends[1], &byte, 1), 1);
        CHECK_EQ(rv_read(ends[0], &byte, 1), 1);
    }
    done = true;
    return 0;
}

static int beside_served(void *arg)
{
    rv_group g;

    (void)arg;
    open_ends();
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, always_served, NULL);
    CHECK_EQ(never_rest(NULL), 0);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK(resumes >= 20000 * CALL_CREDIT / PASS_CREDIT / 2);
    CHECK_EQ(rv_close(ends[0]), 0);
    return rv_close(ends[1]);
}

TEST(hazard_40_calls_that_never_park_let_others_run)
{
    CHECK_EQ(run_virtual(beside_served, NULL), 0);
}

static bool ticked;

static int tick(void *arg)
{
    (void)arg;
    CHECK_EQ(rv_sleep(RV_MS), 0);
    ticked = true;
    return 0;
}

static long fail_at_once(int call, int no_fd, int pipe_end)
{
    char byte;

    switch (call) {
    case 0:
        return rv_read(no_fd, &byte, 1);
    case 1:
        return rv_write(no_fd, "x", 1);
    case 2:
        return rv_read_full(no_fd, &byte, 1);
    case 3:
        return rv_pread(no_fd, &byte, 1, 0);
    case 4:
        return rv_pread(pipe_end, &byte, 1, 0);
    case 5:
        return rv_read(pipe_end, &byte, 0);
    case 6:
        return rv_read_full(pipe_end, &byte, 0);
    case 7:
        return rv_recv(no_fd, &byte, 1, 0);
    case 8:
        return rv_poll(no_fd, POLLIN);
    case 9:
        return rv_close(1 << 30);
    default:
        return 1;
    }
}

/* Calls that are done at once, well or not, and over and over. */
static int insist(void *arg)
{
    int pipe_ends[2], no_fd, call;
    rv_group g;

    (void)arg;
    CHECK_EQ(rv_pipe(pipe_ends, 0), 0);
    CHECK_EQ(rv_write(pipe_ends[1], "x", 1), 1); /* the table knows these numbers now */
    CHECK((no_fd = rv_socket(AF_INET, SOCK_DGRAM, 0)) >= 0);
    CHECK_EQ(rv_close(no_fd), 0);
    rv_group_open(&g, RV_NEVER);
    for (call = 0; fail_at_once(call, no_fd, pipe_ends[0]) <= 0; call++) {
        int tries = 0;

        ticked = false;
        rv_go(&g, tick, NULL);
        CHECK_EQ(rv_yield(), 0);
        while (!ticked && ++tries < 1000) {
            virtual_ns += 10 * RV_US;
            CHECK(fail_at_once(call, no_fd, pipe_ends[0]) <= 0);
        }
        if (!ticked)
            fprintf(stderr, "call %d keeps everybody else from running\n", call);
        CHECK(ticked);
    }
    CHECK_EQ(call, 10);
    CHECK_EQ(rv_close(pipe_ends[0]), 0);
    CHECK_EQ(rv_close(pipe_ends[1]), 0);
    return rv_group_close(&g, 0);
}

TEST(hazard_40_nor_do_calls_that_fail_at_once_keep_others_from_running)
{
    CHECK_EQ(run_virtual(insist, NULL), 0);
}

/* ---- hazard 52: records behind ready tasks, and behind newer records ---- */

static long started_at;

static int note_start(void *arg)
{
    (void)arg;
    started_at = resumes;
    done = true;
    return 0;
}

enum { SLEEPERS = SCALED(1000, 300) };

static int sleep_then_count(void *arg)
{
    CHECK_EQ(rv_sleep_until(*(rv_time *)arg), 0);
    resumes++;
    if (resumes == 1) {
        rv_group g;

        rv_group_open(&g, RV_NEVER);
        rv_go(&g, note_start, NULL);
        return rv_group_close(&g, 0);
    }
    return 0;
}

static int behind_ready(void *arg)
{
    rv_time when = rv_after(RV_S);
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < SLEEPERS; i++)
        rv_go(&g, sleep_then_count, &when);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(resumes, SLEEPERS);
    CHECK(started_at <= 1 + BYPASS_MAX);
    return 0;
}

TEST(hazard_52_a_record_starts_after_a_bounded_number_of_ready_tasks)
{
    CHECK_EQ(run_virtual(behind_ready, NULL), 0);
}

/* Each spawns its successor and ends: the newest record is always another one. */
static int chain(void *arg)
{
    resumes++;
    if (!done)
        rv_go(arg, chain, arg);
    return resumes > 10000000 ? -EIO : 0;
}

static int behind_chain(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, note_start, NULL);
    rv_go(&g, chain, &g);
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK(done);
    CHECK(started_at <= (BYPASS_PASSES + 2) * PASS_CREDIT);
    return 0;
}

TEST(hazard_52_a_record_starts_although_there_is_always_a_newer_one)
{
    CHECK_EQ(run_virtual(behind_chain, NULL), 0);
}

static int brief(void *arg)
{
    (void)arg;
    started_at++;
    return 0;
}

static int spawn_and_yield(void *arg)
{
    size_t most = 0;
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 20000; i++) {
        rv_go(&g, brief, NULL);
        most = worker_self->unstarted > most ? worker_self->unstarted : most;
        CHECK_EQ(rv_yield(), 0);
    }
    CHECK(most <= *(size_t *)arg);
    if (tap_failures)
        fprintf(stderr, "%zu records\n", most);
    done = true;
    CHECK_EQ(rv_group_close(&g, 0), 0);
    CHECK_EQ(started_at, 20000);
    return 0;
}

TEST(hazard_52_a_spawner_that_yields_does_not_pile_up_records)
{
    size_t most = 2;

    CHECK_EQ(run_virtual(spawn_and_yield, &most), 0);
}

static int spawn_among_others(void *arg)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 30; i++)
        rv_go(&g, never_rest, NULL);
    CHECK_EQ(rv_yield(), 0);
    CHECK_EQ(spawn_and_yield(arg), 0);
    return rv_group_close(&g, 0);
}

TEST(hazard_52_nor_does_one_among_tasks_that_yield)
{
    size_t most = 32; /* the others themselves, and two */

    CHECK_EQ(run_virtual(spawn_among_others, &most), 0);
}

static int spawner(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    while (!done) {
        rv_go(&g, brief, NULL);
        rv_go(&g, brief, NULL);
        if (rv_yield() < 0)
            return -EIO;
        if (started_at > 1000000)
            return -EIO;
    }
    return rv_group_close(&g, 0);
}

static int behind_spawners(void *arg)
{
    rv_group g;

    (void)arg;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, note_start, NULL);
    for (int i = 0; i < 5; i++)
        rv_go(&g, spawner, NULL);
    return rv_group_close(&g, 0);
}

TEST(hazard_52_the_oldest_record_starts_behind_spawners_that_never_stop)
{
    CHECK_EQ(run_virtual(behind_spawners, NULL), 0);
    CHECK(done);
}
