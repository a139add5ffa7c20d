/* setup.c: what sets a descriptor up and never waits.
 *
 * Twins of the POSIX calls, here so that one program runs in every room: in a simulated world
 * the descriptors are not the kernel's. No switch point and no cancel point.
 */
#include "io/io.h"

static struct kernel *kernel_of(const char *call)
{
    return task_self(call)->worker->kernel;
}

int rv_socket(int domain, int type, int protocol)
{
    struct kernel *k = kernel_of("rv_socket");
    int fd = k->room->socket(k, domain, type, protocol);

    if (fd >= 0)
        io_fresh(k, fd);
    return fd;
}

static int both_fresh(struct kernel *k, int err, const int fds[2])
{
    if (err == 0) {
        io_fresh(k, fds[0]);
        io_fresh(k, fds[1]);
    }
    return err;
}

int rv_socketpair(int domain, int type, int protocol, int fds[2])
{
    struct kernel *k = kernel_of("rv_socketpair");

    return both_fresh(k, k->room->socketpair(k, domain, type, protocol, fds), fds);
}

int rv_pipe(int fds[2], int flags)
{
    struct kernel *k = kernel_of("rv_pipe");

    return both_fresh(k, k->room->pipe(k, fds, flags), fds);
}

int rv_bind(int fd, const struct sockaddr *addr, socklen_t addr_len)
{
    struct kernel *k = kernel_of("rv_bind");

    return k->room->bind(k, fd, addr, addr_len);
}

int rv_listen(int fd, int backlog)
{
    struct kernel *k = kernel_of("rv_listen");

    return k->room->listen(k, fd, backlog);
}

int rv_shutdown(int fd, int how)
{
    struct kernel *k = kernel_of("rv_shutdown");

    return k->room->shutdown(k, fd, how);
}

int rv_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    struct kernel *k = kernel_of("rv_setsockopt");

    return k->room->setsockopt(k, fd, level, name, value, len);
}

int rv_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    struct kernel *k = kernel_of("rv_getsockopt");

    return k->room->getsockopt(k, fd, level, name, value, len);
}

int rv_getsockname(int fd, struct sockaddr *addr, socklen_t *addr_len)
{
    struct kernel *k = kernel_of("rv_getsockname");

    return k->room->getsockname(k, fd, addr, addr_len);
}

int rv_getpeername(int fd, struct sockaddr *addr, socklen_t *addr_len)
{
    struct kernel *k = kernel_of("rv_getpeername");

    return k->room->getpeername(k, fd, addr, addr_len);
}

void rv_random(void *buf, size_t len)
{
    struct kernel *k = kernel_of("rv_random");

    k->room->random(k, buf, len);
}
