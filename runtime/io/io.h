/* io.h: the two ways in which a call waits for the world.
 *
 * For readiness (io_wait_ready): the call parks on its descriptor's watch, does not hold the
 * kernel to anything, and can be cancelled on the spot.
 * For an operation (io_operate): the kernel has the call's buffers; it returns when the
 * operation itself has come back, whatever was cancelled meanwhile (hazard 18), and a success
 * that came first is a success (hazard 19).
 *
 * Every waiting call has the same beginning: io_begin() names it where there is no task, is its
 * cancel point, and finds the descriptor's entry.
 */
#ifndef IO_IO_H
#define IO_IO_H

#include <errno.h>

#include "kernel/fds.h"
#include "sched/wait.h"

/* What a call works with. */
struct io {
    struct task *me;
    struct kernel *k;
    struct fd_entry *e;
    uint32_t life; /* e->life when the call began */
};

/* Lets others run, longer each time: 0, or as the kind's abort() has it. *pause is 0 at first. */
int io_pause(struct task *me, const struct wait_kind *kind, rv_time *pause);

/* fds_get() has said err. */
int io_begin_slow(struct io *io, int fd, int err) __attribute__((cold));

/* 0, -ECANCELED, -EBADF, -ENOMEM. */
static inline int io_begin(struct io *io, const char *call, int fd)
{
    int err;

    io->me = task_self(call);
    io->k = io->me->worker->kernel;
    if (task_over(io->me))
        return wait_refuse(io->me, -ECANCELED);
    err = fds_get(io->k, fd, &io->e);
    if (__builtin_expect(err < 0, 0) && (err = io_begin_slow(io, fd, err)) < 0)
        return err;
    io->life = io->e->life;
    return 0;
}

/* For calls that read: an error that the last one met behind its data comes first. */
static inline int io_begin_read(struct io *io, const char *call, int fd)
{
    int err = io_begin(io, call, fd);

    if (__builtin_expect(err == 0 && io->e->kept, 0)) {
        err = io->e->kept;
        io->e->kept = 0;
    }
    return err;
}

/* The call has `done` bytes to return and not the error that came behind them, which the
 * kernel may tell but once. */
static inline void io_keep(struct io *io, long err)
{
    if (err != -ECANCELED && err != -EBADF)
        io->e->kept = (int)err;
}

/* After others have run: the number was closed, and may already lead to somebody else's file
 * (hazard 23). */
static inline bool io_lost(const struct io *io)
{
    return io->e->shut != FD_IN_USE || io->e->life != io->life;
}

/* After others have run: 0, -ECANCELED, or -EBADF. */
static inline int io_still(const struct io *io)
{
    if (io_lost(io))
        return -EBADF;
    return task_over(io->me) ? -ECANCELED : 0;
}

/* io->e->kind is known from here on: 0, or -errno. */
static inline int io_know_kind(struct io *io)
{
    int err = io->e->kind == FD_UNKNOWN ? fds_identify(io->k, io->e) : 0;

    return err < 0 ? wait_refuse(io->me, err) : 0;
}

/* The kernel has given us this number: whatever any worker knew of it is no more. */
void io_fresh(struct kernel *k, int fd);

/* The abort() of calls that wait for readiness, and of those that wait for an operation. */
bool io_abort_ready(struct task *t, void *on);
bool io_abort_operation(struct task *t, void *on);
int io_fd_ready(const void *on);
int io_fd_operation(const void *on);

struct io_ready {
    struct fd_wait wait;
    struct task *task;
    int fd;
};

void io_wake_ready(struct fd_wait *wait, int result);

/* A recv() found nothing: 0, if there is nothing to wait for either, since the socket was shut
 * down; else -EAGAIN, or what has come meanwhile. */
ssize_t io_recv_end(const struct io *io, void *buf, size_t len, int flags) __attribute__((cold));

/* Parks until the bit may be set: 0, -ECANCELED, -EBADF (closed meanwhile), -ENOMEM.
 * Inline, as is all that stands between a call and its park: a frame that returns behind a switch
 * costs a mispredicted ret. */
static inline __attribute__((always_inline)) int io_wait_ready(struct io *io, uint8_t bit,
                                                               const struct wait_kind *kind)
{
    struct io_ready here = {
        .wait = {.want = bit, .wake = io_wake_ready},
        .task = io->me,
        .fd = io->e->fd,
    };
    int err = fds_wait(io->k, io->e, &here.wait);

    if (err < 0)
        return err;
    worker_verify_later(io->me->worker);
    err = wait_park(io->me, kind, &here, RV_NEVER);
    return err == 0 && io_lost(io) ? -EBADF : err; /* between the wake and the run */
}

/* Submits what is asked, and waits: its result. io->e is NULL for an operation
 * that has no descriptor yet. An -EAGAIN (an O_NONBLOCK descriptor) waits for `bit` and repeats;
 * kinds[0] names the operation, kinds[1] that wait. */
long io_operate(struct io *io, const struct kop *what, uint8_t bit,
                const struct wait_kind kinds[2]);

/* The kinds of an operation: of its wait for completion, and of one for readiness before it. */
#define IO_READY(call)                                           \
    {                                                            \
        .name = call, .abort = io_abort_ready, .fd = io_fd_ready \
    }
#define IO_OPERATION(call)                                                  \
    {                                                                       \
        {.name = call, .abort = io_abort_operation, .fd = io_fd_operation}, \
            IO_READY(call ", until ready")                                  \
    }

/* Lengths as the kernel takes them: more is cut to what one call may move. */
static inline uint32_t io_len(size_t len)
{
    const size_t most = 0x7ffff000;

    return (uint32_t)(len < most ? len : most);
}

#endif
