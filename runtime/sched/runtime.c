/* runtime.c: what the workers of one runtime have in common. See runtime.h.
 *
 * Deadlock. A worker that goes to sleep without a timer, a descriptor or an operation to be woken
 * by counts itself as hopeless, after it has said that it is asleep. The last one to do so looks at
 * all inboxes: if all are still asleep, and no other thread knows of the runtime, nobody is left
 * who could send a message. Had one been sent before, its receiver's inbox would say so. They are
 * looked at one after the other, and a message may be passed on behind that look's back, by one
 * that wakes up and is asleep again when its turn comes: so the count also has how often anyone
 * woke up, which must not have changed.
 */
#include "sched/runtime.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/plant.h"
#include "kernel/fds.h"
#include "sched/group.h"
#include "sched/scope.h"
#include "sched/spread.h"
#include "sched/watchdog.h"

/* In rv_runtime.hopeless. */
#define HOPE ((uint64_t)1 << 32)

/* ---- messages ---- */

void worker_post(struct worker *to, struct message *m)
{
    if (inbox_post(&to->inbox, m))
        kernel_ring(to->kernel);
    if (worker_self)
        worker_turn(worker_self);
}

static void awake(struct worker *w)
{
    struct watchdog *d = __atomic_load_n(&w->rt->watchdog, __ATOMIC_ACQUIRE);

    w->asleep = false;
    idlers_remove(&w->rt->idlers);
    idlers_heed(&w->rt->idlers);
    if (w->hopeless) {
        w->hopeless = false;
        __atomic_fetch_add(&w->rt->hopeless, HOPE - 1, __ATOMIC_SEQ_CST);
    }
    if (d)
        watchdog_wake(d);
}

/* The clock is read when they are in hand: no sender's time is later than what is seen here, and a
 * deadline that ended a task elsewhere is over for who hears of that. */
void worker_take_messages(struct worker *w)
{
    struct message *m, *next;

    if (PLANTED(STALE_CLOCK))
        w->now = w->kernel->room->now(w->kernel);
    worker_turn(w);
    m = inbox_take(&w->inbox);
    if (!PLANTED(STALE_CLOCK))
        w->now = w->kernel->room->now(w->kernel);
    if (w->asleep)
        awake(w);
    for (; m; m = next) {
        next = m->next;
        m->deliver(m);
        worker_turn(w);
    }
}

/* One at a time: who was called and has taken what it found calls the next (spread.c). */
static bool rouse_one(struct rv_runtime *rt, unsigned from)
{
    for (unsigned i = 1; i <= rt->count; i++) {
        struct worker *w = rt->workers[(from + i) % rt->count];

        if (inbox_rouse(&w->inbox)) {
            kernel_ring(w->kernel);
            return true;
        }
    }
    return false;
}

static bool any_parked(const struct rv_runtime *rt)
{
    for (unsigned i = 0; i < rt->count; i++)
        if (inbox_parked(&rt->workers[i]->inbox))
            return true;
    return false;
}

/* Who finds nobody takes the call back, and looks again: meanwhile somebody may have gone to sleep,
 * and a third one, who brought work, have kept silent because of the call. Those who are on their
 * way still look before they sleep. */
void runtime_call_idler(struct rv_runtime *rt, unsigned from)
{
    while (idlers_call(&rt->idlers)) {
        if (rouse_one(rt, from))
            return;
        idlers_heed(&rt->idlers);
        if (!any_parked(rt))
            return;
    }
}

/* ---- going to sleep ---- */

static bool nothing_pending(const struct worker *w)
{
    return !timers_any(&w->timers) && w->kernel->under_way == 0 && fds_waiting(w->kernel) == 0;
}

static bool all_asleep(const struct rv_runtime *rt)
{
    for (unsigned i = 0; i < rt->count; i++)
        if (!inbox_parked(&rt->workers[i]->inbox))
            return false;
    return !__atomic_load_n(&rt->posted_to, __ATOMIC_SEQ_CST);
}

static void say_hopeless(struct worker *w)
{
    struct rv_runtime *rt = w->rt;
    uint64_t count;

    w->hopeless = true;
    count = __atomic_add_fetch(&rt->hopeless, 1, __ATOMIC_SEQ_CST);
    if (count % HOPE == rt->count && all_asleep(rt) &&
        __atomic_load_n(&rt->hopeless, __ATOMIC_SEQ_CST) == count)
        runtime_break_up(w, "deadlock: all tasks asleep, nothing pending");
}

/* What a step asks. */
static bool called(struct kernel *k, bool parking)
{
    struct worker *w = worker_self;

    if (!parking)
        return inbox_called(&w->inbox) || spread_anywhere(w);
    if (!inbox_park(&w->inbox))
        return true;
    if (!w->asleep) {
        w->asleep = true;
        idlers_add(&w->rt->idlers);
    }
    if (spread_anywhere(w))
        return true;
    if (k->room != &sim_room && !w->hopeless && nothing_pending(w))
        say_hopeless(w);
    return inbox_called(&w->inbox) && !inbox_parked(&w->inbox);
}

