/* foreign.c: threads that run no tasks: they post functions to a runtime, and wait for them.
 *
 * A post is one allocation, which is the message, the argument's copy and the task's note. It goes
 * to the workers in turn; there it becomes a record of the worker's root group, which others may
 * take. Nobody joins that group but the end of the runtime.
 *
 * The door: a word that counts the posts under way in twos, with 1 for "closed". A post enters,
 * looks whether it is closed, sends its message, leaves. Who closes it waits until nobody is
 * inside: then each post was refused, or its message is in an inbox. That is a few instructions'
 * time, so it is waited for by looking.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/thread.h"
#include "sched/life.h"
#include "sched/run.h"
#include "sched/runtime.h"
#include "sched/spread.h"
#include "sched/waiter.h"

enum { DOOR_CLOSED = 1, DOOR_ONE = 2 };

struct post {
    struct message message;
    rv_fn *fn;
    const char *site;
    struct waiter *caller; /* NULL: nobody waits */
    void *arg;
    _Alignas(max_align_t) unsigned char copy[];
};

/* ---- the door ---- */

static bool door_enter(const char *call, struct rv_runtime *rt)
{
    USAGE(rt->process == life_process, "%s: called in a forked child, where nobody runs it", call);
    if (!(__atomic_fetch_add(&rt->door, DOOR_ONE, __ATOMIC_SEQ_CST) & DOOR_CLOSED))
        return true;
    __atomic_fetch_sub(&rt->door, DOOR_ONE, __ATOMIC_RELEASE);
    return false;
}

static void door_leave(struct rv_runtime *rt)
{
    __atomic_fetch_sub(&rt->door, DOOR_ONE, __ATOMIC_RELEASE);
}

void runtime_close_door(struct rv_runtime *rt)
{
    __atomic_fetch_or(&rt->door, DOOR_CLOSED, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&rt->door, __ATOMIC_ACQUIRE) != DOOR_CLOSED)
        worker_stand_aside(worker_self);
}

/* ---- a post, on the worker that it came to ---- */

/* From here on what was posted is cancelled: on all workers, though each hears of it by itself. */
static bool ending(void)
{
    return __atomic_load_n(&worker_self->rt->door, __ATOMIC_RELAXED) & DOOR_CLOSED;
}

/* Who waits is told; otherwise stderr is. */
static void settle(struct post *p, int result, const char *what)
{
    if (p->caller) {
        (void)waiter_take(p->caller);
        waiter_wake(p->caller, result);
    } else if (result < 0 && !(result == -ECANCELED && ending())) {
        report("rv_runtime_post, from %s: %s: %s", p->site, what, strerror(-result));
    }
    free(p);
}

static int run_post(void *arg)
{
    struct post *p = arg;

    settle(p, p->fn(p->arg), "it failed");
    return 0;
}

void post_lost(void *post, int err)
{
    settle(post, err, "it could not start");
}

/* First come, first served: a tree of spawns wants its newest first, callers do not. */
static void queue_last(struct worker *w, struct record *r)
{
    if (w->rt->count > 1) {
        spread_add_last(w, r);
        return;
    }
    list_push_back(&w->records, &r->link);
    w->unstarted++;
}

static void arrive(struct message *m)
{
    struct post *p = CONTAINER(m, struct post, message);
    struct worker *w = worker_self;
    struct record *r;
    int err = record_make(w, &w->root, run_post, p, p->site, &r);

    if (err < 0) {
        post_lost(p, err);
        return;
    }
    r->how |= RECORD_POSTED;
    queue_last(w, r);
}

/* ---- posting ---- */

/* In turn, but passing over those that have not taken yet what they were sent, or have not got
 * round for a while: a task may keep them. With all of them like that it is in turn. A worker's
 * turns are its own: in a simulated world they must not hang on what ran before. */
static struct worker *pick(struct rv_runtime *rt)
{
    static __thread unsigned turn;
    unsigned *mine = worker_self ? &worker_self->post_turn : &turn;
    int64_t now = worker_self ? worker_self->now : clock_now();

    ++*mine;
    for (unsigned i = 0; i < rt->count; i++) {
        struct worker *w = rt->workers[(*mine + i) % rt->count];

        if (inbox_parked(&w->inbox) || (!inbox_called(&w->inbox) && spread_gets_round(w, now)))
            return w;
    }
    return rt->workers[*mine % rt->count];
}

static int send_post(const char *call, struct rv_runtime *rt, struct post *p)
{
    if (!door_enter(call, rt)) { /* of what may be ending nothing else is looked at */
        free(p);
        return -ECANCELED;
    }
    USAGE(rt->workers[0]->kernel->room != &sim_room || worker_self,
          "rv_runtime_post: a simulated world has no other threads");
    p->message.deliver = arrive;
    worker_post(pick(rt), &p->message);
    door_leave(rt);
    return 0;
}

