/* faulty_room.h: a room that stands on the worker's real one and has one call fail (faults.h).
 *
 * A call that never waits is answered without reaching the kernel, or reaches it shortened. An
 * operation is answered without reaching it, in the next step; or shortened; or, where the kernel
 * would have done it in any case (a close), done, and then said to have failed.
 *
 * What is said must be what a kernel could say at that point. -EAGAIN where there is data, and a
 * short read of TCP where there is more, mean that the data came just afterwards: then the watch
 * speaks once more, as it would. -EINTR is no answer of calls that never wait, in any room; what
 * the system calls beneath them may say is in faulty_calls.h.
 */
#ifndef FAULTY_ROOM_H
#define FAULTY_ROOM_H

#include "kernel/fds.h"
#include "sched/worker.h"
#include "tests/faults.h"

enum { FAULTY_WATCHES = 64 };

static struct kernel_room faulty, sound;

/* One fault a run, so one of each. */
static struct {
    struct kop *answered; /* that the kernel has never seen; NULL: none, or it is back */
    long answer;
    int answers_spoilt; /* of an operation that is under way: its result in place of the kernel's */
    void (*done)(struct kop *op);
    struct {
        struct kop *op;
        void (*done)(struct kop *op);
    } watch[FAULTY_WATCHES];
    int speak_fd; /* -1, or whose watch is to speak */
    short speak;
} faulty_now;

static void faulty_speak(int fd, short bits)
{
    faulty_now.speak_fd = fd;
    faulty_now.speak = bits;
}

