/* load_short.c: see loads.h.
 *
 * A connection is registered once, for both directions. A close resets it: no TIME_WAIT is left
 * behind, which would run out of ports within seconds.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "loads.h"

enum { AT_ONCE_MOST = 256, BYTES = 64, SILENCE_MS = 5000 };

struct visit {
    int fd; /* -1: none */
    bool sent;
    uint64_t begun_ns;
};

static struct visit visits[AT_ONCE_MOST];
static const char message[BYTES] = "a request of 64 bytes, on a connection of its own";

static bool begin(int epoll, const struct sockaddr_in *at, struct visit *v)
{
    struct linger reset = {.l_onoff = 1};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = v};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    *v = (struct visit){.fd = fd, .begun_ns = bench_now_ns()};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connect(fd, (const struct sockaddr *)at, sizeof *at) < 0 && errno != EINPROGRESS)
        return false;
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* 1: the reply is here; 0: not yet; -1: broken */
static int go_on(struct visit *v)
{
    char reply[BYTES];
    ssize_t n;

    if (!v->sent) {
        n = send(v->fd, message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            return 0;
        v->sent = n == (ssize_t)sizeof message;
        if (!v->sent)
            return -1;
    }
    n = recv(v->fd, reply, sizeof reply, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return 0;
    return n == (ssize_t)sizeof reply && memcmp(reply, message, sizeof reply) == 0 ? 1 : -1;
}

static bool take(int epoll, const struct sockaddr_in *at, struct visit *v, uint64_t end_ns,
                 struct short_window *out)
{
    int done = go_on(v);
    uint64_t now_ns;

    if (done <= 0)
        return done == 0;
    now_ns = bench_now_ns();
    histogram_add(&out->latency, now_ns - v->begun_ns);
    out->requests++;
    close(v->fd);
    v->fd = -1;
    return now_ns >= end_ns || begin(epoll, at, v);
}

static bool all_done(unsigned at_once)
{
    for (unsigned i = 0; i < at_once; i++)
        if (visits[i].fd >= 0)
            return false;
    return true;
}

static bool run(int epoll, const struct sockaddr_in *at, unsigned at_once, uint64_t end_ns,
                struct short_window *out)
{
    struct epoll_event events[AT_ONCE_MOST];

    for (unsigned i = 0; i < at_once; i++)
        if (!begin(epoll, at, &visits[i]))
            return false;
    while (!all_done(at_once)) {
        int n = epoll_wait(epoll, events, AT_ONCE_MOST, SILENCE_MS);

        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        for (int i = 0; i < n; i++) {
            errno = 0;
            if (!take(epoll, at, events[i].data.ptr, end_ns, out)) {
                bench_note("request %lu: %s", (unsigned long)out->requests,
                           errno ? strerror(errno) : "a wrong echo");
                return false;
            }
        }
    }
    return true;
}

bool load_short(const struct sockaddr_in *at, unsigned at_once, uint64_t span_ns,
                struct short_window *out)
{
    uint64_t start_ns = bench_now_ns();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    bool good;

    if (epoll < 0 || at_once > AT_ONCE_MOST)
        bench_die("load_short: %u at once: %s", at_once, strerror(errno));
    *out = (struct short_window){0};
    for (unsigned i = 0; i < at_once; i++)
        visits[i].fd = -1;
    good = run(epoll, at, at_once, start_ns + span_ns, out);
    out->wall_ns = bench_now_ns() - start_ns;
    for (unsigned i = 0; i < at_once; i++)
        if (visits[i].fd >= 0)
            close(visits[i].fd);
    close(epoll);
    return good;
}
