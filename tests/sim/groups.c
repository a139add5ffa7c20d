/* groups.c: trees of groups whose tasks fail, are cancelled, time out, hide behind shields; and
 * what each close must return, by the rules of docs/semantics.md, from what its owner saw.
 */
#include "tests/sim/scenario.h"

enum { DEPTH_MOST = 3, CHILDREN_MOST = 4, NODES_MOST = 100 };

struct node {
    struct node *parent;
    unsigned depth;
    rv_group group;
    rv_time deadline;
    bool called;    /* rv_group_cancel came, before the deadline */
    int error;      /* the first of a child, or its own */
    bool cut_short; /* something in it ended with -ECANCELED */
    unsigned spawned, begun, ended;
    bool closing;
};

static struct node *open_nodes[NODES_MOST];
static unsigned open_count;

/* ---- leaves ---- */

static int sleep_some(void)
{
    rv_time until = rv_after((rv_time)below(2 * RV_MS));
    int err = rv_sleep_until(until);

    PROMISE(err == 0 ? rv_now() >= until : err == -ECANCELED, "sleep: %d", err);
    if (err < 0)
        check_over();
    return err;
}

/* No outer cancel reaches inside, and what is done there is not cut short. */
static int behind_shield(void)
{
    rv_scope shield;
    bool hurries = one_in(2);
    rv_time deadline = hurries ? rv_after((rv_time)below(RV_MS)) : RV_NEVER;
    int err;

    rv_shield_open(&shield, deadline);
    err = sleep_some();
    PROMISE(err == 0 || (hurries && rv_now() >= deadline), "a cancel went through a shield");
    err = rv_scope_close(&shield, err);
    PROMISE(err == 0 || err == -ETIMEDOUT, "a shield's deadline, and it says %d", err);
    seen("groups: behind a shield");
    return 0;
}

static int within_scope(void)
{
    rv_scope scope;
    rv_time deadline = rv_after((rv_time)below(RV_MS));
    bool self = one_in(4), over = rv_cancelled(); /* asks the clock: what was not may be, after */
    int err, out;

    rv_scope_open(&scope, deadline);
    if (self)
        rv_cancel(&scope);
    err = sleep_some();
    PROMISE(err < 0 || !self, "a sleep in a cancelled scope");
    out = rv_scope_close(&scope, err);
    if (over)
        PROMISE(out == err, "a scope translates what it did not cause");
    return out == -ETIMEDOUT ? 0 : out;
}

static int cancel_somebody(void)
{
    struct node *n = open_count ? open_nodes[below(open_count)] : NULL;

    if (n == NULL || (n->closing && n->ended == n->spawned))
        return 0; /* its last task is gone, and so is the group */
    n->called = true;
    rv_group_cancel(&n->group);
    return 0;
}

static int act(void)
{
    switch (below(8)) {
    case 0:
        return behind_shield();
    case 1:
    case 2:
        return within_scope();
    case 3:
        return one_in(2) ? cancel_somebody() : 0;
    case 4:
        return one_in(4) ? -EPROTO : 0;
    case 5:
        return rv_yield();
    default:
        return sleep_some();
    }
}

/* ---- nodes ---- */

static int run_node(struct node *parent, unsigned depth);

/* What a child hands to its group, noted as the group will see it. */
static int child(void *arg)
{
    struct node *parent = *(struct node **)arg;
    int err = 0;

    parent->begun++;
    for (uint64_t i = below(4); i > 0 && err == 0; i--)
        err = act();
    if (err == 0 && parent->depth > 0 && one_in(2))
        err = run_node(parent, parent->depth - 1);
    parent->ended++;
    if (err == -ECANCELED)
        parent->cut_short = true;
    else if (err < 0 && parent->error == 0)
        parent->error = err;
    return err;
}

static void open_node(struct node *n)
{
    rv_group_open(&n->group, n->deadline);
    if (open_count < NODES_MOST)
        open_nodes[open_count++] = n;
}

static void forget(const struct node *n)
{
    for (unsigned i = 0; i < open_count; i++)
        if (open_nodes[i] == n)
            open_nodes[i--] = open_nodes[--open_count];
}

static void check_result(const struct node *n, int own, int result)
{
    bool outer = rv_cancelled(); /* the group is closed: what is around it */

    PROMISE(n->ended == n->begun, "%u tasks outlive their group", n->begun - n->ended);
    PROMISE(n->begun == n->spawned, "%u tasks were spawned, and %u ran", n->spawned, n->begun);
    if (n->error) {
        PROMISE(result == n->error, "the first error is %d, and the group says %d", n->error,
                result);
        seen("groups: closed with an error");
        return;
    }
    if (!n->cut_short) {
        PROMISE(result == own, "all went well, and the group says %d", result);
        return;
    }
    PROMISE(result == -ECANCELED   ? outer
            : result == -ETIMEDOUT ? rv_now() >= n->deadline
                                   : result == 0 && n->called,
            "cut short, and the group says %d", result);
    seen(result == -ECANCELED   ? "groups: cancelled from outside"
         : result == -ETIMEDOUT ? "groups: timed out"
                                : "groups: cancelled");
}

static int run_node(struct node *parent, unsigned depth)
{
    struct node n = {.parent = parent, .depth = depth, .deadline = RV_NEVER}, *me = &n;
    int own = 0, result;

    if (one_in(3))
        n.deadline = rv_after((rv_time)below(3 * RV_MS));
    open_node(&n);
    if (one_in(4))
        rv_group_limit(&n.group, from_to(1, 3));
    for (uint64_t i = below(CHILDREN_MOST + 1); i > 0; i--)
        if (rv_try_go_copy(&n.group, child, &me, sizeof me) == 0)
            n.spawned++;
    if (one_in(3))
        own = act();
    if (own == -ECANCELED)
        n.cut_short = true;
    else if (own < 0 && n.error == 0)
        n.error = own;
    n.closing = true;
    result = rv_group_close(&n.group, own);
    forget(&n);
    check_result(&n, own, result);
    return result == -ETIMEDOUT ? 0 : result;
}

SCENARIO(groups, "a tree of groups ends as its rules say, with no task left")
{
    int err;

    open_count = 0;
    do
        err = run_node(NULL, (unsigned)below(DEPTH_MOST + 1));
    while (err == 0 && !one_in(4));
    PROMISE(err == 0 || err == -EPROTO, "the tree says %d", err);
    return 0;
}
