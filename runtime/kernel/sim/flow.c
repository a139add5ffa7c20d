/* flow.c: one direction of a byte stream in a simulated world: half a connection, or a pipe.
 *
 * Bytes are put at one end, arrive, and are taken at the other: put >= come >= taken. A flow that
 * is delayed cuts what is put into pieces, each of which travels by itself but never overtakes;
 * how short a read is comes from there, so that the promise of TCP holds that a short read has
 * emptied the socket. Room comes back to the writer when bytes are taken, or later where readers
 * are slow (RV_SIM_STALLS).
 *
 * A byte is counted as sent when it is put, as received when it is taken, as lost when it can be
 * taken no more: when the reader goes, or the connection breaks while it travels.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sim/sim.h"

struct sim_flow {
    unsigned refs; /* its ends, and what travels */
    unsigned from, to;
    bool delayed;
    bool short_of_room; /* the writer was refused and waits to be told */
    bool ended, end_has_come, lost;
    unsigned travelling; /* pieces */
    size_t room;
    uint64_t put, come, taken, given_back;
    int64_t last_arrival;
    struct sim_object *reader, *writer;
    char *bytes; /* a ring */
};

/* Something on its way. */
struct parcel {
    struct sim_event event;
    struct sim_flow *flow;
    uint64_t bytes;
    bool end;
    bool room; /* back to the writer */
};

static void drop(struct sim_flow *f)
{
    if (--f->refs > 0)
        return;
    free(f->bytes);
    free(f);
}

struct sim_flow *sim_flow_new(struct sim *w, size_t room, unsigned from, unsigned to, bool delayed)
{
    struct sim_flow *f;

    if (sim_chance(w, RV_SIM_STALLS)) /* not below what a pipe takes in one piece */
        room = PIPE_BUF << sim_below(w, 3);
    f = sim_alloc(sizeof *f);
    f->bytes = sim_had(malloc(room)); /* not cleared: it is written before it is read */
    f->room = room;
    f->from = from;
    f->to = to;
    f->delayed = delayed;
    return f;
}

static void lose(struct sim *w, uint64_t *up_to, uint64_t until)
{
    w->stats.bytes_lost += until - *up_to;
    *up_to = until;
}

void sim_flow_set_reader(struct sim *w, struct sim_flow *f, struct sim_object *o)
{
    ASSERT((f->reader == NULL) != (o == NULL));
    f->reader = o;
    if (o) {
        f->refs++;
        return;
    }
    lose(w, &f->taken, f->put);
    f->come = f->given_back = f->put;
    if (f->writer)
        sim_changed(w, f->writer);
    drop(f);
}

void sim_flow_set_writer(struct sim *w, struct sim_flow *f, struct sim_object *o)
{
    (void)w;
    ASSERT((f->writer == NULL) != (o == NULL));
    f->writer = o;
    if (o)
        f->refs++;
    else
        drop(f);
}

struct sim_object *sim_flow_reader(const struct sim_flow *f)
{
    return f->reader;
}

/* ---- travelling ---- */

static void arrive(struct sim *w, struct sim_flow *f, uint64_t bytes, bool end)
{
    if (f->lost || f->reader == NULL)
        return; /* counted as lost when that came about */
    f->come += bytes;
    f->end_has_come |= end;
    sim_changed(w, f->reader);
}

static void give_back(struct sim *w, struct sim_flow *f, uint64_t bytes)
{
    if (f->reader == NULL)
        return;
    f->given_back += bytes;
    if (f->writer && f->short_of_room && sim_flow_has_room(f)) {
        f->short_of_room = false;
        sim_changed(w, f->writer);
    }
}

static void delivered(struct sim *w, struct sim_event *e)
{
    struct parcel *p = CONTAINER(e, struct parcel, event);

    if (p->room) {
        give_back(w, p->flow, p->bytes);
    } else {
        p->flow->travelling--;
        arrive(w, p->flow, p->bytes, p->end);
    }
    drop(p->flow);
    free(p);
}

static void post(struct sim *w, struct sim_flow *f, struct parcel what, int64_t at)
{
    struct parcel *p = sim_alloc(sizeof *p);

    *p = what;
    p->flow = f;
    p->event.happen = delivered;
    f->refs++;
    sim_at(w, &p->event, at);
}

