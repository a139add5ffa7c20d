/* t_helpers.c: a bounded pool of threads: all jobs come back, none is interrupted for ever. */
#include "tests/net.h"

#include <sys/eventfd.h>

#include "kernel/helpers.h"

static struct helpers pool;
static int running, running_most, begun, threads_before;

struct task_job {
    struct helper_job job;
    int fd; /* it reads a byte from there; -1: it does not wait */
};

static long work(struct helper_job *job)
{
    struct task_job *t = CONTAINER(job, struct task_job, job);
    int now = __atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
    char byte;
    long n = 0;

    __atomic_add_fetch(&begun, 1, __ATOMIC_SEQ_CST);
    if (now > __atomic_load_n(&running_most, __ATOMIC_SEQ_CST))
        __atomic_store_n(&running_most, now, __ATOMIC_SEQ_CST);
    if (t->fd >= 0)
        n = read(t->fd, &byte, 1) < 0 ? -errno : 1;
    __atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
    return n;
}

static void open_pool(unsigned most)
{
    threads_before = count_threads();
    CHECK_EQ(helpers_init(&pool, most, MUST(eventfd(0, EFD_CLOEXEC))), 0);
}

static void close_pool(void)
{
    helpers_fini(&pool);
    close(pool.bell);
    /* A thread that was joined may be on the list for a moment yet. */
    for (int i = 0; i < 20 && count_threads() > threads_before; i++)
        usleep(1000);
    CHECK_EQ(count_threads(), threads_before);
}

/* Waits for the next one that is finished, as a worker does. */
static struct helper_job *take(void)
{
    struct pollfd bell = {.fd = pool.bell, .events = POLLIN};
    struct helper_job *job;
    uint64_t count;

    while ((job = helpers_take(&pool)) == NULL) {
        int64_t next = helpers_nag(&pool);

        if (poll(&bell, 1, next == CLOCK_NEVER ? 20000 : 1) > 0)
            MUST(read(pool.bell, &count, sizeof count));
        else
            CHECK(next != CLOCK_NEVER); /* or nobody rang */
    }
    return job;
}

static void wait_for(const int *number, int value)
{
    for (int i = 0; i < 20000 && __atomic_load_n(number, __ATOMIC_SEQ_CST) < value; i++)
        usleep(1000);
    CHECK_EQ(__atomic_load_n(number, __ATOMIC_SEQ_CST), value);
}

enum { JOBS = 40 };

static struct task_job jobs[JOBS];

static void give(int i, int fd, int64_t interrupt_at)
{
    jobs[i] = (struct task_job){.job = {.run = work, .interrupt_at = interrupt_at}, .fd = fd};
    CHECK(helpers_give(&pool, &jobs[i].job));
}

TEST(every_job_is_run_once_and_by_no_more_helpers_than_are_allowed)
{
    int p[2];

    MUST(pipe(p));
    open_pool(3);
    for (int i = 0; i < JOBS; i++)
        give(i, p[0], CLOCK_NEVER);
    wait_for(&begun, 3);
    usleep(20000);
    CHECK_EQ(begun, 3);
    for (int i = 0; i < JOBS; i++)
        MUST(write(p[1], "x", 1));
    for (int i = 0; i < JOBS; i++)
        CHECK_EQ(take()->result, 1);
    CHECK(helpers_take(&pool) == NULL);
    CHECK_EQ(begun, JOBS);
    CHECK_EQ(running_most, 3);
    close_pool();
}

TEST(a_job_that_waits_is_taken_back_and_one_that_runs_is_interrupted)
{
    int p[2];

    MUST(pipe(p));
    open_pool(2);
    for (int i = 0; i < 4; i++)
        give(i, p[0], CLOCK_NEVER);
    wait_for(&begun, 2);
    CHECK(helpers_revoke(&pool, &jobs[3].job));
    CHECK(!helpers_revoke(&pool, &jobs[0].job));
    CHECK(take() == &jobs[0].job);
    CHECK_EQ(jobs[0].job.result, -EINTR);
    MUST(write(p[1], "xx", 2));
    CHECK_EQ(take()->result, 1);
    CHECK_EQ(take()->result, 1);
    CHECK_EQ(begun, 3);
    CHECK_EQ(helpers_nag(&pool), CLOCK_NEVER);
    close_pool();
}

static int at_the_door;

/* So that the first signal comes too early. */
static long dawdle(struct helper_job *job)
{
    __atomic_store_n(&at_the_door, 1, __ATOMIC_SEQ_CST);
    for (int64_t end = clock_now() + 3000000; clock_now() < end;)
        cpu_relax();
    return work(job);
}

