/* room.c: the simulated room: a world in memory behind the table of kernel.h.
 *
 * sim.h names its parts. This one is the table itself: calls that never wait, and a world's
 * beginning and end, at which its books are audited. The first worker that opens the room makes the
 * world, the others take seats in it; the first that closes its own ends it, for then all have left
 * their loops, and with the last one it is gone.
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sim/sim.h"

enum { LOOK_NS = 100, FDS_MAX = 1024, DISK_BYTES = 64 << 20 };
#define BEGIN_NS 1000000000000 /* of virtual time: nothing is due at zero */
#define TIME_MAX_NS (24 * 3600 * RV_S)

/* ---- calls that never wait ---- */

/* err, or what a kernel says of a buffer that is none. */
static ssize_t with_buffer(ssize_t err, const void *buf, size_t len)
{
    return err == 0 && buf == NULL && len ? -EFAULT : err;
}

static ssize_t sim_recv(struct kernel *k, int fd, void *buf, size_t len, int flags)
{
    struct sim *w = sim_of(k);
    struct sim_object *o;
    ssize_t n = with_buffer(sim_find_socket(w, fd, &o), buf, len);

    if (n == 0)
        n = o->class->take(w, o, buf, len, flags);
    sim_tell(w, "recv", fd, n);
    return n;
}

static ssize_t sim_send(struct kernel *k, int fd, const void *buf, size_t len, int flags)
{
    struct sim *w = sim_of(k);
    struct sim_object *o;
    ssize_t n = with_buffer(sim_find_socket(w, fd, &o), buf, len);

    if (n == 0 && o->class->kind != FD_SOCKET && sim_chance(w, RV_SIM_ERRORS) &&
        sim_below(w, 8) == 0)
        n = -ENOBUFS;
    if (n == 0)
        n = o->class->put(w, o, buf, len, flags);
    sim_tell(w, "send", fd, n);
    return n;
}

static ssize_t sim_read(struct kernel *k, int fd, void *buf, size_t len, off_t at)
{
    struct sim *w = sim_of(k);
    struct sim_object *o;
    ssize_t n = with_buffer(sim_find_object(w, fd, &o), buf, len);

    if (n == 0 && o->class->kind == FD_FILE)
        n = sim_file_cached(w, o, buf, len, at);
    else if (n == 0 && len > 0)
        n = o->class->take(w, o, buf, len, 0);
    sim_tell(w, "read", fd, n);
    return n;
}

static ssize_t sim_write(struct kernel *k, int fd, const void *buf, size_t len, off_t at)
{
    struct sim *w = sim_of(k);
    struct sim_object *o;
    ssize_t n = with_buffer(sim_find_object(w, fd, &o), buf, len);

    (void)at;
    if (n == 0)
        n = o->class->kind == FD_FILE ? -EAGAIN : o->class->put(w, o, buf, len, 0);
    sim_tell(w, "write", fd, n);
    return n;
}

static int sim_poll(struct kernel *k, int fd, short events)
{
    struct sim *w = sim_of(k);
    struct sim_object *o;
    int err = sim_find_object(w, fd, &o);

    if (err == -EBADF)
        return err;
    return sim_ready(w, o) & (events | POLLERR | POLLHUP);
}

static int sim_identify(struct kernel *k, int fd, struct fd_identity *out)
{
    struct sim_object *o;
    int err = sim_find_object(sim_of(k), fd, &o);

    if (err == -EBADF)
        return err;
    *out = (struct fd_identity){.kind = o->class->kind, .device = 1, .inode = o->inode};
    return 0;
}

static int64_t sim_now(struct kernel *k)
{
    return sim_of(k)->now += LOOK_NS;
}

static void sim_random(struct kernel *k, void *buf, size_t len)
{
    for (unsigned char *byte = buf; len--; byte++)
        *byte = (unsigned char)sim_draw(sim_of(k));
}

static unsigned choose(struct kernel *k, unsigned n)
{
    return (unsigned)sim_below(sim_of(k), n);
}

/* ---- beginning ---- */

/* Of the kinds of faults each world has about half, each as often as the seed says: so seldom that
 * programs get far, or so often that hardly anything works. Any order is in all of them. */
static void draw_rates(struct sim *w)
{
    for (int i = 0; i < SIM_FAULTS; i++) {
        unsigned seldom = 4 + (unsigned)sim_below(w, 9);
        bool has = sim_below(w, 2);

        if (1u << i == RV_SIM_ORDER) {
            seldom = 2;
            has = true;
        }
        if (!(w->options.without & 1u << i) && has)
            w->rate[i] = 65536u >> seldom;
    }
}

static void make_world(struct sim_config *config)
{
    struct sim *w = config->world = sim_alloc(sizeof *w);

    w->config = config;
    w->options = config->options;
    w->options.fds_max = w->options.fds_max ? w->options.fds_max : FDS_MAX;
    w->options.disk_bytes = w->options.disk_bytes ? w->options.disk_bytes : DISK_BYTES;
    w->options.time_max = w->options.time_max ? w->options.time_max : TIME_MAX_NS;
    w->random = config->seed;
    w->now = w->began = BEGIN_NS;
    w->stats.seed = config->seed;
    list_init(&w->seats);
    list_init(&w->ops);
    list_init(&w->objects);
    list_init(&w->names);
    draw_rates(w);
    w->acting = 1;
    sim_host_boot(w, htonl(INADDR_LOOPBACK));
    sim_make_standard(w);
    w->acting = 0;
}