/* In turn: each piece arrives behind the one before. */
static void post_forth(struct sim *w, struct sim_flow *f, struct parcel what)
{
    int64_t at = sim_travel(w, f->from, f->to);

    if (at == CLOCK_NEVER) /* the connection will be found broken */
        return;
    if (at <= w->now && f->travelling == 0) {
        arrive(w, f, what.bytes, what.end);
        return;
    }
    if (at <= f->last_arrival)
        at = f->last_arrival + 1;
    f->last_arrival = at;
    f->travelling++;
    post(w, f, what, at);
}

static void carry(struct sim *w, struct sim_flow *f, uint64_t bytes)
{
    if (!f->delayed) {
        arrive(w, f, bytes, false);
        return;
    }
    while (bytes) {
        uint64_t piece = bytes;

        if (sim_chance(w, RV_SIM_SHORT))
            piece = 1 + sim_below(w, sim_below(w, 4) ? bytes : 8 < bytes ? 8 : bytes);
        post_forth(w, f, (struct parcel){.bytes = piece});
        bytes -= piece;
    }
}

/* ---- putting and taking ---- */

static void copy_in(struct sim_flow *f, const char *buf, size_t len)
{
    size_t at = f->put % f->room, first = len < f->room - at ? len : f->room - at;

    memcpy(f->bytes + at, buf, first);
    memcpy(f->bytes, buf + first, len - first);
}

static void copy_out(const struct sim_flow *f, char *buf, size_t len)
{
    size_t at = f->taken % f->room, first = len < f->room - at ? len : f->room - at;

    memcpy(buf, f->bytes + at, first);
    memcpy(buf + first, f->bytes, len - first);
}

ssize_t sim_flow_put(struct sim *w, struct sim_flow *f, const void *buf, size_t len, size_t least)
{
    size_t free_room = f->room - (size_t)(f->put - f->given_back);
    size_t n = len < free_room ? len : free_room;

    ASSERT(!f->ended);
    if (len == 0)
        return 0;
    if (n < least || n == 0) {
        f->short_of_room = true;
        return -EAGAIN;
    }
    if (n > 1 && n > least && sim_chance(w, RV_SIM_SHORT))
        n = least > 1 ? least : 1 + sim_below(w, n - 1);
    f->short_of_room |= n < len && n == free_room;
    w->stats.bytes_sent += n;
    if (f->reader == NULL || f->lost) {
        w->stats.bytes_lost += n;
        return (ssize_t)n;
    }
    copy_in(f, buf, n);
    f->put += n;
    carry(w, f, n);
    return (ssize_t)n;
}

size_t sim_flow_take(struct sim *w, struct sim_flow *f, void *buf, size_t len, bool peek)
{
    size_t there = sim_flow_unread(f), n = len < there ? len : there;

    if (n == 0)
        return 0;
    if (!f->delayed && n > 1 && sim_chance(w, RV_SIM_SHORT))
        n = 1 + sim_below(w, n - 1);
    copy_out(f, buf, n);
    if (peek)
        return n;
    f->taken += n;
    w->stats.bytes_received += n;
    if (sim_chance(w, RV_SIM_STALLS))
        post(w, f, (struct parcel){.bytes = n, .room = true}, w->now + sim_span(w, 1000000));
    else
        give_back(w, f, n);
    return n;
}

void sim_flow_end(struct sim *w, struct sim_flow *f)
{
    if (f->ended)
        return;
    f->ended = true;
    if (f->delayed)
        post_forth(w, f, (struct parcel){.end = true});
    else
        arrive(w, f, 0, true);
}

void sim_flow_lose(struct sim *w, struct sim_flow *f)
{
    if (f->lost)
        return;
    f->lost = true;
    if (f->reader)
        w->stats.bytes_lost += f->put - f->come;
    f->put = f->come;
}

/* ---- asking ---- */

size_t sim_flow_unread(const struct sim_flow *f)
{
    return (size_t)(f->come - f->taken);
}

bool sim_flow_under_way(const struct sim_flow *f)
{
    return f->put != f->come || (f->ended && !f->end_has_come);
}

bool sim_flow_ended(const struct sim_flow *f)
{
    return f->end_has_come;
}

/* As Linux has it: a pipe says so when one piece fits, a socket when a third is free; and who was
 * told that there is none hears of it when there is. */
bool sim_flow_has_room(struct sim_flow *f)
{
    size_t free_room = f->room - (size_t)(f->put - f->given_back);
    bool has = f->delayed ? free_room * 3 >= f->room : free_room >= PIPE_BUF;

    f->short_of_room |= !has;
    return has;
}
