/* fault_work.h: what the runs of a sweep do: small programs of tasks that know what each call
 * should say, note() what it says instead, check every byte, and clean up whatever happens
 * (faults.h).
 */
#ifndef FAULT_WORK_H
#define FAULT_WORK_H

#include "tests/faults.h"

enum { BUFFERS = 4096, STREAM = 24000, PIECE = 3000, RECORD = 64, RECORDS = 8, BRANCHES = 3 };

/* More than a ring of eight can take cancels of in one go. */
enum { ACCEPTORS = 10 };

#define WORK_MOMENT (300 * RV_US)

/* Byte `at` of every stream. */
static inline char byte_at(size_t at)
{
    return (char)(at * 31 + at / 251);
}

/* `got` as it came from the stream at *at. */
static inline long take_bytes(const char *got, long n, size_t *at)
{
    for (long i = 0; i < n; i++)
        if (got[i] != byte_at(*at + (size_t)i))
            return note(-EILSEQ);
    *at += n > 0 ? (size_t)n : 0;
    return n;
}

static int send_stream(void *arg)
{
    char buf[PIECE];
    int fd = *(int *)arg, err = 0;

    for (size_t at = 0; at < STREAM && err == 0; at += PIECE) {
        for (size_t i = 0; i < PIECE; i++)
            buf[i] = byte_at(at + i);
        err = (int)note(rv_write_all(fd, buf, PIECE));
    }
    return err;
}

/* All of it, then the end. */
static int receive_stream(int fd, bool ends)
{
    char buf[PIECE];
    size_t at = 0;
    long n = 1;

    while (at < STREAM && n > 0)
        n = take_bytes(buf, note(rv_read_full(fd, buf, PIECE)), &at);
    if (n < 0)
        return (int)n;
    if (at < STREAM)
        return (int)note(-EPROTO); /* an early end, or nobody said why a part is missing */
    return ends ? (int)note_unless(0, rv_read(fd, buf, 1)) : 0;
}

/* ---- echo ---- */

static int echo_one(void *arg)
{
    char buf[PIECE];
    int fd = (int)note(rv_accept(*(int *)arg, NULL, NULL)), err = 0;
    long n = 0;

    if (fd < 0)
        return fd;
    while (err == 0 && (n = note(rv_read(fd, buf, sizeof buf))) > 0)
        err = (int)note(rv_write_all(fd, buf, (size_t)n));
    return finish_fd(fd, err ? err : n);
}

static int send_and_shut(void *arg)
{
    int err = send_stream(arg);

    return err ? err : (int)note(rv_shutdown(*(int *)arg, SHUT_WR));
}

static int small_buffers(int fd)
{
    const int bytes = BUFFERS;
    int err = (int)note(rv_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes));

    return err ? err : (int)note(rv_setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes));
}

static int echo_client(const struct address *at)
{
    int fd = (int)note(rv_socket(at->at.ss_family, SOCK_STREAM, 0)), err;
    rv_group both;

    if (fd < 0)
        return fd;
    err = small_buffers(fd);
    if (err == 0)
        err = (int)note(rv_connect(fd, (const struct sockaddr *)&at->at, at->len));
    rv_group_open(&both, RV_NEVER);
    if (err == 0)
        rv_go(&both, send_and_shut, &fd);
    if (err == 0)
        err = receive_stream(fd, true);
    return finish_fd(fd, note(rv_group_close(&both, err)));
}

/* As bound() in net.h, where nothing may fail. */
static int try_listen(int family, struct address *out)
{
    int fd = (int)note(rv_socket(family, SOCK_STREAM, 0)), err;

    *out = (struct address){.len = sizeof(sa_family_t)};
    out->at.ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        ((struct sockaddr_in *)&out->at)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        out->len = sizeof(struct sockaddr_in);
    }
    if (fd < 0)
        return fd;
    err = (int)note(rv_bind(fd, address_of(out), out->len));
    out->len = sizeof out->at;
    if (err == 0)
        err = (int)note(rv_getsockname(fd, address_of(out), &out->len));
    if (err == 0)
        err = (int)note(rv_listen(fd, 8));
    return err ? finish_fd(fd, err) : fd;
}

