/* bytes.c: read, write and their positioned and whole forms, on whatever the descriptor is.
 *
 *   socket    recv and send (a broken peer is -EPIPE and no signal)
 *   pipe      preadv2 and pwritev2 with RWF_NOWAIT, parked on the watch
 *   file      the page cache if it has it (RWF_NOWAIT), else the ring; writes by the ring
 *   other     as a pipe where its driver knows RWF_NOWAIT, else the ring
 *
 * What a number leads to is asked once (fstat). A call that finds it changed asks again.
 */
#include "base/plant.h"
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

/* ---- files ----
 *
 * read(2) and write(2) move a file's position as one step. The ring does not: of two operations at
 * the position that are under way both may see the same bytes. So those take turns, and so does a
 * read whose first part came from the page cache.
 */

static int wait_for_position(struct io *io)
{
    static const struct wait_kind kind =
        IO_READY("a read or write, until its turn at the file's position");
    int err = 0;

    while (err == 0 && !(io->e->ready & FD_POSITION))
        err = io_wait_ready(io, FD_POSITION, &kind);
    return err;
}

static void give_position(struct io *io)
{
    if (io->e->life == io->life)
        fds_give_position(io->k, io->e);
}

/* The page cache gives what it has; what it has not is read from the disk by the ring. A short
 * answer is asked on, so that only the end of the file is short, as with pread(2). */
STREAM_INLINE ssize_t file_read(struct io *io, char *buf, size_t len, off_t at,
                                const struct wait_kind kinds[2])
{
    const bool at_position = at < 0;
    bool by_ring = false;
    size_t done = 0;
    long n = at_position ? wait_for_position(io) : 0;

    if (n < 0)
        return n;
    do {
        const off_t here = at_position ? -1 : at + (off_t)done;

        n = io->k->room->read(io->k, io->e->fd, buf + done, len - done, here);
        if (n == -EAGAIN || n == -EOPNOTSUPP) {
            by_ring = true;
            if (at_position)
                fds_spent(io->e, FD_POSITION);
            n = ring_read(io, buf + done, len - done, here, kinds);
        }
        done += n > 0 ? (size_t)n : 0;
    } while (n > 0 && done < len && (!by_ring || io_still(io) == 0));
    if (at_position && !(PLANTED(KEPT_TURN) && n == -ECANCELED))
        give_position(io); /* even if not taken: whoever gave it to us woke nobody else */
    if (!by_ring)
        worker_charge(io->me->worker);
    return done ? (ssize_t)done : n;
}

/* At the position. */
static ssize_t file_write(struct io *io, const void *buf, size_t len)
{
    ssize_t n = wait_for_position(io);

    if (n < 0)
        return n;
    fds_spent(io->e, FD_POSITION);
    n = ring_write(io, buf, len, -1, write_kinds);
    give_position(io);
    return n;
}

/* 0, or why nothing is at a position there. */
static int check_position(struct io *io, off_t at)
{
    int err;

    if (at < 0)
        return wait_refuse(io->me, -EINVAL);
    err = io_know_kind(io);
    if (err == 0 && io->e->kind != FD_FILE && io->e->kind != FD_OTHER)
        return wait_refuse(io->me, -ESPIPE); /* the ring would write there all the same */
    return err;
}

ssize_t rv_pread(int fd, void *buf, size_t len, off_t at)
{
    static const struct wait_kind kinds[2] = IO_OPERATION("rv_pread");
    struct io io;
    int err = io_begin(&io, "rv_pread", fd);

    if (err < 0 || (err = check_position(&io, at)) < 0)
        return err;
    return file_read(&io, buf, io_len(len), at, kinds);
}

ssize_t rv_pwrite(int fd, const void *buf, size_t len, off_t at)
{
    static const struct wait_kind kinds[2] = IO_OPERATION("rv_pwrite");
    struct io io;
    int err = io_begin(&io, "rv_pwrite", fd);

    if (err < 0 || (err = check_position(&io, at)) < 0)
        return err;
    return ring_write(&io, buf, len, at, kinds);
}

/* ---- whatever it is ---- */

STREAM_INLINE ssize_t read_by_kind(struct io *io, void *buf, size_t len)
{
    ssize_t n;

    switch ((enum fd_kind)io->e->kind) {
    case FD_TCP:
    case FD_STREAM:
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
    case FD_STREAM:
    case FD_SOCKET:
        return stream_send(io, buf, len, 0, &write_kinds[1]);
    case FD_FILE:
        return file_write(io, buf, len);
    default:
        n = stream_write(io, buf, len, &write_kinds[1]);
        return n == -EOPNOTSUPP ? ring_write(io, buf, len, -1, write_kinds) : n;
    }
}

/* recv(2) would wait for something to come, read(2) does not. */
static ssize_t read_nothing(struct io *io)
{
    ssize_t n = io->k->room->read(io->k, io->e->fd, NULL, 0, -1);

    worker_charge(io->me->worker);
    return n;
}

STREAM_INLINE ssize_t read_begun(struct io *io, void *buf, size_t len)
{
    int err = io_know_kind(io);
    ssize_t n;

    if (err < 0)
        return err;
    if (len == 0)
        return read_nothing(io);
    n = read_by_kind(io, buf, len);
    if (n == -ENOTSOCK && fds_identify(io->k, io->e) == 0)
        n = read_by_kind(io, buf, len);
    return n;
}

STREAM_INLINE ssize_t write_begun(struct io *io, const void *buf, size_t len)
{
    int err = io_know_kind(io);
    ssize_t n;

    if (err < 0)
        return err;
    n = write_by_kind(io, buf, len);
    if (n == -ENOTSOCK && fds_identify(io->k, io->e) == 0)
        n = write_by_kind(io, buf, len);
    return n;
}

ssize_t rv_read(int fd, void *buf, size_t len)
{
    struct io io;
    int err = io_begin_read(&io, "rv_read", fd);

    return err < 0 ? err : read_begun(&io, buf, io_len(len));
}

ssize_t rv_write(int fd, const void *buf, size_t len)
{
    struct io io;
    int err = io_begin(&io, "rv_write", fd);

    return err < 0 ? err : write_begun(&io, buf, io_len(len));
}

ssize_t rv_read_full(int fd, void *buf, size_t len)
{
    struct io io;
    ssize_t n = io_begin_read(&io, "rv_read_full", fd);
    size_t done = 0;

    if (n < 0)
        return n;
    do {
        n = read_begun(&io, (char *)buf + done, io_len(len - done));
        if (n <= 0)
            break;
        done += (size_t)n;
    } while (done < len && (n = io_still(&io)) == 0);
    if (n < 0 && done)
        io_keep(&io, n);
    return done ? (ssize_t)done : n;
}

int rv_write_all(int fd, const void *buf, size_t len)
{
    struct io io;
    ssize_t n = io_begin(&io, "rv_write_all", fd);
    size_t done = 0;

    if (n < 0)
        return (int)n;
    do {
        n = write_begun(&io, (const char *)buf + done, io_len(len - done));
        if (n < 0)
            return (int)n;
        if (n == 0 && len > 0)
            return -EIO; /* it takes no more, and does not say why: asking on would last for ever */
        done += (size_t)n;
    } while (done < len && (n = io_still(&io)) == 0);
    return done < len ? (int)n : 0;
}
