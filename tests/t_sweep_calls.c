/* t_sweep_calls.c: the same beneath the rooms: each system call that direct.c, plain.c and
 * epoll_set.c make, and each call of liburing, is interrupted once, short, refused for a moment, or
 * answered as by a kernel of another age. Nobody may see it.
 */
// LINK: -Wl,--wrap=poll,--wrap=fstat,--wrap=recv,--wrap=send,--wrap=preadv2,--wrap=pwritev2
// LINK: -Wl,--wrap=read,--wrap=write,--wrap=pread,--wrap=pwrite,--wrap=fsync,--wrap=fdatasync
// LINK: -Wl,--wrap=openat,--wrap=close,--wrap=epoll_wait,--wrap=syscall,--wrap=fopen
// LINK: -Wl,--wrap=io_uring_submit,--wrap=io_uring_submit_and_wait
// LINK: -Wl,--wrap=io_uring_submit_and_wait_timeout,--wrap=io_uring_submit_and_get_events
// LINK: -Wl,--wrap=io_uring_queue_init_params,--wrap=io_uring_register_ring_fd
// LINK: -Wl,--wrap=io_uring_register_iowq_max_workers
#include "tests/fault_work.h"

#include <liburing.h>
#include <stdarg.h>
#include <sys/epoll.h>
#include <sys/uio.h>

static const struct fault_way interrupted[] = {{-EINTR, HIDDEN}};
static const struct fault_way may_be_short[] = {{-EINTR, HIDDEN}, {0, HIDDEN}};

static long failed(const struct fault_way *f)
{
    errno = -f->error;
    return -1;
}

/* ---- system calls that are interrupted, and then done when they are tried again ---- */

#define INTERRUPTED(type, name, parameters, arguments)              \
    type __real_##name parameters;                                  \
    type __wrap_##name parameters;                                  \
    type __wrap_##name parameters                                   \
    {                                                               \
        const struct fault_way *f = FAULT_NEXT(#name, interrupted); \
                                                                    \
        return f ? (type)failed(f) : __real_##name arguments;       \
    }

/* Or do half of it. */
#define SHORTENED(name, parameters, arguments)                       \
    ssize_t __real_##name parameters;                                \
    ssize_t __wrap_##name parameters;                                \
    ssize_t __wrap_##name parameters                                 \
    {                                                                \
        const struct fault_way *f = FAULT_NEXT(#name, may_be_short); \
                                                                     \
        if (f && f->error)                                           \
            return failed(f);                                        \
        len = f && len > 8 ? len / 2 : len;                          \
        return __real_##name arguments;                              \
    }

INTERRUPTED(int, poll, (struct pollfd * p, nfds_t count, int ms), (p, count, ms))
INTERRUPTED(int, fstat, (int fd, struct stat *st), (fd, st))
INTERRUPTED(ssize_t, recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags))
INTERRUPTED(ssize_t, send, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags))
INTERRUPTED(ssize_t, preadv2, (int fd, const struct iovec *v, int count, off_t at, int flags),
            (fd, v, count, at, flags))
INTERRUPTED(ssize_t, pwritev2, (int fd, const struct iovec *v, int count, off_t at, int flags),
            (fd, v, count, at, flags))
INTERRUPTED(int, fsync, (int fd), (fd))
INTERRUPTED(int, fdatasync, (int fd), (fd))
INTERRUPTED(int, epoll_wait, (int set, struct epoll_event *events, int most, int ms),
            (set, events, most, ms))
SHORTENED(read, (int fd, void *buf, size_t len), (fd, buf, len))
SHORTENED(write, (int fd, const void *buf, size_t len), (fd, buf, len))
SHORTENED(pread, (int fd, void *buf, size_t len, off_t at), (fd, buf, len, at))
SHORTENED(pwrite, (int fd, const void *buf, size_t len, off_t at), (fd, buf, len, at))

int __real_close(int fd);
int __wrap_close(int fd);
int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, mode_t mode);

/* Done, and interrupted. */
int __wrap_close(int fd)
{
    const struct fault_way *f = FAULT_NEXT("close", interrupted);
    int result = __real_close(fd);

    return f ? (int)failed(f) : result;
}

