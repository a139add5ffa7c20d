/* t_idle_workers.c: several workers with nothing to do sleep, each in its kernel, until there is
 * something: none spins, none ticks, and none of them wakes the others to ask.
 *
 * REEVE_TEST_IDLE=10: they are watched for ten seconds, and not for two.
 */
#include "tests/child.h"
#include "tests/threads.h"

#include <sys/resource.h>

static unsigned idle_seconds(void)
{
    const char *seconds = getenv("REEVE_TEST_IDLE");

    return seconds ? (unsigned)atoi(seconds) : 2;
}

static rv_time process_cpu(void)
{
    struct rusage r;

    getrusage(RUSAGE_SELF, &r);
    return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * RV_S +
           (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * RV_US;
}

/* What all of the library's threads have slept: each sleep is a wake. */
static long switches_of_all(char *told, size_t room)
{
    struct thread_seen seen[THREADS_SEEN];
    int count = see_threads(seen), at = 0;
    long sum = 0;

    for (int i = 0; i < count; i++) {
        sum += seen[i].switches;
        if (at < (int)room)
            at += snprintf(told + at, room - (size_t)at, " %s %ld", seen[i].name, seen[i].switches);
    }
    return sum;
}

/* Chores (a look at old waits, stacks that go back) are a few in all, and none in a while. */
static void check_idle(void)
{
    unsigned seconds = idle_seconds();
    char before_told[512] = "", after_told[512] = "";
    rv_time cpu = process_cpu();
    long before = switches_of_all(before_told, sizeof before_told), after;

    usleep(seconds * 1000000);
    after = switches_of_all(after_told, sizeof after_told);
    cpu = process_cpu() - cpu;
    CHECK(cpu < seconds * 10 * RV_MS + SCALED(0, 200 * RV_MS));
    CHECK(after - before <= 8 * (long)seconds);
    if (tap_failures)
        fprintf(stderr, "%.3f ms of CPU, %ld wakes in %u s\nbefore:%s\nafter:%s\n",
                (double)cpu / (double)RV_MS, after - before, seconds, before_told, after_told);
}

/* ---- what they wait for ---- */

static int accept_for_ever(void *arg)
{
    struct address at;
    int listener = listening(AF_INET, &at), fd;

    (void)arg;
    fd = rv_accept(listener, NULL, NULL);
    CHECK_EQ(fd, -ECANCELED);
    CHECK_EQ(rv_close(listener), 0);
    return fd;
}

static int compute(void *arg)
{
    volatile int n = 0;

    while (n < *(int *)arg)
        n++;
    return rv_sleep(RV_US);
}

static int work_everywhere(void *arg)
{
    int much = 20000;
    rv_group g;

    (void)arg;
    rv_spread_open(&g, RV_NEVER);
    for (int i = 0; i < 2000; i++)
        rv_go(&g, compute, &much);
    return rv_group_close(&g, 0);
}

TEST(hazard_55_four_workers_that_never_worked_burn_no_cpu)
{
    rv_runtime *rt;

    NOT_IN_SIM(NO_REAL_THREADS);
    MUST(rv_runtime_new(&rt, &(rv_options){.workers = 4}));
    usleep(300000);
    check_idle();
    rv_runtime_free(rt);
}

TEST(hazard_55_four_workers_with_listeners_burn_no_cpu_after_they_have_worked)
{
    rv_runtime *rt;

    NOT_IN_SIM(NO_REAL_THREADS);
    MUST(rv_runtime_new(&rt, &(rv_options){.workers = 4}));
    for (int i = 0; i < 8; i++)
        CHECK_EQ(rv_runtime_post(rt, accept_for_ever, NULL, 0), 0);
    CHECK_EQ(rv_runtime_call(rt, work_everywhere, NULL), 0);
    usleep(500000);
    check_idle();
    rv_runtime_free(rt);
}
