/* socket.c: simulated sockets: made, set up, joined, broken and closed; and the class of those
 * that carry a stream. socket.h has the states.
 */
#include "kernel/sim/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* ---- streams ---- */

int sim_take_error(struct sim_socket *s)
{
    int error = s->error;

    s->error = 0;
    return -error;
}

static short stream_ready(struct sim *w, struct sim_object *o)
{
    struct sim_socket *s = sim_socket_of(o);
    bool no_more;
    int bits = 0;

    (void)w;
    if (s->state == SIM_LISTENING)
        return list_empty(&s->backlog) ? 0 : POLLIN | POLLRDNORM;
    if (s->error)
        bits |= POLLERR;
    if (s->state == SIM_BROKEN)
        return (short)(bits | POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
    if (s->state != SIM_CONNECTED)
        return s->state == SIM_NEW ? (short)(bits | POLLOUT | POLLHUP) : 0;
    no_more = s->no_read || sim_flow_ended(s->in);
    if (no_more)
        bits |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (sim_flow_unread(s->in))
        bits |= POLLIN | POLLRDNORM;
    if (s->no_write || sim_flow_has_room(s->out))
        bits |= POLLOUT | POLLWRNORM;
    if (no_more && (s->no_write || (s->domain == AF_UNIX && s->peer == NULL)))
        bits |= POLLHUP;
    return (short)bits;
}

static ssize_t stream_take(struct sim *w, struct sim_object *o, void *buf, size_t len, int flags)
{
    struct sim_socket *s = sim_socket_of(o);
    size_t n = 0;

    if (flags & MSG_ERRQUEUE)
        return -EAGAIN;
    if (flags & MSG_OOB)
        return -EINVAL;
    if (s->in)
        n = sim_flow_take(w, s->in, buf, len, flags & MSG_PEEK);
    if (n)
        return (ssize_t)n;
    if (s->error)
        return sim_take_error(s);
    if (s->state == SIM_NEW || s->state == SIM_LISTENING)
        return s->domain == AF_UNIX ? -EINVAL : -ENOTCONN;
    if (s->state == SIM_BROKEN ||
        (s->state == SIM_CONNECTED && (s->no_read || sim_flow_ended(s->in))))
        return 0;
    return -EAGAIN;
}

/* Somebody who is no longer there was written to: a network says so a round trip later. */
static ssize_t put_to_nobody(struct sim *w, struct sim_socket *s, size_t len)
{
    unsigned there = s->there.host;
    int64_t at;

    if (s->domain == AF_UNIX)
        return -EPIPE;
    w->stats.bytes_sent += len;
    w->stats.bytes_lost += len;
    at = sim_travel(w, s->o.host, there);
    at = at == CLOCK_NEVER ? at : sim_travel(w, there, s->o.host) + at - w->now;
    sim_break_later(w, s, sim_flow_ended(s->in) ? EPIPE : ECONNRESET, at);
    return (ssize_t)len;
}

static ssize_t stream_put(struct sim *w, struct sim_object *o, const void *buf, size_t len,
                          int flags)
{
    struct sim_socket *s = sim_socket_of(o);
    const struct sim_object *reader;

    if (s->error)
        return sim_take_error(s);
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (s->state == SIM_CONNECTING || s->state == SIM_HOPING)
        return -EAGAIN;
    if (s->state != SIM_CONNECTED)
        return s->domain == AF_UNIX && s->state != SIM_BROKEN ? -ENOTCONN : -EPIPE;
    if (s->no_write)
        return -EPIPE;
    reader = sim_flow_reader(s->out);
    if (reader == NULL || !sim_alive(w, reader))
        return put_to_nobody(w, s, len);
    if (s->domain == AF_UNIX && s->peer && s->peer->no_read)
        return -EPIPE;
    if (s->domain != AF_UNIX && sim_chance(w, RV_SIM_RESETS)) {
        if (s->peer)
            sim_break_later(w, s->peer, ECONNRESET, sim_travel(w, s->o.host, s->there.host));
        sim_break(w, s, ECONNRESET);
        return sim_take_error(s);
    }
    if (!sim_reachable(w, s->o.host, s->there.host))
        sim_break_later(w, s, ETIMEDOUT, CLOCK_NEVER);
    return sim_flow_put(w, s->out, buf, len, 1);
}

static void stream_hang_up(struct sim *w, struct sim_socket *s)
{
    struct sim_socket *peer = s->peer;
    bool reset = s->state != SIM_CONNECTED || s->linger_resets || sim_flow_unread(s->in) ||
                 !sim_alive(w, &s->o) || !sim_reachable(w, s->o.host, s->there.host);

    if (peer) {
        s->peer = peer->peer = NULL;
        if (reset)
            sim_break_later(w, peer, ECONNRESET, sim_travel(w, s->o.host, peer->o.host));
    }
    if (s->in == NULL)
        return;
    if (!reset)
        sim_flow_end(w, s->out);
    sim_flow_set_reader(w, s->in, NULL);
    sim_flow_set_writer(w, s->out, NULL);
    s->in = s->out = NULL;
}

static void stream_closed(struct sim *w, struct sim_object *o)
{
    struct sim_socket *s = sim_socket_of(o);

    list_remove(&s->on_names);
    list_remove(&s->on_hopeful);
    if (s->state == SIM_LISTENING)
        sim_listener_closed(w, s);
    else
        stream_hang_up(w, s);
    s->state = SIM_BROKEN;
}

static void stream_free(struct sim *w, struct sim_object *o)
{
    (void)w;
    free(sim_socket_of(o));
}

#define STREAM_CLASS(text, what)                                                                   \
    {                                                                                              \
        .name = text, .kind = what, .ready = stream_ready, .take = stream_take, .put = stream_put, \
        .closed = stream_closed, .free = stream_free,                                              \
    }

static const struct sim_class tcp_class = STREAM_CLASS("connection", FD_TCP);
static const struct sim_class unix_class = STREAM_CLASS("Unix connection", FD_STREAM);

/* ---- joined and broken ---- */

static size_t room_of(const struct sim_socket *s)
{
    int room = sim_option(s, SOL_SOCKET, SO_SNDBUF, SIM_BUFFER);

    return room < 4096 ? 4096 : (size_t)room;
}

void sim_join(struct sim *w, struct sim_socket *a, struct sim_socket *b)
{
    bool delayed = a->domain != AF_UNIX;

    a->peer = b;
    b->peer = a;
    a->there = b->here;
    b->there = a->here;
    a->there.host = b->o.host;
    b->there.host = a->o.host;
    if (sim_keeps_messages(a))
        return;
    a->out = b->in = sim_flow_new(w, room_of(a), a->o.host, b->o.host, delayed);
    b->out = a->in = sim_flow_new(w, room_of(b), b->o.host, a->o.host, delayed);
    sim_flow_set_writer(w, a->out, &a->o);
    sim_flow_set_reader(w, a->out, &b->o);
    sim_flow_set_writer(w, b->out, &b->o);
    sim_flow_set_reader(w, b->out, &a->o);
}

void sim_break(struct sim *w, struct sim_socket *s, int error)
{
    if (s->state == SIM_BROKEN || s->o.is_closed)
        return;
    sim_tell(w, "broken", (int64_t)s->o.inode, error);
    s->state = SIM_BROKEN;
    s->error = error;
    if (s->peer) {
        if (error == ETIMEDOUT) /* which finds out as well, by and by */
            sim_break_later(w, s->peer, error, CLOCK_NEVER);
        s->peer = s->peer->peer = NULL;
    }
    if (s->in)
        sim_flow_lose(w, s->in);
    if (s->out)
        sim_flow_lose(w, s->out);
    sim_changed(w, &s->o);
}

struct breaking {
    struct sim_event event;
    struct sim_socket *socket;
    int error;
};

static void breaks(struct sim *w, struct sim_event *e)
{
    struct breaking *b = CONTAINER(e, struct breaking, event);

    sim_break(w, b->socket, b->error);
    sim_drop(w, &b->socket->o);
    free(b);
}

void sim_break_later(struct sim *w, struct sim_socket *s, int error, int64_t at)
{
    struct breaking *b;

    if (at == CLOCK_NEVER) {
        at = w->now + sim_span(w, SIM_GIVE_UP_NS);
        error = ETIMEDOUT;
    }
    if (at <= w->now) {
        sim_break(w, s, error);
        return;
    }
    b = sim_alloc(sizeof *b);
    *b = (struct breaking){.event.happen = breaks, .socket = s, .error = error};
    sim_hold(&s->o);
    sim_at(w, &b->event, at);
}

void sim_give_hope(struct sim *w, struct sim_socket *s)
{
    struct link *l;

    while ((l = list_pop_front(&s->hopeful)))
        sim_changed(w, &CONTAINER(l, struct sim_socket, on_hopeful)->o);
}

/* ---- made ---- */

struct sim_socket *sim_socket_new(struct sim *w, int domain, int type, int protocol)
{
    struct sim_socket *s = sim_alloc(sizeof *s);

    sim_object_init(w, &s->o,
                    type != SOCK_STREAM ? &sim_message_class
                    : domain == AF_UNIX ? &unix_class
                                        : &tcp_class);
    s->o.is_socket = true;
    s->domain = domain;
    s->type = type;
    s->protocol = protocol              ? protocol
                  : domain == AF_UNIX   ? 0
                  : type == SOCK_STREAM ? IPPROTO_TCP
                                        : IPPROTO_UDP;
    list_init(&s->on_names);
    list_init(&s->backlog);
    list_init(&s->on_backlog);
    list_init(&s->hopeful);
    list_init(&s->on_hopeful);
    list_init(&s->messages);
    return s;
}

static int check_kind(int domain, int type, int protocol)
{
    type &= ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6)
        return -EAFNOSUPPORT;
    if (type < 0 || type > SOCK_PACKET)
        return -EINVAL;
    if (type != SOCK_STREAM && type != SOCK_DGRAM && !(type == SOCK_SEQPACKET && domain == AF_UNIX))
        return -ESOCKTNOSUPPORT;
    if (protocol &&
        (domain == AF_UNIX || protocol != (type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP)))
        return -EPROTONOSUPPORT;
    return 0;
}