static bool is_file(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_tcp(int fd)
{
    int protocol = 0;
    socklen_t len = sizeof protocol;

    return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 && protocol == IPPROTO_TCP;
}

/* ---- bytes ---- */

/* What a transfer says: false, this. True: it is real, with *len bytes. */
static bool faulty_transfer(const struct fault_way *f, int fd, short bits, size_t *len,
                            ssize_t *out)
{
    if (f == NULL || (f->error == 0 && *len < 2))
        return true;
    if (f->error == -EAGAIN || (f->error == 0 && bits == POLLIN && is_tcp(fd)))
        faulty_speak(fd, bits);
    *out = f->error;
    *len = f->error ? *len : *len / 2;
    return f->error == 0;
}

static ssize_t faulty_recv(struct kernel *k, int fd, void *buf, size_t len, int flags)
{
    static const struct fault_way ways[] = {
        {-EAGAIN, HIDDEN}, {0, HIDDEN}, {-ENOMEM, SAID}, {-ECONNRESET, SAID}};
    ssize_t n;

    return faulty_transfer(FAULT_NEXT("recv", ways), fd, POLLIN, &len, &n)
               ? sound.recv(k, fd, buf, len, flags)
               : n;
}

static ssize_t faulty_send(struct kernel *k, int fd, const void *buf, size_t len, int flags)
{
    static const struct fault_way ways[] = {
        {-EAGAIN, HIDDEN}, {0, HIDDEN}, {-ENOBUFS, SAID}, {-EPERM, SAID}};
    ssize_t n;

    return faulty_transfer(FAULT_NEXT("send", ways), fd, POLLOUT, &len, &n)
               ? sound.send(k, fd, buf, len, flags)
               : n;
}

static ssize_t faulty_read(struct kernel *k, int fd, void *buf, size_t len, off_t at)
{
    static const struct fault_way file[] = {
        {-EAGAIN, HIDDEN}, {-EOPNOTSUPP, HIDDEN}, {0, HIDDEN}, {-EIO, SAID}};
    static const struct fault_way other[] = {
        {-EAGAIN, HIDDEN}, {-EOPNOTSUPP, HIDDEN}, {0, HIDDEN}, {-ENOMEM, SAID}};
    ssize_t n;

    return faulty_transfer(is_file(fd) ? FAULT_NEXT("read", file) : FAULT_NEXT("read", other), fd,
                           POLLIN, &len, &n)
               ? sound.read(k, fd, buf, len, at)
               : n;
}

static ssize_t faulty_write(struct kernel *k, int fd, const void *buf, size_t len, off_t at)
{
    static const struct fault_way ways[] = {
        {-EAGAIN, HIDDEN}, {-EOPNOTSUPP, HIDDEN}, {0, HIDDEN}, {-ENOMEM, SAID}};
    ssize_t n;

    return faulty_transfer(FAULT_NEXT("write", ways), fd, POLLOUT, &len, &n)
               ? sound.write(k, fd, buf, len, at)
               : n;
}

/* ---- calls that do it or do not ---- */

#define FAULTY_CALL(name, parameters, arguments, ...)         \
    static int faulty_##name parameters                       \
    {                                                         \
        static const struct fault_way ways[] = {__VA_ARGS__}; \
        const struct fault_way *f = FAULT_NEXT(#name, ways);  \
                                                              \
        return f ? f->error : sound.name arguments;           \
    }

FAULTY_CALL(poll, (struct kernel * k, int fd, short events), (k, fd, events), {-ENOMEM, SAID})
FAULTY_CALL(identify, (struct kernel * k, int fd, struct fd_identity *out), (k, fd, out),
            {-ENOMEM, MAY}, {-EIO, MAY})
FAULTY_CALL(socket, (struct kernel * k, int domain, int type, int protocol),
            (k, domain, type, protocol), {-EMFILE, SAID}, {-ENOMEM, SAID}, {-EPERM, SAID})
FAULTY_CALL(socketpair, (struct kernel * k, int domain, int type, int protocol, int fds[2]),
            (k, domain, type, protocol, fds), {-EMFILE, SAID}, {-ENOMEM, SAID})
FAULTY_CALL(pipe, (struct kernel * k, int fds[2], int flags), (k, fds, flags), {-EMFILE, SAID},
            {-ENFILE, SAID})
FAULTY_CALL(bind, (struct kernel * k, int fd, const struct sockaddr *addr, socklen_t len),
            (k, fd, addr, len), {-EADDRINUSE, SAID}, {-EPERM, SAID}, {-ENOMEM, SAID})
FAULTY_CALL(listen, (struct kernel * k, int fd, int backlog), (k, fd, backlog), {-EADDRINUSE, SAID})
FAULTY_CALL(shutdown, (struct kernel * k, int fd, int how), (k, fd, how), {-ENOTCONN, SAID})
FAULTY_CALL(setsockopt,
            (struct kernel * k, int fd, int level, int name, const void *value, socklen_t len),
            (k, fd, level, name, value, len), {-ENOMEM, SAID}, {-EPERM, SAID})
FAULTY_CALL(getsockopt,
            (struct kernel * k, int fd, int level, int name, void *value, socklen_t *len),
            (k, fd, level, name, value, len), {-ENOMEM, SAID})
FAULTY_CALL(getsockname, (struct kernel * k, int fd, struct sockaddr *addr, socklen_t *len),
            (k, fd, addr, len), {-ENOBUFS, SAID})

/* ---- operations ---- */

static const struct fault_way *faulty_operation(const struct kop *op)
{
    static const struct fault_way read[] = {
        {-EINTR, HIDDEN}, {0, HIDDEN}, {-ENOMEM, SAID}, {-EIO, SAID}};
    static const struct fault_way write[] = {
        {-EINTR, HIDDEN}, {0, HIDDEN}, {-ENOMEM, SAID}, {-ENOSPC, SAID}};
    static const struct fault_way accept[] = {{-EINTR, HIDDEN},      {-EAGAIN, HIDDEN},
                                              {-EMFILE, SAID},       {-ENOBUFS, SAID},
                                              {-ECONNABORTED, SAID}, {-EPERM, SAID}};
    static const struct fault_way connect[] = {
        {-EINTR, HIDDEN}, {-ENOMEM, SAID}, {-EPERM, SAID}, {-EADDRNOTAVAIL, SAID}};
    static const struct fault_way open[] = {
        {-EINTR, HIDDEN}, {-EMFILE, SAID}, {-ENOMEM, SAID}, {-EPERM, SAID}};
    static const struct fault_way sync[] = {{-EINTR, HIDDEN}, {-ENOMEM, SAID}, {-EIO, SAID}};
    static const struct fault_way close[] = {{-EINTR, HIDDEN}, {-EIO, SAID}};
    static const struct fault_way watch[] = {{-ENOMEM, MAY}, {0, HIDDEN}};

    switch ((enum kop_code)op->code) {
    case KOP_READ:
        return FAULT_NEXT("a read", read);
    case KOP_WRITE:
        return FAULT_NEXT("a write", write);
    case KOP_ACCEPT:
        return FAULT_NEXT("an accept", accept);
    case KOP_CONNECT:
        return FAULT_NEXT("a connect", connect);
    case KOP_OPENAT:
        return FAULT_NEXT("an open", open);
    case KOP_FSYNC:
        return FAULT_NEXT("a sync", sync);
    case KOP_CLOSE:
        return FAULT_NEXT("a close", close);
    case KOP_WATCH:
        break;
    }
    return FAULT_NEXT("a watch", watch);
}

static void faulty_answer(struct kernel *k, struct kop *op, long answer)
{
    k->under_way += op->code != KOP_WATCH;
    op->state = KOP_GIVEN;
    faulty_now.answered = op;
    faulty_now.answer = answer;
}

/* The kernel has done it, and says something else. */
static void faulty_done(struct kop *op)
{
    op->result = faulty_now.answers_spoilt;
    op->done = faulty_now.done;
    op->done(op);
}

static void faulty_watch_done(struct kop *op)
{
    int i = 0;

    while (faulty_now.watch[i].op != op)
        i++;
    faulty_now.watch[i].op = NULL;
    op->done = faulty_now.watch[i].done;
    op->done(op);
}

static void faulty_remember(struct kop *op)
{
    int i = 0;

    while (faulty_now.watch[i].op)
        if (++i == FAULTY_WATCHES)
            abort();
    faulty_now.watch[i].op = op;
    faulty_now.watch[i].done = op->done;
    op->done = faulty_watch_done;
}

/* True: it has its answer. A watch that ends by itself does so with an event. */
static bool faulty_refuse(struct kernel *k, struct kop *op, const struct fault_way *f)
{
    if (f->error) {
        faulty_answer(k, op, f->error);
        if (f->error == -EAGAIN)
            faulty_speak(op->fd, POLLIN);
        return true;
    }
    if (op->code == KOP_WATCH) {
        int bits = sound.poll(k, op->fd, (short)op->flags);

        if (bits > 0)
            faulty_answer(k, op, bits);
        return bits > 0;
    }
    op->len = op->len > 1 ? op->len / 2 : op->len;
    return false;
}

static void faulty_submit(struct kernel *k, struct kop *op)
{
    const struct fault_way *f = faulty_operation(op);

    if (f && op->code == KOP_CLOSE) {
        faulty_now.answers_spoilt = f->error;
        faulty_now.done = op->done;
        op->done = faulty_done;
    } else if (f && faulty_refuse(k, op, f)) {
        return;
    }
    if (op->code == KOP_WATCH)
        faulty_remember(op);
    sound.submit(k, op);
}

static void faulty_cancel(struct kernel *k, struct kop *op)
{
    if (op != faulty_now.answered) /* whose answer is on its way */
        sound.cancel(k, op);
}

static void faulty_step(struct kernel *k, int64_t until)
{
    struct kop *op = faulty_now.answered;
    int fd = faulty_now.speak_fd;

    sound.step(k, op || fd >= 0 ? 0 : until);
    if (op) {
        faulty_now.answered = NULL;
        k->under_way -= op->code != KOP_WATCH;
        op->state = KOP_IDLE;
        op->result = faulty_now.answer;
        op->done(op);
    }
    if (fd >= 0)
        faulty_now.speak_fd = -1;
    for (int i = 0; fd >= 0 && i < FAULTY_WATCHES; i++)
        if (faulty_now.watch[i].op && faulty_now.watch[i].op->fd == fd)
            faulty_now.watch[i].op->event(faulty_now.watch[i].op, faulty_now.speak);
}

/* In the first task. */
static void faulty_room(void)
{
    struct kernel *k = worker_self->kernel;

    memset(&faulty_now, 0, sizeof faulty_now);
    faulty_now.speak_fd = -1;
    faulty = sound = *k->room;
    faulty.submit = faulty_submit;
    faulty.cancel = faulty_cancel;
    faulty.step = faulty_step;
    faulty.recv = faulty_recv;
    faulty.send = faulty_send;
    faulty.read = faulty_read;
    faulty.write = faulty_write;
    faulty.poll = faulty_poll;
    faulty.identify = faulty_identify;
    faulty.socket = faulty_socket;
    faulty.socketpair = faulty_socketpair;
    faulty.pipe = faulty_pipe;
    faulty.bind = faulty_bind;
    faulty.listen = faulty_listen;
    faulty.shutdown = faulty_shutdown;
    faulty.setsockopt = faulty_setsockopt;
    faulty.getsockopt = faulty_getsockopt;
    faulty.getsockname = faulty_getsockname;
    k->room = &faulty;
    fault.on = true;
}

#endif
