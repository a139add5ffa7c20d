/* uring.c: the io_uring room: one ring a worker. A step enters it once, or not at all; more
 * often only if the ring is too small for what is queued, or to submit before it looks on.
 *
 * Kernel facts used here, each with the version that brought it:
 *  - 5.13: multishot poll.
 *  - 5.11: EXT_ARG, the enter's own timeout. A zero timeout really sleeps (17 us), so a step
 *    that does not wait only fetches events.
 *  - 5.19: with TASKRUN_FLAG the kernel says in the shared ring that an enter has something to
 *    do, so a pass with nothing else skips it. Older: every pass enters.
 *  - NODROP (5.5): a full completion queue delays and never loses, but ends multishots: fds.c arms
 *    them again. Single operations are not limited to the queue's length: with 4,096 tasks in
 *    rv_accept() the next pread would wait for ever.
 *  - An open is first tried as if with O_NONBLOCK, which means something for a FIFO; not so with
 *    IOSQE_ASYNC, which costs 5 us.
 *  - An interrupted io-wq operation may say -ERESTARTSYS (-512..-516), which no one should see.
 *
 * Invariants: an operation in `given` state has one entry in the kernel, and its cancel, if
 * given, another; completions carry the operation's address, and bit 0 for its cancel's.
 * Cancels are handed over before queued operations, in every step: a close that follows the end
 * of a watch finds it ended.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/report.h"
#include "kernel/direct.h"
#include "kernel/uring_setup.h"
#include "stack/sanitize.h"

enum {
    BUSY_ROUNDS_MAX = 1000,
    CANCEL_BIT = 1,
    RETRY_NS_LEAST = 100000,
    RETRY_NS_MOST = 10000000,
    SPIN_NS = 15000,
    SPIN_ROUNDS = 16,      /* between two looks at the clock */
    SPIN_WORTH_NS = 40000, /* a wait that spinning would have caught: the wake-up is in it */
    QUICK_MOST = 8,
};

struct uring {
    struct kernel k;
    struct io_uring ring;
    struct link queue;        /* operations that found no room yet */
    struct link cancel_queue; /* cancels that found none */
    struct link retry_queue;  /* cancels that did not end their targets, until retry_at */
    int64_t retry_at;         /* CLOCK_NEVER: there are none */
    int64_t retry_ns;
    unsigned busy_rounds; /* enters in a row that the kernel refused without progress */
    int quick;            /* how often waits were short lately; spinning pays above 0 */
    bool crowded;
};

static struct uring *uring_of(struct kernel *k)
{
    return CONTAINER(k, struct uring, k);
}

/* ---- operations in, completions out ---- */

static void fill(struct io_uring_sqe *sqe, struct kop *op)
{
    switch ((enum kop_code)op->code) {
    case KOP_READ:
        io_uring_prep_read(sqe, op->fd, op->addr, op->len, op->offset);
        break;
    case KOP_WRITE:
        io_uring_prep_write(sqe, op->fd, op->addr, op->len, op->offset);
        break;
    case KOP_ACCEPT:
        io_uring_prep_accept(sqe, op->fd, op->addr, op->addr_len, (int)op->flags);
        break;
    case KOP_CONNECT:
        io_uring_prep_connect(sqe, op->fd, op->addr, op->len);
        break;
    case KOP_OPENAT:
        io_uring_prep_openat(sqe, op->fd, op->addr, (int)op->flags, op->len);
        sqe->flags |= op->offset ? IOSQE_ASYNC : 0;
        break;
    case KOP_FSYNC:
        io_uring_prep_fsync(sqe, op->fd, op->flags ? IORING_FSYNC_DATASYNC : 0);
        break;
    case KOP_CLOSE:
        sanitize_close(op->fd);
        io_uring_prep_close(sqe, op->fd);
        break;
    case KOP_WATCH:
        io_uring_prep_poll_multishot(sqe, op->fd, op->flags);
        break;
    }
    io_uring_sqe_set_data(sqe, op);
}

static bool give(struct uring *u, struct kop *op)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

    if (sqe == NULL)
        return false;
    fill(sqe, op);
    op->state = KOP_GIVEN;
    return true;
}

static bool give_cancel(struct uring *u, struct kop *op)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);

    if (sqe == NULL)
        return false;
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data64(sqe, (uintptr_t)op | CANCEL_BIT);
    op->cancel = KOP_GIVEN;
    return true;
}

static void finish(struct uring *u, struct kop *op, long result)
{
    if (op->code != KOP_WATCH)
        u->k.under_way--;
    op->state = KOP_IDLE;
    op->result = result;
    op->done(op);
}

