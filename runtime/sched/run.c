/* run.c: a runtime's life on the calling thread: set up, run the first task, take down.
 *
 * A stop is no special case: the root group holds the first task, and ends when that does; every
 * other task is in a group that some task had to join before. What is left then are idle stacks,
 * watches without waiters and a ring, which go in the reverse order of their making.
 *
 * SIGPIPE is blocked on the thread meanwhile (hazard 36: a ring write to a broken pipe raises it
 * whatever flags are given), and one that arrived is taken before the mask is put back. A child
 * that was forked inside has no runtime (hazard 32): the ring and all waiters are the parent's.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/fds.h"
#include "sched/group.h"
#include "sched/options.h"
#include "sched/record.h"
#include "sched/run.h"
#include "sched/wait.h"

static __thread bool forked;

static void after_fork_in_child(void)
{
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
    die("%s: called outside a task: there is no runtime on this thread; see rv_run()", call);
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

static void once(void)
{
    report_who = who_is_running;
    pthread_atfork(NULL, NULL, after_fork_in_child);
}

/* ---- signals ---- */

static void block_sigpipe(sigset_t *before)
{
    sigset_t pipe;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, before);
}

static void unblock_sigpipe(const sigset_t *before)
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
    w->root.scope.in_group = true;
    w->root.live_max = SIZE_MAX;
    w->root.stacks = w->default_stacks;
}

/* Which world it is, and why not a better one. */
static void say_backend(const struct kernel *k)
{
    if (k->why[0])
        report("backend %s; not a better one: %s", k->room->name, k->why);
    else
        report("backend %s", k->room->name);
}

static int start(struct worker *w, const struct settings *s)
{
    int err = stack_arena_init(&w->stacks, sizeof(struct task), s->guard, s->wipe_stacks);

    if (err < 0) {
        report("REEVE_GUARD=madvise: this kernel has no MADV_GUARD_INSTALL (Linux 6.13)");
        return err;
    }
    w->default_stacks = (uint8_t)(stack_pool_for(&w->stacks, s->stack_bytes) - w->stacks.pools);
    w->tasks_max = s->tasks_max;
    w->verify_at = w->trim_at = RV_NEVER;
    list_init(&w->records);
    timers_init(&w->timers);
    slab_init(&w->record_slab, RECORD_BYTES);
    slab_init(&w->record_copy_slab, RECORD_BYTES + RECORD_COPY_SMALL);
    err = kernel_open(&w->kernel, &s->kernel);
    if (err < 0)
        return err;
    err = stack_overflow_watch(&w->stacks, describe_stack);
    if (err < 0) {
        kernel_close(w->kernel);
        return cannot_start("the stack of the overflow handler", err);
    }
    w->now = w->kernel->room->now(w->kernel);
    prepare_root(w);
    prepare_loop(w);
    if (s->log)
        say_backend(w->kernel);
    return 0;
}

/* In a simulated world all that was lent must be back: where a run is a test, looking everywhere
 * is worth its time. */
static void check_balance(struct worker *w)
{
    ASSERT(timers_owned(&w->timers) == 0);
    ASSERT(fds_at_rest(w->kernel));
}

static void stop(struct worker *w)
{
    ASSERT(w->started == 0 && w->unstarted == 0 && !timers_any(&w->timers));
    ASSERT(fds_waiting(w->kernel) == 0 && stack_lent(&w->stacks) == 0);
    if (w->kernel->room == &sim_room)
        check_balance(w);
    kernel_close(w->kernel);
    stack_overflow_unwatch(&w->stacks);
    stack_arena_fini(&w->stacks);
    slab_fini(&w->record_slab);
    slab_fini(&w->record_copy_slab);
    timers_fini(&w->timers);
    free(w->siblings);
    free(w->ready.ring);
}

/* ---- the first task ---- */

struct first {
    rv_fn *fn;
    void *arg;
    int result;
};

static int run_first(void *arg)
{
    struct first *first = arg;

    first->result = first->fn(first->arg);
    return 0;
}

static int run(struct worker *w, rv_fn *fn, void *arg)
{
    struct first first = {fn, arg, 0};
    int err = record_new(w, &w->root, run_first, &first, "main@rv_run");

    if (err < 0)
        return cannot_start("the first task", err);
    worker_loop(w);
    if (w->root.error) /* it never got a stack */
        return w->root.error;
    return w->deadlocked && first.result < 0 ? -EDEADLK : first.result;
}

int run_as(const char *call, const struct settings *settings, rv_fn *fn, void *arg)
{
    static pthread_once_t first_time = PTHREAD_ONCE_INIT;
    struct worker *w;
    sigset_t before;
    int err;

    USAGE(fn != NULL, "%s: the function is NULL", call);
    USAGE(worker_self == NULL, "%s: this thread runs tasks already; spawn one with rv_go()", call);
    pthread_once(&first_time, once);
    w = aligned_alloc(_Alignof(struct worker), sizeof *w);
    if (w == NULL)
        return cannot_start("the worker", -ENOMEM);
    memset(w, 0, sizeof *w);
    err = start(w, settings);
    if (err == 0) {
        block_sigpipe(&before);
        worker_self = w;
        err = run(w, fn, arg);
        worker_self = NULL;
        unblock_sigpipe(&before);
        stop(w);
    }
    free(w);
    return err;
}

int rv_run(rv_fn *fn, void *arg, const rv_options *opt)
{
    struct settings settings;
    int err = options_read(&settings, opt);

    if (err < 0)
        return err;
    err = run_as("rv_run", &settings, fn, arg);
    return settings.sim.findings ? -ENOTRECOVERABLE : err; /* REEVE_BACKEND=sim */
}
