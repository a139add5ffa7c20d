/* run.c: a runtime's life: its workers are started, run the first task, stop.
 *
 * Worker 0 is the thread that called rv_run(); the others are threads that it makes, one after the
 * other, each of which sets up its own worker and says how that went. If one cannot be had, those
 * that are there leave again, and rv_run() says which and why. In a simulated world there are no
 * other threads: virtual.c.
 *
 * A stop is no special case: the root group holds the first task, and ends when that does; every
 * other task is in a group that some task had to join before. What is left then are idle stacks,
 * watches without waiters and a ring, which go in the reverse order of their making. Where there
 * are other threads, runtime.c sees to it that all stop together.
 */
#include "sched/run.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"
#include "kernel/fd_share.h"
#include "sched/group.h"
#include "sched/life.h"
#include "sched/record.h"
#include "sched/virtual.h"
#include "sched/waiter.h"
#include "sched/watchdog.h"

/* ---- the other workers ---- */

/* What a new thread is told; on its maker's stack until it has answered. */
struct birth {
    struct worker *worker;
    struct waiter answer;
};

static void loop_and_stop(struct worker *w)
{
    worker_loop(w);
    runtime_leave(w->rt);
    worker_self = NULL;
    worker_stop(w);
}

static void *worker_thread(void *arg)
{
    struct birth *birth = arg;
    struct worker *w = birth->worker;
    char name[16];
    int err;

    snprintf(name, sizeof name, "reeve-%u", w->index);
    pthread_setname_np(pthread_self(), name);
    if (w->rt->settings->pin_workers)
        cpus_pin(&w->rt->cpus, w->index);
    w->tid = gettid();
    err = worker_start(w);
    if (err == 0)
        worker_self = w;
    (void)waiter_take(&birth->answer);
    waiter_wake(&birth->answer, err);
    if (err == 0)
        loop_and_stop(w);
    return NULL;
}

static bool in_threads(const struct rv_runtime *rt)
{
    return rt->workers[0]->kernel->room != &sim_room;
}

static int start_worker(struct worker *w)
{
    struct birth birth = {.worker = w};
    int err;

    if (!in_threads(w->rt))
        return virtual_start(w);

    waiter_init(&birth.answer, NULL);
    __atomic_fetch_add(&w->rt->inside, 1, __ATOMIC_RELAXED);
    err = thread_start(&w->thread, worker_thread, &birth, 0);
    if (err < 0) {
        report("cannot start: a thread: %s", strerror(-err));
    } else {
        err = waiter_block(&birth.answer);
        if (err < 0)
            pthread_join(w->thread, NULL);
    }
    if (err < 0)
        __atomic_fetch_sub(&w->rt->inside, 1, __ATOMIC_RELAXED);
    return err;
}

/* Those before `end` are about to leave their loops. */
static void join_workers(struct rv_runtime *rt, unsigned end)
{
    if (!in_threads(rt)) {
        virtual_join(rt, end);
        return;
    }
    runtime_leave(rt);
    for (unsigned i = 1; i < end; i++)
        pthread_join(rt->workers[i]->thread, NULL);
}

static int start_others(struct rv_runtime *rt)
{
    for (unsigned i = 1; i < rt->count; i++) {
        int err = start_worker(rt->workers[i]);

        if (err < 0) {
            report("cannot start worker %u of %u (counted from 0); fewer may do: REEVE_WORKERS, "
                   "rv_options.workers",
                   i, rt->count);
            runtime_dismiss(rt, i);
            join_workers(rt, i);
            return err;
        }
    }
    return 0;
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
    worker_self->rt->first_ended = true; /* the loop sees to the rest */
    return 0;
}

static int run_tasks(struct worker *w, rv_fn *fn, void *arg)
{
    struct first first = {fn, arg, 0};
    struct record *r;
    int err = record_make(w, &w->root, run_first, &first, "main@rv_run", &r);

    if (err < 0) {
        report("cannot start: the first task: %s", strerror(-err));
        runtime_dismiss(w->rt, w->rt->count);
        return err;
    }
    record_keep(w, r);
    worker_loop(w);
    if (w->root.error) /* it never got a stack */
        return w->root.error;
    return w->deadlocked && first.result < 0 ? -EDEADLK : first.result;
}