static void uring_submit(struct kernel *k, struct kop *op)
{
    struct uring *u = uring_of(k);

    ASSERT(op->state == KOP_IDLE && op->cancel == KOP_IDLE);
    if (op->code != KOP_WATCH)
        k->under_way++;
    if (list_empty(&u->queue) && list_empty(&u->cancel_queue) && give(u, op))
        return;
    op->state = KOP_QUEUED;
    list_push_back(&u->queue, &op->queue);
}

static void uring_cancel(struct kernel *k, struct kop *op)
{
    struct uring *u = uring_of(k);

    if (op->cancel != KOP_IDLE) /* asked already; its target may even be back */
        return;
    ASSERT(op->state != KOP_IDLE);
    if (op->state == KOP_QUEUED) { /* the kernel has never heard of it */
        list_remove(&op->queue);
        finish(u, op, -ECANCELED);
        return;
    }
    if (list_empty(&u->cancel_queue) && give_cancel(u, op))
        return;
    op->cancel = KOP_QUEUED;
    list_push_back(&u->cancel_queue, &op->cancel_queue);
}

/* Moves what is queued into the ring. False: it did not all fit. */
static bool hand_over(struct uring *u)
{
    while (!list_empty(&u->cancel_queue)) {
        struct kop *op = CONTAINER(u->cancel_queue.next, struct kop, cancel_queue);

        if (!give_cancel(u, op))
            return false;
        list_remove(&op->cancel_queue);
    }
    while (!list_empty(&u->queue)) {
        struct kop *op = CONTAINER(u->queue.next, struct kop, queue);

        if (!give(u, op))
            return false;
        list_remove(&op->queue);
    }
    return true;
}

/* The last word on an operation has come when neither it nor its cancel is with the kernel. */
static void complete_target(struct uring *u, struct kop *op, int result)
{
    op->result = result <= -512 && result >= -516 ? -EINTR : result;
    op->state = KOP_IDLE;
    if (op->cancel == KOP_QUEUED) {
        list_remove(&op->cancel_queue);
        op->cancel = KOP_IDLE;
    }
    if (op->cancel == KOP_IDLE)
        finish(u, op, op->result);
}

/* After a cancel that found nothing (-ENOENT), or found its target running (-EALREADY), the
 * target's own word is mostly on its way. But the kernel may have looked just when one of its
 * threads took the operation from a list, or have interrupted it before it began to wait, and then
 * it waits for ever (both seen on 6.1, with opens of a FIFO). So the cancel is given again,
 * after a while that doubles, since there are operations that only time ends: a read that waits
 * for the disk. */
static void complete_cancel(struct uring *u, struct kop *op, int result)
{
    op->cancel = KOP_IDLE;
    if (op->state == KOP_IDLE) {
        finish(u, op, op->result);
    } else if (result < 0) {
        op->cancel = KOP_QUEUED;
        list_push_back(&u->retry_queue, &op->cancel_queue);
        if (u->retry_at == CLOCK_NEVER) {
            u->retry_ns = RETRY_NS_LEAST;
            u->retry_at = clock_sum(clock_now(), u->retry_ns);
        }
    }
}

/* Returns when the step has to end at the latest: as asked, or for the next try. */
static int64_t retry_cancels(struct uring *u, int64_t until)
{
    int64_t now = clock_now();

    if (now >= u->retry_at) {
        if (list_empty(&u->retry_queue)) {
            u->retry_at = CLOCK_NEVER;
            return until;
        }
        for (struct link *l; (l = list_pop_front(&u->retry_queue));)
            list_push_back(&u->cancel_queue, l);
        u->retry_ns = u->retry_ns < RETRY_NS_MOST / 2 ? 2 * u->retry_ns : RETRY_NS_MOST;
        u->retry_at = clock_sum(now, u->retry_ns);
    }
    return list_empty(&u->retry_queue) || until < u->retry_at ? until : u->retry_at;
}

static void complete(struct uring *u, const struct io_uring_cqe *cqe)
{
    struct kop *op = (struct kop *)(uintptr_t)(cqe->user_data & ~(uint64_t)CANCEL_BIT);

    if (cqe->user_data & CANCEL_BIT)
        complete_cancel(u, op, cqe->res);
    else if (cqe->flags & IORING_CQE_F_MORE)
        op->event(op, cqe->res);
    else
        complete_target(u, op, cqe->res);
}

static unsigned reap(struct uring *u)
{
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;

    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        complete(u, cqe);
        count++;
    }
    io_uring_cq_advance(&u->ring, count);
    return count;
}

/* ---- the step ---- */

/* The kernel has something for us: completions, or work that makes some. */
static bool something_came(const struct uring *u)
{
    const unsigned something = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;

    return io_uring_cq_ready(&u->ring) ||
           (__atomic_load_n(u->ring.sq.kflags, __ATOMIC_RELAXED) & something);
}

