/* b_workers.c: computing on several workers: what a second one brings, and what it costs to ask.
 *
 * skynet1m_w1, _w2         ms for the tree of b_skynet.c, its groups all rv_spread_open(), on one
 *                          worker and on two
 * skynet1m_speedup         the first over the second, round by round
 * fan_N_w1, _w2, _speedup  the same for one spread group of tasks that compute for N µs each
 * spawn_plain_w1, _w2      ns for a plain group opened, one rv_go, the group closed, in a runtime
 *                          of one worker, and of two where the other one has nothing to do
 * spawn_spread_w1, _w2     the same for a spread group
 * spawn_spread_ratio       spread over plain on one worker: the price of writing rv_spread_open()
 * batch_plain_w2, batch_spread_w2
 *                          ns a task, of 1,000 empty ones that are spawned before the group closes
 *
 * All is wall time, since a speed-up is about that: read it from a machine that has nothing else
 * to do. Every value is of a fresh process, whose runtime has run a warm-up of the same kind. Sums
 * are checked: no task is skipped, or runs twice.
 */
#include <reeve.h>
#include <stdio.h>

#include "bench.h"

enum { CHILDREN = 10, LEAVES = 1000000, FAN_US_TOTAL = 100000, FAN_MOST = 20000 };
enum { SINGLES = 100000, BATCH = 1000, BATCHES = 100 };

/* ---- what is measured: a function that runs as the first task ---- */

struct job {
    rv_fn *fn; /* of a struct run */
    unsigned workers;
    unsigned span_us; /* of a computation */
    bool spread;
};

struct run {
    const struct job *job;
    double out; /* in the row's unit */
};

static void open_group(const struct job *job, rv_group *g)
{
    if (job->spread)
        rv_spread_open(g, RV_NEVER);
    else
        rv_group_open(g, RV_NEVER);
}

static double since_ns(uint64_t start_ns)
{
    return (double)(bench_now_ns() - start_ns);
}

/* ---- skynet ---- */

struct node {
    long first, leaves; /* the range below it */
    long sum;           /* written by its task */
};

static int visit(void *arg)
{
    struct node *self = arg, child[CHILDREN];
    rv_group group;
    int err;

    if (self->leaves == 1) {
        self->sum = self->first;
        return 0;
    }
    rv_spread_open(&group, RV_NEVER);
    for (int i = 0; i < CHILDREN; i++) {
        child[i].leaves = self->leaves / CHILDREN;
        child[i].first = self->first + i * child[i].leaves;
        child[i].sum = 0;
        rv_go(&group, visit, &child[i]);
    }
    err = rv_group_close(&group, 0);
    self->sum = 0;
    for (int i = 0; i < CHILDREN; i++)
        self->sum += child[i].sum;
    return err;
}

static int climb(struct node *root)
{
    int err = visit(root);

    if (err >= 0 && root->sum != root->leaves * (root->leaves - 1) / 2)
        bench_die("the sum is %ld", root->sum);
    return err;
}

static int skynet(void *arg)
{
    struct run *run = arg;
    struct node warm = {.leaves = LEAVES / 100}, root = {.leaves = LEAVES};
    uint64_t start_ns;
    int err = climb(&warm);

    if (err < 0)
        return err;
    start_ns = bench_now_ns();
    err = climb(&root);
    run->out = since_ns(start_ns) / 1e6;
    return err;
}

/* ---- a fan of computations ---- */

static unsigned long rounds_per_us; /* measured before the first child process */

