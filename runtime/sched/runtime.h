/* runtime.h: the workers of one rv_run(), and how they reach each other.
 *
 * Each worker is an OS thread, or, in a simulated world, one of several that take turns on a
 * single thread. All that a worker has is its own (worker.h), and nobody else reads or writes it.
 * What they share is here, in each one's inbox (base/inbox.h), and on its shelf (base/shelf.h).
 *
 * To have something done to what another worker owns, send it a message: deliver() is called on
 * that worker, between two tasks. The memory is the sender's until then; mostly it lies on the
 * stack of a task that waits for the answer, so that sending cannot fail.
 *
 * The life of a runtime:
 *     starting -> running -> stopping -> leaving -> over
 * stopping: the first task has ended; posts are refused, those that were accepted are cancelled
 * (foreign.c). leaving: no worker has a task any more; each leaves its loop, and waits there for
 * the others, for a message of theirs may still ring its bell. With one worker and no other thread
 * there are no such states: the loop ends with the first task.
 */
#ifndef SCHED_RUNTIME_H
#define SCHED_RUNTIME_H

#include <sched.h>

#include "base/cpus.h"
#include "sched/options.h"
#include "sched/worker.h"

/* A message that visits each worker, from `home` on, and ends there. */
struct tour {
    struct message message;
    struct worker *home;
    unsigned left;
    void (*visit)(struct tour *t, struct worker *w);
    void (*end)(struct tour *t); /* at home; t may go */
};

struct rv_runtime {
    const struct settings *settings;
    struct kernel_config
        kernel; /* as the settings have it; the backend is worker 0's, once it is known */
    struct cpus cpus;
    unsigned count;
    struct worker *workers[WORKERS_MAX];
    struct idlers idlers;
    size_t tasks;         /* atomic: with tasks_max, all that live (record.c) */
    uint32_t inside;      /* atomic: workers that have not left their loops */
    uint64_t hopeless;    /* atomic: those asleep for ever, as far as they know; above 32 bits, how
                             many were and woke up */
    uint32_t door;        /* atomic: 2 for each post that is under way, 1: closed (foreign.c) */
    bool posted_to;       /* atomic: another thread may know of this runtime */
    bool first_ended;     /* worker 0\'s */
    unsigned drained;     /* worker 0's: of the others, those that have no task any more */
    struct tour breaking; /* while `being_broken` */
    bool being_broken;    /* atomic */
    struct watchdog *watchdog; /* NULL: none */
    unsigned process;          /* life_process, where it began */
    struct owner *owner;       /* of rv_runtime_new(): foreign.c */
};

/* Other workers, or threads, may be there. */
static inline bool worker_reachable(const struct worker *w)
{
    return __builtin_expect(w->kernel->called != NULL, 0);
}

/* From any thread. m is not to be looked at any more. */
void worker_post(struct worker *to, struct message *m);

/* On its own thread: from here on other threads may call. 0 or -errno. */
int worker_open_inbox(struct worker *w);

/* The messages that have come, the pass's time, and the end of a sleep. */
void worker_take_messages(struct worker *w);

/* A message was sent, or work was put somewhere: in a simulated world the seed may say that
 * another worker goes on from here. */
static inline void worker_turn(struct worker *w)
{
    if (__builtin_expect(w->kernel->turn != NULL, 0))
        w->kernel->turn(w->kernel, TURN_MAY);
}

/* This one waits for what another one does at this moment, by looking. */
static inline void worker_stand_aside(struct worker *w)
{
    if (w->kernel->turn)
        w->kernel->turn(w->kernel, TURN_MUST);
    else
        sched_yield();
}

/* Wakes somebody who sleeps, if anybody does, to look for work. */
void runtime_call_idler(struct rv_runtime *rt, unsigned from);

/* t->visit on each worker, from home on, and t->end there. */
void runtime_tour(struct tour *t, struct worker *home);

/* Nobody can ever be woken: told, then all is cancelled. From any worker's loop. */
void runtime_break_up(struct worker *w, const char *why);
void worker_dump(int fd, struct worker *w); /* inspect/dump.c */

/* Is there anything left that the worker's loop must go on for? */
bool runtime_goes_on(struct worker *w);
/* Before the first task: those from 1 on, before `end`, leave. */
void runtime_dismiss(struct rv_runtime *rt, unsigned end);
/* Each worker, out of its loop: returns when all are. */
void runtime_leave(struct rv_runtime *rt);

/* foreign.c: no post is accepted from here on, and none is under way. */
void runtime_close_door(struct rv_runtime *rt);

#endif
