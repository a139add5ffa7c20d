/* fd.c: what any descriptor can do: be waited for, be closed.
 *
 * A close is: mark the entry (from here on the number is -EBADF to everyone), wake those who wait
 * for readiness, cancel the operations under way and wait for them, end the watch, close. The
 * watch's end and the close are handed over in this order in one step, since with the watch
 * armed a close would send no FIN. The entry is fresh again in the close's completion, before
 * any completion that could bring the same number to somebody else.
 */
#include <poll.h>

#include "io/io.h"

int rv_poll(int fd, short events)
{
    static const struct wait_kind kind = IO_READY("rv_poll");
    const uint8_t in =
        events & (POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND | POLLRDHUP) ? FD_IN : 0;
    const uint8_t out = events & (POLLOUT | POLLWRNORM | POLLWRBAND) ? FD_OUT : 0;
    const uint8_t want = in | out ? in | out : FD_IN | FD_OUT; /* hang-up sets both */
    const int asked = events | POLLERR | POLLHUP;
    struct io io;
    int err = io_begin(&io, "rv_poll", fd), now;

    while (err == 0) {
        /* Of what was not asked for, too, since who asks for urgent data alone must not hide from
         * others that there is plain data. */
        now = io.k->room->poll(io.k, fd, (short)(events | POLLIN | POLLOUT));
        if (now < 0 || now & asked) {
            worker_charge(io.me->worker);
            return now < 0 ? now : now & asked;
        }
        fds_spent(io.e, (now & POLLIN ? 0 : want & FD_IN) | (now & POLLOUT ? 0 : want & FD_OUT));
        err = io_wait_ready(&io, want, &kind);
    }
    return err;
}

/* ---- closing ---- */

struct closing {
    struct kop op;
    struct task *task;
    struct fd_entry *e;
    uint32_t life;
};

static const struct wait_kind drain_kind = {.name = "rv_close, until operations are back"};
static const struct wait_kind close_kind = {.name = "rv_close"};

static void drained(struct fd_entry *e)
{
    wait_wake(e->closer, 0);
}

static void closed(struct kop *op)
{
    struct closing *c = CONTAINER(op, struct closing, op);
    int result = op->result == -EINTR ? 0 : (int)op->result; /* interrupted, it is gone as well */

    if (c->e->life == c->life) /* or the number was given anew before we heard (fds_fresh) */
        fds_close_end(c->e);
    wait_wake(c->task, result);
}

int rv_close(int fd)
{
    struct task *me = task_self("rv_close");
    struct kernel *k = me->worker->kernel;
    struct closing here = {.op = {.code = KOP_CLOSE, .fd = fd, .done = closed}, .task = me};
    int err = fds_get(k, fd, &here.e);

    if (err < 0)
        return wait_refuse(me, err);
    here.life = here.e->life;
    here.op.flags = here.e->kind;
    if (fds_close_begin(k, here.e)) {
        here.e->drained = drained;
        here.e->closer = me;
        (void)wait_park(me, &drain_kind, here.e, RV_NEVER);
    }
    k->room->submit(k, &here.op);
    return wait_park(me, &close_kind, here.e, RV_NEVER);
}
