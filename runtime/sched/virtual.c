/* virtual.c: the workers of a simulated world: several of them on one thread, in turns.
 *
 * Each is a struct worker like any other, with its tasks, stacks, timers and a kernel of its own,
 * which is a seat in the world (kernel/sim/seat.c). Worker 0 is the thread, and its loop is on the
 * thread's stack. The loop of another one has a stack from that worker's own arena.
 *     started -> put aside <-> running -> over
 * Who runs on a worker, a task or its loop, is worker.task, and nobody uses that one's context
 * while it runs: so a worker is put aside by a switch from its own running task to another
 * worker's, at any point where it sends a message, and comes back there. Neither of the tasks
 * changes its state, and nothing of a worker runs while it is aside: to what is on it, this is a
 * moment in which its thread was not on a CPU.
 *
 * The room decides who goes on; here is how. A worker that has left its loop goes to worker 0,
 * which cannot be asleep then: it has sent out the leave, and waits in virtual_join().
 *
 * Rejected: a thread for each, of which one runs at a time: a switch would be 5 us and not 5 ns,
 * and a run would need as many threads as it has workers.
 */
#include "sched/virtual.h"

#include <errno.h>
#include <string.h>

#include "sched/life.h"

enum { LOOP_STACK_BYTES = 256 * 1024 }; /* dumps and reports are its deepest */

static void put_aside(struct worker *from, struct worker *to, bool for_good)
{
    ASSERT(worker_self == from);
    worker_self = to;
    worker_put_aside(from->task, to->task, for_good);
    ASSERT(worker_self == from);
}

static void go_on(struct kernel *k, struct kernel *to)
{
    struct worker *from = worker_self;
    unsigned i = 0;

    ASSERT(from->kernel == k);
    while (from->rt->workers[i]->kernel != to)
        i++;
    put_aside(from, from->rt->workers[i], false);
}

static bool is_over(const struct worker *w)
{
    return w->kernel->go_on == NULL;
}

/* The first and the last code of a virtual worker. */
static void run_loop(void *arg)
{
    struct worker *w = arg;

    sanitize_arrive(&w->loop.stack.sanitizer);
    worker_loop(w);
    w->kernel->go_on = NULL;
    put_aside(w, w->rt->workers[0], true);
    __builtin_unreachable();
}

int virtual_start(struct worker *w)
{
    int err = worker_start(w);

    if (err < 0)
        return err;
    w->loop_stack = stack_take(stack_pool_for(&w->stacks, LOOP_STACK_BYTES));
    if (w->loop_stack == NULL) {
        report("cannot start: a worker's stack: %s", strerror(ENOMEM));
        worker_stop(w);
        return -ENOMEM;
    }
    w->thread = w->rt->workers[0]->thread;
    w->loop.stack = *w->loop_stack;
    context_prepare(&w->loop.ctx, w->loop.stack.low, w->loop_stack, run_loop, w);
    w->kernel->go_on = w->rt->workers[0]->kernel->go_on = go_on;
    return 0;
}

static void stop(struct worker *w)
{
    ASSERT(is_over(w) && w->task == &w->loop);
    stack_give(w->loop_stack);
    worker_stop(w);
}

void virtual_join(struct rv_runtime *rt, unsigned end)
{
    struct worker *me = worker_self;

    for (unsigned i = 1; i < end; i++)
        while (!is_over(rt->workers[i]))
            me->kernel->turn(me->kernel, TURN_MUST);
    worker_self = NULL;
    for (unsigned i = 1; i < end; i++)
        stop(rt->workers[i]);
    worker_self = me;
}
