/* plain.c: what each operation is in plain system calls. See plain.h.
 *
 * Kernel facts used here:
 *  - An interrupted connect goes on by itself; it is asked again once poll(2) tells of its end, and
 *    then says what became of it, once. Not so on a unix socket: there it waits for room in the
 *    listener's queue, and nothing tells when there is some.
 *  - openat2 with RESOLVE_CACHED (5.12) opens what needs no disk, or says -EAGAIN. Older kernels
 *    and filters say all kinds of things, and then a helper asks openat.
 *  - A buffered write with RWF_NOWAIT is taken by some file systems and never by others, so it is
 *    tried: it costs a hundredth of the trip to a helper.
 */
#include "kernel/plain.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/direct.h"

#ifndef RESOLVE_CACHED
#define RESOLVE_CACHED 0x20
#endif

static long said(long result)
{
    return result < 0 ? -errno : result;
}

static bool at_position(const struct kop *op)
{
    return op->offset == (uint64_t)-1;
}

/* ---- reads and writes ---- */

static long transfer(const struct kop *op, size_t done)
{
    char *buf = (char *)op->addr + done;
    size_t len = op->len - done;
    off_t at = (off_t)(op->offset + done);

    if (op->code == KOP_READ)
        return said(at_position(op) ? read(op->fd, buf, len) : pread(op->fd, buf, len, at));
    return said(at_position(op) ? write(op->fd, buf, len) : pwrite(op->fd, buf, len, at));
}

/* Goes on where plain_try() had to stop. */
static long run_transfer(const struct kop *op)
{
    long done = op->result, n = transfer(op, (size_t)done);

    if (n < 0)
        return done ? done : n;
    return done + n;
}

static enum plain_who try_file(struct kop *op, long *out_result)
{
    long n;

    op->result = 0;
    if (op->code == KOP_READ) /* bytes.c has tried */
        return PLAIN_SOON;
    n = direct_write(NULL, op->fd, op->addr, op->len, (off_t)op->offset);
    if (n == -EAGAIN || n == -EOPNOTSUPP || n == -ENOSYS)
        return PLAIN_SOON;
    if (n >= 0 && n < op->len) {
        op->result = n;
        return PLAIN_SOON;
    }
    *out_result = n;
    return PLAIN_DONE;
}

static enum plain_who try_transfer(struct kop *op, long *out_result)
{
    const bool reads = op->code == KOP_READ;
    struct fd_identity id;
    int flags = fcntl(op->fd, F_GETFL), ready;

    *out_result = said(flags);
    if (flags < 0 || (*out_result = direct_identify(NULL, op->fd, &id)) < 0)
        return PLAIN_DONE;
    if (id.kind == FD_FILE)
        return try_file(op, out_result);
    op->result = 0;
    if (flags & O_NONBLOCK || (flags & O_ACCMODE) == (reads ? O_WRONLY : O_RDONLY)) {
        *out_result = transfer(op, 0);
        return PLAIN_DONE;
    }
    ready = direct_poll(NULL, op->fd, reads ? POLLIN : POLLOUT);
    *out_result = ready ? ready : -EAGAIN;
    return ready > 0 ? PLAIN_BRIEF : PLAIN_DONE;
}

/* ---- sockets ---- */

static long accept_now(const struct kop *op)
{
    return said(accept4(op->fd, op->addr, op->addr_len, (int)op->flags));
}

static enum plain_who try_accept(const struct kop *op, long *out_result)
{
    int flags = fcntl(op->fd, F_GETFL), listens = 0;
    socklen_t len = sizeof listens;

    if (flags >= 0 && !(flags & O_NONBLOCK) &&
        getsockopt(op->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens) {
        *out_result = -EAGAIN;
        return direct_poll(NULL, op->fd, POLLIN) ? PLAIN_BRIEF : PLAIN_DONE;
    }
    *out_result = accept_now(op); /* which cannot wait: at worst it says what is wrong */
    return PLAIN_DONE;
}

static long connect_now(const struct kop *op)
{
    return said(connect(op->fd, op->addr, op->len));
}

static int option(int fd, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -1 : value;
}

/* One that is under way. Once the socket is ready, asking does not wait, whatever its flags. */
static long ask_connect(const struct kop *op)
{
    int ready = direct_poll(NULL, op->fd, POLLOUT);
    long result = ready > 0 ? connect_now(op) : ready;

    return ready == 0 || result == -EALREADY || result == -EINPROGRESS ? -EAGAIN : result;
}

static enum plain_who try_connect(const struct kop *op, long *out_result)
{
    int type = option(op->fd, SO_TYPE), flags = fcntl(op->fd, F_GETFL);

