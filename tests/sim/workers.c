/* workers.c: trees of groups over several workers: spread ones, whose tasks start anywhere, plain
 * ones, and calls that go to a certain worker; with errors, deadlines, and cancels from whichever
 * worker a task happens to be on.
 *
 * Each function that was spawned runs exactly once, on a worker where it may, and stays
 * there; no task outlives its group; and what a close returns follows from what its tasks said.
 * Which of several errors was the first is the order in which the owner's worker heard of them, so
 * any of them may be the result.
 */
#include "tests/sim/scenario.h"

enum { DEPTH_MOST = 3, CHILDREN_MOST = 5, ERRORS = 3, ANYWHERE = 4 };

static const int errors[ERRORS] = {-EPROTO, -EXDEV, -EDOM};

/* What a task is told. */
struct errand {
    struct node *node;
    unsigned worker; /* ANYWHERE, or the only one where it may run */
};

struct node {
    struct node *parent;
    struct errand errands[ANYWHERE + 1];
    unsigned depth, worker;
    bool spread;
    bool endless; /* its tasks wait for its end, which its owner brings about */
    rv_group group;
    rv_time deadline;
    bool called;    /* somebody has called rv_group_cancel() */
    unsigned said;  /* bits of errors that its tasks, or its owner, ended with */
    bool cut_short; /* one of them ended with -ECANCELED */
    unsigned spawned, begun, ended;
};

static unsigned workers_seen;

static void note_result(struct node *n, int err)
{
    n->cut_short |= err == -ECANCELED;
    for (int i = 0; i < ERRORS; i++)
        n->said |= (unsigned)(err == errors[i]) << i;
}

/* ---- what tasks do ---- */

static int sleep_some(rv_time span)
{
    rv_time until = rv_after(span);
    int err = rv_sleep_until(until);

    PROMISE(err == 0 ? rv_now() >= until : err == -ECANCELED, "sleep: %d", err);
    if (err < 0)
        check_over();
    return err;
}

static int within_scope(void)
{
    rv_time deadline = rv_after((rv_time)below(RV_MS));
    bool over = rv_cancelled();
    rv_scope scope;
    int err, out;

    rv_scope_open(&scope, deadline);
    err = sleep_some((rv_time)below(2 * RV_MS));
    out = rv_scope_close(&scope, err);
    PROMISE(!over || out == err, "a scope translates what it did not cause");
    return out == -ETIMEDOUT ? 0 : out;
}

static int say_where(void *arg)
{
    PROMISE(rv_worker() == *(unsigned *)arg, "asked for worker %u, and it runs on %u",
            *(unsigned *)arg, rv_worker());
    return one_in(4) ? sleep_some((rv_time)below(RV_MS)) : 1000 + (int)rv_worker();
}

static int go_there(void)
{
    unsigned worker = (unsigned)below(rv_workers()), here = rv_worker();
    int got = rv_on(worker, say_where, &worker);

    PROMISE(got == 0 || got == 1000 + (int)worker || got == -ECANCELED, "rv_on says %d", got);
    PROMISE(rv_worker() == here, "a task moved from worker %u to %u", here, rv_worker());
    if (got == -ECANCELED)
        check_over();
    return got < 0 ? got : 0;
}

/* The groups around this task stay open as long as it runs. */
static int cancel_somebody(struct node *n)
{
    while (n->parent && one_in(2))
        n = n->parent;
    n->called = true;
    if (n->worker != rv_worker())
        seen("workers: cancelled from another worker");
    rv_group_cancel(&n->group);
    return 0;
}

static int child(void *arg);

/* These groups have no limit, so that no spawn waits, and none fails. */
static void spawn(struct node *n)
{
    struct errand *where = &n->errands[n->spread ? ANYWHERE : rv_worker()];

    n->spawned++;
    switch (below(4)) {
    case 0:
        PROMISE(rv_try_go(&n->group, child, where) == 0, "try_go");
        break;
    case 1:
        rv_go(&n->group, child, where);
        break;
    case 2:
        rv_go_copy(&n->group, child, where, sizeof *where);
        break;
    default:
        where = &n->errands[below(rv_workers())];
        rv_go_on(&n->group, where->worker, child, where);
    }
}

/* Into a group around this one, of whichever worker. */
static int spawn_outside(struct node *n)
{
    while (n->parent && one_in(2))
        n = n->parent;
    if (n->spawned < 4 * CHILDREN_MOST)
        spawn(n);
    return 0;
}

