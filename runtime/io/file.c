/* file.c: openat, fsync, fdatasync: what has no readiness and goes by the ring. */
#include <fcntl.h>

#include "base/plant.h"
#include "io/io.h"

static int open_by_ring(struct io *io, struct kop what)
{
    static const struct wait_kind kinds[2] = IO_OPERATION("rv_openat");

    return (int)io_operate(io, &what, 0, kinds);
}

static bool is_fifo(struct kernel *k, int fd)
{
    struct fd_entry *e;

    return fds_get(k, fd, &e) == 0 && fds_identify(k, e) == 0 && e->kind == FD_PIPE;
}

/* A FIFO without O_NONBLOCK is opened when its other end is, too. The ring does not wait for
 * that: it fails to write, and opens to read. Then open it again where it may wait; the first
 * descriptor stays meanwhile, so that a writer who saw it does not find itself alone. */
static int open_waiting(struct io *io, struct kop what, int fd)
{
    what.offset = 1;
    if (fd == -ENXIO)
        return open_by_ring(io, what);
    if (fd >= 0 && (what.flags & O_ACCMODE) == O_RDONLY && is_fifo(io->k, fd)) {
        int both = open_by_ring(io, what);

        (void)rv_close(fd);
        return both;
    }
    return fd;
}

int rv_openat(int dir, const char *path, int flags, mode_t mode)
{
    struct io io = {.me = task_self("rv_openat")};
    struct kop what = {.code = KOP_OPENAT,
                       .fd = dir,
                       .addr = (void *)path,
                       .flags = (uint32_t)(flags | O_CLOEXEC),
                       .len = mode};
    int fd;

    io.k = io.me->worker->kernel;
    if (task_over(io.me))
        return wait_refuse(io.me, -ECANCELED);
    fd = open_by_ring(&io, what);
    if (fd >= 0)
        io_fresh(io.k, fd);
    if (!(flags & (O_NONBLOCK | O_PATH))) {
        int other = open_waiting(&io, what, fd);

        if (other >= 0 && other != fd)
            io_fresh(io.k, other);
        fd = other;
    }
    return fd;
}

static int sync_file(const char *call, int fd, bool data_only, const struct wait_kind kinds[2])
{
    struct io io;
    int err = io_begin(&io, call, fd);

    if (err < 0 || (PLANTED(UNSYNCED) && data_only))
        return err;
    return (int)io_operate(&io, &(struct kop){.code = KOP_FSYNC, .fd = fd, .flags = data_only}, 0,
                           kinds);
}

int rv_fsync(int fd)
{
    static const struct wait_kind kinds[2] = IO_OPERATION("rv_fsync");

    return sync_file("rv_fsync", fd, false, kinds);
}

int rv_fdatasync(int fd)
{
    static const struct wait_kind kinds[2] = IO_OPERATION("rv_fdatasync");

    return sync_file("rv_fdatasync", fd, true, kinds);
}
