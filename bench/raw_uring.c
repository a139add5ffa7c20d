/* raw_uring.c: two echo servers on io_uring, as good as we can make them, and what the third
 * (raw_uring_stream.c) shares with them.
 *
 *   poll   one multishot POLL a connection, edge-triggered, armed once; when it tells of input, a
 *          plain recv() that will succeed and a plain send()
 *   ops    recv and send as submissions. Two buffers a connection, so that the next recv goes out
 *          in the same submit as the send and need not be linked to it
 *
 * Which is best depends on the kernel, the CPU and the number of connections: b_echo.c measures
 * all and calls the best "raw_uring".
 *
 * All: SINGLE_ISSUER | DEFER_TASKRUN, ring fd registered, one enter a pass that both submits and
 * waits, multishot accept. A recv is told not to try before it polls (POLL_FIRST): the reply has
 * only just gone out, so a try would find nothing. Rejected: a send linked to the recv behind it
 * (measured: no cheaper at 50 connections, an eighth dearer at 10,000, for the recv is then issued
 * from task work), send_zc (dearer on loopback), SQPOLL (burns the core the load needs).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "raw_uring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "echo.h"

enum { ENTRIES = 4096, COMPLETIONS = 32768 };

struct io_uring raw_uring;

void raw_uring_open(void)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETIONS,
    };

    bench_must(io_uring_queue_init_params(ENTRIES, &raw_uring, &params), "raw_uring");
    bench_must(io_uring_register_ring_fd(&raw_uring), "raw_uring");
}

struct io_uring_sqe *raw_uring_sqe(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&raw_uring);

    while (__builtin_expect(!sqe, 0)) {
        io_uring_submit(&raw_uring);
        sqe = io_uring_get_sqe(&raw_uring);
    }
    return sqe;
}

void raw_uring_loop(void (*take)(const struct io_uring_cqe *cqe))
{
    for (;;) {
        struct io_uring_cqe *cqe;
        unsigned head, count = 0;
        int err = io_uring_submit_and_wait(&raw_uring, 1);

        if (err < 0 && err != -EINTR && err != -EBUSY && err != -EAGAIN)
            bench_must(err, "raw_uring");
        io_uring_for_each_cqe(&raw_uring, head, cqe)
        {
            take(cqe);
            count++;
        }
        io_uring_cq_advance(&raw_uring, count);
    }
}

/* ---- what the two share: a completion is tagged with its connection and its kind ---- */

enum kind { INPUT, OUTPUT, ACCEPT, CANCEL, KINDS = 8 };

static int listening;

static void *tagged(void *connection, enum kind kind)
{
    return (char *)connection + kind;
}

static enum kind kind_of(const struct io_uring_cqe *cqe)
{
    return (enum kind)(cqe->user_data % KINDS);
}

static void *connection_of(const struct io_uring_cqe *cqe)
{
    return (void *)(uintptr_t)(cqe->user_data - cqe->user_data % KINDS);
}

