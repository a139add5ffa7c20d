/* task.h: a task, from spawn to end.
 *
 *     record: spawned                      (a small note: function, argument, group)
 *     task:   running <-> ready | parked -> finished
 *
 * A spawn is a record; a stack is lent when a worker first runs it. The task struct is the head
 * of that stack, on the page of its first frames, so a parked task touches one page. When a task
 * ends it gives the same stack to the next record, or returns it to its pool.
 *
 * task_move() is the only place that changes a state, and asserts the edge. A task belongs to
 * one worker, and so to one OS thread, from its first instruction to its last.
 */
#ifndef SCHED_TASK_H
#define SCHED_TASK_H

#include "base/exceptions.h"
#include "base/list.h"
#include "base/report.h"
#include "reeve.h"
#include "stack/stack.h"
#include "switch.h"

enum task_state {
    TASK_FINISHED, /* zero: a head in fresh or trimmed memory is nobody's */
    TASK_RUNNING,
    TASK_PARKED,   /* waits; wait says for what */
    TASK_READY,    /* in the run queue */
    TASK_STARTING, /* has a stack, has not run yet */
};

/* rv_scope.in_group */
enum {
    GROUP_PLAIN = 1,
    GROUP_SPREAD = 2, /* its records may start on any worker */
    GROUP_BRANCH = 4, /* what this worker has of another one's group: branch.h */
};

struct wait_kind;
struct worker;
struct record;

enum { TASK_NAME_BYTES = 24 };

struct task {
    struct stack stack; /* first: the pool fills it */
    struct context ctx;
    uint8_t state; /* enum task_state, by task_move() only */
    bool own_fenv; /* its floating-point environment is switched too */
    bool asked;    /* its wait was asked to end, and will when its owner says so */
    uint32_t seat; /* where the worker's dense tables know it (scope.h); 0: it has not waited yet */
    rv_scope *scope; /* the innermost */
    struct worker *worker;
    int64_t armed; /* seated: when its timer fires; RV_NEVER: not armed */

    const struct wait_kind *wait; /* parked: for what, and on which object */
    void *wait_on;
    int64_t wait_until; /* the wait's own time, RV_NEVER for none */
    int64_t wait_since;

    rv_group *group;
    struct record *record; /* starting: what to run */
    const char *site;
    uint64_t id;
    char name[TASK_NAME_BYTES];   /* empty: the function's, from site */
    struct fenv fenv;             /* while switched out, if own_fenv */
    struct exceptions exceptions; /* while switched out, where there is C++ */
};

/* The edges. One comparison each, for `to` is known where this is called. */
static inline void task_move(struct task *t, enum task_state to)
{
    switch (to) {
    case TASK_FINISHED:
    case TASK_PARKED:
        ASSERT(t->state == TASK_RUNNING);
        break;
    case TASK_READY:
        ASSERT(t->state == TASK_RUNNING || t->state == TASK_PARKED);
        break;
    case TASK_RUNNING:
        ASSERT(t->state >= TASK_READY);
        break;
    case TASK_STARTING:
        ASSERT(t->state == TASK_FINISHED);
        break;
    }
    t->state = (uint8_t)to;
}

/* The first code of every task, on its new stack. Never returns. */
void task_main(void *task);

/* `task 17 "client", spawned at server.c:42`. name may be empty: the function's then. */
void task_describe(const struct task *t, char *text, size_t room);
void task_describe_spawn(uint64_t id, const char *name, const char *site, char *text, size_t room);

#endif
