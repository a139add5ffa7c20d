/* stream.c: see stream.h. */
#include "io/stream.h"

#include <sys/socket.h>

/* What these find nothing in says nothing of the data that a plain read would find. */
enum { OTHER_QUEUES = MSG_OOB | MSG_ERRQUEUE };

/* One call in the making: what to try, and how often it takes. */
struct attempt {
    uint8_t bit;
    ssize_t (*once)(struct io *io, const struct attempt *a);
    void *buf;
    size_t len;
    int flags;
};

static ssize_t recv_once(struct io *io, const struct attempt *a)
{
    ssize_t n = io->k->room->recv(io->k, io->e->fd, a->buf, a->len, a->flags);

    if (n > 0 && (size_t)n < a->len && io->e->kind == FD_TCP && !io->e->ended && a->flags == 0)
        fds_spent(io->e, FD_IN);
    return n;
}

static ssize_t send_once(struct io *io, const struct attempt *a)
{
    return io->k->room->send(io->k, io->e->fd, a->buf, a->len, a->flags);
}

static ssize_t read_once(struct io *io, const struct attempt *a)
{
    return io->k->room->read(io->k, io->e->fd, a->buf, a->len, -1);
}

static ssize_t write_once(struct io *io, const struct attempt *a)
{
    return io->k->room->write(io->k, io->e->fd, a->buf, a->len, -1);
}

static ssize_t transfer(struct io *io, const struct attempt *a, const struct wait_kind *kind)
{
    bool never_wait = a->flags & MSG_DONTWAIT;

    for (;;) {
        int err;

        if (io->e->ready & a->bit || never_wait) {
            ssize_t n = a->once(io, a);

            if (n != -EAGAIN || never_wait) {
                worker_charge(io->me->worker);
                return n;
            }
            if (!(a->flags & OTHER_QUEUES))
                fds_spent(io->e, a->bit);
        }
        err = io_wait_ready(io, a->bit, kind);
        if (err < 0)
            return err;
    }
}

ssize_t stream_recv(struct io *io, void *buf, size_t len, int flags, const struct wait_kind *kind)
{
    return transfer(io, &(struct attempt){FD_IN, recv_once, buf, len, flags}, kind);
}

ssize_t stream_send(struct io *io, const void *buf, size_t len, int flags, const struct wait_kind *kind)
{
    return transfer(io, &(struct attempt){FD_OUT, send_once, (void *)buf, len, flags}, kind);
}

ssize_t stream_read(struct io *io, void *buf, size_t len, const struct wait_kind *kind)
{
    return transfer(io, &(struct attempt){FD_IN, read_once, buf, len, 0}, kind);
}

ssize_t stream_write(struct io *io, const void *buf, size_t len, const struct wait_kind *kind)
{
    return transfer(io, &(struct attempt){FD_OUT, write_once, (void *)buf, len, 0}, kind);
}