static void arm_accept(void)
{
    struct io_uring_sqe *sqe = raw_uring_sqe();

    io_uring_prep_multishot_accept(sqe, listening, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data(sqe, tagged(NULL, ACCEPT));
}

/* ---- poll ---- */

struct watched {
    int fd;
    bool broken; /* hung up; waits for its poll's last completion */
    char *rest;  /* unsent, or NULL; nothing is read meanwhile */
    size_t rest_at, rest_end;
};

static void arm_poll(struct watched *c)
{
    struct io_uring_sqe *sqe = raw_uring_sqe();

    io_uring_prep_poll_multishot(sqe, c->fd, POLLIN | POLLOUT | POLLRDHUP);
    io_uring_sqe_set_data(sqe, tagged(c, INPUT));
}

/* An armed poll holds the file: closing alone would send no FIN. */
static void hang_up_watched(struct watched *c)
{
    struct io_uring_sqe *sqe = raw_uring_sqe();

    c->broken = true;
    io_uring_prep_cancel(sqe, tagged(c, INPUT), 0);
    io_uring_sqe_set_data(sqe, tagged(NULL, CANCEL));
}

/* 1: all is sent; 0: the socket is full; -1: broken */
static int send_watched(struct watched *c, const char *buf, size_t len)
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

static int flush_watched(struct watched *c)
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

static void serve_watched(struct watched *c, int events)
{
    static char buf[ECHO_BUFFER];
    bool flushed = c->rest != NULL, ended = events & (POLLRDHUP | POLLHUP | POLLERR);
    int state = flushed ? flush_watched(c) : 1;

    while (state == 1 && (flushed || ended || events & POLLIN)) {
        ssize_t n = recv(c->fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return;
        state = n > 0 ? send_watched(c, buf, (size_t)n) : -1;
        if (state == 1 && n < (ssize_t)sizeof buf && !ended)
            return;
    }
    if (state < 0)
        hang_up_watched(c);
}

static void take_poll(const struct io_uring_cqe *cqe)
{
    struct watched *c = connection_of(cqe);
    bool last = !(cqe->flags & IORING_CQE_F_MORE);

    if (kind_of(cqe) == INPUT) {
        if (!c->broken && cqe->res >= 0)
            serve_watched(c, cqe->res);
        if (last && c->broken) {
            close(c->fd);
            free(c->rest);
            free(c);
        } else if (last) {
            arm_poll(c);
        }
    } else if (kind_of(cqe) == ACCEPT) {
        if (cqe->res >= 0) {
            c = calloc(1, sizeof *c);
            if (!c)
                bench_die("raw_uring: no memory");
            c->fd = cqe->res;
            arm_poll(c);
        }
        if (last)
            arm_accept();
    }
}

void raw_uring_poll_serve(int listener)
{
    listening = listener;
    raw_uring_open();
    arm_accept();
    raw_uring_loop(take_poll);
}

/* ---- ops ---- */

struct piped {
    int fd;
    unsigned filling; /* the buffer that the recv under way fills; the other is being sent */
    size_t sending;   /* bytes of the send under way, or 0 */
    size_t held;      /* bytes received while a send was still under way */
    bool ended;       /* no recv is under way any more */
    char buf[2][ECHO_BUFFER];
};

static void arm_recv(struct piped *c)
{
    struct io_uring_sqe *sqe = raw_uring_sqe();

    io_uring_prep_recv(sqe, c->fd, c->buf[c->filling], ECHO_BUFFER, 0);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data(sqe, tagged(c, INPUT));
}

static void send_and_recv(struct piped *c, size_t bytes)
{
    struct io_uring_sqe *sqe = raw_uring_sqe();

    io_uring_prep_send(sqe, c->fd, c->buf[c->filling], bytes, MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data(sqe, tagged(c, OUTPUT));
    c->sending = bytes;
    c->filling = !c->filling;
    arm_recv(c);
}

static void free_if_done(struct piped *c)
{
    if (c->ended && c->sending == 0) {
        close(c->fd);
        free(c);
    }
}

static void take_ops(const struct io_uring_cqe *cqe)
{
    struct piped *c = connection_of(cqe);

    switch (kind_of(cqe)) {
    case INPUT:
        if (cqe->res <= 0)
            c->ended = true;
        else if (c->sending)
            c->held = (size_t)cqe->res;
        else
            send_and_recv(c, (size_t)cqe->res);
        free_if_done(c);
        break;
    case OUTPUT:
        if (cqe->res != (int)c->sending) /* broken: let the recv find the end */
            shutdown(c->fd, SHUT_RDWR);
        c->sending = 0;
        if (c->held) {
            size_t bytes = c->held;
            c->held = 0;
            send_and_recv(c, bytes);
        }
        free_if_done(c);
        break;
    case ACCEPT:
        if (cqe->res >= 0) {
            c = malloc(sizeof *c);
            if (!c)
                bench_die("raw_uring: no memory");
            c->fd = cqe->res;
            c->filling = 0;
            c->sending = c->held = 0;
            c->ended = false;
            arm_recv(c);
        }
        if (!(cqe->flags & IORING_CQE_F_MORE))
            arm_accept();
        break;
    default:
        break;
    }
}

void raw_uring_ops_serve(int listener)
{
    listening = listener;
    raw_uring_open();
    arm_accept();
    raw_uring_loop(take_ops);
}