int rv_runtime_post_at(rv_runtime *rt, rv_fn *fn, const void *arg, size_t len, const char *site)
{
    struct post *p;

    USAGE(rt != NULL, "rv_runtime_post: the runtime is NULL");
    USAGE(fn != NULL, "rv_runtime_post: the function is NULL");
    USAGE(arg != NULL || len == 0,
          "rv_runtime_post: the argument is NULL, and %zu bytes of it are wanted", len);
    p = len < SIZE_MAX - sizeof *p ? malloc(sizeof *p + len) : NULL;
    if (p == NULL)
        return -ENOMEM;
    *p = (struct post){.fn = fn, .site = site};
    p->arg = p->copy;
    if (len)
        memcpy(p->copy, arg, len);
    return send_post("rv_runtime_post", rt, p);
}

int rv_runtime_call_at(rv_runtime *rt, rv_fn *fn, void *arg, const char *site)
{
    struct waiter here;
    struct post *p;
    int err;

    USAGE(rt != NULL, "rv_runtime_call: the runtime is NULL");
    USAGE(fn != NULL, "rv_runtime_call: the function is NULL");
    USAGE(worker_self == NULL, "rv_runtime_call: this thread runs tasks, and would stand still; "
                               "spawn with rv_go() or rv_go_on(), or use rv_on()");
    p = malloc(sizeof *p);
    if (p == NULL)
        return -ENOMEM;
    waiter_init(&here, NULL);
    *p = (struct post){.fn = fn, .site = site, .caller = &here, .arg = arg};
    err = send_post("rv_runtime_call", rt, p);
    return err < 0 ? err : waiter_block(&here);
}

/* ---- handles ---- */

rv_runtime *rv_runtime_self(void)
{
    struct worker *w = task_self("rv_runtime_self")->worker;

    if (worker_open_inbox(w) < 0)
        return NULL;
    __atomic_store_n(&w->rt->posted_to, true, __ATOMIC_SEQ_CST);
    return w->rt;
}

/* One whose worker 0 is a thread of its own. */
struct owner {
    struct settings settings;
    struct waiter started;
    struct rv_runtime *rt;
    struct task *keeper;
    struct message end;
    pthread_t thread;
};

static const struct wait_kind keep_kind = {.name = "rv_runtime_new, until rv_runtime_free"};

static int keep(void *arg)
{
    struct owner *o = arg;
    struct task *me = worker_self->task;

    rv_name("keeper");
    o->rt = rv_runtime_self();
    o->keeper = me;
    if (o->rt == NULL) {
        report("cannot start: the runtime's bell");
        return -ENOMEM;
    }
    o->rt->owner = o;
    (void)waiter_take(&o->started);
    waiter_wake(&o->started, 0);
    return wait_park(me, &keep_kind, o, RV_NEVER);
}

static void *own_thread(void *arg)
{
    struct owner *o = arg;
    int err;

    pthread_setname_np(pthread_self(), "reeve-0");
    err = run_as("rv_runtime_new", &o->settings, keep, o);
    if (waiter_take(&o->started))
        waiter_wake(&o->started, err);
    return NULL;
}

static int start_own_thread(struct owner *o)
{
    int err;

    waiter_init(&o->started, NULL);
    err = thread_start(&o->thread, own_thread, o, 0);
    if (err < 0) {
        report("cannot start: the runtime's thread: %s", strerror(-err));
        return err;
    }
    err = waiter_block(&o->started);
    if (err < 0)
        pthread_join(o->thread, NULL);
    return err;
}

int rv_runtime_new(rv_runtime **out_rt, const rv_options *opt)
{
    struct owner *o;
    int err;

    USAGE(out_rt != NULL, "rv_runtime_new: there is no place for the runtime");
    USAGE(worker_self == NULL, "rv_runtime_new: this thread runs tasks, and would stand still");
    o = calloc(1, sizeof *o);
    if (o == NULL) {
        report("cannot start: the runtime's owner: %s", strerror(ENOMEM));
        return -ENOMEM;
    }
    err = options_read(&o->settings, opt);
    if (err == 0 && strcmp(o->settings.kernel.backend, sim_room.name) == 0) {
        report("rv_runtime_new: a simulated world has no other threads; see rv_sim_run()");
        err = -EINVAL;
    }
    if (err == 0)
        err = start_own_thread(o);
    if (err < 0) {
        free(o);
        return err;
    }
    *out_rt = o->rt;
    return 0;
}

static void end_keeper(struct message *m)
{
    wait_wake(CONTAINER(m, struct owner, end)->keeper, 0);
}

void rv_runtime_free(rv_runtime *rt)
{
    struct owner *o;
    bool entered;

    if (rt == NULL)
        return;
    o = rt->owner;
    USAGE(o != NULL, "rv_runtime_free: this runtime is rv_run()'s, and ends with its function");
    USAGE(worker_self == NULL || worker_self->rt != rt,
          "rv_runtime_free: a task of the runtime cannot wait for its end");
    USAGE(worker_self == NULL, "rv_runtime_free: this thread runs tasks, and would stand still");
    o->end.deliver = end_keeper;
    entered =
        door_enter("rv_runtime_free", rt); /* worker 0 must be there still when it is rung for */
    USAGE(entered, "rv_runtime_free: it was freed before");
    worker_post(rt->workers[0], &o->end);
    door_leave(rt);
    pthread_join(o->thread, NULL);
    free(o);
}