/* One that is alone has nobody to take turns with. */
static void take_seat(struct sim *w, struct sim_seat *s)
{
    s->k.room = &sim_room;
    s->k.choose = sim_has(w, RV_SIM_ORDER) ? choose : NULL;
    s->w = w;
    s->number = w->seat_count++;
    list_init(&s->queue);
    list_init(&s->arrived);
    list_push_back(&w->seats, &s->link);
    for (struct link *l = w->seats.next; w->seat_count > 1 && l != &w->seats; l = l->next)
        CONTAINER(l, struct sim_seat, link)->k.turn = sim_turn;
}

static int sim_open(struct kernel **out_k, const struct kernel_config *config, char *out_why)
{
    struct sim_seat *s = sim_alloc(sizeof *s);

    (void)out_why;
    if (config->sim->world == NULL)
        make_world(config->sim);
    take_seat(config->sim->world, s);
    *out_k = &s->k;
    return 0;
}

/* ---- the end ---- */

static void hand_over_all(struct sim *w)
{
    for (struct link *l = w->seats.next; l != &w->seats; l = l->next)
        sim_hand_over(CONTAINER(l, struct sim_seat, link));
}

static void let_time_pass(struct sim *w)
{
    struct sim_event *e;

    hand_over_all(w);
    while (w->agenda.count) {
        if (sim_next(w) > w->now)
            w->now = sim_next(w);
        while ((e = sim_due(w)))
            e->happen(w, e);
        hand_over_all(w);
    }
}

static void close_all(struct sim *w)
{
    for (unsigned host = 0; host < w->host_count; host++)
        sim_find_open(w, host);
    for (size_t i = 0; i < w->numbers_room; i++)
        if (w->numbers[i])
            sim_close_number(w, (int)i + SIM_FD_FIRST);
}

static void audit(struct sim *w)
{
    rv_sim_stats *s = &w->stats;

    if (s->operations != s->completions)
        sim_find(w, "%llu operations, but %llu completions", (unsigned long long)s->operations,
                 (unsigned long long)s->completions);
    if (s->cancels != w->cancels_back)
        sim_find(w, "%llu cancels, but %llu answers to them", (unsigned long long)s->cancels,
                 (unsigned long long)w->cancels_back);
    if (s->bytes_sent != s->bytes_received + s->bytes_lost)
        sim_find(w, "%llu bytes sent, but %llu received and %llu lost",
                 (unsigned long long)s->bytes_sent, (unsigned long long)s->bytes_received,
                 (unsigned long long)s->bytes_lost);
    if (!list_empty(&w->objects))
        sim_find(w, "something holds a %s still",
                 CONTAINER(w->objects.next, struct sim_object, all)->class->name);
}

/* No worker runs any more: what is under way comes to its end. */
static void end_time(struct sim *w)
{
    sim_tell(w, "end", (int64_t)w->stats.steps, w->stats.time = w->now - w->began);
    w->stats.hash = w->hash;
    w->acting = 1; /* nobody is running */
    w->ending = true;
    hand_over_all(w);
    for (struct link *l = w->seats.next; l != &w->seats; l = l->next)
        sim_deliver(CONTAINER(l, struct sim_seat, link));
    sim_end_watches(w);
    let_time_pass(w);
}

static void end_world(struct sim *w)
{
    close_all(w);
    let_time_pass(w);
    for (int i = 0; i < SIM_STANDARD; i++)
        sim_drop(w, w->standard[i]);
    audit(w);
    w->config->stats = w->stats;
    w->config->world = NULL;
    for (unsigned i = 0; i < w->host_count; i++)
        sim_disk_free(w->hosts[i].disk);
    free(w->numbers);
    free(w->agenda.heap);
    free(w);
}

static void sim_close(struct kernel *k)
{
    struct sim_seat *s = sim_seat_of(k);
    struct sim *w = s->w;

    ASSERT(k->under_way == 0);
    if (!w->ending)
        end_time(w);
    list_remove(&s->link);
    free(s);
    if (list_empty(&w->seats))
        end_world(w);
}

const struct kernel_room sim_room = {
    .name = "sim",
    .open = sim_open,
    .close = sim_close,
    .submit = sim_submit,
    .cancel = sim_cancel,
    .step = sim_step,
    .now = sim_now,
    .recv = sim_recv,
    .send = sim_send,
    .read = sim_read,
    .write = sim_write,
    .poll = sim_poll,
    .identify = sim_identify,
    .socket = sim_socket,
    .socketpair = sim_socketpair,
    .pipe = sim_pipe,
    .bind = sim_bind,
    .listen = sim_listen,
    .shutdown = sim_shutdown,
    .setsockopt = sim_setsockopt,
    .getsockopt = sim_getsockopt,
    .getsockname = sim_getsockname,
    .getpeername = sim_getpeername,
    .random = sim_random,
};
