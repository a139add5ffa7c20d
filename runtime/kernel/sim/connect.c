/* connect.c: how simulated connections come about.
 *
 * connect: the word travels to the listener; a connection is made there and waits in its backlog;
 * the answer travels back. No listener: refused, when that answer is back. A full backlog: the
 * word is lost and sent again, a second later, and twice that. Nobody there: it is given up.
 * Within one host of a calm world all of this is done before the call returns, as on a loopback.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sim/socket.h"

#define RETRY_NS 1000000000
enum { TRIES = 5, BACKLOG_MOST = 4096 };

/* ---- listening ---- */

int sim_listen(struct kernel *k, int fd, int backlog)
{
    struct sim *w = sim_of(k);
    struct sim_object *o;
    struct sim_socket *s;
    int err = sim_find_socket(w, fd, &o);

    if (err < 0)
        return err;
    s = sim_socket_of(o);
    if (s->type == SOCK_DGRAM)
        return -EOPNOTSUPP;
    if (s->state != SIM_NEW && s->state != SIM_LISTENING)
        return -EINVAL;
    if (s->domain == AF_UNIX && s->here.len == 0)
        return -EINVAL;
    err = sim_name_choose(w, s, NULL);
    if (err < 0)
        return err;
    s->state = SIM_LISTENING;
    s->waiting_max = backlog < 0 || backlog > BACKLOG_MOST ? BACKLOG_MOST : (unsigned)backlog;
    return 0;
}

static struct sim_socket *pop(struct sim_socket *listener)
{
    struct link *l = list_pop_front(&listener->backlog);
    struct sim_socket *s;

    if (l == NULL)
        return NULL;
    s = CONTAINER(l, struct sim_socket, on_backlog);
    listener->waiting--;
    return s;
}

/* A connection that nobody has accepted goes. */
static void refuse(struct sim *w, struct sim_socket *s)
{
    s->linger_resets = true;
    s->o.is_closed = true;
    s->o.class->closed(w, &s->o);
    sim_drop(w, &s->o);
}

void sim_listener_closed(struct sim *w, struct sim_socket *listener)
{
    struct sim_socket *s;

    while ((s = pop(listener)))
        refuse(w, s);
    sim_give_hope(w, listener);
}

long sim_accept(struct sim *w, struct sim_object *o, struct sockaddr *addr, socklen_t *len)
{
    struct sim_socket *listener = sim_socket_of(o), *s;
    int fd;

    if (listener->type == SOCK_DGRAM)
        return -EOPNOTSUPP;
    if (listener->state != SIM_LISTENING)
        return -EINVAL;
    if (list_empty(&listener->backlog))
        return -EAGAIN;
    if (w->open_count >= w->options.fds_max)
        return -EMFILE;
    if (sim_chance(w, RV_SIM_ERRORS)) {
        if (sim_below(w, 2))
            return -EMFILE;
        refuse(w, pop(listener));
        return -ECONNABORTED;
    }
    s = pop(listener);
    if (addr && len == NULL) { /* found out too late */
        refuse(w, s);
        return -EFAULT;
    }
    fd = sim_number(w, &s->o);
    if (addr)
        sim_name_write(&s->there, s->domain, addr, len);
    sim_give_hope(w, listener);
    if (!list_empty(&listener->backlog))
        sim_changed(w, o);
    return fd;
}

/* ---- connecting ---- */

static bool full(const struct sim_socket *listener)
{
    return listener->waiting > listener->waiting_max;
}

/* A new connection at the listener's end. */
static void admit(struct sim *w, struct sim_socket *listener, struct sim_socket *client)
{
    struct sim_socket *s;
    unsigned acting = w->acting;

    w->acting = listener->o.host + 1;
    s = sim_socket_new(w, listener->domain, listener->type, listener->protocol);
    w->acting = acting;
    memcpy(s->o.maker, listener->o.maker, sizeof s->o.maker);
    s->here = listener->here;
    if (s->domain != AF_UNIX)
        s->here = client->aim;
    s->state = SIM_CONNECTED;
    sim_join(w, s, client);
    listener->waiting++;
    list_push_back(&listener->backlog, &s->on_backlog);
    sim_changed(w, &listener->o);
}

/* The word on its way there, or the answer on its way back. */
struct call {
    struct sim_event event;
    struct sim_socket *client;
    int tries;
    int answer; /* errno; 0: connected */
};

static void answered(struct sim *w, struct sim_event *e)
{
    struct call *c = CONTAINER(e, struct call, event);
    struct sim_socket *s = c->client;

    if (!s->o.is_closed && s->state == SIM_CONNECTING) {
        s->state = c->answer ? SIM_NEW : SIM_CONNECTED;
        if (c->answer)
            s->error = c->answer;
        sim_changed(w, &s->o);
    }
    sim_drop(w, &s->o);
    free(c);
}

