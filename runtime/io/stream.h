/* stream.h: moving bytes through what can be watched: sockets, pipes, terminals.
 *
 * Try where the ready bit says that it is worth it, otherwise park on the watch; never a blind
 * try (12 % of an echo at 50 connections). A short read on TCP means empty, and clears the bit
 * without the -EAGAIN that would say so; but not once the stream has ended (there is no further
 * edge), and not for a caller who peeked.
 *
 * A datagram socket that was shut down gives its end to a read that may wait, and -EAGAIN to one
 * that may not: so where a try finds nothing and the watch has told of an end, io_recv_end() asks.
 *
 * Each takes the call's begun io, and returns what the call should. All is inline: io.h says why.
 */
#ifndef IO_STREAM_H
#define IO_STREAM_H

#include <sys/socket.h>

#include "io/io.h"

/* What a read finds nothing in says nothing of the data that a plain read would find, nor the
 * other way round. */
enum { STREAM_OTHER_QUEUES = MSG_OOB | MSG_ERRQUEUE };

#define STREAM_INLINE static inline __attribute__((always_inline))

/* One call in the making: what to try, and how often it takes. */
struct stream_attempt {
    uint8_t bit;
    ssize_t (*once)(struct io *io, const struct stream_attempt *a);
    void *buf;
    size_t len;
    int flags;
};

STREAM_INLINE ssize_t stream_recv_once(struct io *io, const struct stream_attempt *a)
{
    ssize_t n = io->k->room->recv(io->k, io->e->fd, a->buf, a->len, a->flags);

    if (__builtin_expect(n == -EAGAIN && io->e->ended, 0))
        n = io_recv_end(io, a->buf, a->len, a->flags);
    if (n > 0 && (size_t)n < a->len && io->e->kind == FD_TCP && !io->e->ended && a->flags == 0)
        fds_spent(io->e, FD_IN);
    return n;
}

STREAM_INLINE ssize_t stream_send_once(struct io *io, const struct stream_attempt *a)
{
    return io->k->room->send(io->k, io->e->fd, a->buf, a->len, a->flags);
}

STREAM_INLINE ssize_t stream_read_once(struct io *io, const struct stream_attempt *a)
{
    return io->k->room->read(io->k, io->e->fd, a->buf, a->len, -1);
}

STREAM_INLINE ssize_t stream_write_once(struct io *io, const struct stream_attempt *a)
{
    return io->k->room->write(io->k, io->e->fd, a->buf, a->len, -1);
}

STREAM_INLINE ssize_t stream_transfer(struct io *io, const struct stream_attempt *a,
                                      const struct wait_kind *kind)
{
    const bool never_wait = a->flags & MSG_DONTWAIT, other = a->flags & STREAM_OTHER_QUEUES;

    for (;;) {
        int err;

        if (io->e->ready & a->bit || never_wait || other) {
            ssize_t n = a->once(io, a);

            if (n != -EAGAIN || never_wait) {
                worker_charge(io->me->worker);
                return n;
            }
            if (!other)
                fds_spent(io->e, a->bit);
        }
        err = io_wait_ready(io, a->bit, kind);
        if (err < 0)
            return err;
    }
}

STREAM_INLINE ssize_t stream_recv(struct io *io, void *buf, size_t len, int flags,
                                  const struct wait_kind *kind)
{
    return stream_transfer(io, &(struct stream_attempt){FD_IN, stream_recv_once, buf, len, flags},
                           kind);
}

STREAM_INLINE ssize_t stream_send(struct io *io, const void *buf, size_t len, int flags,
                                  const struct wait_kind *kind)
{
    return stream_transfer(
        io, &(struct stream_attempt){FD_OUT, stream_send_once, (void *)buf, len, flags}, kind);
}

STREAM_INLINE ssize_t stream_read(struct io *io, void *buf, size_t len,
                                  const struct wait_kind *kind)
{
    return stream_transfer(io, &(struct stream_attempt){FD_IN, stream_read_once, buf, len, 0},
                           kind);
}

STREAM_INLINE ssize_t stream_write(struct io *io, const void *buf, size_t len,
                                   const struct wait_kind *kind)
{
    return stream_transfer(
        io, &(struct stream_attempt){FD_OUT, stream_write_once, (void *)buf, len, 0}, kind);
}

#endif