/* Which world it is, and why not a better one. */
static void say_backend(const struct kernel *k)
{
    if (k->why[0])
        report("backend %s; not a better one: %s", k->room->name, k->why);
    else
        report("backend %s", k->room->name);
}

/* Worker 0 is there. */
static int run_with_others(struct rv_runtime *rt, rv_fn *fn, void *arg)
{
    struct worker *w = rt->workers[0];
    int err;

    if (rt->settings->log)
        say_backend(w->kernel);
    rt->kernel.backend = w->kernel->room->name; /* all have the same */
    err = start_others(rt);
    if (err < 0)
        return err;
    err = watchdog_start(rt);
    if (err < 0) {
        runtime_dismiss(rt, rt->count);
    } else {
        err = run_tasks(w, fn, arg);
        watchdog_stop(rt);
    }
    join_workers(rt, rt->count);
    return err;
}

static int run_here(struct rv_runtime *rt, rv_fn *fn, void *arg)
{
    struct worker *w = rt->workers[0];
    sigset_t before;
    int err = worker_start(w);

    if (err < 0)
        return err;
    w->thread = pthread_self();
    w->tid = gettid();
    life_block_sigpipe(&before);
    worker_self = w;
    err = run_with_others(rt, fn, arg);
    worker_self = NULL;
    life_unblock_sigpipe(&before);
    worker_stop(w);
    return err;
}

/* ---- the runtime ---- */

/* What can be had without starting anything. */
static int make_workers(struct rv_runtime *rt)
{
    if (rt->count > 1 && (rt->kernel.share = fd_share_new()) == NULL) {
        report("cannot start: the workers' descriptors: %s", strerror(ENOMEM));
        return -ENOMEM;
    }
    for (unsigned i = 0; i < rt->count; i++)
        if ((rt->workers[i] = worker_new(rt, i)) == NULL)
            return -ENOMEM;
    return 0;
}

static int run_pinned(struct rv_runtime *rt, rv_fn *fn, void *arg)
{
    int err = cpus_open(&rt->cpus);

    if (err < 0) {
        report("cannot start: this thread's CPUs: %s", strerror(-err));
        return err;
    }
    rt->kernel.crowded = rt->count > rt->cpus.count;
    if (rt->settings->pin_workers)
        cpus_pin(&rt->cpus, 0);
    err = run_here(rt, fn, arg);
    if (rt->settings->pin_workers)
        cpus_unpin(&rt->cpus);
    cpus_close(&rt->cpus);
    return err;
}

int run_as(const char *call, const struct settings *settings, rv_fn *fn, void *arg)
{
    static pthread_once_t first_time = PTHREAD_ONCE_INIT;
    struct rv_runtime *rt;
    int err;

    USAGE(fn != NULL, "%s: the function is NULL", call);
    USAGE(worker_self == NULL, "%s: this thread runs tasks already; spawn one with rv_go()", call);
    pthread_once(&first_time, life_prepare_process);
    rt = aligned_alloc(_Alignof(struct rv_runtime), sizeof *rt);
    if (rt == NULL) {
        report("cannot start: the runtime: %s", strerror(ENOMEM));
        return -ENOMEM;
    }
    memset(rt, 0, sizeof *rt);
    rt->process = life_process;
    rt->settings = settings;
    rt->kernel = settings->kernel;
    rt->count = settings->workers;
    rt->inside = 1;
    err = make_workers(rt);
    if (err == 0)
        err = run_pinned(rt, fn, arg);
    for (unsigned i = 0; i < rt->count && rt->workers[i]; i++)
        worker_free(rt->workers[i]);
    watchdog_free(rt);
    fd_share_free(rt->kernel.share);
    free(rt);
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
