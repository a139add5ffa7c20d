/* io.c: waiting for the world. See io.h. */
#include "io/io.h"

#include <poll.h>

#include "base/plant.h"

/* Another worker's close is with the kernel: a moment, mostly, in which the number may have come to
 * mean another file; but SO_LINGER makes it long. Nobody says when it is over: it is looked for, at
 * intervals that grow. */
static bool given_abort(struct task *t, void *on)
{
    (void)t;
    (void)on;
    return true;
}

static const struct wait_kind given_kind = {
    .name = "a descriptor, until another worker has closed its number", .abort = given_abort};

int io_pause(struct task *me, const struct wait_kind *kind, rv_time *pause)
{
    const rv_time most = RV_MS;

    if (*pause == 0) {
        *pause = 10 * RV_US;
        worker_pause(me->worker);
        return 0;
    }
    *pause = 2 * *pause < most ? 2 * *pause : most;
    return wait_park(me, kind, NULL, clock_sum(me->worker->now, *pause));
}

int io_begin_slow(struct io *io, int fd, int err)
{
    for (rv_time pause = 0; err == -EAGAIN;) {
        err = io_pause(io->me, &given_kind, &pause);
        err = err < 0 ? err : task_over(io->me) ? -ECANCELED : fds_get(io->k, fd, &io->e);
    }
    return err < 0 ? wait_refuse(io->me, err) : 0;
}

/* ---- readiness ---- */

void io_wake_ready(struct fd_wait *wait, int result)
{
    wait_wake(CONTAINER(wait, struct io_ready, wait)->task, result);
}

bool io_abort_ready(struct task *t, void *on)
{
    struct io_ready *w = on;

    fds_unwait(t->worker->kernel, &w->wait);
    return true;
}

int io_fd_ready(const void *on)
{
    return ((const struct io_ready *)on)->fd;
}

/* Nothing comes behind an end, so what is not there after poll(2) told of it never will be. */
ssize_t io_recv_end(const struct io *io, void *buf, size_t len, int flags)
{
    const struct kernel_room *room = io->k->room;
    int bits = flags & (MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE)
                   ? 0
                   : room->poll(io->k, io->e->fd, POLLRDHUP);
    ssize_t n = -EAGAIN;

    if (bits > 0 && bits & POLLRDHUP) {
        n = room->recv(io->k, io->e->fd, buf, len, flags);
        n = n == -EAGAIN ? 0 : n;
    }
    return n;
}

/* ---- operations ---- */

struct operation {
    struct kop op;
    struct task *task;
    struct fd_entry *e;
};

static void operation_done(struct kop *op)
{
    struct operation *o = CONTAINER(op, struct operation, op);

    if (o->e)
        fds_remove_op(o->task->worker->kernel, o->e, op);
    wait_wake(o->task, (int)op->result);
}

bool io_abort_operation(struct task *t, void *on)
{
    struct operation *o = on;

    t->worker->kernel->room->cancel(t->worker->kernel, &o->op);
    return PLANTED(REUSED_BUFFER);
}

int io_fd_operation(const void *on)
{
    return ((const struct operation *)on)->op.fd;
}

/* One submission. A cancelled one may say that it was interrupted; nobody else should see that. */
static long operate_once(struct io *io, const struct kop *what, const struct wait_kind *kind)
{
    struct operation here = {.op = *what, .task = io->me, .e = io->e};
    long result;

    if (io->e && io_lost(io))
        return -EBADF;
    here.op.done = operation_done;
    if (io->e)
        fds_add_op(io->e, &here.op);
    io->k->room->submit(io->k, &here.op);
    result = wait_park(io->me, kind, &here, RV_NEVER);
    if (here.op.closing && (result == -ECANCELED || result == -EINTR || result == -EAGAIN))
        return -EBADF;
    if ((result == -EINTR || PLANTED(SWALLOWED_RESULT)) && task_over(io->me))
        return -ECANCELED;
    return result;
}

long io_operate(struct io *io, const struct kop *what, uint8_t bit, const struct wait_kind kinds[2])
{
    long result;

    for (;;) {
        uint32_t events = io->e ? io->e->events : 0;

        result = operate_once(io, what, &kinds[0]);
        if (result == -EAGAIN && bit && io->e) {
            result = 0;
            /* else readiness changed after the kernel had looked, or the number leads elsewhere */
            if (io->e->events == events && io->e->life == io->life) {
                fds_spent(io->e, bit);
                result = io_wait_ready(io, bit, &kinds[1]);
            }
            if (result < 0)
                return result;
        } else if (result != -EINTR) {
            return result;
        }
        result = io->e ? io_still(io) : task_over(io->me) ? -ECANCELED : 0;
        if (result < 0)
            return result;
    }
}
