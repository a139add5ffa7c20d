/* virtual.h: a clock that tests own. The worker's room is replaced by one whose time stands still
 * while tasks run and jumps to the next timer when none does, so that a test of deadlines takes no
 * time and does not depend on the machine's load.
 *
 * run_virtual(fn, arg) is rv_run() with that clock. virtual_pass(ns) moves it by hand, as if the
 * running task had computed for so long. A simulated world has such a clock of its own,
 * which is followed: completions have their times on it.
 */
#ifndef VIRTUAL_H
#define VIRTUAL_H

#include "kernel/kernel.h"
#include "reeve.h"
#include "sched/worker.h"
#include "tests/tap.h"

static int64_t virtual_ns;
static unsigned virtual_steps;
static bool virtual_late; /* as late as the loop allows; otherwise each timer is on time */
static struct kernel_room virtual_room, real_room;

static int64_t virtual_now(struct kernel *k)
{
    (void)k;
    return virtual_ns;
}

/* Its clock goes on a little with each look and each step, and this one stands still. */
static void virtual_step_simulated(struct kernel *k, int64_t until)
{
    int64_t ahead = virtual_ns - real_room.now(k), now;

    real_room.step(k, until == CLOCK_NEVER ? until : until - ahead);
    now = real_room.now(k) + ahead;
    now = now < until ? now : until;
    virtual_ns = now > virtual_ns ? now : virtual_ns;
}

static void virtual_step(struct kernel *k, int64_t until)
{
    int64_t next = timers_next(&worker_self->timers);

    virtual_steps++;
    if (next < until && !virtual_late)
        until = next;
    if (in_sim()) {
        virtual_step_simulated(k, until);
        return;
    }
    real_room.step(k, until == CLOCK_NEVER ? CLOCK_NEVER : 0);
    if (until != CLOCK_NEVER && until > virtual_ns)
        virtual_ns = until;
}

static inline void virtual_pass(int64_t ns)
{
    virtual_ns += ns;
    worker_self->now = virtual_ns;
}

struct virtual_first {
    rv_fn *fn;
    void *arg;
};

static int virtual_enter(void *arg)
{
    struct virtual_first *first = arg;
    struct worker *w = worker_self;

    virtual_room = real_room = *w->kernel->room;
    virtual_room.now = virtual_now;
    virtual_room.step = virtual_step;
    virtual_ns = w->now;
    w->kernel->room = &virtual_room;
    return first->fn(first->arg);
}

static inline int run_virtual(rv_fn *fn, void *arg)
{
    struct virtual_first first = {fn, arg};

    return rv_run(virtual_enter, &first, NULL);
}

#endif
