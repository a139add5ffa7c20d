/* epoll.c: the epoll room: one epoll set a worker, and helpers for what has no readiness.
 *
 * Same promises as the ring's. A watch is an edge-triggered registration. An operation is a plain
 * system call: in the step after submit() it is tried, or handed to a helper (plain.h says
 * which), or answered -EAGAIN, so that io.c waits for readiness and comes again. A cancel ends a
 * watch on the spot, takes back an operation that nobody has begun, and interrupts one that a
 * helper is at: the helper has the caller's buffers, so its own answer is awaited.
 *
 * Helpers are of two pools, as the kernel's own are for a ring, so that what may last for ever
 * keeps no disk from being read: 16 for what ends by itself, 64 for the rest.
 *
 * Rejected: O_NONBLOCK on sockets that rv_socket() makes. It would save connect and accept the trip
 * to a helper, and be seen by whoever uses the descriptor by plain calls; and only here. A
 * program that passes SOCK_NONBLOCK itself has that saving.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"
#include "base/slab.h"
#include "kernel/direct.h"
#include "kernel/epoll_set.h"
#include "kernel/helpers.h"
#include "kernel/plain.h"

enum { HELPERS_SOON = 16, HELPERS_WAITING = 64 };

#define BRIEF_NS ((int64_t)2000000) /* what should be there at once is given so long */

/* An operation on its way to a helper and back. */
struct errand {
    struct helper_job job;
    struct kop *op;
    struct helpers *by;
    bool brief;
};

struct epoll {
    struct kernel k;
    struct link queue; /* of operations: submitted, and not looked at yet */
    bool came;         /* something is done already: this step does not wait */
    unsigned errands_out;
    struct slab errands;
    struct helpers soon, waiting;
    struct epoll_set set;
};

static struct epoll *epoll_of(struct kernel *k)
{
    return CONTAINER(k, struct epoll, k);
}

static void finish(struct epoll *e, struct kop *op, long result)
{
    if (op->code != KOP_WATCH)
        e->k.under_way--;
    e->came = true;
    op->state = op->cancel = KOP_IDLE;
    op->result = result;
    op->done(op);
}

/* ---- errands ---- */

static long run_errand(struct helper_job *job)
{
    return plain_run(CONTAINER(job, struct errand, job)->op);
}

/* True: a helper has it, or will. */
static bool send_out(struct epoll *e, struct kop *op, enum plain_who who)
{
    struct errand *errand = slab_take(&e->errands);

    if (errand == NULL)
        return false;
    *errand = (struct errand){
        .job = {.run = run_errand, .interrupt_at = CLOCK_NEVER},
        .op = op,
        .by = who == PLAIN_SOON ? &e->soon : &e->waiting,
        .brief = who == PLAIN_BRIEF,
    };
    if (errand->brief)
        errand->job.interrupt_at = clock_now() + BRIEF_NS;
    if (!helpers_give(errand->by, &errand->job)) {
        slab_give(&e->errands, errand);
        return false;
    }
    op->state = KOP_GIVEN;
    op->errand = errand;
    e->errands_out++;
    return true;
}

static void come_back(struct epoll *e, struct errand *errand, long result)
{
    struct kop *op = errand->op;

    if (result == -EINTR && op->cancel != KOP_IDLE)
        result = -ECANCELED;
    else if (result == -EINTR && errand->brief)
        result = plain_lasted(op);
    e->errands_out--;
    slab_give(&e->errands, errand);
    finish(e, op, result);
}

static void welcome(struct epoll *e, struct helpers *from)
{
    struct helper_job *job;

    while ((job = helpers_take(from)))
        come_back(e, CONTAINER(job, struct errand, job), job->result);
}

/* ---- operations ---- */

static void begin_watch(struct epoll *e, struct kop *op)
{
    int err = epoll_set_watch(&e->set, op);

    op->state = KOP_GIVEN;
    if (err) /* what cannot be waited for is always ready: as with a ring, its watch ends so */
        finish(e, op, err == -EPERM ? POLLIN | POLLOUT : err);
}

