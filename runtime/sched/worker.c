/* worker.c: the loop of a worker, and what a switch costs when it is not plain. See worker.h. */
#include "sched/worker.h"

#include <errno.h>

#include "kernel/fds.h"
#include "sched/branch.h"
#include "sched/record.h"
#include "sched/runtime.h"
#include "sched/spread.h"
#include "sched/wait.h"

enum { TRIM_MOST = 256 }; /* stacks a pass: each is a system call */

__thread struct worker *worker_self __attribute__((tls_model("initial-exec")));

/* ---- switching ---- */

/* A switch that sanitizers or a floating-point environment take part in. */
static __attribute__((noinline)) int switch_told(struct task *from, struct task *to, bool for_good)
{
    int value;

#ifdef FRAME_BYTES /* swapcontext() does it by itself, and would save what is loaded here */
    if (from->own_fenv && !for_good)
        fenv_save(&from->fenv);
    if (from->own_fenv | to->own_fenv)
        fenv_load(to->own_fenv ? &to->fenv : &from->worker->fenv);
#endif
    sanitize_leave(&from->stack.sanitizer, for_good, &to->stack.sanitizer);
    value = context_switch(&from->ctx, &to->ctx);
    sanitize_arrive(&from->stack.sanitizer);
    return value;
}

int worker_switch_slow(struct task *from, struct task *to)
{
    struct exceptions *here = from->worker->exceptions;

    if (here)
        exceptions_switch(here, &from->exceptions, &to->exceptions);
    if (STACK_SANITIZED || from->own_fenv | to->own_fenv)
        return switch_told(from, to, from->state == TASK_FINISHED);
    return context_switch(&from->ctx, &to->ctx);
}

/* Whatever state it is in: a task that has finished may still have to say so to another worker. */
void worker_put_aside(struct task *from, struct task *to, bool for_good)
{
    struct exceptions *here = from->worker->exceptions;

    if (here)
        exceptions_switch(here, &from->exceptions, &to->exceptions);
    (void)switch_told(from, to, for_good);
}

void worker_pause(struct worker *w)
{
    struct task *me = w->task;

    worker_ready(w, me);
    (void)worker_switch(w, me, &w->loop);
}

struct task *worker_next_slow(struct worker *w)
{
    while (w->credit > 0) {
        bool ready = !runq_empty(&w->ready);

        if (w->unstarted && (!ready || w->bypassed >= BYPASS_MAX)) {
            struct task *t = record_start(w, w->bypassed >= BYPASS_MAX);

            if (t)
                return t;
            continue; /* its group was told, and someone may be ready now */
        }
        if (!ready && shelf_count(&w->shelf) && spread_fetch(w))
            continue;
        if (!ready)
            break;
        w->bypassed++;
        return worker_pop(w);
    }
    return &w->loop;
}

/* ---- the loop ---- */

static bool idle(const struct worker *w)
{
    return runq_empty(&w->ready) && w->unstarted == 0 && shelf_count(&w->shelf) == 0;
}

/* Nothing is ready, no time is set, the kernel has nothing of ours: nobody can ever be woken. A
 * simulated world sees that by itself, and counts it as a finding. */
static bool deadlocked(const struct worker *w)
{
    return w->kernel->room != &sim_room && !worker_reachable(w) && idle(w) &&
           !timers_any(&w->timers) && w->kernel->under_way == 0 && fds_waiting(w->kernel) == 0;
}

/* Told, then ended as any shutdown is: by cancelling what can be, and joining. */
static void break_up(struct worker *w, const char *why)
{
    bool again = w->deadlocked;

    w->kernel->verdict = NULL;
    if (w->rt->count > 1) {
        runtime_break_up(w, why);
        return;
    }
    report("%s; who waits for what:", why);
    rv_dump(2);
    if (!again) {
        w->deadlocked = true;
        report("cancelling them all%s",
               w->kernel->room == &sim_room
                   ? ""
                   : "; unless its function still succeeds, rv_run() returns -EDEADLK");
        scope_cancel(&w->root.scope);
    }
    if (idle(w) && (again || deadlocked(w)))
        die("deadlock: what waits cannot be cancelled (a shield without a deadline?)");
}

