/* life.c: see life.h. What a worker needs is got in one order and given back in the reverse one:
 * stacks, kernel, the overflow handler's stack, the inbox.
 *
 * A child that was forked inside has no runtime (hazard 32): the ring and all waiters are the
 * parent's.
 */
#include "sched/life.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/fd_share.h"
#include "kernel/fds.h"
#include "sched/branch.h"
#include "sched/spread.h"

_Static_assert((int)WORKERS_MAX <= (int)FD_SHARE_WORKERS, "each worker has a number there");

static __thread bool forked;

unsigned life_process;

static void after_fork_in_child(void)
{
    life_process++;
    if (worker_self == NULL)
        return;
    worker_self->task->scope = NULL; /* it must not end as if its worker were there: task.c */
    worker_self = NULL;
    forked = true;
    stack_overflow_forget();
}

int worker_missing(const char *call)
{
    if (forked)
        die("%s: called in a forked child: a runtime does not survive fork(); exec, or rv_run() "
            "anew",
            call);
    die("%s: called outside a task: there is no runtime on this thread; see rv_run(), and "
        "rv_runtime_post() for threads without one",
        call);
}

static void who_is_running(char *text, size_t room)
{
    struct worker *w = worker_self;

    if (w && w->task != &w->loop)
        task_describe(w->task, text, room);
}

static bool describe_stack(struct stack *head, char *text, size_t room)
{
    struct task *t = (struct task *)(void *)head;
    bool running = worker_self && t == worker_self->task;

    if (running || t->state != TASK_FINISHED)
        task_describe(t, text, room);
    else
        snprintf(text, room, "nobody: it is free");
    return running;
}

void life_prepare_process(void)
{
    report_who = who_is_running;
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

/* ---- signals ---- */

void life_block_sigpipe(sigset_t *before)
{
    sigset_t pipe;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, before);
}

void life_unblock_sigpipe(const sigset_t *before)
{
    const struct timespec now = {0};
    sigset_t pipe;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    if (!sigismember(before, SIGPIPE))
        while (sigtimedwait(&pipe, NULL, &now) > 0)
            ;
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* ---- set up and take down ---- */

/* Who cannot start is told why, here or by whoever could not be had. */
static int cannot_start(const char *what, int err)
{
    report("cannot start: %s: %s", what, strerror(-err));
    return err;
}

static void prepare_loop(struct worker *w)
{
    w->loop.worker = w;
    w->loop.state = TASK_RUNNING;
    w->loop.scope = &w->root.scope;
    w->loop.site = "loop@reeve";
    w->task = &w->loop;
    sanitize_thread(&w->loop.stack.sanitizer);
    fenv_save(&w->fenv);
    w->exceptions = exceptions_here();
    w->careful = w->exceptions != NULL;
}

static void prepare_root(struct worker *w)
{
    w->root.scope.owner = &w->loop;
    w->root.scope.deadline = w->root.scope.due = RV_NEVER;
    w->root.scope.in_group = w->rt->count > 1 ? GROUP_PLAIN | GROUP_SPREAD : GROUP_PLAIN;
    w->root.live_max = SIZE_MAX;
    w->root.stacks = w->default_stacks;
}

/* What cannot fail. Numbers of tasks are dealt to the workers like cards. */
static void prepare(struct worker *w)
{
    const struct settings *s = w->rt->settings;

    w->default_stacks = (uint8_t)(stack_pool_for(&w->stacks, s->stack_bytes) - w->stacks.pools);
    w->tasks_max = s->tasks_max;
    w->verify_at = w->trim_at = RV_NEVER;
    w->id_step = w->rt->count;
    w->last_id = w->index + 1 - w->id_step; /* the first one of all is 1 */
    timers_init(&w->timers);
}

struct worker *worker_new(struct rv_runtime *rt, unsigned index)
{
    struct worker *w = aligned_alloc(_Alignof(struct worker), sizeof *w);

    if (w == NULL) {
        (void)cannot_start("a worker", -ENOMEM);
        return NULL;
    }
    memset(w, 0, sizeof *w);
    w->rt = rt;
    w->index = index;
    list_init(&w->records);
    list_init(&w->spread);
    list_init(&w->unsaid);
    shelf_init(&w->shelf); /* others may look at it, or call, before its thread runs */
    slab_init(&w->record_slab, RECORD_BYTES);
    slab_init(&w->record_copy_slab, RECORD_BYTES + RECORD_COPY_SMALL);
    slab_init(&w->branch_slab, (sizeof(struct branch) + 63) / 64 * 64);
    return w;
}

/* With several workers, what others reach this one by. */
static int start_sharing(struct worker *w)
{
    int err;

    if (w->rt->count == 1)
        return 0;
    err = spread_open(w);
    if (err < 0)
        return cannot_start("a worker's books", err);
    err = worker_open_inbox(w);
    if (err < 0) {
        spread_close(w);
        return cannot_start("a worker's bell", err);
    }
    return 0;
}

static int start_kernel(struct worker *w)
{
    int err = kernel_open(&w->kernel, &w->rt->kernel);

    if (err < 0)
        return err;
    w->kernel->worker = w->index;
    err = stack_overflow_watch(&w->stacks, describe_stack);
    if (err < 0) {
        kernel_close(w->kernel);
        return cannot_start("the stack of the overflow handler", err);
    }
    err = start_sharing(w);
    if (err < 0) {
        stack_overflow_unwatch(&w->stacks);
        kernel_close(w->kernel);
    }
    return err;
}

int worker_start(struct worker *w)
{
    const struct settings *s = w->rt->settings;
    int err = stack_arena_init(&w->stacks, sizeof(struct task), s->guard, s->wipe_stacks);

    if (err < 0) {
        report("REEVE_GUARD=madvise: this kernel has no MADV_GUARD_INSTALL (Linux 6.13)");
        return err;
    }
    if (w->stacks.guard == STACK_GUARD_MPROTECT) /* mappings are the process's */
        w->stacks.guards_left /= w->rt->count;
    prepare(w);
    err = start_kernel(w);
    if (err < 0)
        return err;
    w->now = w->kernel->room->now(w->kernel);
    prepare_root(w);
    prepare_loop(w);
    return 0;
}

/* In a simulated world all that was lent must be back: where a run is a test, looking everywhere
 * is worth its time. */
static void check_balance(struct worker *w)
{
    ASSERT(timers_owned(&w->timers) == 0);
    ASSERT(fds_at_rest(w->kernel));
}

void worker_stop(struct worker *w)
{
    ASSERT(w->started == 0 && w->unstarted == 0 && !timers_any(&w->timers));
    ASSERT(fds_waiting(w->kernel) == 0 && stack_lent(&w->stacks) == 0);
    ASSERT(shelf_count(&w->shelf) == 0 && list_empty(&w->records));
    if (w->kernel->room == &sim_room)
        check_balance(w);
    spread_close(w);
    kernel_close(w->kernel);
    stack_overflow_unwatch(&w->stacks);
    stack_arena_fini(&w->stacks);
    timers_fini(&w->timers);
    free(w->siblings);
    free(w->ready.ring);
}

void worker_free(struct worker *w)
{
    slab_fini(&w->record_slab);
    slab_fini(&w->record_copy_slab);
    slab_fini(&w->branch_slab);
    free(w);
}