static void happens_at(struct sim *w, struct call *c, int64_t at,
                       void (*what)(struct sim *, struct sim_event *))
{
    c->event.happen = what;
    if (at <= w->now)
        what(w, &c->event);
    else
        sim_at(w, &c->event, at);
}

static void arrives(struct sim *w, struct sim_event *e);

static void send_word(struct sim *w, struct call *c)
{
    struct sim_socket *s = c->client;
    int64_t at = sim_travel(w, s->o.host, s->aim.host);

    if (at == CLOCK_NEVER || !w->hosts[s->aim.host].up || c->tries > TRIES) {
        c->answer = ETIMEDOUT;
        happens_at(w, c, w->now + sim_span(w, SIM_GIVE_UP_NS), answered);
        return;
    }
    happens_at(w, c, at, arrives);
}

static void sent_again(struct sim *w, struct sim_event *e)
{
    send_word(w, CONTAINER(e, struct call, event));
}

static void arrives(struct sim *w, struct sim_event *e)
{
    struct call *c = CONTAINER(e, struct call, event);
    struct sim_socket *s = c->client, *listener = sim_name_find(w, &s->aim, SOCK_STREAM);
    int64_t at;

    if (s->o.is_closed || !sim_alive(w, &s->o)) {
        sim_drop(w, &s->o);
        free(c);
        return;
    }
    if (listener && listener->state == SIM_LISTENING && full(listener)) {
        c->event.happen = sent_again;
        sim_at(w, &c->event, w->now + ((int64_t)RETRY_NS << c->tries++));
        return;
    }
    if (listener == NULL || listener->state != SIM_LISTENING || sim_chance(w, RV_SIM_RESETS))
        c->answer = ECONNREFUSED;
    else
        admit(w, listener, s);
    at = sim_travel(w, s->aim.host, s->o.host);
    happens_at(w, c, at == CLOCK_NEVER ? w->now + sim_span(w, SIM_GIVE_UP_NS) : at, answered);
}

static long connect_unix(struct sim *w, struct sim_socket *s)
{
    struct sim_socket *listener = sim_name_find(w, &s->aim, sim_name_type(&s->aim, s->type));

    if (listener == NULL) /* a path that is none, or a name that nobody has */
        return sim_is_path(&s->aim) ? -ENOENT : -ECONNREFUSED;
    if (listener->type != s->type)
        return -EPROTOTYPE;
    if (listener->state != SIM_LISTENING)
        return -ECONNREFUSED;
    if (full(listener)) {
        if (s->o.nonblocking)
            return -EAGAIN;
        s->state = SIM_HOPING;
        list_push_back(&listener->hopeful, &s->on_hopeful);
        return -EINPROGRESS;
    }
    admit(w, listener, s);
    s->state = SIM_CONNECTED;
    return 0;
}

static long progress(struct sim *w, struct sim_socket *s)
{
    if (s->state == SIM_HOPING) {
        s->state = SIM_NEW;
        return connect_unix(w, s);
    }
    if (s->state == SIM_CONNECTING)
        return -EINPROGRESS;
    if (s->error)
        return sim_take_error(s);
    return s->state == SIM_CONNECTED ? 0 : -ECONNABORTED;
}

void sim_connect_cancelled(struct sim_object *o)
{
    struct sim_socket *s = sim_socket_of(o);

    if (!o->is_socket || s->state != SIM_HOPING) /* what was sent to a network goes on */
        return;
    s->state = SIM_NEW;
    list_remove(&s->on_hopeful);
}

long sim_connect(struct sim *w, struct sim_object *o, const struct sockaddr *addr, socklen_t len,
                 bool again)
{
    struct sim_socket *s = sim_socket_of(o);
    struct call *c;
    int err;

    if (again)
        return progress(w, s);
    if (s->state == SIM_CONNECTED && s->type != SOCK_DGRAM)
        return -EISCONN;
    if (s->state == SIM_CONNECTING || s->state == SIM_HOPING)
        return -EALREADY;
    if (s->state == SIM_LISTENING || s->state == SIM_BROKEN)
        return s->domain == AF_UNIX ? -EINVAL : -EISCONN;
    err = sim_name_aim(w, s, addr, len, &s->aim);
    if (err < 0)
        return err == -EADDRNOTAVAIL ? -ENETUNREACH : err;
    if (s->type == SOCK_DGRAM)
        return sim_message_connect(w, s, &s->aim);
    if (s->domain == AF_UNIX)
        return connect_unix(w, s);
    err = sim_name_choose(w, s, &s->aim);
    if (err < 0)
        return err;
    s->state = SIM_CONNECTING;
    c = sim_alloc(sizeof *c);
    c->client = s;
    sim_hold(o);
    send_word(w, c);
    return progress(w, s);
}
