/* worker.h: one OS thread that runs tasks, and all that it owns; nothing here is locked but what
 * others reach it by (runtime.h).
 *
 * A pass: run what is ready until nothing is or the credit is used up, then one step of the
 * kernel (worker.c). Tasks switch straight to each other; the loop, on the thread's own stack, is
 * a task like the others that gets its turn when there is no better one.
 *
 * Credit is what a pass may spend before the kernel is asked again: one for each resume, more
 * for a call that did its work without parking, so that neither two tasks that wake each other
 * nor a connection that always has data can keep the rest from being served (hazard 40).
 *
 * What runs next: the ready tasks in order, then the newest record. Newest first keeps a tree
 * of spawns depth-first (a million tasks on seven stacks); so that it starves nobody, a
 * yield lets the oldest record start if a ready task ran since the last start, and in any case it
 * starts after BYPASS_MAX resumes (hazard 52). After BYPASS_PASSES passes in which there were
 * always records, the oldest one is next: a chain in which each task spawns the next would
 * otherwise be the newest for ever.
 */
#ifndef SCHED_WORKER_H
#define SCHED_WORKER_H

#include <pthread.h>

#include "base/inbox.h"
#include "base/shelf.h"
#include "base/slab.h"
#include "base/timers.h"
#include "kernel/kernel.h"
#include "sched/runq.h"
#include "sched/task.h"

enum {
    PASS_CREDIT = 256,
    CALL_CREDIT = 4, /* a system call that did not park, against a resume */
    BYPASS_MAX = 64,
    BYPASS_PASSES = 64, /* more would be felt; fewer would cost a tree of spawns its depth first */
};

enum { BRANCH_BUCKETS = 256 }; /* branch.h */

#define VERIFY_AFTER_NS (250 * RV_MS) /* old waits are checked, fds.h */
#define TRIM_AFTER_NS (5 * RV_S)      /* stacks that nobody wanted go back to the kernel */

/* A seated task's neighbours in the ring of its group, by seat. */
struct sibling {
    uint32_t next, prev;
};

struct rv_runtime;
struct branch;

struct worker {
    struct task *task; /* who runs */
    int credit;
    int bypassed;          /* resumes of ready tasks since a record started, while there are some */
    int passes;            /* that began with records, since the oldest one had its turn */
    uint32_t unstarted;    /* records, of both kinds */
    uint32_t spread_count; /* of these, in `spread` */
    uint32_t careful; /* no switch is plain: tasks with an fenv of their own, one more with C++ */
    int64_t now;      /* the pass's clock */
    struct runq ready;
    struct link records; /* newest first, as is: */
    struct link spread;  /* those that any worker may start; more of them are on the shelf */

    struct timers timers;     /* by seat */
    struct sibling *siblings; /* by seat */
    struct kernel *kernel;
    struct slab record_slab;      /* without copy */
    struct slab record_copy_slab; /* with a small one */
    struct stack_arena stacks;
    uint8_t default_stacks; /* whose index, where nothing else is said */
    size_t started;         /* tasks with a stack */
    size_t started_room;    /* how many the run queue and the seats are enough for */
    size_t tasks_max;
    uint64_t last_id, id_step; /* each worker has numbers of its own */
    int64_t verify_at;         /* chores, RV_NEVER: nothing to do */
    int64_t trim_at;
    bool deadlocked;
    struct fenv fenv;              /* of tasks that have none of their own */
    struct exceptions *exceptions; /* the running task's; NULL: no C++ */
    struct task loop;              /* the thread itself */
    rv_group root;

    /* ---- among others ---- */

    struct rv_runtime *rt;
    unsigned index;
    pthread_t thread;
    pid_t tid;
    struct stack *loop_stack; /* of a virtual worker: virtual.c */
    bool asleep;              /* it has said so, and is counted: runtime.c */
    bool hopeless;            /* likewise */
    bool stopping, drained, leaving;
    struct message stop, drain, leave;       /* each is sent once */
    struct branch *branches[BRANCH_BUCKETS]; /* groups of others, of which tasks are here */
    struct slab branch_slab;
    struct link unsaid;      /* branches of which home has yet to hear */
    struct returns *returns; /* by worker: its records, that have started here */
    uint32_t returning;      /* how many these are */
    uint32_t deal_left;      /* of this pass: so many spread records go to `least` */
    unsigned least;
    unsigned post_turn; /* whose turn it is to get one: foreign.c */
    bool spread_turn;   /* the oldest record of all was of the spread ones, the last time */