static void begin(struct epoll *e, struct kop *op)
{
    enum plain_who who;
    long result;

    if (op->code == KOP_WATCH) {
        begin_watch(e, op);
        return;
    }
    who = plain_try(op, &result);
    if (who == PLAIN_DONE)
        finish(e, op, result);
    else if (!send_out(e, op, who)) /* what ends by itself is done here and now, then */
        finish(e, op, who == PLAIN_SOON ? plain_run(op) : -ENOMEM);
}

static void epoll_submit(struct kernel *k, struct kop *op)
{
    ASSERT(op->state == KOP_IDLE && op->cancel == KOP_IDLE);
    if (op->code != KOP_WATCH)
        k->under_way++;
    op->state = KOP_QUEUED;
    list_push_back(&epoll_of(k)->queue, &op->queue);
}

static void epoll_cancel(struct kernel *k, struct kop *op)
{
    struct epoll *e = epoll_of(k);

    if (op->cancel != KOP_IDLE) /* asked already */
        return;
    ASSERT(op->state != KOP_IDLE);
    if (op->state == KOP_QUEUED) {
        list_remove(&op->queue);
        finish(e, op, -ECANCELED);
    } else if (op->code == KOP_WATCH) {
        epoll_set_unwatch(&e->set, op);
        finish(e, op, -ECANCELED);
    } else {
        struct errand *errand = op->errand;

        op->cancel = KOP_GIVEN;
        if (helpers_revoke(errand->by, &errand->job))
            come_back(e, errand, -ECANCELED);
    }
}

/* ---- the step ---- */

/* Those that are there now: what they bring about is for the next step. */
static void hand_over(struct epoll *e)
{
    struct link *last = e->queue.prev, *l;

    if (list_empty(&e->queue))
        return;
    do {
        l = list_pop_front(&e->queue);
        begin(e, CONTAINER(l, struct kop, queue));
    } while (l != last);
}

/* How long the step may last. */
static int64_t bound(struct epoll *e, int64_t until)
{
    int64_t soon = helpers_nag(&e->soon), waiting = helpers_nag(&e->waiting);

    until = e->came ? 0 : until;
    until = soon < until ? soon : until;
    return waiting < until ? waiting : until;
}

static void epoll_step(struct kernel *k, int64_t until)
{
    struct epoll *e = epoll_of(k);

    hand_over(e);
    until = bound(e, until);
    e->came = false;
    if (until > 0 && kernel_called(k, true))
        until = 0;
    if (until > 0 || e->set.watches || e->errands_out)
        epoll_set_wait(&e->set, until);
    if (e->errands_out) {
        welcome(e, &e->soon);
        welcome(e, &e->waiting);
    }
    e->came = false; /* the caller looks for itself */
}

/* ---- opening and closing ---- */

static int open_pools(struct epoll *e)
{
    int err = helpers_init(&e->soon, HELPERS_SOON, e->set.bell);

    if (err < 0)
        return err;
    err = helpers_init(&e->waiting, HELPERS_WAITING, e->set.bell);
    if (err < 0)
        helpers_fini(&e->soon);
    return err;
}

static int epoll_open(struct kernel **out_k, const struct kernel_config *config, char *out_why)
{
    struct epoll *e = calloc(1, sizeof *e);
    int err;

    (void)config;
    if (e == NULL)
        return -ENOMEM;
    e->k.room = &epoll_room;
    list_init(&e->queue);
    slab_init(&e->errands, (sizeof(struct errand) + 15) / 16 * 16);
    err = epoll_set_open(&e->set);
    if (err == 0 && (err = open_pools(e)) < 0)
        epoll_set_close(&e->set);
    if (err < 0) {
        snprintf(out_why, KERNEL_WHY, "epoll: %s", strerror(-err));
        free(e);
        return err;
    }
    *out_k = &e->k;
    return 0;
}

static void epoll_close(struct kernel *k)
{
    struct epoll *e = epoll_of(k);

    ASSERT(k->under_way == 0 && e->errands_out == 0);
    helpers_fini(&e->soon);
    helpers_fini(&e->waiting);
    epoll_set_close(&e->set);
    slab_fini(&e->errands);
    free(e);
}

const struct kernel_room epoll_room = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .submit = epoll_submit,
    .cancel = epoll_cancel,
    .step = epoll_step,
    DIRECT_CALLS,
};
