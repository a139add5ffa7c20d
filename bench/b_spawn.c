/* b_spawn.c: what a task costs from birth to death, and while it waits to be born.
 *
 * spawn_join        ns for a group opened, one rv_go, the group closed: spawn, run, join
 * spawn_join_one    the same where the task is always the same function: the difference is what the
 *                   CPU pays for a call that it cannot predict, and no part of a spawn
 * spawn_batch       ns a task when 1,000 are spawned before the group closes
 * unstarted_bytes   bytes that a task which was spawned and has not run holds: growth of memory
 *                   and page tables over 1,000,000 of them, in a fresh process
 *
 * Otherwise the children are sixteen different functions in a scrambled order (a single one would
 * always end at the same address), and each adds to a sum that is checked: none may be skipped.
 */
#include <errno.h>
#include <reeve.h>

#include "bench.h"

enum { SINGLES = 1000000, BATCH = 1000, BATCHES = 1000, UNSTARTED = 1000000 };

static long sum;
static bool one_function;

#define CHILD(site)                    \
    static int child_##site(void *arg) \
    {                                  \
        BENCH_DISTINCT(site);          \
        sum += *(long *)arg;           \
        return 0;                      \
    }

BENCH_SITES(CHILD)

#define NAME(site) child_##site,
static rv_fn *const children[] = {BENCH_SITES(NAME)};

static rv_fn *scrambled(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return children[(*seed >> 24) % BENCH_COUNT(children)];
}

static int singles(void *arg)
{
    double *ns = arg;
    uint32_t seed = 1;
    long one = 1;
    int err = 0;

    bench_begin();
    for (int i = 0; i < SINGLES && err >= 0; i++) {
        rv_group group;
        rv_group_open(&group, RV_NEVER);
        rv_go(&group, one_function ? children[0] : scrambled(&seed), &one);
        err = rv_group_close(&group, 0);
    }
    *ns = bench_end_ns() / SINGLES;
    return err;
}

static int batches(void *arg)
{
    double *ns = arg;
    uint32_t seed = 1;
    long one = 1;
    int err = 0;

    bench_begin();
    for (int i = 0; i < BATCHES && err >= 0; i++) {
        rv_group group;
        rv_group_open(&group, RV_NEVER);
        for (int j = 0; j < BATCH; j++)
            rv_go(&group, scrambled(&seed), &one);
        err = rv_group_close(&group, 0);
    }
    *ns = bench_end_ns() / (BATCHES * BATCH);
    return err;
}

static double timed(rv_fn *fn, long tasks)
{
    double ns = 0;

    sum = 0;
    bench_must(rv_run(fn, &ns, NULL), "rv_run");
    if (sum != tasks)
        bench_die("%ld of %ld tasks ran", sum, tasks);
    return ns;
}

static double spawn_join(void)
{
    one_function = false;
    return timed(singles, SINGLES);
}

static double spawn_join_one(void)
{
    one_function = true;
    return timed(singles, SINGLES);
}

static double spawn_batch(void)
{
    return timed(batches, (long)BATCH * BATCHES);
}

/* ---- unstarted ---- */

static int spawn_and_measure(void *arg)
{
    double *bytes = arg;
    uint32_t seed = 1;
    long one = 1;
    rv_group group;
    size_t before, after;

    rv_group_open(&group, RV_NEVER);
    before = bench_rss() + bench_tables();
    for (int i = 0; i < UNSTARTED; i++)
        rv_go(&group, scrambled(&seed), &one);
    after = bench_rss() + bench_tables();
    if (sum != 0)
        bench_die("%ld tasks ran before the spawner waited", sum);
    *bytes = (double)(after - before) / UNSTARTED;
    return rv_group_close(&group, 0);
}

static void unstarted_in_child(double *bytes)
{
    sum = 0;
    bench_must(rv_run(spawn_and_measure, bytes, NULL), "rv_run");
    if (sum != UNSTARTED)
        bench_die("%ld of %d tasks ran", sum, UNSTARTED);
}

static double unstarted_bytes(void)
{
    double bytes;

    if (!bench_child(unstarted_in_child, &bytes, 1))
        bench_die("unstarted_bytes: the child failed");
    return bytes;
}

int main(int argc, char **argv)
{
    static const struct bench_case times[] = {
        {"spawn_join", "ns", spawn_join},
        {"spawn_join_one", "ns", spawn_join_one},
        {"spawn_batch", "ns", spawn_batch},
    };
    static const struct bench_case sizes[] = {{"unstarted_bytes", "B", unstarted_bytes}};

    bench_init(argc, argv);
    bench_run(times, BENCH_COUNT(times), bench_runs(9));
    bench_run(sizes, BENCH_COUNT(sizes), bench_runs(3));
    return 0;
}