TEST(a_signal_that_comes_before_the_call_it_is_meant_for_is_repeated)
{
    int p[2];

    MUST(pipe(p));
    open_pool(2);
    jobs[0] = (struct task_job){.job = {.run = dawdle, .interrupt_at = CLOCK_NEVER}, .fd = p[0]};
    CHECK(helpers_give(&pool, &jobs[0].job));
    wait_for(&at_the_door, 1);
    CHECK(!helpers_revoke(&pool, &jobs[0].job));
    CHECK_EQ(take()->result, -EINTR);
    close_pool();
}

TEST(a_job_with_a_time_is_interrupted_then_and_not_before)
{
    int64_t begin = clock_now(), at = begin + 20000000;
    int p[2];

    MUST(pipe(p));
    open_pool(2);
    give(0, p[0], at);
    give(1, p[0], CLOCK_NEVER);
    CHECK(take() == &jobs[0].job);
    CHECK_EQ(jobs[0].job.result, -EINTR);
    CHECK(clock_now() >= at);
    MUST(write(p[1], "x", 1));
    CHECK(take() == &jobs[1].job);
    CHECK_EQ(jobs[1].job.result, 1);
    close_pool();
}

TEST(a_storm_of_revocations_loses_no_job_and_doubles_none)
{
    uint32_t dice = 3;
    int p[2], back = 0, revoked = 0, bytes = 0;

    MUST(pipe(p));
    open_pool(4);
    for (int round = 0; round < SCALED(200, 40); round++) {
        int out = 0;

        for (int i = 0; i < JOBS; i++)
            give(i, next_random(&dice) % 2 ? p[0] : -1, CLOCK_NEVER);
        for (int i = 0; i < JOBS; i++) {
            bool mine = helpers_revoke(&pool, &jobs[i].job);

            revoked += mine;
            out += !mine;
        }
        MUST(write(p[1], "x", 1));
        bytes++;
        for (; out > 0; out--, back++)
            bytes -= take()->result == 1;
        CHECK(helpers_take(&pool) == NULL);
    }
    CHECK_EQ(back, begun);
    CHECK_EQ(back + revoked, SCALED(200, 40) * JOBS);
    while (bytes-- > 0)
        CHECK_EQ(read(p[0], &dice, 1), 1);
    close_pool();
}

/* ---- the signal ---- */

static volatile sig_atomic_t handled;

static void handle(int sig)
{
    handled = sig;
}

static void interrupt_one(void)
{
    int p[2];

    MUST(pipe(p));
    begun = 0;
    open_pool(1);
    give(0, p[0], CLOCK_NEVER);
    wait_for(&begun, 1);
    CHECK(!helpers_revoke(&pool, &jobs[0].job));
    CHECK_EQ(take()->result, -EINTR);
    close_pool();
}

TEST(a_signal_that_has_no_handler_is_borrowed_and_put_back)
{
    struct sigaction now;

    interrupt_one();
    sigaction(SIGURG, NULL, &now);
    CHECK(now.sa_handler == SIG_DFL);
    signal(SIGURG, SIG_IGN);
    interrupt_one();
    sigaction(SIGURG, NULL, &now);
    CHECK(now.sa_handler == SIG_IGN);
}

TEST(the_program_s_own_handler_is_left_alone)
{
    struct sigaction own = {.sa_handler = handle, .sa_flags = SA_RESTART}, now;

    if (under_qemu())
        SKIP("qemu lets a handler be set for the highest signals, but has them not");
    sigaction(SIGURG, &own, NULL);
    interrupt_one();
    sigaction(SIGURG, NULL, &now);
    CHECK(now.sa_handler == handle);
    CHECK_EQ(handled, 0);
}

TEST(the_program_s_signals_are_handled_on_its_own_threads)
{
    pthread_t before = pthread_self();
    sigset_t usr1;
    int p[2];

    signal(SIGUSR1, handle);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    MUST(pipe(p));
    open_pool(1);
    give(0, p[0], CLOCK_NEVER);
    wait_for(&begun, 1);
    kill(getpid(), SIGUSR1); /* nobody but a helper could take it now */
    usleep(10000);
    CHECK_EQ(handled, 0);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
    CHECK_EQ(handled, SIGUSR1);
    CHECK(pthread_equal(before, pthread_self()));
    MUST(write(p[1], "x", 1));
    CHECK_EQ(take()->result, 1);
    close_pool();
}

TEST(hazard_55_helpers_that_have_nothing_to_do_end)
{
    int threads = count_threads();

    open_pool(4);
    for (int i = 0; i < 4; i++)
        give(i, -1, CLOCK_NEVER);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(take()->result, 0);
    for (int i = 0; i < 200 && count_threads() > threads; i++)
        usleep(50000);
    CHECK_EQ(count_threads(), threads);
    give(0, -1, CLOCK_NEVER); /* and come again */
    CHECK_EQ(take()->result, 0);
    close_pool();
}
