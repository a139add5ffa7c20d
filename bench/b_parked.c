/* b_parked.c: what a task costs while it does nothing.
 *
 * parked_bytes_100k   bytes a parked task, its guard included: growth of resident memory and of
 * parked_bytes_1m     page tables over so many of them, in a fresh process
 *
 * Each task has run as far as its wait, so its stack is touched as a real one would be at the
 * least. Resident memory is read by walking the page tables: huge pages, had the kernel put any
 * under the stacks, would show in full. How many mappings were needed, and how many the kernel
 * allows, goes to standard error.
 */
#include <errno.h>
#include <reeve.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

enum { BYTES_FEARED = 6000 }; /* a task: below this much free memory a row is left out */

static long wanted, parked;

static int park(void *arg)
{
    (void)arg;
    parked++;
    return rv_sleep(RV_NEVER);
}

static long mappings_allowed(void)
{
    FILE *f = fopen("/proc/sys/vm/max_map_count", "re");
    long count = -1;

    if (f && fscanf(f, "%ld", &count) != 1)
        count = -1;
    if (f)
        fclose(f);
    return count;
}

static int fill(void *arg)
{
    double *bytes = arg;
    size_t before = bench_rss() + bench_tables(), after;
    rv_group group;
    int err = 0;

    rv_group_open(&group, RV_NEVER);
    for (long i = 0; i < wanted; i++)
        rv_go(&group, park, NULL);
    while (parked < wanted && err >= 0)
        err = rv_sleep(RV_MS);
    if (err >= 0)
        err = rv_sleep(10 * RV_MS); /* the last has counted itself, and now waits too */
    after = bench_rss() + bench_tables();
    *bytes = (double)(after - before) / (double)wanted;
    if (err >= 0)
        bench_note("%ld parked: %.0f MB resident, %.0f MB of page tables, %zu mappings of %ld",
                   wanted, (double)bench_rss() / 1e6, (double)bench_tables() / 1e6,
                   bench_mappings(), mappings_allowed());
    rv_group_cancel(&group);
    return rv_group_close(&group, err);
}

static void fill_in_child(double *bytes)
{
    parked = 0;
    bench_must(rv_run(fill, bytes, NULL), "rv_run");
    if (parked != wanted)
        bench_die("%ld of %ld tasks parked", parked, wanted);
}

static void measure(const char *name, long tasks, unsigned runs)
{
    struct bench_row row;

    if (!bench_wanted(name))
        return;
    if (bench_available() / BYTES_FEARED < (size_t)tasks) {
        bench_note("%s: left out, too little free memory", name);
        return;
    }
    wanted = tasks;
    bench_row_open(&row, "B", "%s", name);
    for (unsigned i = 0; i < runs; i++) {
        double bytes;
        if (!bench_child(fill_in_child, &bytes, 1))
            bench_die("%s: the child failed", name);
        bench_row_add(&row, bytes);
    }
    bench_row_print(&row);
}

int main(int argc, char **argv)
{
    bench_init(argc, argv);
    measure("parked_bytes_100k", 100000, bench_runs(3));
    measure("parked_bytes_1m", 1000000, bench_runs(1));
    return 0;
}
