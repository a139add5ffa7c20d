/* load_paced.c: see loads.h.
 *
 * Who is due is found by looking at all, whenever somebody is: for a thousand connections that is
 * little beside a request. A connection has one request under way at most.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "loads.h"

enum { BYTES = 64, EVENTS = 256, SILENCE_MS = 10000 };

struct light {
    int fd;
    bool under_way;
    unsigned got;
    uint64_t due_ns;   /* of the next request, or of the one under way */
    uint64_t worst_ns; /* it took */
    struct histogram *latency;
};

struct paced {
    struct sockaddr_in at;
    int epoll;
    unsigned count, most, under_way;
    uint64_t interval_ns;
    struct light *lights;
};

static const char message[BYTES] = "a light request of 64 bytes, every now and then";

struct paced *paced_open(const struct sockaddr_in *at, unsigned most, uint64_t interval_ns)
{
    struct paced *p = calloc(1, sizeof *p);

    if (!p)
        bench_die("paced_open: %s", strerror(ENOMEM));
    *p = (struct paced){.at = *at, .most = most, .interval_ns = interval_ns};
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->lights = calloc(most, sizeof *p->lights);
    if (p->epoll < 0 || !p->lights)
        bench_die("paced_open: %s", strerror(errno));
    return p;
}

void paced_close(struct paced *p)
{
    for (unsigned i = 0; i < p->count; i++)
        close(p->lights[i].fd);
    close(p->epoll);
    free(p->lights);
    free(p);
}

static bool connect_one(struct paced *p, struct light *l, uint64_t due_ns)
{
    struct linger reset = {.l_onoff = 1};
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = l};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    l->fd = fd;
    if (fd < 0)
        return false;
    l->due_ns = due_ns;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    return connect(fd, (const struct sockaddr *)&p->at, sizeof p->at) == 0 &&
           epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

bool paced_connect(struct paced *p, unsigned count, struct histogram *latency)
{
    uint64_t now_ns = bench_now_ns();

    if (p->count + count > p->most)
        bench_die("paced_connect: more than %u", p->most);
    for (unsigned i = 0; i < count; i++) {
        struct light *l = &p->lights[p->count];

        l->latency = latency;
        if (!connect_one(p, l, now_ns + p->interval_ns * (i + 1) / count))
            return false;
        p->count++;
    }
    return true;
}

void paced_count_in(struct paced *p, struct histogram *latency)
{
    for (unsigned i = 0; i < p->count; i++) {
        p->lights[i].latency = latency;
        p->lights[i].worst_ns = 0;
    }
}

unsigned paced_slow(const struct paced *p, const struct histogram *latency, uint64_t ns)
{
    unsigned count = 0;

    for (unsigned i = 0; i < p->count; i++)
        count += p->lights[i].latency == latency && p->lights[i].worst_ns > ns;
    return count;
}

static bool send_request(struct paced *p, struct light *l)
{
    l->under_way = true;
    p->under_way++;
    return send(l->fd, message, BYTES, MSG_DONTWAIT | MSG_NOSIGNAL) == BYTES;
}

/* All that are due; and when the next one is. */
static bool send_due(struct paced *p, uint64_t now_ns, uint64_t *out_next_ns)
{
    *out_next_ns = UINT64_MAX;
    for (unsigned i = 0; i < p->count; i++) {
        struct light *l = &p->lights[i];

        if (l->under_way)
            continue;
        if (l->due_ns <= now_ns) {
            if (!send_request(p, l))
                return false;
        } else if (l->due_ns < *out_next_ns) {
            *out_next_ns = l->due_ns;
        }
    }
    return true;
}

static bool take_reply(struct paced *p, struct light *l)
{
    char reply[BYTES];
    ssize_t n = recv(l->fd, reply, BYTES - l->got, MSG_DONTWAIT);
    uint64_t took_ns;

    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0 || !l->under_way)
        return false;
    l->got += (unsigned)n;
    if (l->got < BYTES)
        return true;
    l->got = 0;
    l->under_way = false;
    p->under_way--;
    took_ns = bench_now_ns() - l->due_ns;
    histogram_add(l->latency, took_ns);
    l->worst_ns = took_ns > l->worst_ns ? took_ns : l->worst_ns;
    l->due_ns += p->interval_ns;
    return true;
}

static bool wait_for_replies(struct paced *p, uint64_t span_ns)
{
    const struct timespec most = {.tv_sec = (time_t)(span_ns / 1000000000),
                                  .tv_nsec = (long)(span_ns % 1000000000)};
    struct epoll_event events[EVENTS];
    int n = epoll_pwait2(p->epoll, events, EVENTS, &most, NULL);

    if (n < 0)
        return errno == EINTR;
    for (int i = 0; i < n; i++)
        if (!take_reply(p, events[i].data.ptr))
            return false;
    return true;
}

bool paced_run(struct paced *p, uint64_t span_ns)
{
    uint64_t now_ns = bench_now_ns(), end_ns = now_ns + span_ns, next_ns;

    for (; now_ns < end_ns; now_ns = bench_now_ns()) {
        if (!send_due(p, now_ns, &next_ns))
            return false;
        now_ns = bench_now_ns();
        next_ns = next_ns < end_ns ? next_ns : end_ns;
        if (!wait_for_replies(p, next_ns > now_ns ? next_ns - now_ns : 0))
            return false;
    }
    return true;
}

bool paced_drain(struct paced *p)
{
    uint64_t end_ns = bench_now_ns() + SILENCE_MS * 1000000ull;

    while (p->under_way > 0)
        if (bench_now_ns() >= end_ns || !wait_for_replies(p, 100000000))
            return false;
    return true;
}
