/* room.c: see room.h. */
#include "sched/room.h"

#include <errno.h>

#include "base/plant.h"
#include "sched/branch.h"
#include "sched/runtime.h"
#include "sched/spread.h"

/* One that waits; on its spawner's stack. */
struct room_wait {
    struct room_wait *next;
    struct task *task;
    struct far_spawn *far; /* NULL: of this worker */
};

static void append(rv_group *g, struct room_wait *w)
{
    w->next = NULL;
    if (g->room_last)
        ((struct room_wait *)g->room_last)->next = w;
    else
        g->room_first = w;
    g->room_last = w;
}

/* False: it is not there (any more). */
static bool take_out(rv_group *g, const struct room_wait *gone)
{
    struct room_wait *before = NULL, *w = g->room_first;

    for (; w && w != gone; w = w->next)
        before = w;
    if (w == NULL)
        return false;
    if (before)
        before->next = w->next;
    else
        g->room_first = w->next;
    if (g->room_last == w)
        g->room_last = before;
    return true;
}

/* ---- on the group's own worker ---- */

struct near {
    struct room_wait wait;
    rv_group *group;
};

static bool near_abort(struct task *t, void *on)
{
    struct near *n = on;

    (void)t;
    take_out(n->group, &n->wait);
    n->group->live++;
    return true;
}

static const struct wait_kind near_kind = {.name = "rv_go, until its group has room",
                                           .abort = near_abort};

int room_wait(struct task *me, rv_group *g)
{
    struct near here = {.wait.task = me, .group = g};
    int err;

    if (task_over(me))
        return -ECANCELED;
    append(g, &here.wait);
    err = wait_park(me, &near_kind, &here, RV_NEVER);
    if (!PLANTED(KEPT_ROOM) || err == 0)
        g->live--; /* the task itself, or the failure, is counted from here on */
    return err;
}

/* ---- from another worker ---- */

struct far_spawn {
    struct room_wait wait;
    struct message ask, withdraw;
    struct record *record;
    rv_group *group;
    struct worker *to;
    int result;
    bool answered, withdrawing;
};

static void far_end(struct far_spawn *f)
{
    if (f->answered && !f->withdrawing)
        wait_wake(f->wait.task, f->result);
}

static void far_answered(struct message *m)
{
    struct far_spawn *f = CONTAINER(m, struct far_spawn, ask);

    f->answered = true;
    far_end(f);
}

static void far_withdrawn(struct message *m)
{
    struct far_spawn *f = CONTAINER(m, struct far_spawn, withdraw);

    f->withdrawing = false;
    far_end(f);
}

static void answer(struct far_spawn *f, int result)
{
    f->result = result;
    f->ask.deliver = far_answered;
    worker_post(f->wait.task->worker, &f->ask);
}

/* It has a place, which is counted. */
static void accept_far(struct far_spawn *f)
{
    struct record *r = f->record;

    r->group = f->group;
    if (f->to)
        spread_send(f->to, r);
    else
        record_queue(worker_self, f->group, r);
    answer(f, 0);
}

static void far_ask(struct message *m)
{
    struct far_spawn *f = CONTAINER(m, struct far_spawn, ask);

    append(f->group, &f->wait);
    room_look(f->group);
}

static void far_withdraw(struct message *m)
{
    struct far_spawn *f = CONTAINER(m, struct far_spawn, withdraw);

    if (take_out(f->group, &f->wait) || PLANTED(TWO_ANSWERS))
        answer(f, -ECANCELED);
    m->deliver = far_withdrawn;
    worker_post(f->wait.task->worker, m);
}

static bool far_abort(struct task *t, void *on)
{
    struct far_spawn *f = on;

    (void)t;
    f->withdrawing = true;
    f->withdraw.deliver = far_withdraw;
    worker_post(((struct task *)f->group->scope.owner)->worker, &f->withdraw);
    return false;
}

static const struct wait_kind far_kind = {
    .name = "rv_go, until its group, of another worker, has room", .abort = far_abort};

int room_send(struct task *me, rv_group *root, struct record *r, struct worker *to)
{
    struct far_spawn far = {.wait = {.task = me, .far = &far},
                            .ask.deliver = far_ask,
                            .record = r,
                            .group = root,
                            .to = to};

    if (to == NULL && !(root->scope.in_group & GROUP_SPREAD))
        far.to = me->worker; /* of a plain group it runs where it is spawned */
    if (task_over(me))
        return -ECANCELED;
    record_away(r, me->worker->index);
    worker_post(((struct task *)root->scope.owner)->worker, &far.ask);
    return wait_park(me, &far_kind, &far, RV_NEVER);
}

void room_look(rv_group *g)
{
    struct room_wait *w;

    while ((w = g->room_first) && g->live < g->live_max) {
        g->room_first = w->next;
        if (w->next == NULL)
            g->room_last = NULL;
        g->live++;
        if (w->far)
            accept_far(w->far);
        else
            wait_wake(w->task, 0);
    }
}