int worker_open_inbox(struct worker *w)
{
    return kernel_hang_bell(w->kernel, called);
}

/* ---- tours ---- */

static void tour_end(struct message *m)
{
    struct tour *t = CONTAINER(m, struct tour, message);

    t->end(t);
}

static void tour_visit(struct message *m)
{
    struct tour *t = CONTAINER(m, struct tour, message);
    struct worker *w = worker_self, *next = w->rt->workers[(w->index + 1) % w->rt->count];

    t->visit(t, w);
    m->deliver = --t->left ? tour_visit : tour_end;
    worker_post(t->left ? next : t->home, m);
}

void runtime_tour(struct tour *t, struct worker *home)
{
    t->home = home;
    t->left = home->rt->count;
    t->message.deliver = tour_visit;
    worker_post(home, &t->message);
}

/* ---- deadlock ---- */

static void dump_one(struct tour *t, struct worker *w)
{
    (void)t;
    worker_dump(2, w);
}

static void cancel_one(struct tour *t, struct worker *w)
{
    (void)t;
    scope_cancel(&w->root.scope);
}

static void broken_up(struct tour *t)
{
    (void)t;
    __atomic_store_n(&worker_self->rt->being_broken, false, __ATOMIC_RELEASE);
}

static void dumped(struct tour *t)
{
    struct worker *w = worker_self;

    if (w->deadlocked)
        die("deadlock: what waits cannot be cancelled (a shield without a deadline?)");
    w->deadlocked = true;
    report("cancelling them all%s",
           w->kernel->room == &sim_room
               ? ""
               : "; unless its function still succeeds, rv_run() returns -EDEADLK");
    t->visit = cancel_one;
    t->end = broken_up;
    runtime_tour(t, w);
}

void runtime_break_up(struct worker *w, const char *why)
{
    struct rv_runtime *rt = w->rt;

    if (__atomic_exchange_n(&rt->being_broken, true, __ATOMIC_ACQUIRE))
        return;
    report("%s; who waits for what:", why);
    rt->breaking = (struct tour){.visit = dump_one, .end = dumped};
    runtime_tour(&rt->breaking, rt->workers[0]);
}

/* ---- the end ---- */

static void stop_here(struct message *m)
{
    struct worker *w = CONTAINER(m, struct worker, stop);

    w->stopping = true;
    if (w->root.live)
        scope_cancel(&w->root.scope); /* of what was posted */
}

/* With other threads about, no post is accepted any more, and those that were are here, or on
 * their way before the stop. */
static void stop_all(struct worker *w)
{
    struct rv_runtime *rt = w->rt;

    runtime_close_door(rt);
    worker_take_messages(w);
    for (unsigned i = 1; i < rt->count; i++) {
        rt->workers[i]->stop.deliver = stop_here;
        worker_post(rt->workers[i], &rt->workers[i]->stop);
    }
    stop_here(&w->stop);
}

static void drained(struct message *m)
{
    CONTAINER(m, struct worker, drain)->rt->drained++;
}

static void leave(struct message *m)
{
    CONTAINER(m, struct worker, leave)->leaving = true;
}

void runtime_dismiss(struct rv_runtime *rt, unsigned end)
{
    for (unsigned i = 1; i < end; i++) {
        rt->workers[i]->leave.deliver = leave;
        worker_post(rt->workers[i], &rt->workers[i]->leave);
    }
    rt->workers[0]->leaving = true;
}

bool runtime_goes_on(struct worker *w)
{
    struct rv_runtime *rt = w->rt;

    if (w->index == 0 && !w->stopping && (rt->first_ended || w->root.live == 0))
        stop_all(w);
    if (w->leaving || !w->stopping || w->root.live)
        return !w->leaving;
    if (!w->drained) {
        w->drained = true;
        w->drain.deliver = drained;
        worker_post(rt->workers[0], &w->drain);
    }
    if (w->index == 0 && rt->drained == rt->count)
        runtime_dismiss(rt, rt->count);
    return !w->leaving;
}

void runtime_leave(struct rv_runtime *rt)
{
    uint32_t left = __atomic_sub_fetch(&rt->inside, 1, __ATOMIC_ACQ_REL);

    if (left == 0)
        syscall(SYS_futex, &rt->inside, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
    for (; left; left = __atomic_load_n(&rt->inside, __ATOMIC_ACQUIRE))
        syscall(SYS_futex, &rt->inside, FUTEX_WAIT_PRIVATE, left, NULL, NULL, 0);
}
