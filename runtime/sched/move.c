/* move.c: spread over workers by hand: which worker this is, spawning on a certain one, and running
 * something there and waiting for it.
 *
 * A task that starts on another worker is a child of its group like any other, through a branch
 * there (branch.h); so joins, errors, cancels and deadlines need nothing of their own here.
 */
#include <errno.h>

#include "sched/branch.h"
#include "sched/runtime.h"
#include "sched/spread.h"

unsigned rv_workers(void)
{
    return task_self("rv_workers")->worker->rt->count;
}

unsigned rv_worker(void)
{
    return task_self("rv_worker")->worker->index;
}

static struct worker *worker_of(const char *call, const struct task *me, unsigned index)
{
    struct rv_runtime *rt = me->worker->rt;

    USAGE(index < rt->count, "%s: there is no worker %u: there are %u, from 0 on", call, index,
          rt->count);
    return rt->workers[index];
}

void rv_go_on_at(rv_group *g, unsigned worker, rv_fn *fn, void *arg, const char *site)
{
    group_go_on("rv_go_on", g, fn, arg, site, worker_of("rv_go_on", task_self("rv_go_on"), worker));
}

struct call {
    rv_fn *fn;
    void *arg;
    int result;
};

static int run_call(void *arg)
{
    struct call *c = arg;
    int result = c->fn(c->arg);

    c->result = result;
    return result < 0 ? result : 0;
}

int rv_on_at(unsigned worker, rv_fn *fn, void *arg, const char *site)
{
    struct task *me = task_self("rv_on");
    struct worker *to = worker_of("rv_on", me, worker);
    struct call call = {.fn = fn, .arg = arg};
    rv_group g;
    int err;

    USAGE(fn != NULL, "rv_on: the function is NULL");
    if (task_over(me))
        return wait_refuse(me, -ECANCELED);
    rv_group_open(&g, RV_NEVER);
    group_go_on("rv_on", &g, run_call, &call, site, to);
    err = rv_group_close(&g, 0);
    return err < 0 ? err : call.result;
}