    if (op->offset) {
        *out_result = ask_connect(op);
        return PLAIN_DONE;
    }
    if (flags < 0 || flags & O_NONBLOCK || type < 0 || type == SOCK_DGRAM || type == SOCK_RAW) {
        *out_result = connect_now(op);
        return PLAIN_DONE;
    }
    return option(op->fd, SO_DOMAIN) == AF_UNIX ? PLAIN_WAITS : PLAIN_BRIEF;
}

/* ---- opening and closing ---- */

/* Both tries of an open that does not wait are made as if with O_NONBLOCK, which is then no flag
 * of the new descriptor. */
static long without_nonblock(const struct kop *op, long fd)
{
    if (fd >= 0 && !(op->flags & (O_NONBLOCK | O_PATH)))
        fcntl((int)fd, F_SETFL, (int)op->flags);
    return fd;
}

static enum plain_who try_open(const struct kop *op, long *out_result)
{
    const struct open_how how = {.flags = op->flags | (op->flags & O_PATH ? 0 : O_NONBLOCK),
                                 .resolve = RESOLVE_CACHED};
    long fd;

    if (op->offset)
        return PLAIN_WAITS;
    if (op->flags & (O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY)))
        return PLAIN_SOON;
    fd = said(syscall(SYS_openat2, op->fd, op->addr, &how, sizeof how));
    *out_result = without_nonblock(op, fd);
    /* These may be the filter's or the kernel's answer, and not the file system's. */
    return fd == -EAGAIN || fd == -ENOSYS || fd == -EPERM || fd == -EINVAL || fd == -E2BIG
               ? PLAIN_SOON
               : PLAIN_DONE;
}

static long run_open(const struct kop *op)
{
    const int flags = (int)op->flags, early = flags | (flags & O_PATH ? 0 : O_NONBLOCK);
    long fd = -EAGAIN;

    if (!op->offset)
        fd = without_nonblock(op, said(openat(op->fd, op->addr, early, (mode_t)op->len)));
    /* A lease that somebody holds, and that is worth waiting for. */
    return fd == -EAGAIN ? said(openat(op->fd, op->addr, flags, (mode_t)op->len)) : fd;
}

/* The end of a file may have to write what was not written yet (network file systems). */
static enum plain_who try_close(const struct kop *op, long *out_result)
{
    struct fd_identity id = {.kind = (enum fd_kind)op->flags};

    if (id.kind == FD_UNKNOWN)
        (void)direct_identify(NULL, op->fd, &id);
    if (id.kind == FD_FILE)
        return PLAIN_SOON;
    *out_result = said(close(op->fd));
    return PLAIN_DONE;
}

/* ---- any of them ---- */

enum plain_who plain_try(struct kop *op, long *out_result)
{
    switch ((enum kop_code)op->code) {
    case KOP_READ:
    case KOP_WRITE:
        return try_transfer(op, out_result);
    case KOP_ACCEPT:
        return try_accept(op, out_result);
    case KOP_CONNECT:
        return try_connect(op, out_result);
    case KOP_OPENAT:
        return try_open(op, out_result);
    case KOP_CLOSE:
        return try_close(op, out_result);
    case KOP_FSYNC:
    case KOP_WATCH:
        break;
    }
    return PLAIN_SOON;
}

long plain_run(const struct kop *op)
{
    switch ((enum kop_code)op->code) {
    case KOP_READ:
    case KOP_WRITE:
        return run_transfer(op);
    case KOP_ACCEPT:
        return accept_now(op);
    case KOP_CONNECT:
        return connect_now(op);
    case KOP_OPENAT:
        return run_open(op);
    case KOP_FSYNC:
        return said(op->flags ? fdatasync(op->fd) : fsync(op->fd));
    case KOP_CLOSE:
        return said(close(op->fd));
    case KOP_WATCH:
        break;
    }
    return -EINVAL;
}

long plain_lasted(const struct kop *op)
{
    return op->code == KOP_CONNECT ? -EINPROGRESS : -EINTR;
}
