/* direct.c: system calls that do not wait. See direct.h. */
#include "kernel/direct.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/report.h"

/* By a signal. What does not wait can be, too: poll(2) looks for one before it says that nothing is
 * there, and a file system may wait for its server. */
static inline bool interrupted(ssize_t result)
{
    return result < 0 && errno == EINTR;
}

ssize_t direct_recv(struct kernel *k, int fd, void *buf, size_t len, int flags)
{
    ssize_t n;

    (void)k;
    do
        n = recv(fd, buf, len, flags | MSG_DONTWAIT);
    while (interrupted(n));
    return n < 0 ? -errno : n;
}

ssize_t direct_send(struct kernel *k, int fd, const void *buf, size_t len, int flags)
{
    ssize_t n;

    (void)k;
    do /* a broken peer is an error of this call, not a signal to the process (hazard 36) */
        n = send(fd, buf, len, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    while (interrupted(n));
    return n < 0 ? -errno : n;
}

ssize_t direct_read(struct kernel *k, int fd, void *buf, size_t len, off_t at)
{
    struct iovec v = {buf, len};
    ssize_t n;

    (void)k;
    do /* reading nothing never waits, not even where nobody knows the flag */
        n = preadv2(fd, &v, 1, at, len ? RWF_NOWAIT : 0);
    while (interrupted(n));
    return n < 0 ? -errno : n;
}

ssize_t direct_write(struct kernel *k, int fd, const void *buf, size_t len, off_t at)
{
    struct iovec v = {(void *)buf, len};
    ssize_t n;

    (void)k;
    do
        n = pwritev2(fd, &v, 1, at, RWF_NOWAIT);
    while (interrupted(n));
    return n < 0 ? -errno : n;
}

int direct_poll(struct kernel *k, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int n;

    (void)k;
    do
        n = poll(&p, 1, 0);
    while (interrupted(n));
    if (n < 0)
        return -errno;
    return p.revents & POLLNVAL ? -EBADF : p.revents;
}

/* Only TCP promises that a read shorter than asked has emptied it: a datagram socket gives one
 * message at a time, and so does an SCTP stream; a unix stream stops where credentials or
 * descriptors were attached. */
static enum fd_kind socket_kind(int fd)
{
    int type = 0, protocol = 0;
    socklen_t len = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
        return FD_SOCKET;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) < 0 || protocol != IPPROTO_TCP)
        return FD_STREAM;
    return FD_TCP;
}

int direct_identify(struct kernel *k, int fd, struct fd_identity *out)
{
    struct stat st;
    int err;

    (void)k;
    do
        err = fstat(fd, &st);
    while (interrupted(err));
    if (err < 0)
        return -errno;
    out->device = st.st_dev;
    out->inode = st.st_ino;
    if (S_ISSOCK(st.st_mode))
        out->kind = socket_kind(fd);
    else if (S_ISFIFO(st.st_mode))
        out->kind = FD_PIPE;
    else if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
        out->kind = FD_FILE;
    else
        out->kind = FD_OTHER;
    return 0;
}

int64_t direct_now(struct kernel *k)
{
    (void)k;
    return clock_now();
}

/* ---- set-up ---- */

int direct_socket(struct kernel *k, int domain, int type, int protocol)
{
    int fd = socket(domain, type | SOCK_CLOEXEC, protocol);

    (void)k;
    return fd < 0 ? -errno : fd;
}

int direct_socketpair(struct kernel *k, int domain, int type, int protocol, int fds[2])
{
    (void)k;
    return socketpair(domain, type | SOCK_CLOEXEC, protocol, fds) < 0 ? -errno : 0;
}

int direct_pipe(struct kernel *k, int fds[2], int flags)
{
    (void)k;
    return pipe2(fds, flags | O_CLOEXEC) < 0 ? -errno : 0;
}

int direct_bind(struct kernel *k, int fd, const struct sockaddr *addr, socklen_t len)
{
    (void)k;
    return bind(fd, addr, len) < 0 ? -errno : 0;
}

int direct_listen(struct kernel *k, int fd, int backlog)
{
    (void)k;
    return listen(fd, backlog) < 0 ? -errno : 0;
}

int direct_shutdown(struct kernel *k, int fd, int how)
{
    (void)k;
    return shutdown(fd, how) < 0 ? -errno : 0;
}

int direct_setsockopt(struct kernel *k, int fd, int level, int name, const void *value,
                      socklen_t len)
{
    (void)k;
    return setsockopt(fd, level, name, value, len) < 0 ? -errno : 0;
}

int direct_getsockopt(struct kernel *k, int fd, int level, int name, void *value, socklen_t *len)
{
    (void)k;
    return getsockopt(fd, level, name, value, len) < 0 ? -errno : 0;
}

int direct_getsockname(struct kernel *k, int fd, struct sockaddr *addr, socklen_t *len)
{
    (void)k;
    return getsockname(fd, addr, len) < 0 ? -errno : 0;
}

int direct_getpeername(struct kernel *k, int fd, struct sockaddr *addr, socklen_t *len)
{
    (void)k;
    return getpeername(fd, addr, len) < 0 ? -errno : 0;
}

void direct_random(struct kernel *k, void *buf, size_t len)
{
    (void)k;
    for (size_t done = 0; done < len;) {
        ssize_t n = getrandom((char *)buf + done, len - done, 0);

        if (n < 0 && errno != EINTR)
            die("getrandom: %s", strerror(errno));
        done += n > 0 ? (size_t)n : 0;
    }
}