static uint64_t compute(unsigned long rounds)
{
    uint64_t x = rounds | 1;

    while (rounds--) {
        x ^= x << 13; /* xorshift64: each round needs the one before */
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

static void calibrate(void)
{
    enum { ROUNDS = 2000000, TRIES = 5 };
    uint64_t least_ns = UINT64_MAX;
    volatile uint64_t sink;

    for (int i = 0; i < TRIES; i++) {
        uint64_t start_ns = bench_now_ns(), ns;

        sink = compute(ROUNDS);
        ns = bench_now_ns() - start_ns;
        least_ns = ns < least_ns ? ns : least_ns;
    }
    (void)sink;
    rounds_per_us = (unsigned long)(ROUNDS * 1000.0 / (double)least_ns);
}

struct cell {
    unsigned long rounds;
    uint64_t result;
    unsigned ran;
};

static int fill_cell(void *arg)
{
    struct cell *cell = arg;

    cell->result = compute(cell->rounds);
    cell->ran++;
    return 0;
}

static int fan_out(const struct job *job, unsigned count)
{
    static struct cell cells[FAN_MOST];
    rv_group group;
    int err;

    rv_spread_open(&group, RV_NEVER);
    for (unsigned i = 0; i < count; i++) {
        cells[i] = (struct cell){.rounds = rounds_per_us * job->span_us};
        rv_go(&group, fill_cell, &cells[i]);
    }
    err = rv_group_close(&group, 0);
    for (unsigned i = 0; i < count; i++)
        if (cells[i].ran != 1)
            bench_die("task %u ran %u times", i, cells[i].ran);
    return err;
}

static int fan(void *arg)
{
    struct run *run = arg;
    unsigned count = FAN_US_TOTAL / run->job->span_us;
    uint64_t start_ns;
    int err = fan_out(run->job, count / 20);

    if (err < 0)
        return err;
    start_ns = bench_now_ns();
    err = fan_out(run->job, count);
    run->out = since_ns(start_ns) / 1e6;
    return err;
}

/* ---- spawn and join ---- */

static int add_one(void *arg)
{
    __atomic_fetch_add((long *)arg, 1, __ATOMIC_RELAXED); /* on any worker */
    return 0;
}

static int spawn_groups(const struct job *job, int groups, int tasks)
{
    long sum = 0;
    int err = 0;

    for (int i = 0; i < groups && err >= 0; i++) {
        rv_group group;

        open_group(job, &group);
        for (int j = 0; j < tasks; j++)
            rv_go(&group, add_one, &sum);
        err = rv_group_close(&group, 0);
    }
    if (err >= 0 && sum != (long)groups * tasks)
        bench_die("%ld of %ld tasks ran", sum, (long)groups * tasks);
    return err;
}

static int timed_groups(struct run *run, int groups, int tasks)
{
    uint64_t start_ns;
    int err = spawn_groups(run->job, groups / 10, tasks);

    if (err < 0)
        return err;
    start_ns = bench_now_ns();
    err = spawn_groups(run->job, groups, tasks);
    run->out = since_ns(start_ns) / groups / tasks;
    return err;
}

static int singles(void *arg)
{
    return timed_groups(arg, SINGLES, 1);
}

static int batches(void *arg)
{
    return timed_groups(arg, BATCHES, BATCH);
}

/* ---- rows: two that are compared, in turns ---- */

struct pair {
    const char *first, *second; /* the rows' names */
    const char *unit;
    const char *ratio; /* NULL: none; first over second */
    struct job a, b;
};

static const struct pair pairs[] = {
    {"skynet1m_w1", "skynet1m_w2", "ms", "skynet1m_speedup", {skynet, 1, 0, 1}, {skynet, 2, 0, 1}},
    {"fan_5_w1", "fan_5_w2", "ms", "fan_5_speedup", {fan, 1, 5, 1}, {fan, 2, 5, 1}},
    {"fan_50_w1", "fan_50_w2", "ms", "fan_50_speedup", {fan, 1, 50, 1}, {fan, 2, 50, 1}},
    {"spawn_spread_w1",
     "spawn_plain_w1",
     "ns",
     "spawn_spread_ratio",
     {singles, 1, 0, 1},
     {singles, 1, 0, 0}},
    {"spawn_spread_w2", "spawn_plain_w2", "ns", NULL, {singles, 2, 0, 1}, {singles, 2, 0, 0}},
    {"batch_spread_w2", "batch_plain_w2", "ns", NULL, {batches, 2, 0, 1}, {batches, 2, 0, 0}},
};

static const struct job *job_now; /* for the child */

static void run_job(double *out)
{
    struct run run = {.job = job_now};

    bench_must(rv_run(job_now->fn, &run, &(rv_options){.workers = job_now->workers}), "rv_run");
    *out = run.out;
}

static double value_of(const struct job *job, const char *name)
{
    double value;

    job_now = job;
    if (!bench_child(run_job, &value, 1))
        bench_die("%s: the child failed", name);
    return value;
}

static bool wanted(const struct pair *p)
{
    return bench_wanted(p->first) || bench_wanted(p->second) ||
           (p->ratio && bench_wanted(p->ratio));
}

static void measure(unsigned runs)
{
    struct bench_row a[BENCH_COUNT(pairs)], b[BENCH_COUNT(pairs)], ratio[BENCH_COUNT(pairs)];

    for (size_t i = 0; i < BENCH_COUNT(pairs); i++) {
        bench_row_open(&a[i], pairs[i].unit, "%s", pairs[i].first);
        bench_row_open(&b[i], pairs[i].unit, "%s", pairs[i].second);
        bench_row_open(&ratio[i], "x", "%s", pairs[i].ratio ? pairs[i].ratio : "");
    }
    for (unsigned round = 0; round <= runs; round++)
        for (size_t i = 0; i < BENCH_COUNT(pairs); i++) {
            const struct pair *p = &pairs[i];
            double first, second;

            if (!wanted(p))
                continue;
            first = value_of(&p->a, p->first);
            second = value_of(&p->b, p->second);
            if (round == 0)
                continue;
            bench_row_add(&a[i], first);
            bench_row_add(&b[i], second);
            if (p->ratio)
                bench_row_add(&ratio[i], first / second);
        }
    for (size_t i = 0; i < BENCH_COUNT(pairs); i++) {
        bench_row_print(&a[i]);
        bench_row_print(&b[i]);
        bench_row_print(&ratio[i]);
    }
}

int main(int argc, char **argv)
{
    bench_init(argc, argv);
    if (bench.pin >= 0)
        bench_note("kept to one CPU: two workers bring nothing");
    calibrate();
    measure(bench_runs(11));
    return 0;
}
