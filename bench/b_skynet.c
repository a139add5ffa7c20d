/* b_skynet.c: a tree of tasks, ten children each, one million leaves, whose numbers are summed
 * on the way up: 1,111,111 tasks that exist because of one another.
 *
 * skynet1m       ms for the whole tree
 * skynet1m_rss   MB by which the peak of memory grew over the process before the runtime started
 *
 * A task waits for its children by closing their group; results come back through structs on
 * the parent's own stack. Every run is a fresh process, so no run profits from the stacks and
 * the memory of the one before. The sum is checked.
 */
#include <reeve.h>

#include "bench.h"

enum { CHILDREN = 10, LEAVES = 1000000 };

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
    rv_group_open(&group, RV_NEVER);
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

static int climb(void *arg)
{
    double *ms = arg;
    struct node root = {.leaves = LEAVES};
    int err;

    bench_begin();
    err = visit(&root);
    *ms = bench_end_ns() / 1e6;
    if (err >= 0 && root.sum != (long)LEAVES * (LEAVES - 1) / 2)
        bench_die("the sum is %ld", root.sum);
    return err;
}

static void skynet(double *out)
{
    size_t before = bench_rss();

    bench_must(rv_run(climb, &out[0], NULL), "rv_run");
    out[1] = (double)(bench_peak() - before) / 1e6;
}

int main(int argc, char **argv)
{
    struct bench_row time, rss;
    unsigned runs;

    bench_init(argc, argv);
    bench_row_open(&time, "ms", "skynet1m");
    bench_row_open(&rss, "MB", "skynet1m_rss");
    runs = bench_runs(9);
    for (unsigned round = 0; round <= runs; round++) {
        double out[2];
        if (!bench_child(skynet, out, 2))
            bench_die("the child failed");
        if (round == 0)
            continue;
        bench_row_add(&time, out[0]);
        bench_row_add(&rss, out[1]);
    }
    bench_row_print(&time);
    bench_row_print(&rss);
    return 0;
}
