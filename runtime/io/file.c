/* file.c: openat, fsync, fdatasync: what has no readiness and goes by the ring. */
#include <fcntl.h>

#include "io/io.h"

int rv_openat(int dir, const char *path, int flags, mode_t mode)
{
    static const struct wait_kind kinds[2] = IO_OPERATION("rv_openat");
    struct io io = {.me = task_self("rv_openat")};
    long fd;

    io.k = io.me->worker->kernel;
    if (task_over(io.me))
        return -ECANCELED;
    fd = io_operate(&io,
                    &(struct kop){.code = KOP_OPENAT,
                                  .fd = dir,
                                  .addr = (void *)path,
                                  .flags = (uint32_t)(flags | O_CLOEXEC),
                                  .len = mode},
                    0, kinds);
    if (fd >= 0)
        fds_fresh(io.k, (int)fd);
    return (int)fd;
}

static int sync_file(const char *call, int fd, bool data_only, const struct wait_kind kinds[2])
{
    struct io io;
    int err = io_begin(&io, call, fd);

    if (err < 0)
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
