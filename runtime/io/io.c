/* io.c: waiting for the world. See io.h. */
#include "io/io.h"

/* ---- readiness ---- */

struct ready_wait {
    struct fd_wait wait;
    struct task *task;
};

static void wake_ready(struct fd_wait *wait, int result)
{
    wait_wake(CONTAINER(wait, struct ready_wait, wait)->task, result);
}

bool io_abort_ready(struct task *t, void *on)
{
    struct ready_wait *w = on;

    fds_unwait(t->worker->kernel, &w->wait);
    return true;
}

int io_wait_ready(struct io *io, uint8_t bit, const struct wait_kind *kind)
{
    struct ready_wait here = {
        .wait = {.want = bit, .wake = wake_ready},
        .task = io->me,
    };
    int err = fds_wait(io->k, io->e, &here.wait);

    if (err < 0)
        return err;
    worker_verify_later(io->me->worker);
    return wait_park(io->me, kind, &here, RV_NEVER);
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
        fds_remove_op(o->e, op);
    wait_wake(o->task, (int)op->result);
}

bool io_abort_operation(struct task *t, void *on)
{
    struct operation *o = on;

    t->worker->kernel->room->cancel(t->worker->kernel, &o->op);
    return false;
}

/* One submission. A cancelled one may say that it was interrupted; nobody else should see that. */
static long operate_once(struct io *io, const struct kop *what, const struct wait_kind *kind)
{
    struct operation here = {.op = *what, .task = io->me, .e = io->e};
    long result;

    here.op.done = operation_done;
    if (io->e)
        fds_add_op(io->e, &here.op);
    io->k->room->submit(io->k, &here.op);
    result = wait_park(io->me, kind, &here, RV_NEVER);
    if (here.op.closing && (result == -ECANCELED || result == -EINTR))
        return -EBADF;
    if (result == -EINTR && task_over(io->me))
        return -ECANCELED;
    return result;
}

long io_operate(struct io *io, const struct kop *what, uint8_t bit, const struct wait_kind kinds[2])
{
    long result;

    for (;;) {
        result = operate_once(io, what, &kinds[0]);
        if (result == -EAGAIN && bit && io->e) {
            fds_spent(io->e, bit);
            result = io_wait_ready(io, bit, &kinds[1]);
            if (result < 0)
                return result;
        } else if (result != -EINTR) {
            return result;
        }
        if (task_over(io->me))
            return -ECANCELED;
        if (io->e && io->e->closing)
            return -EBADF;
    }
}
