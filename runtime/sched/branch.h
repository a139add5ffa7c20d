/* branch.h: what one worker has of another one's group.
 *
 * A record that starts elsewhere is a child of a branch there: a group of that worker's own, so
 * that a child's end, a cancel point and a cancel among neighbours look the same everywhere, and
 * cost the same. Branches may have branches.
 *     made (branch_for) -> open -> empty: its last word is under way -> gone
 *
 * The books: the parent's `live` counts each record that it gave away; `taken` is how many of those
 * the branch has, started, ended or given on. They are given back by `up`, all at once when it is
 * empty; of a group with a limit, as they end. So a group is empty when its own count says so.
 *
 * A task may also spawn into a group that it is deep inside of, and of which this worker has no
 * branch. The one that is made counts as one more child, of which home hears by the first `up`:
 * before the group can end, since what the task is inside of ends later, by messages sent later.
 *
 * Messages, all in the branch, so that none can fail. up, here -> home: "I exist", an error,
 * children that ended; and back, an empty envelope, for which what comes up meanwhile waits.
 * cancel and limit, home -> here, once each: a parent that was cancelled before it heard of the
 * branch says so then. Home sends nothing after the last word, and one sender's messages keep
 * their order: when that envelope is back, nothing is under way, and the branch is freed.
 *
 * Rejected: an atomic count in the group (each end of a task a shared write); one branch a worker,
 * all children of the root (whoever is taken from would have to hear of it before the count can).
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

/* The task is inside of the group that is known by `root`, of whichever worker. */
bool branch_is_around(const struct task *t, const rv_group *root);
/* The group by which it spawns into that one, of another worker; NULL: no memory. */
rv_group *branch_of_root(const struct task *me, rv_group *root);
/* Nothing was spawned into that after all. */
void branch_unused(rv_group *here);

static inline struct branch *branch_of(rv_group *g)
{
    ASSERT(g->scope.in_group & GROUP_BRANCH);
    return CONTAINER(g, struct branch, group);
}

/* The group around g, past workers: it stays open as long as g does. NULL: none. */
static inline rv_group *branch_around(rv_group *g)
{
    return g->scope.in_group & GROUP_BRANCH ? branch_of(g)->parent
                                            : ((struct task *)g->scope.owner)->group;
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

/* At the end of a pass, and before a cancel goes home: home hears of those that were made since.
 * One that is over by then says so in the same word: a short task on another worker is two
 * messages there and back, and not four. */
void branch_say_new(struct worker *w);

/* At home, of any group: it was cancelled, or has a limit now. */
void branch_cancel_all(rv_group *g);
void branch_limit_all(rv_group *g);

#endif
