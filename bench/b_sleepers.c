/* b_sleepers.c: a million tasks that each sleep once, 1 to 1000 ms.
 *
 * sleepers1m_cpu        seconds of CPU for the first wave: every stack is new memory, so page
 *                       faults and guards are in it
 * sleepers1m_cpu_warm   the second wave right after, in the same process, on the same stacks
 *
 * CPU of the whole process, from the first spawn to the join. The spans are pseudo-random, the
 * same in each run. A task that wakes before its time is an error. Each run is a fresh process.
 */
#include <errno.h>
#include <reeve.h>

#include "bench.h"

enum { SLEEPERS = 1000000, BYTES_FEARED = 6000 };

static long woken;
static uint32_t seed;

static int sleeper(void *arg)
{
    rv_time span, due;
    int err;

    (void)arg;
    seed = seed * 1664525u + 1013904223u;
    span = (1 + (rv_time)((seed >> 8) % 1000)) * RV_MS;
    due = rv_after(span);
    err = rv_sleep_until(due);
    if (err >= 0 && rv_now() < due)
        bench_die("a sleeper woke early");
    woken += err >= 0;
    return err;
}

static int wave(double *cpu_s)
{
    uint64_t before = bench_cpu_ns();
    rv_group group;
    int err;

    seed = 1;
    woken = 0;
    rv_group_open(&group, RV_NEVER);
    for (int i = 0; i < SLEEPERS; i++)
        rv_go(&group, sleeper, NULL);
    err = rv_group_close(&group, 0);
    *cpu_s = (double)(bench_cpu_ns() - before) / 1e9;
    if (err >= 0 && woken != SLEEPERS)
        bench_die("%ld of %d woke", woken, SLEEPERS);
    return err;
}

static int two_waves(void *arg)
{
    double *cpu_s = arg;
    int err = wave(&cpu_s[0]);

    return err < 0 ? err : wave(&cpu_s[1]);
}

static void in_child(double *out)
{
    bench_must(rv_run(two_waves, out, NULL), "rv_run");
}

int main(int argc, char **argv)
{
    struct bench_row cold, warm;
    unsigned runs;

    bench_init(argc, argv);
    if (bench_available() / BYTES_FEARED < SLEEPERS) {
        bench_note("left out, too little free memory");
        return 0;
    }
    bench_row_open(&cold, "s", "sleepers1m_cpu");
    bench_row_open(&warm, "s", "sleepers1m_cpu_warm");
    runs = bench_runs(3);
    for (unsigned i = 0; i < runs; i++) {
        double out[2];
        if (!bench_child(in_child, out, 2))
            bench_die("the child failed");
        bench_row_add(&cold, out[0]);
        bench_row_add(&warm, out[1]);
    }
    bench_row_print(&cold);
    bench_row_print(&warm);
    return 0;
}
