/* raw_epoll.c: an echo server on edge-triggered epoll, as good as we can make it.
 *
 * A connection is registered once, for both directions, and never again: one epoll_ctl in its
 * life. One recv a wake-up: a read that did not fill the buffer has emptied the socket, and the
 * next edge will tell; only an edge that also tells of the end is read to the end. The reply
 * goes out at once; only what the socket does not take is kept (states: idle, or holding a rest
 * that EPOLLOUT will flush before anything more is read). All connections share the one buffer,
 * which stays in cache.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "echo.h"

enum { EVENTS = 512 };

struct connection {
    int fd;
    char *rest; /* unsent, or NULL */
    size_t rest_at, rest_end;
};

static void hang_up(struct connection *c)
{
    close(c->fd);
    free(c->rest);
    free(c);
}

/* 1: nothing is left to send; 0: the socket is full; -1: broken */
static int flush(struct connection *c)
{
    while (c->rest_at < c->rest_end) {
        ssize_t n = send(c->fd, c->rest + c->rest_at, c->rest_end - c->rest_at,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        c->rest_at += (size_t)n;
    }
    free(c->rest);
    c->rest = NULL;
    return 1;
}

static int reply(struct connection *c, const char *buf, size_t len)
{
    ssize_t n = send(c->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (__builtin_expect(n == (ssize_t)len, 1))
        return 1;
    if (n < 0 && errno != EAGAIN)
        return -1;
    n = n < 0 ? 0 : n;
    c->rest = malloc(len - (size_t)n);
    if (!c->rest)
        return -1;
    memcpy(c->rest, buf + n, len - (size_t)n);
    c->rest_at = 0;
    c->rest_end = len - (size_t)n;
    return 0;
}

static void serve_connection(struct connection *c, bool ended)
{
    static char buf[ECHO_BUFFER];
    int state = c->rest ? flush(c) : 1;

    while (state == 1) {
        ssize_t n = recv(c->fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        state = n > 0 ? reply(c, buf, (size_t)n) : -1;
        if (state == 1 && n < (ssize_t)sizeof buf && !ended)
            return;
    }
    if (state < 0)
        hang_up(c);
}

static void accept_all(int epoll, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *c = calloc(1, sizeof *c);
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                    .data.ptr = c};
        if (!c)
            bench_die("raw_epoll: no memory");
        c->fd = fd;
        if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
            hang_up(c);
    }
}

void raw_epoll_serve(int listener)
{
    static struct epoll_event events[EVENTS];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
        bench_die("raw_epoll: %s", strerror(errno));
    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr)
                serve_connection(events[i].data.ptr,
                                 events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
            else
                accept_all(epoll, listener);
        }
    }
}