static int echo(int family)
{
    struct address at;
    int listener = try_listen(family, &at), err;
    rv_group server;

    if (listener < 0)
        return listener;
    rv_group_open(&server, RV_NEVER);
    rv_go(&server, echo_one, &listener);
    err = echo_client(&at);
    return finish_fd(listener, note(rv_group_close(&server, err)));
}

static int echo_tcp(void *unused)
{
    (void)unused;
    return echo(AF_INET);
}

static int echo_unix(void *unused)
{
    (void)unused;
    return echo(AF_UNIX);
}

/* ---- deadlines ---- */

struct late {
    int listener;
    bool over; /* the accept that is in vain */
};

static int accept_late(void *arg)
{
    struct late *late = arg;
    int fd = (int)WITHIN(WORK_MOMENT, rv_accept(late->listener, NULL, NULL));
    long err = note_unless(-ETIMEDOUT, fd);
    char byte = 0;

    if (err)
        return (int)err;
    late->over = true;
    fd = (int)note(WITHIN(LONG, rv_accept(late->listener, NULL, NULL)));
    if (fd < 0)
        return fd;
    err = note_unless(-ETIMEDOUT, WITHIN(WORK_MOMENT, rv_recv(fd, &byte, 1, 0)));
    if (err == 0)
        err = note_unless(1, rv_send(fd, "?", 1, 0));
    if (err == 0)
        err = note_unless(1, WITHIN(LONG, rv_recv(fd, &byte, 1, 0)));
    if (err == 0 && byte != '!')
        err = note(-EILSEQ);
    return finish_fd(fd, err);
}

/* Connects when the first accept is over, and speaks when it is spoken to. */
static int connect_late(const struct late *late, const struct address *at)
{
    int fd = (int)note(rv_socket(AF_INET, SOCK_STREAM, 0));
    long err = 0;
    char byte = 0;

    if (fd < 0)
        return fd;
    while (!late->over && err == 0)
        err = note(rv_sleep(WORK_MOMENT / 4));
    if (err == 0)
        err = note(WITHIN(LONG, rv_connect(fd, (const struct sockaddr *)&at->at, at->len)));
    if (err == 0)
        err = note_unless(POLLIN, WITHIN(LONG, rv_poll(fd, POLLIN)));
    if (err == 0)
        err = note_unless(1, rv_recv(fd, &byte, 1, 0));
    if (err == 0)
        err = note_unless(1, rv_send(fd, "!", 1, 0));
    return finish_fd(fd, err);
}

static int refused(const struct address *at)
{
    int fd = (int)note(rv_socket(AF_INET, SOCK_STREAM, 0));

    if (fd < 0)
        return fd;
    return finish_fd(
        fd, note_unless(-ECONNREFUSED, rv_connect(fd, (const struct sockaddr *)&at->at, at->len)));
}

static int deadlines(void *unused)
{
    struct address at;
    struct late late = {.listener = try_listen(AF_INET, &at)};
    rv_group g;
    int err;

    (void)unused;
    if (late.listener < 0)
        return late.listener;
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, accept_late, &late);
    err = connect_late(&late, &at);
    err = (int)note(rv_group_close(&g, err));
    err = finish_fd(late.listener, err);
    return err ? err : refused(&at);
}

/* ---- pipes ---- */

/* The end that a task has to close; -1: it has begun. */
static int send_and_close(void *arg)
{
    int fd = *(int *)arg;

    *(int *)arg = -1;
    return finish_fd(fd, send_stream(&fd));
}

static int pipes(void *unused)
{
    int p[2], err = (int)note(rv_pipe(p, 0));
    rv_group g;

    (void)unused;
    if (err)
        return err;
    (void)fcntl(p[0], F_SETPIPE_SZ, 4096);
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, send_and_close, &p[1]);
    err = receive_stream(p[0], true);
    err = (int)note(rv_group_close(&g, err));
    if (p[1] >= 0)
        err = finish_fd(p[1], err);
    return finish_fd(p[0], err);
}

