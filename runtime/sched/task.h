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

#include "base/list.h"
#include "base/report.h"
#include "reeve.h"
#include "stack/stack.h"
#include "switch.h"

enum task_state {
    TASK_FINISHED, /* zero: a head in fresh or trimmed memory is nobody's */
    TASK_READY,    /* in the run queue */
    TASK_RUNNING,
    TASK_PARKED, /* waits; wait says for what */
    TASK_STARTING, /* has a stack, has not run yet */
};

struct wait_kind;
struct worker;
struct record;

enum { TASK_NAME_BYTES = 24 };

struct task {
    struct stack stack; /* first: the pool fills it */
    struct context ctx;
    uint8_t state;   /* enum task_state, by task_move() only */
    bool own_fenv;   /* its floating-point environment is switched too */
    bool linked;     /* in group->parked */
    bool asked;      /* its wait was asked to end, and will when its owner says so */
    uint32_t timer;  /* its one timer's id; 0: it never had one */
    rv_scope *scope; /* the innermost */
    struct worker *worker;
    int64_t armed; /* when its timer fires; RV_NEVER: not armed */

    const struct wait_kind *wait; /* parked: for what, and on which object */
    void *wait_on;
    int64_t wait_until; /* the wait's own time, RV_NEVER for none */
    int64_t wait_since;

    rv_group *group;
    struct link sibling; /* in group->parked */
    struct record *record; /* starting: what to run */
    const char *site;
    uint64_t id;
    char name[TASK_NAME_BYTES]; /* empty: the function's, from site */
    struct fenv fenv;           /* while switched out, if own_fenv */
};

/* For each state, a bit for each state that it may be entered from. */
static inline void task_move(struct task *t, enum task_state to)
{
    const unsigned from[] = {
        [TASK_FINISHED] = 1u << TASK_RUNNING,
        [TASK_READY] = 1u << TASK_RUNNING | 1u << TASK_PARKED,
        [TASK_RUNNING] = 1u << TASK_READY | 1u << TASK_STARTING,
        [TASK_PARKED] = 1u << TASK_RUNNING,
        [TASK_STARTING] = 1u << TASK_FINISHED,
    };

    ASSERT(from[to] >> t->state & 1);
    t->state = (uint8_t)to;
}

/* The first code of every task, on its new stack. Never returns. */
void task_main(void *task);

/* `task 17 "client", spawned at server.c:42` */
void task_describe(const struct task *t, char *text, size_t room);

/* "echo@server.c:42" in its two parts. */
void site_split(const char *site, char *name, size_t room, const char **place);

#endif
