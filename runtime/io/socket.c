/* socket.c: recv, send, accept, connect. */
#include "base/plant.h"
#include "io/stream.h"

static const struct wait_kind recv_kind = IO_READY("rv_recv");
static const struct wait_kind send_kind = IO_READY("rv_send");

/* MSG_WAITALL: on a stream, until len is there or the stream ends. */
static ssize_t recv_all(struct io *io, void *buf, size_t len, int flags)
{
    size_t done = 0;
    ssize_t n;

    do {
        n = stream_recv(io, (char *)buf + done, len - done, flags, &recv_kind);
        if (n <= 0)
            break;
        done += (size_t)n;
    } while (done < len && (n = io_still(io)) == 0);
    if (n < 0 && done)
        io_keep(io, n);
    return done ? (ssize_t)done : n;
}

ssize_t rv_recv(int fd, void *buf, size_t len, int flags)
{
    const int once = MSG_DONTWAIT | MSG_PEEK | MSG_OOB | MSG_ERRQUEUE;
    struct io io;
    int err = io_begin_read(&io, "rv_recv", fd);

    if (err < 0)
        return err;
    if (__builtin_expect(flags & MSG_WAITALL, 0) && !(flags & once)) {
        err = io_know_kind(&io);
        if (err < 0)
            return err;
        if (io.e->kind == FD_TCP || io.e->kind == FD_STREAM)
            return recv_all(&io, buf, len, flags & ~MSG_WAITALL);
    }
    return stream_recv(&io, buf, len, flags, &recv_kind);
}

ssize_t rv_send(int fd, const void *buf, size_t len, int flags)
{
    struct io io;
    int err = io_begin(&io, "rv_send", fd);

    return err < 0 ? err : stream_send(&io, buf, len, flags, &send_kind);
}

int rv_accept(int fd, struct sockaddr *addr, socklen_t *addr_len)
{
    static const struct wait_kind kinds[2] = IO_OPERATION("rv_accept");
    struct io io;
    socklen_t room = addr && addr_len ? *addr_len : 0; /* a longer address is cut */
    int err = io_begin(&io, "rv_accept", fd);
    long got;

    if (err < 0)
        return err;
    got = io_operate(&io,
                     &(struct kop){.code = KOP_ACCEPT,
                                   .fd = fd,
                                   .addr = addr,
                                   .addr_len = addr_len,
                                   .flags = SOCK_CLOEXEC},
                     FD_IN, kinds);
    if (PLANTED(LEAKED_FD) && got >= 0 && task_over(io.me))
        return -ECANCELED;
    if (got >= 0) {
        io_fresh(io.k, (int)got);
        if (room)
            sanitize_written(addr, *addr_len < room ? *addr_len : room);
    }
    return (int)got;
}

/* Where connecting takes its time, some rooms say so, and it goes on by itself: then its end is
 * waited for. Not so -EAGAIN, which here means no room in a unix listener's queue. */
int rv_connect(int fd, const struct sockaddr *addr, socklen_t addr_len)
{
    static const struct wait_kind kinds[2] = IO_OPERATION("rv_connect");
    struct kop what = {.code = KOP_CONNECT, .fd = fd, .addr = (void *)addr, .len = addr_len};
    struct io io;
    long err = io_begin(&io, "rv_connect", fd);

    if (err < 0)
        return (int)err;
    err = io_operate(&io, &what, 0, kinds);
    if (err == -EINPROGRESS && (err = io_still(&io)) == 0) {
        what.offset = 1;
        err = io_operate(&io, &what, FD_OUT, kinds);
    }
    return (int)err;
}
