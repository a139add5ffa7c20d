/* pipe.c: simulated pipes: a flow whose ends are objects of their own.
 *
 * As in pipe(7): what fits into PIPE_BUF is written whole or not at all; no reader: -EPIPE; no
 * writer: the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "kernel/sim/sim.h"

enum { PIPE_ROOM = 65536 };

struct end {
    struct sim_object o;
    struct sim_flow *flow;
    struct end *other; /* NULL: closed */
};

static struct end *end_of(struct sim_object *o)
{
    return CONTAINER(o, struct end, o);
}

static void end_free(struct sim *w, struct sim_object *o)
{
    (void)w;
    free(end_of(o));
}

static ssize_t no_take(struct sim *w, struct sim_object *o, void *buf, size_t len, int flags)
{
    (void)w;
    (void)o;
    (void)buf;
    (void)len;
    (void)flags;
    return -EBADF;
}

static ssize_t no_put(struct sim *w, struct sim_object *o, const void *buf, size_t len, int flags)
{
    return no_take(w, o, (void *)buf, len, flags);
}

/* ---- the end that reads ---- */

static short read_ready(struct sim *w, struct sim_object *o)
{
    struct end *e = end_of(o);

    (void)w;
    return (short)((sim_flow_unread(e->flow) ? POLLIN | POLLRDNORM : 0) | (e->other ? 0 : POLLHUP));
}

static ssize_t read_take(struct sim *w, struct sim_object *o, void *buf, size_t len, int flags)
{
    struct end *e = end_of(o);
    size_t n = sim_flow_take(w, e->flow, buf, len, false);

    (void)flags;
    return n || len == 0 || e->other == NULL ? (ssize_t)n : -EAGAIN;
}

static void leave(struct sim *w, struct end *e)
{
    if (e->other) {
        e->other->other = NULL;
        sim_changed(w, &e->other->o);
    }
    e->other = NULL;
}

static void read_closed(struct sim *w, struct sim_object *o)
{
    leave(w, end_of(o));
    sim_flow_set_reader(w, end_of(o)->flow, NULL);
}

static const struct sim_class read_class = {
    .name = "pipe, to read",
    .kind = FD_PIPE,
    .ready = read_ready,
    .take = read_take,
    .put = no_put,
    .closed = read_closed,
    .free = end_free,
};

/* ---- the end that writes ---- */

static short write_ready(struct sim *w, struct sim_object *o)
{
    struct end *e = end_of(o);

    (void)w;
    if (e->other == NULL)
        return POLLOUT | POLLERR;
    return sim_flow_has_room(e->flow) ? POLLOUT | POLLWRNORM : 0;
}

static ssize_t write_put(struct sim *w, struct sim_object *o, const void *buf, size_t len,
                         int flags)
{
    struct end *e = end_of(o);

    (void)flags;
    if (e->other == NULL)
        return len ? -EPIPE : 0;
    return sim_flow_put(w, e->flow, buf, len, len <= PIPE_BUF ? len : 1);
}

static void write_closed(struct sim *w, struct sim_object *o)
{
    leave(w, end_of(o));
    sim_flow_set_writer(w, end_of(o)->flow, NULL);
}

static const struct sim_class write_class = {
    .name = "pipe, to write",
    .kind = FD_PIPE,
    .ready = write_ready,
    .take = no_take,
    .put = write_put,
    .closed = write_closed,
    .free = end_free,
};

static struct end *new_end(struct sim *w, const struct sim_class *class, struct sim_flow *flow,
                           int flags)
{
    struct end *e = sim_alloc(sizeof *e);

    sim_object_init(w, &e->o, class);
    e->flow = flow;
    e->o.nonblocking = flags & O_NONBLOCK;
    return e;
}

int sim_pipe(struct kernel *k, int fds[2], int flags)
{
    struct sim *w = sim_of(k);
    unsigned here = sim_here(w);
    struct sim_flow *flow;
    struct end *r, *wr;

    if (flags & ~(O_NONBLOCK | O_CLOEXEC | O_DIRECT))
        return -EINVAL;
    if (sim_chance(w, RV_SIM_ERRORS))
        return -EMFILE;
    flow = sim_flow_new(w, PIPE_ROOM, here, here, false);
    r = new_end(w, &read_class, flow, flags);
    wr = new_end(w, &write_class, flow, flags);
    r->other = wr;
    wr->other = r;
    sim_flow_set_reader(w, flow, &r->o);
    sim_flow_set_writer(w, flow, &wr->o);
    return sim_number_both(w, &r->o, &wr->o, fds);
}