int __wrap_openat(int dir, const char *path, int flags, mode_t mode)
{
    const struct fault_way *f = FAULT_NEXT("openat", interrupted);

    return f ? (int)failed(f) : __real_openat(dir, path, flags, mode);
}

/* ---- what old kernels do not have ---- */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);

/* epoll_pwait2 and openat2 */
long __wrap_syscall(long number, ...)
{
    static const struct fault_way ways[] = {
        {-ENOSYS, HIDDEN}, {-EPERM, HIDDEN}, {-EINTR, HIDDEN}, {-EAGAIN, HIDDEN}};
    const struct fault_way *f = FAULT_NEXT("syscall", ways);
    long a[6];
    va_list args;

    va_start(args, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(args, long);
    va_end(args);
    return f ? failed(f) : __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
    static const struct fault_way ways[] = {{-ENOENT, HIDDEN}};

    return FAULT_NEXT("fopen", ways) ? NULL : __real_fopen(path, mode);
}

/* ---- the ring ---- */

#define REFUSED(name, parameters, arguments, ...)             \
    int __real_##name parameters;                             \
    int __wrap_##name parameters;                             \
    int __wrap_##name parameters                              \
    {                                                         \
        static const struct fault_way ways[] = {__VA_ARGS__}; \
        const struct fault_way *f = FAULT_NEXT(#name, ways);  \
                                                              \
        return f ? f->error : __real_##name arguments;        \
    }

REFUSED(io_uring_queue_init_params,
        (unsigned entries, struct io_uring *ring, struct io_uring_params *params),
        (entries, ring, params), {-EINVAL, HIDDEN}, {-EMFILE, SAID}, {-EPERM, SAID},
        {-ENOSYS, SAID})
REFUSED(io_uring_register_ring_fd, (struct io_uring * ring), (ring), {-EINVAL, HIDDEN})
REFUSED(io_uring_register_iowq_max_workers, (struct io_uring * ring, unsigned *workers),
        (ring, workers), {-EINVAL, HIDDEN})

int __real_io_uring_submit_and_get_events(struct io_uring *ring);

/* True: *out is what an enter says. 0: it submits one entry and no more. */
static bool enter_refused(struct io_uring *ring, int *out)
{
    static const struct fault_way first[] = {{-EINTR, HIDDEN}, {-EPERM, SAID}, {-EAGAIN, SAID}};
    static const struct fault_way others[] = {
        {-EINTR, HIDDEN}, {-EAGAIN, HIDDEN}, {-EBUSY, HIDDEN}, {-ENOMEM, HIDDEN}, {0, HIDDEN}};
    const struct fault_way *f =
        fault.ran ? FAULT_NEXT("an enter", others) : FAULT_NEXT("the first enter", first);
    unsigned tail = ring->sq.sqe_tail, pending = tail - *ring->sq.khead;

    if (f == NULL || (f->error == 0 && pending < 2))
        return false;
    *out = f->error;
    if (f->error == 0) {
        ring->sq.sqe_tail = tail - pending + 1;
        *out = __real_io_uring_submit_and_get_events(ring);
        ring->sq.sqe_tail = tail;
    }
    return true;
}

#define ENTER(name, parameters, arguments)                                      \
    int __real_##name parameters;                                               \
    int __wrap_##name parameters;                                               \
    int __wrap_##name parameters                                                \
    {                                                                           \
        int result;                                                             \
                                                                                \
        return enter_refused(ring, &result) ? result : __real_##name arguments; \
    }

ENTER(io_uring_submit, (struct io_uring * ring), (ring))
ENTER(io_uring_submit_and_get_events, (struct io_uring * ring), (ring))
ENTER(io_uring_submit_and_wait, (struct io_uring * ring, unsigned count), (ring, count))
ENTER(io_uring_submit_and_wait_timeout,
      (struct io_uring * ring, struct io_uring_cqe **cqe, unsigned count,
       struct __kernel_timespec *ts, sigset_t *mask),
      (ring, cqe, count, ts, mask))

SWEEP_EACH(sees_no_interruption, NULL, true)
