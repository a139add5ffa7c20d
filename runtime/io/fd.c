/* fd.c: what any descriptor can do: be waited for, be closed.
 *
 * A close is: mark the entry (from here on the number is -EBADF to everyone), wake those who wait
 * for readiness, cancel the operations under way and wait for them, end the watch, close. The
 * watch's end and the close are handed over in this order in one step, since with the watch
 * armed a close would send no FIN. The entry is fresh again in the close's completion, before
 * any completion that could bring the same number to somebody else.
 *
 * Where other workers have the number in use (fd_share.h), a message goes round them before the
 * close is handed over. Each does the same with its own entry, and sends the message on only when
 * its operations and its watch have ended: on another ring there is no order to rely on. It lies
 * on the closer's stack, and comes home last. Rejected: to all at once (an answer each; most
 * numbers have one other user, and nothing is gained).
 */
#include <poll.h>
#include <stdlib.h>

#include "io/io.h"
#include "sched/runtime.h"

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
    struct fd_users others;
    unsigned next; /* the worker to ask next */
    struct message message;
};

static const struct wait_kind drain_kind = {.name = "rv_close, until operations are back"};
static const struct wait_kind others_kind = {.name = "rv_close, until other workers let go"};
static const struct wait_kind close_kind = {.name = "rv_close"};

static void drained(struct fd_entry *e)
{
    wait_wake(e->closer, 0);
}

/* The next one of the number's users from *at on, but for `but`; NULL: that was the last. */
static struct worker *next_user(const struct worker *but, uint64_t who, unsigned *at)
{
    const struct rv_runtime *rt = but->rt;

    while (*at < rt->count) {
        struct worker *w = rt->workers[(*at)++];

        if (w != but && fd_users_has(who, w->index))
            return w;
    }
    return NULL;
}

static void come_home(struct message *m)
{
    wait_wake(CONTAINER(m, struct closing, message)->task, 0);
}

static void visit(struct message *m);

/* Home, where there is nobody to go to: it is not looked at after that. */
static void go_on(struct closing *c)
{
    struct worker *home = c->task->worker, *to = next_user(home, c->others.who, &c->next);

    c->message.deliver = to ? visit : come_home;
    worker_post(to ? to : home, &c->message);
}

static void left(struct fd_entry *e)
{
    go_on(e->closer);
}

static void visit(struct message *m)
{
    struct closing *c = CONTAINER(m, struct closing, message);

    if (!fds_leave(worker_self->kernel, c->op.fd, left, c))
        go_on(c);
}

static void closed(struct kop *op)
{
    struct closing *c = CONTAINER(op, struct closing, op);
    int result = op->result == -EINTR ? 0 : (int)op->result; /* interrupted, it is gone as well */

    if (c->e->life == c->life) /* or the number was given anew before we heard (fds_fresh) */
        fds_close_end(c->task->worker->kernel, c->e);
    wait_wake(c->task, result);
}

static const struct wait_kind claim_kind = {
    .name = "rv_close, until another worker has closed the number"};

/* The number is this task's to close: 0, -EBADF, -ENOMEM. */
static int claim(struct closing *c, struct task *me, struct kernel *k)
{
    int err;

    for (rv_time pause = 0; (err = fds_get(k, c->op.fd, &c->e)) == -EAGAIN;)
        (void)io_pause(me, &claim_kind, &pause);
    return err < 0 ? err : fds_claim(k, c->e, &c->others);
}

int rv_close(int fd)
{
    struct task *me = task_self("rv_close");
    struct kernel *k = me->worker->kernel;
    struct closing here = {.op = {.code = KOP_CLOSE, .fd = fd, .done = closed}, .task = me};
    int err = claim(&here, me, k);

    if (err < 0)
        return wait_refuse(me, err);
    here.life = here.e->life;
    here.op.flags = here.e->kind;
    if (fds_close_begin(k, here.e)) {
        here.e->drained = drained;
        here.e->closer = me;
        (void)wait_park(me, &drain_kind, here.e, RV_NEVER);
    }
    if (here.others.who) {
        go_on(&here);
        (void)wait_park(me, &others_kind, here.e, RV_NEVER);
    }
    fds_close_given(k, here.e);
    k->room->submit(k, &here.op);
    return wait_park(me, &close_kind, here.e, RV_NEVER);
}

/* ---- numbers that come back ---- */

/* To one who had a number in use when somebody closed it behind our back. */
struct notice {
    struct message message;
    int fd;
    uint32_t life;
};

static void take_notice(struct message *m)
{
    struct notice *n = CONTAINER(m, struct notice, message);

    fds_given_anew(worker_self->kernel, n->fd, n->life);
    free(n);
}

/* Without memory they find out for themselves, later (fds_verify). */
static void tell(struct worker *from, int fd, struct fd_users others)
{
    unsigned at = 0;

    for (struct worker *w; (w = next_user(from, others.who, &at));) {
        struct notice *n = malloc(sizeof *n);

        if (n == NULL)
            return;
        *n = (struct notice){.message.deliver = take_notice, .fd = fd, .life = others.life};
        worker_post(w, &n->message);
    }
}

void io_fresh(struct kernel *k, int fd)
{
    struct fd_users others = fds_fresh(k, fd);

    if (__builtin_expect(others.who != 0, 0))
        tell(worker_self, fd, others);
}