/* Blocking costs 20 us to be woken from, so where the last waits were about that short, looking
 * on for a while is cheaper (one connection: nearly twice the exchanges, at the same CPU each).
 * Needs TASKRUN_FLAG, or the ring does not change while nobody enters. */
static bool spin(struct uring *u, int64_t now, int64_t until)
{
    int64_t end = clock_sum(now, SPIN_NS);

    if (u->quick <= 0 || u->crowded || !(u->ring.flags & IORING_SETUP_TASKRUN_FLAG) || until < end)
        return false;
    if (io_uring_sq_ready(&u->ring))
        io_uring_submit(&u->ring);
    do {
        for (int i = 0; i < SPIN_ROUNDS; i++) {
            if (something_came(u) || kernel_called(&u->k, false))
                return true;
            cpu_relax();
        }
    } while (clock_now() < end);
    return false;
}

static void learn(struct uring *u, int64_t waited)
{
    if (waited < SPIN_WORTH_NS)
        u->quick += u->quick < QUICK_MOST;
    else
        u->quick -= u->quick > -QUICK_MOST;
}

static int block(struct uring *u, int64_t now, int64_t until)
{
    struct io_uring_cqe *cqe;
    struct __kernel_timespec ts;
    int64_t span = until - now;

    if (until == CLOCK_NEVER)
        return io_uring_submit_and_wait(&u->ring, 1);
    ts = (struct __kernel_timespec){.tv_sec = span / 1000000000, .tv_nsec = span % 1000000000};
    return io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &ts, NULL);
}

static int enter_waiting(struct uring *u, int64_t until)
{
    int64_t now = clock_now();
    int err;

    if (until <= now || spin(u, now, until) || kernel_called(&u->k, true))
        err = io_uring_submit_and_get_events(&u->ring);
    else
        err = block(u, now, until);
    learn(u, clock_now() - now);
    return err;
}

static int enter(struct uring *u, bool wait, int64_t until)
{
    if (wait && !io_uring_cq_ready(&u->ring))
        return enter_waiting(u, until);
    if (io_uring_sq_ready(&u->ring) || !(u->ring.flags & IORING_SETUP_TASKRUN_FLAG) ||
        something_came(u))
        return io_uring_submit_and_get_events(&u->ring);
    return 0;
}

/* What an enter may say that is no failure: a signal, the time is up; and for a while, that the
 * kernel is short of memory or wants completions taken first (hazard 26). */
static void judge(struct uring *u, int err, unsigned reaped)
{
    if (err >= 0 || err == -EINTR || err == -ETIME || reaped) {
        u->busy_rounds = 0;
        return;
    }
    if (err != -EAGAIN && err != -EBUSY && err != -ENOMEM)
        die("io_uring_enter: %s", strerror(-err));
    if (++u->busy_rounds == BUSY_ROUNDS_MAX)
        report("io_uring_enter says %s, %d times in a row; still trying", strerror(-err),
               BUSY_ROUNDS_MAX);
    if (u->busy_rounds > 10)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void uring_step(struct kernel *k, int64_t until)
{
    struct uring *u = uring_of(k);
    unsigned reaped;
    bool all;
    int err;

    do {
        if (u->retry_at != CLOCK_NEVER)
            until = retry_cancels(u, until);
        all = hand_over(u);
        err = enter(u, until > 0 && all, until);
        reaped = reap(u);
        judge(u, err, reaped);
    } while (!all && (err >= 0 || reaped)); /* refused: time passes for others, too */
}

/* ---- opening and closing ---- */

static int uring_open(struct kernel **out_k, const struct kernel_config *config, char *out_why)
{
    struct uring *u = calloc(1, sizeof *u);
    int err;

    if (u == NULL)
        return -ENOMEM;
    u->k.room = &uring_room;
    list_init(&u->queue);
    list_init(&u->cancel_queue);
    list_init(&u->retry_queue);
    u->retry_at = CLOCK_NEVER;
    u->crowded = config->crowded;
    err = uring_set_up(&u->ring, config, out_why);
    if (err < 0) {
        free(u);
        return err;
    }
    *out_k = &u->k;
    return 0;
}

static void uring_close(struct kernel *k)
{
    struct uring *u = uring_of(k);

    ASSERT(k->under_way == 0);
    io_uring_queue_exit(&u->ring);
    free(u);
}

const struct kernel_room uring_room = {
    .name = "uring",
    .open = uring_open,
    .close = uring_close,
    .submit = uring_submit,
    .cancel = uring_cancel,
    .step = uring_step,
    DIRECT_CALLS,
};
