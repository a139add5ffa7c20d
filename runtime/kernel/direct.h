/* direct.h: the calls of a kernel room that never wait, for rooms that stand on a real Linux.
 *
 * No flag of a descriptor is ever changed for them (hazard 50: O_NONBLOCK is shared with other
 * processes): each call carries its own "do not wait".
 */
#ifndef KERNEL_DIRECT_H
#define KERNEL_DIRECT_H

#include "kernel/kernel.h"

ssize_t direct_recv(struct kernel *k, int fd, void *buf, size_t len, int flags);
ssize_t direct_send(struct kernel *k, int fd, const void *buf, size_t len, int flags);
ssize_t direct_read(struct kernel *k, int fd, void *buf, size_t len, off_t at);
ssize_t direct_write(struct kernel *k, int fd, const void *buf, size_t len, off_t at);
int direct_poll(struct kernel *k, int fd, short events);
int direct_identify(struct kernel *k, int fd, struct fd_identity *out);
int64_t direct_now(struct kernel *k);

int direct_socket(struct kernel *k, int domain, int type, int protocol);
int direct_socketpair(struct kernel *k, int domain, int type, int protocol, int fds[2]);
int direct_pipe(struct kernel *k, int fds[2], int flags);
int direct_bind(struct kernel *k, int fd, const struct sockaddr *addr, socklen_t len);
int direct_listen(struct kernel *k, int fd, int backlog);
int direct_shutdown(struct kernel *k, int fd, int how);
int direct_setsockopt(struct kernel *k, int fd, int level, int name, const void *value,
                      socklen_t len);
int direct_getsockopt(struct kernel *k, int fd, int level, int name, void *value, socklen_t *len);
int direct_getsockname(struct kernel *k, int fd, struct sockaddr *addr, socklen_t *len);
int direct_getpeername(struct kernel *k, int fd, struct sockaddr *addr, socklen_t *len);
void direct_random(struct kernel *k, void *buf, size_t len);

/* All of these, for the table of a room. */
#define DIRECT_CALLS                                                                  \
    .now = direct_now, .recv = direct_recv, .send = direct_send, .read = direct_read, \
    .write = direct_write, .poll = direct_poll, .identify = direct_identify,          \
    .socket = direct_socket, .socketpair = direct_socketpair, .pipe = direct_pipe,    \
    .bind = direct_bind, .listen = direct_listen, .shutdown = direct_shutdown,        \
    .setsockopt = direct_setsockopt, .getsockopt = direct_getsockopt,                 \
    .getsockname = direct_getsockname, .getpeername = direct_getpeername, .random = direct_random

#endif