static int act(struct node *n)
{
    switch (below(10)) {
    case 0:
    case 1:
        return within_scope();
    case 2:
        return one_in(2) ? cancel_somebody(n) : 0;
    case 3:
        return one_in(4) ? errors[below(ERRORS)] : 0;
    case 4:
        return rv_yield();
    case 5:
    case 6:
        return go_there();
    case 7:
        return spawn_outside(n);
    default:
        return sleep_some((rv_time)below(2 * RV_MS));
    }
}

/* ---- nodes ---- */

static int run_node(struct node *parent, unsigned depth);

static int child(void *arg)
{
    const struct errand *e = arg;
    struct node *n = e->node;
    unsigned here = rv_worker();
    int err = 0;

    n->begun++;
    workers_seen |= 1u << here;
    PROMISE(e->worker == ANYWHERE || here == e->worker, "it should be on worker %u, and is on %u",
            e->worker, here);
    if (n->endless)
        err = sleep_some(RV_NEVER);
    for (uint64_t i = below(4); i > 0 && err == 0; i--)
        err = act(n);
    if (err == 0 && n->depth > 0 && one_in(2))
        err = run_node(n, n->depth - 1);
    PROMISE(rv_worker() == here, "a task moved from worker %u to %u", here, rv_worker());
    n->ended++;
    note_result(n, err);
    return err;
}

static void check_counts(const struct node *n)
{
    PROMISE(n->ended == n->begun, "%u tasks outlive their group", n->begun - n->ended);
    PROMISE(n->begun == n->spawned, "%u tasks were spawned, and %u ran", n->spawned, n->begun);
}

static void check_result(const struct node *n, int result)
{
    bool outer = rv_cancelled(), translated, named = false;

    for (int i = 0; i < ERRORS; i++)
        named |= result == errors[i] && n->said >> i & 1;
    if (n->said) {
        PROMISE(named, "its tasks said other errors than %d", result);
        seen("workers: closed with an error");
        return;
    }
    if (result == 0 && !n->cut_short)
        return;
    PROMISE(n->cut_short, "all went well, and the group says %d", result);
    translated = result == -ECANCELED   ? outer
                 : result == -ETIMEDOUT ? rv_now() >= n->deadline
                                        : result == 0 && n->called;
    PROMISE(translated, "cut short, and the group says %d", result);
    seen(result == -ECANCELED   ? "workers: cancelled from outside"
         : result == -ETIMEDOUT ? "workers: timed out"
                                : "workers: cancelled");
}

static int run_node(struct node *parent, unsigned depth)
{
    struct node n = {.parent = parent, .depth = depth, .deadline = RV_NEVER};
    int own = 0, result;

    for (unsigned i = 0; i <= ANYWHERE; i++)
        n.errands[i] = (struct errand){&n, i};
    n.worker = rv_worker();
    n.spread = !one_in(4);
    n.endless = one_in(8);
    if (one_in(2))
        n.deadline = rv_after((rv_time)below(one_in(2) ? 3 * RV_MS : 12 * RV_US));
    (n.spread ? rv_spread_open : rv_group_open)(&n.group, n.deadline);
    for (uint64_t i = below(CHILDREN_MOST + 1); i > 0; i--)
        spawn(&n);
    if (one_in(3))
        own = act(&n);
    note_result(&n, own);
    if (n.endless && own == 0) {
        n.called = true;
        rv_group_cancel(&n.group);
    }
    result = rv_group_close(&n.group, own);
    check_counts(&n);
    check_result(&n, result);
    return result == -ETIMEDOUT ? 0 : result;
}

SCENARIO(workers, "a tree of groups over several workers ends as its rules say, with no task left",
         .runtime.workers = RV_WORKERS_AUTO)
{
    int err;
    unsigned rounds = 0;

    workers_seen = 0;
    do
        err = run_node(NULL, (unsigned)below(DEPTH_MOST + 1));
    while (err == 0 && rounds++ < 4 && !one_in(4));
    for (int i = 0; i < ERRORS; i++)
        err = err == errors[i] ? 0 : err;
    PROMISE(err == 0, "the tree says %d", err);
    if (rv_workers() > 1 && workers_seen + 1 == 1u << rv_workers())
        seen("workers: all took part");
    return 0;
}