/* A number for it, or the object goes again. */
static int numbered(struct sim *w, struct sim_object *o)
{
    int fd = sim_number(w, o);

    if (fd < 0) {
        o->is_closed = true;
        o->class->closed(w, o);
        sim_drop(w, o);
    }
    return fd;
}

int sim_socket(struct kernel *k, int domain, int type, int protocol)
{
    struct sim *w = sim_of(k);
    int err = check_kind(domain, type, protocol);
    struct sim_socket *s;

    if (err < 0)
        return err;
    if (sim_chance(w, RV_SIM_ERRORS))
        return sim_below(w, 2) ? -EMFILE : -ENOBUFS;
    s = sim_socket_new(w, domain, type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK), protocol);
    s->o.nonblocking = type & SOCK_NONBLOCK;
    return numbered(w, &s->o);
}

int sim_number_both(struct sim *w, struct sim_object *a, struct sim_object *b, int fds[2])
{
    fds[0] = numbered(w, a);
    fds[1] = numbered(w, b);
    if (fds[0] >= 0 && fds[1] >= 0)
        return 0;
    if (fds[0] >= 0)
        sim_close_number(w, fds[0]);
    if (fds[1] >= 0)
        sim_close_number(w, fds[1]);
    return -EMFILE;
}

int sim_socketpair(struct kernel *k, int domain, int type, int protocol, int fds[2])
{
    struct sim *w = sim_of(k);
    int err = check_kind(domain, type, protocol), plain = type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct sim_socket *a, *b;

    if (err < 0)
        return err;
    if (domain != AF_UNIX)
        return -EOPNOTSUPP;
    if (sim_chance(w, RV_SIM_ERRORS))
        return -EMFILE;
    a = sim_socket_new(w, domain, plain, 0);
    b = sim_socket_new(w, domain, plain, 0);
    a->o.nonblocking = b->o.nonblocking = type & SOCK_NONBLOCK;
    a->state = b->state = SIM_CONNECTED;
    sim_join(w, a, b);
    return sim_number_both(w, &a->o, &b->o, fds);
}

