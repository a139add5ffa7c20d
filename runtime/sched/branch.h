/* branch.h: what one worker has of another one's group.
 *
 * A group is its owner's worker's alone. When a record of it starts elsewhere, it is a child of a
 * branch there: a group of that worker's own, so that a child's end, a cancel point and a cancel
 * among its neighbours look the same everywhere, and cost the same. Branches may have branches.
 *
 * The books. The parent's `live` counts each record that it gave away; the branch's `taken` is how
 * many of those it has, started, ended or given on to a branch of its own. They are given back by
 * `up`: all at once, when the branch is empty, and it is gone then; or, for a group with a limit,
 * as they end. So a group is empty when its own count says so, whatever is under way.
 *
 * A task may also spawn into a group that it is deep inside of, where this worker has no branch of
 * it. The branch that is made then counts as one more child, of which home hears by the first `up`;
 * before the group can end, since what the task is inside of ends later, by messages sent later.
 *
 *     made (branch_for) -> open -> empty: its last word is under way -> gone
 *
 * Messages, all in the branch, so that none can fail:
 *   up      here -> home: "I exist", an error, children that ended; then back, an empty envelope.
 *           What comes up meanwhile waits for it. The first one enters the branch with its parent.
 *   cancel  home -> here, once: the parent was cancelled. A parent that was cancelled before it
 *           heard of the branch says so then: none is missed.
 *   limit   home -> here, once: the parent has a limit now: report each end.
 * Home sends nothing after the last word has come, and one sender's messages keep their order: so
 * when the envelope of the last word is back, nothing else is under way, and the branch is freed.
 *
 * Rejected: an atomic count in the group (each end of a task would be a shared write); one branch
 * a worker, all children of the root (the worker that a record is taken from would have to hear of
 * it before its own count can say so).
 */
#ifndef SCHED_BRANCH_H
#define SCHED_BRANCH_H

#include "sched/group.h"

struct branch {
    rv_group group; /* what its children know */
    struct worker *here, *home;
    rv_group *parent; /* home's; here only what is fixed when a group opens is looked at, and due */
    rv_group *root;   /* what the program knows */
    struct branch *next_here;  /* in its bucket of worker.branches, until it is empty */
    struct link unsaid;        /* in worker.unsaid, until home was told that it exists */
    size_t taken;              /* here */
    size_t joined;             /* here: children that the parent has yet to hear of */
    size_t ended;              /* here: not said yet, of a group with a limit */
    bool prompt;               /* here: the group has a limit */
    bool empty;                /* here */
    bool error_said;           /* here */
    struct branch *next, **at; /* home: the parent's branches */
    bool known;                /* home: this is among them */
    bool cancel_sent, limit_sent;
    struct message up, cancel, limit;
    bool up_away; /* here: and with it go: */
    struct {
        size_t joined, ended;
        int error;
        bool lost, last;
    } word;
};

/* The branch that this worker has of a group of another one, or a new one; NULL: no memory. */
struct branch *branch_for(struct worker *w, rv_group *parent);

/* The group by which a task of this worker spawns into one of another, that it knows by `root`;
 * NULL: it is not inside of that; or *out_err says that there is no memory. */
rv_group *branch_of_root(const struct task *me, rv_group *root, int *out_err);

static inline struct branch *branch_of(rv_group *g)
{
    ASSERT(g->scope.in_group & GROUP_BRANCH);
    return CONTAINER(g, struct branch, group);
}

/* What the program knows g by. */
static inline rv_group *branch_root(rv_group *g)
{
    return g->scope.in_group & GROUP_BRANCH ? branch_of(g)->root : g;
}

/* Here, of a branch's group: it has no child any more; or so many ended, and it has a limit; or one
 * failed. */
void branch_empty(rv_group *g); /* group.h */
void branch_ended(rv_group *g, size_t count);
void branch_failed(rv_group *g);

/* At the end of a pass: home hears of those that were made in it. One that is over by then says so
 * in the same word: a short task on another worker is two messages there and back, and not four. */
void branch_say_new(struct worker *w);

/* At home, of any group: it was cancelled, or has a limit now. */
void branch_cancel_all(rv_group *g);
void branch_limit_all(rv_group *g);

#endif
