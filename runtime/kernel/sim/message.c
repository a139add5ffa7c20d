/* message.c: simulated sockets that keep messages apart: datagrams, and Unix SOCK_SEQPACKET.
 *
 * A message goes to the receiver's own queue, whole or not at all; what a read has no room for is
 * lost. Internet datagrams are on their way for a while, may be lost, overtake each other, and are
 * dropped where the queue is full; Unix ones are there at once, and the sender waits.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sim/socket.h"

enum { MESSAGE_MOST = 65507, QUEUE_MOST = 11, QUEUE_BYTES = SIM_BUFFER };

struct message {
    struct sim_event event;
    struct link link;
    struct sim_name to;
    struct sim_socket *from; /* held while it travels */
    int type;
    size_t len;
    char bytes[];
};

static bool connected_both_ways(const struct sim_socket *s)
{
    return s->type == SOCK_SEQPACKET;
}

static bool full(const struct sim_socket *s)
{
    return s->messages_count >= QUEUE_MOST || s->messages_bytes >= QUEUE_BYTES;
}

static short message_ready(struct sim *w, struct sim_object *o)
{
    struct sim_socket *s = sim_socket_of(o);
    bool gone = connected_both_ways(s) && s->state == SIM_CONNECTED && s->peer == NULL;
    int bits = 0;

    (void)w;
    if (s->state == SIM_LISTENING)
        return list_empty(&s->backlog) ? 0 : POLLIN | POLLRDNORM;
    if (s->error)
        bits |= POLLERR;
    if (connected_both_ways(s) && (s->state == SIM_NEW || s->state == SIM_BROKEN))
        return (short)(bits | POLLOUT | POLLHUP);
    if (!list_empty(&s->messages) || s->no_read || gone)
        bits |= POLLIN | POLLRDNORM;
    if (s->no_read || gone)
        bits |= POLLRDHUP;
    if (gone || (s->no_read && s->no_write))
        bits |= POLLHUP;
    if (s->domain == AF_UNIX && s->peer && full(s->peer) && !gone)
        list_push_back(&s->peer->hopeful, (list_remove(&s->on_hopeful), &s->on_hopeful));
    else
        bits |= POLLOUT | POLLWRNORM;
    return (short)bits;
}

static ssize_t message_take(struct sim *w, struct sim_object *o, void *buf, size_t len, int flags)
{
    struct sim_socket *s = sim_socket_of(o);
    struct message *m;
    ssize_t n;

    if (s->error)
        return sim_take_error(s);
    if (flags & MSG_ERRQUEUE)
        return -EAGAIN;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (list_empty(&s->messages)) {
        if (connected_both_ways(s) && s->state != SIM_CONNECTED)
            return -ENOTCONN;
        /* datagrams: the end is for who may wait, and poll(2) has to tell of it */
        return connected_both_ways(s) && (s->no_read || s->peer == NULL) ? 0 : -EAGAIN;
    }
    m = CONTAINER(s->messages.next, struct message, link);
    n = (ssize_t)(len < m->len ? len : m->len);
    if (n)
        memcpy(buf, m->bytes, (size_t)n);
    if (flags & MSG_TRUNC)
        n = (ssize_t)m->len;
    if (flags & MSG_PEEK)
        return n;
    w->stats.bytes_received += len < m->len ? len : m->len;
    w->stats.bytes_lost += len < m->len ? m->len - len : 0;
    s->messages_bytes -= m->len;
    s->messages_count--;
    list_remove(&m->link);
    free(m);
    sim_give_hope(w, s);
    return n;
}

/* ---- sending ---- */

static void lose(struct sim *w, struct message *m)
{
    w->stats.bytes_lost += m->len;
    free(m);
}

static void enqueue(struct sim *w, struct sim_socket *to, struct message *m)
{
    list_push_back(&to->messages, &m->link);
    to->messages_count++;
    to->messages_bytes += m->len;
    sim_changed(w, &to->o);
}

static void refused(struct sim *w, struct sim_socket *from)
{
    if (from->o.is_closed)
        return;
    from->error = ECONNREFUSED;
    sim_changed(w, &from->o);
}

static void arrives(struct sim *w, struct sim_event *e)
{
    struct message *m = CONTAINER(e, struct message, event);
    struct sim_socket *from = m->from, *to = sim_name_find(w, &m->to, m->type);

    if (to && to->state == SIM_CONNECTED && !sim_name_same(&to->there, &from->here))
        to = NULL; /* it hears its peer alone */
    if (to == NULL)
        refused(w, from);
    if (to == NULL || to->messages_bytes + m->len > QUEUE_BYTES || to->no_read)
        lose(w, m);
    else
        enqueue(w, to, m);
    sim_drop(w, &from->o);
}

