/* t_idle.c: a runtime in which nothing is to be done does nothing: it sleeps in the kernel, once,
 * until there is something.
 */
#include "tap.h"

#include <pthread.h>
#include <sys/resource.h>

#include "reeve.h"

struct usage {
    rv_time cpu_ns;
    long wakes;
};

static struct usage usage(void)
{
    struct rusage r;

    getrusage(RUSAGE_THREAD, &r);
    return (struct usage){
        (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * RV_S +
            (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * RV_US,
        r.ru_nvcsw,
    };
}

/* Generous: what a wake costs under a sanitizer; a loop that spins burns all of the time. */
static void check_idle(struct usage since)
{
    struct usage now = usage();

    CHECK(now.cpu_ns - since.cpu_ns < 100 * RV_MS);
    CHECK(now.wakes - since.wakes <= (under_qemu() ? 100 : 12)); /* it has locks of its own */
    if (tap_failures)
        fprintf(stderr, "%.3f ms of CPU, %ld wakes\n",
                (double)(now.cpu_ns - since.cpu_ns) / (double)RV_MS, now.wakes - since.wakes);
}

static int pause_a_bit(void *arg)
{
    (void)arg;
    return rv_sleep(RV_MS);
}

/* Stacks that were used and are not needed, so that there are chores too. */
static int busy_before(void)
{
    rv_group g;

    rv_group_open(&g, RV_NEVER);
    for (int i = 0; i < 500; i++)
        rv_go(&g, pause_a_bit, NULL);
    return rv_group_close(&g, 0);
}

static int sleep_long(void *arg)
{
    struct usage before;

    (void)arg;
    CHECK_EQ(busy_before(), 0);
    before = usage();
    CHECK_EQ(rv_sleep(2 * RV_S), 0);
    check_idle(before);
    return 0;
}

TEST(hazard_55_a_sleeping_runtime_burns_no_cpu)
{
    CHECK_EQ(rv_run(sleep_long, NULL, NULL), 0);
}

static void *write_later(void *arg)
{
    usleep(900000);
    if (write(*(int *)arg, "x", 1) != 1)
        abort();
    return NULL;
}

static int wait_for_pipe(void *arg)
{
    struct usage before;
    char byte;

    CHECK_EQ(busy_before(), 0);
    before = usage();
    CHECK_EQ(rv_read(*(int *)arg, &byte, 1), 1);
    check_idle(before);
    return 0;
}

static int wait_for_pipe_until(void *arg)
{
    struct usage before = usage();
    rv_scope s;
    char byte;

    rv_scope_open(&s, RV_NEVER - 1); /* a deadline at the end of time is one to wait for quietly */
    CHECK_EQ(rv_read(*(int *)arg, &byte, 1), 1);
    check_idle(before);
    return rv_scope_close(&s, 0);
}

static void with_late_writer(rv_fn *fn)
{
    pthread_t writer;
    int ends[2];

    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(pthread_create(&writer, NULL, write_later, &ends[1]), 0);
    CHECK_EQ(rv_run(fn, &ends[0], NULL), 0);
    CHECK_EQ(pthread_join(writer, NULL), 0);
    close(ends[0]);
    close(ends[1]);
}

TEST(hazard_55_a_runtime_that_waits_for_a_pipe_burns_no_cpu)
{
    NOT_IN_SIM("real threads as peers");
    with_late_writer(wait_for_pipe);
}

TEST(hazard_42_a_deadline_at_the_end_of_time_burns_no_cpu)
{
    NOT_IN_SIM("real threads as peers");
    with_late_writer(wait_for_pipe_until);
}