/* Nothing here is urgent, and nothing ticks once it is done. */
static void chores(struct worker *w)
{
    if (w->now >= w->verify_at) {
        w->verify_at = RV_NEVER;
        if (fds_verify(w->kernel))
            worker_verify_later(w);
    }
    if (w->now >= w->trim_at) {
        w->trim_at = stack_trim(&w->stacks, TRIM_MOST) ? w->now : RV_NEVER;
        if (stack_warm(&w->stacks)) /* free from one trim to the next: the first seldom does it */
            worker_trim_later(w);
    }
}

/* When the kernel step must be back: 0, do not wait. */
static int64_t wait_until(const struct worker *w)
{
    int64_t next;

    if (!idle(w))
        return 0;
    next = timers_next(&w->timers);
    if (timers_any(&w->timers))
        next = clock_sum(next, wait_slack(timers_first(&w->timers)));
    next = next < w->verify_at ? next : w->verify_at;
    return next < w->trim_at ? next : w->trim_at;
}

/* By the handful, so that the tasks are fetched while others are being found. */
static void fire_timers(struct worker *w)
{
    enum { HANDFUL = 16 };
    struct task *due[HANDFUL];
    int count;

    do {
        for (count = 0; count < HANDFUL && (due[count] = timers_pop(&w->timers, w->now)); count++)
            __builtin_prefetch(due[count]);
        for (int i = 0; i < count; i++)
            wait_timer(due[i]);
    } while (count == HANDFUL);
}

/* Before a step that could wait: others may have work, and want back what is theirs. */
static void look_around(struct worker *w)
{
    if (w->rt->count == 1)
        return;
    branch_say_new(w);
    if (!idle(w))
        return;
    if (w->returning)
        spread_return_all(w);
    (void)spread_steal(w);
}

static void kernel_pass(struct worker *w)
{
    struct kernel *k = w->kernel;

    if (worker_reachable(w))
        look_around(w);
    k->room->step(k, wait_until(w));
    if (worker_reachable(w))
        worker_take_messages(w);
    else
        w->now = k->room->now(k);
    if (__builtin_expect(k->verdict != NULL, 0))
        break_up(w, k->verdict);
    fire_timers(w);
    chores(w);
}

static void remember_oldest(struct worker *w)
{
    if (w->unstarted == 0) {
        w->passes = 0;
    } else if (++w->passes > BYPASS_PASSES) {
        w->passes = 0;
        w->bypassed = BYPASS_MAX;
    }
}

/* In a simulated world it is the seed that says who is next, and for how long. */
static void shuffle(struct worker *w)
{
    struct kernel *k = w->kernel;
    uint32_t count = runq_count(&w->ready), records = w->unstarted - w->spread_count, turns;

    w->credit = 2 + (int)k->choose(k, 1 + k->choose(k, 16));
    turns = count < (uint32_t)w->credit ? count : (uint32_t)w->credit;
    for (uint32_t i = 0; i < turns; i++)
        runq_swap(&w->ready, i, i + k->choose(k, count - i));
    if (w->unstarted && k->choose(k, 2))
        w->bypassed = BYPASS_MAX;
    if (records > 1)
        record_promote(w, k->choose(k, records < 8 ? records : 8));
}

/* With the last task of its root group; where there are others, when all are done. */
static inline bool goes_on(struct worker *w)
{
    return worker_reachable(w) ? runtime_goes_on(w) : w->root.live != 0;
}

void worker_loop(struct worker *w)
{
    while (goes_on(w)) {
        struct task *next;

        w->credit = PASS_CREDIT;
        remember_oldest(w);
        __atomic_store_n(&w->beats, w->beats + 1, __ATOMIC_RELEASE);
        __atomic_store_n(&w->began, w->now, __ATOMIC_RELAXED);
        if (w->rt->count > 1)
            spread_look(w);
        if (__builtin_expect(w->kernel->choose != NULL, 0))
            shuffle(w);
        task_move(&w->loop, TASK_READY);
        next = worker_next(w);
        if (next == &w->loop)
            task_move(&w->loop, TASK_RUNNING);
        else
            (void)worker_switch(w, &w->loop, next);
        if (!goes_on(w))
            break;
        if (deadlocked(w))
            break_up(w, "deadlock: all tasks asleep, nothing pending");
        else
            kernel_pass(w);
    }
    __atomic_store_n(&w->beats, 0, __ATOMIC_RELEASE);
}