static ssize_t put_in_net(struct sim *w, struct sim_socket *s, struct message *m)
{
    ssize_t len = (ssize_t)m->len;
    int64_t at = sim_travel(w, s->o.host, s->there.host);

    m->to = s->there;
    m->type = s->type;
    if (at == CLOCK_NEVER || sim_chance(w, RV_SIM_LOSS)) {
        lose(w, m);
        return len;
    }
    if (s->last_arrival > w->now && at <= s->last_arrival && !sim_has(w, RV_SIM_LOSS))
        at = s->last_arrival + 1; /* no overtaking */
    s->last_arrival = at;
    m->from = s;
    sim_hold(&s->o);
    m->event.happen = arrives;
    if (at <= w->now)
        arrives(w, &m->event);
    else
        sim_at(w, &m->event, at);
    return len;
}

static int may_send(struct sim_socket *s, size_t len, int flags)
{
    if (s->error)
        return sim_take_error(s);
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (s->no_write)
        return -EPIPE;
    if (s->state != SIM_CONNECTED)
        return s->domain == AF_UNIX ? -ENOTCONN : -EDESTADDRREQ;
    if (len > (s->domain == AF_UNIX ? (size_t)QUEUE_BYTES : (size_t)MESSAGE_MOST))
        return -EMSGSIZE;
    if (s->domain == AF_UNIX && s->peer == NULL)
        return connected_both_ways(s) ? -EPIPE : -ECONNREFUSED;
    if (s->domain == AF_UNIX && s->peer->no_read)
        return -EPIPE;
    return 0;
}

static ssize_t message_put(struct sim *w, struct sim_object *o, const void *buf, size_t len,
                           int flags)
{
    struct sim_socket *s = sim_socket_of(o);
    int err = may_send(s, len, flags);
    struct message *m;

    if (err < 0)
        return err;
    if (s->domain == AF_UNIX && full(s->peer)) {
        list_remove(&s->on_hopeful);
        list_push_back(&s->peer->hopeful, &s->on_hopeful);
        return -EAGAIN;
    }
    m = sim_alloc(sizeof *m + len);
    list_init(&m->link);
    m->len = len;
    if (len)
        memcpy(m->bytes, buf, len);
    w->stats.bytes_sent += len;
    if (s->domain != AF_UNIX)
        return put_in_net(w, s, m);
    enqueue(w, s->peer, m);
    return (ssize_t)len;
}

/* ---- connected and closed ---- */

long sim_message_connect(struct sim *w, struct sim_socket *s, const struct sim_name *to)
{
    int err = sim_name_choose(w, s, to);

    if (err < 0)
        return err;
    if (s->domain == AF_UNIX) {
        struct sim_socket *peer = sim_name_find(w, to, sim_name_type(to, s->type));

        if (peer == NULL)
            return sim_is_path(to) ? -ENOENT : -ECONNREFUSED;
        if (peer->type != s->type)
            return -EPROTOTYPE;
        s->peer = peer;
    }
    s->there = *to;
    s->state = SIM_CONNECTED;
    sim_changed(w, &s->o);
    return 0;
}

static void forget_peer(struct sim *w, struct sim_socket *gone)
{
    for (struct link *l = w->objects.next; l != &w->objects; l = l->next) {
        struct sim_object *o = CONTAINER(l, struct sim_object, all);

        if (o->is_socket && sim_socket_of(o)->peer == gone) {
            sim_socket_of(o)->peer = NULL;
            sim_changed(w, o);
        }
    }
}

static void message_closed(struct sim *w, struct sim_object *o)
{
    struct sim_socket *s = sim_socket_of(o);
    struct link *l;

    if (s->state == SIM_LISTENING)
        sim_listener_closed(w, s);
    sim_give_hope(w, s);
    list_remove(&s->on_names);
    list_remove(&s->on_hopeful);
    if (connected_both_ways(s) && s->peer && !list_empty(&s->messages))
        s->peer->error = ECONNRESET; /* who left it unread */
    while ((l = list_pop_front(&s->messages)))
        lose(w, CONTAINER(l, struct message, link));
    if (s->domain == AF_UNIX)
        forget_peer(w, s);
    s->peer = NULL;
    s->state = SIM_BROKEN;
}

static void message_free(struct sim *w, struct sim_object *o)
{
    (void)w;
    free(sim_socket_of(o));
}

const struct sim_class sim_message_class = {
    .name = "socket of messages",
    .kind = FD_SOCKET,
    .ready = message_ready,
    .take = message_take,
    .put = message_put,
    .closed = message_closed,
    .free = message_free,
};