/* ---- files ---- */

struct scroll {
    int fd;
    bool seen[RECORDS];
};

/* Two of these share the position: each record comes to one of them, and whole. */
static int read_records(void *arg)
{
    struct scroll *s = arg;
    char buf[RECORD];
    long n;

    while ((n = note(rv_read(s->fd, buf, sizeof buf))) > 0) {
        unsigned which = (unsigned char)buf[0];

        if (n != RECORD || buf[RECORD - 1] != buf[0] || which >= RECORDS || s->seen[which])
            return (int)note(-EILSEQ);
        s->seen[which] = true;
    }
    return (int)n;
}

static int write_records(int fd)
{
    char buf[RECORD];
    int err = 0;

    for (int i = 0; i < RECORDS && err == 0; i++) {
        memset(buf, i, sizeof buf);
        err = (int)note(rv_write_all(fd, buf, sizeof buf));
    }
    if (err) /* whoever failed has given the position back */
        CHECK(WITHIN(LONG / 4, rv_write(fd, buf, sizeof buf)) > 0);
    return err ? err : (int)note(rv_fsync(fd));
}

static int read_in_turns(const char *path)
{
    struct scroll s = {.fd = (int)note(rv_openat(AT_FDCWD, path, O_RDONLY, 0))};
    rv_group g;
    int err;

    if (s.fd < 0)
        return s.fd;
    (void)posix_fadvise(s.fd, 0, 0, POSIX_FADV_DONTNEED); /* so that the disk is asked */
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, read_records, &s);
    rv_go(&g, read_records, &s);
    err = (int)note(rv_group_close(&g, 0));
    for (int i = 0; i < RECORDS && err == 0; i++)
        err = s.seen[i] ? 0 : (int)note(-EPROTO);
    return finish_fd(s.fd, err);
}

static int overwrite(int fd)
{
    char buf[RECORDS * RECORD];
    long n = note(rv_pwrite(fd, "again", 5, RECORD));

    if (n > 0 && n < 5) /* which it may */
        n += note(rv_pwrite(fd, &"again"[n], (size_t)(5 - n), RECORD + n));
    if (n < 0)
        return (int)n;
    n = note_unless(0, rv_fdatasync(fd));
    if (n == 0)
        n = note_unless(sizeof buf, rv_pread(fd, buf, sizeof buf, 0));
    if (n == 0 && memcmp(buf + RECORD, "again\1", 6) != 0)
        n = note(-EILSEQ);
    return (int)n;
}

static int files(void *unused)
{
    char path[PATH_ROOM];
    int fd, err;

    (void)unused;
    new_path(path);
    fd = (int)note(rv_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_EXCL, 0600));
    if (fd < 0)
        return fd;
    err = write_records(fd);
    err = err ? err : read_in_turns(path);
    err = err ? err : overwrite(fd);
    MUST(unlink(path));
    return finish_fd(fd, err);
}

/* ---- closing what others wait for ---- */

static int wait_to_read(void *arg)
{
    char byte;

    return (int)note_unless(-EBADF, rv_recv(*(int *)arg, &byte, 1, 0));
}

static int wait_to_accept(void *arg)
{
    return (int)note_unless(-EBADF, rv_accept(*(int *)arg, NULL, NULL));
}

static int wait_to_poll(void *arg)
{
    return (int)note_unless(-EBADF, rv_poll(*(int *)arg, POLLIN));
}

static int close_under_them(int listener, int pair[2])
{
    rv_group g;
    int err;

    rv_group_open(&g, RV_NEVER);
    rv_go(&g, wait_to_read, &pair[0]);
    rv_go(&g, wait_to_poll, &pair[0]);
    rv_go(&g, wait_to_poll, &pair[1]);
    for (int i = 0; i < ACCEPTORS; i++)
        rv_go(&g, wait_to_accept, &listener);
    err = (int)note(rv_sleep(WORK_MOMENT));
    err = finish_fd(pair[0], err);
    err = finish_fd(pair[1], err);
    err = finish_fd(listener, err);
    return (int)note(rv_group_close(&g, err));
}