/* ---- set up ---- */

int sim_bind(struct kernel *k, int fd, const struct sockaddr *addr, socklen_t len)
{
    struct sim *w = sim_of(k);
    struct sim_object *o;
    struct sim_name name;
    int err = sim_find_socket(w, fd, &o);

    if (err == 0)
        err = sim_name_read(w, sim_socket_of(o), addr, len, &name);
    if (err == 0 && name.host != o->host)
        err = -EADDRNOTAVAIL;
    return err < 0 ? err : sim_name_bind(w, sim_socket_of(o), &name);
}

/* Both ends have said that there is no more. */
static bool is_over(const struct sim_socket *s)
{
    return s->no_write && s->in && sim_flow_ended(s->in);
}

int sim_shutdown(struct kernel *k, int fd, int how)
{
    struct sim *w = sim_of(k);
    struct sim_object *o;
    struct sim_socket *s;
    int err = sim_find_socket(w, fd, &o);

    if (err < 0)
        return err;
    s = sim_socket_of(o);
    if (how != SHUT_RD && how != SHUT_WR && how != SHUT_RDWR)
        return -EINVAL;
    if (s->state == SIM_LISTENING && how != SHUT_WR) {
        s->state = SIM_NEW; /* who waits in accept() hears of it */
        sim_listener_closed(w, s);
        list_remove(&s->on_names);
        sim_changed(w, o);
        return 0;
    }
    if (s->domain != AF_UNIX && (s->state != SIM_CONNECTED || is_over(s)))
        return -ENOTCONN;
    s->no_read |= how != SHUT_WR;
    if (how != SHUT_RD && !s->no_write) {
        s->no_write = true;
        if (s->out)
            sim_flow_end(w, s->out);
        if (s->domain != AF_UNIX && !sim_reachable(w, o->host, s->there.host))
            sim_break_later(w, s, ETIMEDOUT, CLOCK_NEVER);
    }
    sim_changed(w, o);
    if (s->peer && s->domain == AF_UNIX && s->type != SOCK_DGRAM) { /* one's end is the other's */
        s->peer->no_read |= how != SHUT_RD;
        s->peer->no_write |= how != SHUT_WR;
    }
    if (s->peer)
        sim_changed(w, &s->peer->o);
    return 0;
}

int sim_getsockname(struct kernel *k, int fd, struct sockaddr *addr, socklen_t *len)
{
    struct sim_object *o;
    int err = sim_find_socket(sim_of(k), fd, &o);

    if (err < 0)
        return err;
    if (addr == NULL || len == NULL)
        return -EFAULT;
    sim_name_write(&sim_socket_of(o)->here, sim_socket_of(o)->domain, addr, len);
    return 0;
}

int sim_getpeername(struct kernel *k, int fd, struct sockaddr *addr, socklen_t *len)
{
    struct sim_object *o;
    struct sim_socket *s;
    int err = sim_find_socket(sim_of(k), fd, &o);

    if (err < 0)
        return err;
    s = sim_socket_of(o);
    if (s->state != SIM_CONNECTED)
        return -ENOTCONN;
    if (addr == NULL || len == NULL)
        return -EFAULT;
    sim_name_write(&s->there, s->domain, addr, len);
    return 0;
}
