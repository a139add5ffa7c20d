/* load.c: a closed-loop echo client of many connections on one thread.
 *
 * One edge-triggered epoll instance; a reply that is complete is counted and answered at once
 * with as many messages as came back, in one send. Replies are checked in full when a connection
 * opens; later they are only counted (MSG_TRUNC drops them without a copy), so that the client
 * is as little of the machine's work as it can be.
 *
 * A window goes from silence to silence. The kernel brings a running process's CPU clock up to
 * date at its ticks only, several ms apart; that of a sleeping one is exact. So the server's
 * clock is read before the first message and after the last reply, when it sleeps, and all
 * messages between count.
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
#include "echo.h"
#include "histogram.h"

enum {
    DEPTH_MAX = 16,
    EVENTS = 512,
    SILENCE_MS = 5000, /* a server that says nothing for so long has stopped */
};

struct client {
    int fd;
    unsigned got; /* bytes of a reply that is not complete */
    unsigned under_way;
    unsigned oldest;  /* index into sent_ns of the next reply due */
    uint64_t replies; /* in this window */
    uint64_t sent_ns[DEPTH_MAX];
};

struct load {
    struct load_spec spec;
    int epoll;
    char *messages; /* depth of them */
    struct client *clients;
    /* of the window that runs */
    bool stopping, latencies;
    uint64_t under_way, replies;
    struct histogram histogram;
};

/* ---- opening ---- */

static bool exchange_checked(struct load *load, int fd)
{
    char reply[ECHO_BUFFER];
    size_t bytes = load->spec.bytes, got = 0;

    if (send(fd, load->messages, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
        return false;
    while (got < bytes) {
        ssize_t n = recv(fd, reply + got, bytes - got, 0);
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return memcmp(reply, load->messages, bytes) == 0;
}

static bool connect_client(struct load *load, struct client *client)
{
    struct linger reset = {.l_onoff = 1}; /* no TIME_WAIT is left behind */
    struct timeval patience = {.tv_sec = SILENCE_MS / 1000};
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.ptr = client};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    client->fd = fd;
    if (fd < 0)
        return false;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return connect(fd, (const struct sockaddr *)&load->spec.server, sizeof load->spec.server) ==
               0 &&
           exchange_checked(load, fd) && epoll_ctl(load->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

struct load *load_open(const struct load_spec *spec)
{
    size_t bytes = (size_t)spec->bytes * spec->depth;
    struct load *load = calloc(1, sizeof *load);

    if (spec->depth > DEPTH_MAX || bytes > ECHO_BUFFER || !load)
        bench_die("load_open: %u messages of %u bytes", spec->depth, spec->bytes);
    load->spec = *spec;
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    load->messages = malloc(bytes);
    load->clients = calloc(spec->connections, sizeof *load->clients);
    if (load->epoll < 0 || !load->messages || !load->clients)
        bench_die("load_open: %s", strerror(errno));
    for (size_t i = 0; i < bytes; i++)
        load->messages[i] = (char)(i * 131 + (i >> 8));
    for (unsigned i = 0; i < spec->connections; i++) {
        errno = 0;
        if (!connect_client(load, &load->clients[i])) {
            bench_note("connection %u: %s", i, errno ? strerror(errno) : "a wrong echo");
            return NULL;
        }
    }
    return load;
}

void load_close(struct load *load)
{
    for (unsigned i = 0; i < load->spec.connections; i++)
        close(load->clients[i].fd);
    close(load->epoll);
    free(load->messages);
    free(load->clients);
    free(load);
}

/* ---- a window ---- */

static bool send_messages(struct load *load, struct client *client, unsigned count, uint64_t now_ns)
{
    size_t bytes = (size_t)count * load->spec.bytes;

    for (unsigned i = 0; i < count; i++)
        client->sent_ns[(client->oldest + client->under_way + i) % DEPTH_MAX] = now_ns;
    client->under_way += count;
    load->under_way += count;
    /* what is under way on a connection always fits its socket's buffers */
    return send(client->fd, load->messages, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)bytes;
}

static bool take_replies(struct load *load, struct client *client)
{
    static char sink[64 * 1024];
    ssize_t n = recv(client->fd, sink, sizeof sink, MSG_DONTWAIT | MSG_TRUNC);
    unsigned complete;
    uint64_t now_ns;

    if (n < 0 && errno == EAGAIN)
        return true;
    if (n <= 0)
        return false;
    client->got += (unsigned)n;
    complete = client->got / load->spec.bytes;
    client->got %= load->spec.bytes;
    if (complete == 0)
        return true;
    if (complete > client->under_way)
        return false;
    now_ns = bench_now_ns();
    for (unsigned i = 0; i < complete; i++) {
        if (load->latencies)
            histogram_add(&load->histogram, now_ns - client->sent_ns[client->oldest]);
        client->oldest = (client->oldest + 1) % DEPTH_MAX;
    }
    client->under_way -= complete;
    client->replies += complete;
    load->under_way -= complete;
    load->replies += complete;
    return load->stopping || send_messages(load, client, complete, now_ns);
}

static bool turn(struct load *load)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(load->epoll, events, EVENTS, SILENCE_MS);

    if (n < 0)
        return errno == EINTR;
    for (int i = 0; i < n; i++)
        if (!take_replies(load, events[i].data.ptr))
            return false;
    return n > 0;
}

static double jain_of(const struct load *load)
{
    struct jain jain = {0};

    for (unsigned i = 0; i < load->spec.connections; i++)
        jain_add(&jain, (double)load->clients[i].replies);
    return jain_index(&jain);
}

static uint64_t server_cpu_ns(const struct load *load)
{
    struct timespec t;

    if (clock_gettime(load->spec.server_cpu, &t) < 0)
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

bool load_run(struct load *load, uint64_t warm_ns, uint64_t measure_ns, struct load_window *out)
{
    uint64_t start_ns, now_ns, server_ns = server_cpu_ns(load);

    load->stopping = load->latencies = false;
    load->replies = 0;
    load->histogram = (struct histogram){0};
    start_ns = now_ns = bench_now_ns();
    for (unsigned i = 0; i < load->spec.connections; i++) {
        load->clients[i].replies = 0;
        if (!send_messages(load, &load->clients[i], load->spec.depth, now_ns))
            return false;
    }
    while (load->under_way > 0) {
        if (!turn(load))
            return false;
        now_ns = bench_now_ns();
        load->latencies = now_ns - start_ns >= warm_ns && !load->stopping;
        load->stopping |= now_ns - start_ns >= warm_ns + measure_ns;
    }
    usleep(2000); /* the server goes to sleep, and its clock is brought up to date */
    out->server_ns = server_cpu_ns(load) - server_ns;
    out->wall_ns = now_ns - start_ns;
    out->messages = load->replies;
    out->jain = jain_of(load);
    out->p50_us = histogram_us(&load->histogram, 0.5);
    out->p99_us = histogram_us(&load->histogram, 0.99);
    out->p999_us = histogram_us(&load->histogram, 0.999);
    return out->server_ns > 0;
}