static int closing(void *unused)
{
    struct address at;
    int listener = try_listen(AF_INET, &at), pair[2], err;

    (void)unused;
    if (listener < 0)
        return listener;
    err = (int)note(rv_socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    return err ? finish_fd(listener, err) : close_under_them(listener, pair);
}

/* ---- trees of tasks ---- */

struct branch {
    int out;
    int depth;
};

/* Each leaf sends a byte; its forebears have others at the same time. */
static int branch(void *arg)
{
    struct branch *b = arg, below = {.out = b->out, .depth = b->depth - 1};
    rv_group g;

    if (b->depth == 0)
        return (int)note(rv_write_all(b->out, "x", 1));
    rv_group_open(&g, RV_NEVER);
    rv_group_limit(&g, BRANCHES - 1);
    if (b->depth == 1)
        rv_group_stack(&g, 32 * 1024);
    for (int i = 0; i < BRANCHES; i++)
        rv_go_copy(&g, branch, &below, sizeof below);
    return (int)note(rv_group_close(&g, (int)note(rv_sleep(RV_US))));
}

static int tree(void *unused)
{
    struct branch root = {.depth = 2};
    int p[2], err = (int)note(rv_pipe(p, 0));
    char leaves[BRANCHES * BRANCHES];
    rv_group g;

    (void)unused;
    if (err)
        return err;
    root.out = p[1];
    rv_group_open(&g, RV_NEVER);
    rv_go(&g, branch, &root);
    for (size_t got = 0; got < sizeof leaves && err >= 0; got += (size_t)err)
        if ((err = (int)note(rv_read_full(p[0], leaves, sizeof leaves - got))) == 0)
            err = (int)note(-EPROTO);
    err = (int)note(rv_group_close(&g, err < 0 ? err : 0));
    return finish_fd(p[0], finish_fd(p[1], err));
}

/* ---- which of them, where ---- */

/* Of one worker: it is the nth call that fails, and several would not make theirs in one order. */
static const struct sweep_on on_uring = {"uring", {.backend = "uring", .workers = 1}};
static const struct sweep_on on_small_ring = {
    "uring 8/8", {.backend = "uring", .ring_entries = 8, .cq_entries = 8, .workers = 1}};
static const struct sweep_on on_epoll = {"epoll", {.backend = "epoll", .workers = 1}};

#define SWEEP_EVERYWHERE(what, scenario, install, from_the_start)         \
    TEST(what##_on_uring)                                                 \
    {                                                                     \
        sweep_through(&on_uring, scenario, install, from_the_start);      \
    }                                                                     \
    TEST(what##_on_a_ring_of_eight)                                       \
    {                                                                     \
        sweep_through(&on_small_ring, scenario, install, from_the_start); \
    }                                                                     \
    TEST(what##_on_epoll)                                                 \
    {                                                                     \
        sweep_through(&on_epoll, scenario, install, from_the_start);      \
    }

#define SWEEP_EACH(what, install, from_the_start)                                           \
    SWEEP_EVERYWHERE(an_echo_over_tcp_##what, echo_tcp, install, from_the_start)            \
    SWEEP_EVERYWHERE(an_echo_over_a_unix_socket_##what, echo_unix, install, from_the_start) \
    SWEEP_EVERYWHERE(connecting_with_deadlines_##what, deadlines, install, from_the_start)  \
    SWEEP_EVERYWHERE(a_pipe_##what, pipes, install, from_the_start)                         \
    SWEEP_EVERYWHERE(a_file_##what, files, install, from_the_start)                         \
    SWEEP_EVERYWHERE(closing_under_those_who_wait_##what, closing, install, from_the_start) \
    SWEEP_EVERYWHERE(a_tree_of_tasks_##what, tree, install, from_the_start)

#endif