    /* By its own thread; looked at by others, who make do with what they see. */
    uint32_t load;  /* tasks that wait for the world, once a pass */
    uint32_t beats; /* passes: it gets round; 0: not in its loop */
    int64_t began;  /* when this pass did */

    struct inbox inbox; /* what others write, on cache lines of their own */
    struct shelf shelf;
};

/* This thread's, NULL outside rv_run(). A task never changes thread, so that neither the address
 * nor the value can be cached wrongly across a switch (hazard 1). */
extern __thread struct worker *worker_self;

/* Dies in words. Returns as the callers do, and not _Noreturn, so that they can tail-call it. */
int worker_missing(const char *call) __attribute__((cold));

/* The task that makes this public call; dies naming the call where there is none. */
static inline struct task *task_self(const char *call)
{
    struct worker *w = worker_self;

    if (__builtin_expect(w == NULL, 0))
        worker_missing(call);
    return w->task;
}

struct task *worker_next_slow(struct worker *w);

/* Of a long queue, neither the task structs nor the saved frames are in the nearest cache, and a
 * switch would wait for both, one after the other: they are fetched some switches ahead (1,000
 * tasks: 6.4 ns a bare switch without, 3.9 with). */
static inline void worker_prefetch(const struct runq *q)
{
    const char *frame;

    if (__builtin_expect(runq_count(q) <= 4, 1))
        return;
    __builtin_prefetch(&runq_ahead(q, 4)->ctx);
    frame = runq_ahead(q, 2)->ctx.sp;
    __builtin_prefetch(frame);
    __builtin_prefetch(frame + 64);
}

static inline struct task *worker_pop(struct worker *w)
{
    worker_prefetch(&w->ready);
    return runq_pop(&w->ready);
}

/* Who runs next, the loop if nobody. The caller is no longer running, or ready and queued. */
static inline struct task *worker_next(struct worker *w)
{
    if (__builtin_expect(--w->credit > 0 && w->unstarted == 0 && !runq_empty(&w->ready), 1))
        return worker_pop(w);
    return worker_next_slow(w);
}

int worker_switch_slow(struct task *from, struct task *to);
/* In a simulated world: from one worker's running task to another worker's, and neither of them
 * hears of it; or for good. */
void worker_put_aside(struct task *from, struct task *to, bool for_good);

/* Leaves `from` for `to`. Tail-call it: comes back with from->ctx.value when `from` is resumed. */
static inline int worker_switch(struct worker *w, struct task *from, struct task *to)
{
    ASSERT(to->worker == w && w == worker_self); /* hazard 1 */
    task_move(to, TASK_RUNNING);
    w->task = to;
    if (STACK_SANITIZED || __builtin_expect(w->careful != 0, 0))
        return worker_switch_slow(from, to);
    return context_switch(&from->ctx, &to->ctx);
}

static inline void worker_ready(struct worker *w, struct task *t)
{
    task_move(t, TASK_READY);
    runq_push(&w->ready, t);
}

/* Puts the running task behind the ready ones and runs the loop: the pass is over. */
void worker_pause(struct worker *w);

/* A call did its work without parking: it pays, and lets others run if the pass is over. */
static inline void worker_charge(struct worker *w)
{
    w->credit -= CALL_CREDIT;
    if (__builtin_expect(w->credit <= 0, 0))
        worker_pause(w);
}

/* Runs tasks until the root group is empty. */
void worker_loop(struct worker *w);

/* Something will want looking after: a wait that may last, a stack that may stay unused. */
static inline void worker_verify_later(struct worker *w)
{
    if (w->verify_at == RV_NEVER)
        w->verify_at = w->now + VERIFY_AFTER_NS;
}

static inline void worker_trim_later(struct worker *w)
{
    if (w->trim_at == RV_NEVER)
        w->trim_at = w->now + TRIM_AFTER_NS;
}

#endif
