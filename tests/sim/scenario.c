/* scenario.c: what the scenarios share. See scenario.h. */
#include "tests/sim/scenario.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/report.h"

bool in_peace;

_Noreturn void promise_broken(const char *file, int line, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    die("broken promise: %s, at %s:%d", text, file, line);
}

void check_over(void)
{
    PROMISE(rv_cancelled(), "a call says that the scope is over, and it is not");
    PROMISE(rv_yield() == -ECANCELED, "the scope is over, and a yield does not say so");
}

/* ---- bytes ---- */

void fill(void *buf, size_t len, uint64_t stream, uint64_t at)
{
    for (size_t i = 0; i < len; i++)
        ((unsigned char *)buf)[i] = byte_at(stream, at + i);
}

void check_bytes(const void *buf, size_t len, uint64_t stream, uint64_t at)
{
    for (size_t i = 0; i < len; i++)
        PROMISE(((const unsigned char *)buf)[i] == byte_at(stream, at + i),
                "byte %llu of stream %llu is another one", (unsigned long long)(at + i),
                (unsigned long long)stream);
}

/* ---- descriptors ---- */

void close_fd(int fd)
{
    int err = rv_close(fd);

    PROMISE(err == 0, "closing descriptor %d: %s", fd, strerror(-err));
}

struct sockaddr_in internet(const char *address, uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};

    PROMISE(inet_pton(AF_INET, address ? address : "127.0.0.1", &at.sin_addr) == 1, "address");
    return at;
}

int open_listener(const char *address, uint16_t port, int backlog, struct sockaddr_in *at)
{
    socklen_t len = sizeof *at;
    int fd = (int)INSIST(rv_socket(AF_INET, SOCK_STREAM, 0)), err;

    PROMISE(fd >= 0, "socket: %s", strerror(-fd));
    *at = internet(address, port);
    err = rv_bind(fd, (struct sockaddr *)at, sizeof *at);
    PROMISE(err == 0, "bind: %s", strerror(-err));
    PROMISE(rv_listen(fd, backlog) == 0, "listen");
    PROMISE(rv_getsockname(fd, (struct sockaddr *)at, &len) == 0, "getsockname");
    return fd;
}

int dial(const struct sockaddr_in *at)
{
    int fd = (int)INSIST(rv_socket(AF_INET, SOCK_STREAM, 0)), err;

    if (by_the_world(fd))
        return fd;
    PROMISE(fd >= 0, "socket: %s", strerror(-fd));
    err = rv_connect(fd, (const struct sockaddr *)at, sizeof *at);
    if (err == 0)
        return fd;
    close_fd(fd);
    return err;
}

static int accept_one(int listener)
{
    int fd;

    do
        fd = rv_accept(listener, NULL, NULL);
    while (by_the_world(fd));
    return fd;
}

struct acceptor {
    int listener, fd;
};

static int accept_task(void *arg)
{
    struct acceptor *a = arg;

    a->fd = accept_one(a->listener);
    return 0;
}

/* Where the connection breaks before it is there, or nobody gets it, begin anew. */
static void open_tcp(int fds[2])
{
    for (;;) {
        struct sockaddr_in at;
        struct acceptor a = {.listener = open_listener(NULL, 0, 8, &at)};
        rv_group g;

        rv_group_open(&g, rv_after(60 * RV_S));
        rv_go(&g, accept_task, &a);
        fds[0] = dial(&at);
        PROMISE(rv_group_close(&g, fds[0] < 0 ? -ECANCELED : 0) <= 0, "a task's result");
        close_fd(a.listener);
        fds[1] = a.fd;
        if (fds[0] >= 0 && fds[1] >= 0)
            return;
        PROMISE(!in_peace, "connect: %d, accept: %d", fds[0], fds[1]);
        if (fds[0] >= 0)
            close_fd(fds[0]);
        if (fds[1] >= 0)
            close_fd(fds[1]);
    }
}

void open_way(enum way way, int fds[2])
{
    long err = 0;

    switch (way) {
    case WAY_PIPE:
        err = INSIST(rv_pipe(fds, 0));
        break;
    case WAY_UNIX:
        err = INSIST(rv_socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
        break;
    case WAY_SEQPACKET:
        err = INSIST(rv_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds));
        break;
    default:
        open_tcp(fds);
    }
    PROMISE(err == 0, "a pair of descriptors: %s", strerror((int)-err));
}
