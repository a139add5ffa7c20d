/* bytes.c: read, write and their positioned and whole forms, on whatever the descriptor is.
 *
 *   socket    recv and send (a broken peer is -EPIPE and no signal)
 *   pipe      preadv2 and pwritev2 with RWF_NOWAIT, parked on the watch
 *   file      the page cache if it has it (RWF_NOWAIT), else the ring; writes by the ring
 *   other     as a pipe where its driver knows RWF_NOWAIT, else the ring
 *
 * What a number leads to is asked once (fstat). A call that finds it changed asks again.
 */
#include "io/stream.h"

static const struct wait_kind read_kinds[2] = IO_OPERATION("rv_read");
static const struct wait_kind write_kinds[2] = IO_OPERATION("rv_write");

static long ring_read(struct io *io, void *buf, size_t len, off_t at,
                      const struct wait_kind kinds[2])
{
    struct kop op = {
        .code = KOP_READ, .fd = io->e->fd, .addr = buf, .len = io_len(len), .offset = (uint64_t)at};
    long n = io_operate(io, &op, FD_IN, kinds);

    if (n > 0)
        sanitize_written(buf, (size_t)n);
    return n;
}

static long ring_write(struct io *io, const void *buf, size_t len, off_t at,
                       const struct wait_kind kinds[2])
{
    struct kop op = {.code = KOP_WRITE,
                     .fd = io->e->fd,
                     .addr = (void *)buf,
                     .len = io_len(len),
                     .offset = (uint64_t)at};

    return io_operate(io, &op, FD_OUT, kinds);
}

/* ---- files ---- */

/* The page cache gives what it has; what it has not is read from the disk by the ring. A short
 * answer is asked on, so that only the end of the file is short, as with pread(2). */
static ssize_t file_read(struct io *io, char *buf, size_t len, off_t at,
                         const struct wait_kind kinds[2])
{
    size_t done = 0;
    long n;

    do {
        n = io->k->room->read(io->k, io->e->fd, buf + done, len - done,
                              at < 0 ? -1 : at + (off_t)done);
        done += n > 0 ? (size_t)n : 0;
    } while (n > 0 && done < len);
    if (n == -EAGAIN || n == -EOPNOTSUPP) {
        n = ring_read(io, buf + done, len - done, at < 0 ? -1 : at + (off_t)done, kinds);
        done += n > 0 ? (size_t)n : 0;
    } else {
        worker_charge(io->me->worker);
    }
    return done ? (ssize_t)done : n;
}

ssize_t rv_pread(int fd, void *buf, size_t len, off_t at)
{
    static const struct wait_kind kinds[2] = IO_OPERATION("rv_pread");
    struct io io;
    int err = io_begin(&io, "rv_pread", fd);

    if (err < 0 || at < 0)
        return err < 0 ? err : -EINVAL;
    return file_read(&io, buf, io_len(len), at, kinds);
}

ssize_t rv_pwrite(int fd, const void *buf, size_t len, off_t at)
{
    static const struct wait_kind kinds[2] = IO_OPERATION("rv_pwrite");
    struct io io;
    int err = io_begin(&io, "rv_pwrite", fd);

    if (err < 0 || at < 0)
        return err < 0 ? err : -EINVAL;
    return ring_write(&io, buf, len, at, kinds);
}

/* ---- whatever it is ---- */

STREAM_INLINE ssize_t read_by_kind(struct io *io, void *buf, size_t len)
{
    ssize_t n;

    switch ((enum fd_kind)io->e->kind) {
    case FD_TCP:
    case FD_SOCKET:
        return stream_recv(io, buf, len, 0, &read_kinds[1]);
    case FD_FILE:
        return file_read(io, buf, io_len(len), -1, read_kinds);
    default:
        n = stream_read(io, buf, len, &read_kinds[1]);
        return n == -EOPNOTSUPP ? ring_read(io, buf, len, -1, read_kinds) : n;
    }
}

STREAM_INLINE ssize_t write_by_kind(struct io *io, const void *buf, size_t len)
{
    ssize_t n;

    switch ((enum fd_kind)io->e->kind) {
    case FD_TCP:
    case FD_SOCKET:
        return stream_send(io, buf, len, 0, &write_kinds[1]);
    case FD_FILE:
        return ring_write(io, buf, len, -1, write_kinds);
    default:
        n = stream_write(io, buf, len, &write_kinds[1]);
        return n == -EOPNOTSUPP ? ring_write(io, buf, len, -1, write_kinds) : n;
    }
}

static int know_kind(struct io *io)
{
    return io->e->kind == FD_UNKNOWN ? fds_identify(io->k, io->e) : 0;
}

ssize_t rv_read(int fd, void *buf, size_t len)
{
    struct io io;
    int err = io_begin(&io, "rv_read", fd);
    ssize_t n;

    if (err < 0 || (err = know_kind(&io)) < 0)
        return err;
    if (len == 0) /* recv(2) would wait for something to come, read(2) does not */
        return io.k->room->read(io.k, fd, buf, 0, -1);
    do
        n = read_by_kind(&io, buf, len);
    while (n == -ENOTSOCK && fds_identify(io.k, io.e) == 0); /* the number leads elsewhere now */
    return n;
}

ssize_t rv_write(int fd, const void *buf, size_t len)
{
    struct io io;
    int err = io_begin(&io, "rv_write", fd);
    ssize_t n;

    if (err < 0 || (err = know_kind(&io)) < 0)
        return err;
    do
        n = write_by_kind(&io, buf, len);
    while (n == -ENOTSOCK && fds_identify(io.k, io.e) == 0);
    return n;
}

ssize_t rv_read_full(int fd, void *buf, size_t len)
{
    size_t done = 0;

    (void)task_self("rv_read_full"); /* what it is made of would name itself */
    while (done < len) {
        ssize_t n = rv_read(fd, (char *)buf + done, len - done);

        if (n < 0 && done == 0)
            return n;
        if (n <= 0)
            break; /* what was read is not lost; an error comes back with the next call */
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int rv_write_all(int fd, const void *buf, size_t len)
{
    size_t done = 0;

    (void)task_self("rv_write_all");
    do {
        ssize_t n = rv_write(fd, (const char *)buf + done, len - done);

        if (n < 0)
            return (int)n;
        done += (size_t)n;
    } while (done < len);
    return 0;
}
