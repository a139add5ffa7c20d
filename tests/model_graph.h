/* model_graph.h: what C11 atomics may have done: an execution as a graph, not as one memory.
 *
 * An event is a load, a store or a read-modify-write (an update). Each place keeps all that was
 * ever written to it in modification order, of which the first is what lay there before. A thread
 * has a view: of each place the latest write that it must not overlook, and of each thread how many
 * of its events happened before (a vector clock). A release leaves a copy of the view with what it
 * writes, an acquire that reads it takes it over, and an update passes on the copy of what it read:
 * the release sequence of C++20, which C11's contains.
 *
 * Invariants. A read is never of a write before the view's; a write may come to lie anywhere behind
 * the view's, among others' too; but nothing comes between an update and what it read. The relation
 * psc of Lahav et al., "Repairing sequential consistency in C/C++11" (and now C++20's), has no
 * cycle: graph_orders() tells when one closes, and then there is no such execution.
 *
 * It is that paper's RC11, exactly, less fences, which the modelled code has none of. What RC11
 * leaves out of C11: a load that reads what is written because of it, or behind it in its thread
 * and ready before it ("load buffering"). A release cannot be done before an earlier load, and all
 * writes of the modelled headers are releases but one, the 1 that takes a lock, upon which nobody
 * acts who reads it.
 *
 * Rejected: buffers of stores (x86's memory alone); reads of the past with SEQ_CST approximated by
 * a clock, which orders too much when some of the operations on a place are weaker.
 */
#ifndef MODEL_GRAPH_H
#define MODEL_GRAPH_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { MODEL_THREADS = 4, MODEL_PLACES = 24, MODEL_EVENTS = 160, MODEL_SC = 64 };

struct model_view {
    uint8_t clock[MODEL_THREADS];
    int16_t seen[MODEL_PLACES]; /* an event: never overlook that write; -1: the first will do */
};

struct model_event {
    int thread, index; /* -1: what lay there at first */
    int place, from;   /* the write that it read, or -1 */
    int at;            /* of a write: its position in the place's order */
    int sc;            /* its number among the SEQ_CST ones, or -1 */
    bool reads, writes;
    uintptr_t value;           /* read, or written where it writes */
    struct model_view here;    /* what happened before it, and itself */
    struct model_view message; /* what an acquire of this write learns */
    const char *in;            /* the function that asked for it */
};

struct model_place {
    void *address;
    int order[MODEL_EVENTS], count; /* the events that wrote it, in modification order */
};

static struct {
    struct model_event events[MODEL_EVENTS];
    struct model_place places[MODEL_PLACES];
    int mine[MODEL_THREADS][MODEL_EVENTS], done[MODEL_THREADS]; /* each thread's events */
    int sc[MODEL_SC];
    uint64_t reach[MODEL_SC]; /* of each SEQ_CST event: which must come after it */
    int event_count, place_count, sc_count;
} graph;

static const struct model_view graph_nothing = {.seen = {[0 ... MODEL_PLACES - 1] = -1}};

static void graph_clear(void)
{
    graph.event_count = graph.place_count = graph.sc_count = 0;
    memset(graph.done, 0, sizeof graph.done);
}

/* What must have room. A scenario that does not fit is too large to be explored. */
static bool graph_full(void)
{
    return graph.event_count + MODEL_PLACES >= MODEL_EVENTS || graph.sc_count == MODEL_SC ||
           graph.place_count == MODEL_PLACES;
}

static int graph_place(void *address, uintptr_t first)
{
    struct model_event *e = &graph.events[graph.event_count];
    struct model_place *p = graph.places;

    for (; p < graph.places + graph.place_count; p++)
        if (p->address == address)
            return (int)(p - graph.places);
    *e = (struct model_event){.thread = -1, .index = -1, .from = -1, .sc = -1, .writes = true};
    e->place = graph.place_count++;
    e->value = first;
    e->message = e->here = graph_nothing;
    p->address = address;
    p->order[0] = graph.event_count++;
    p->count = 1;
    return e->place;
}

/* ---- views ---- */

static int graph_at(int write)
{
    return write < 0 ? 0 : graph.events[write].at;
}

static void graph_join(struct model_view *view, const struct model_view *other)
{
    for (int t = 0; t < MODEL_THREADS; t++)
        if (view->clock[t] < other->clock[t])
            view->clock[t] = other->clock[t];
    for (int p = 0; p < graph.place_count; p++)
        if (graph_at(view->seen[p]) < graph_at(other->seen[p]))
            view->seen[p] = other->seen[p];
}

/* Did an update read this one? Then it is the next, and nothing comes in between. */
static bool graph_closed(const struct model_place *p, int at)
{
    return at + 1 < p->count && graph.events[p->order[at + 1]].reads;
}

static void graph_insert(struct model_event *e, int at)
{
    struct model_place *p = &graph.places[e->place];

    for (int i = p->count++; i > at; i--) {
        p->order[i] = p->order[i - 1];
        graph.events[p->order[i]].at = i;
    }
    p->order[at] = (int)(e - graph.events);
    e->at = at;
}

/* ---- the order of SEQ_CST ---- */

static bool graph_before(const struct model_event *a, const struct model_event *b)
{
    return b->here.clock[a->thread] > a->index;
}

/* a, something elsewhere, what happened before something elsewhere, b. */
static bool graph_before_around(const struct model_event *a, const struct model_event *b)
{
    int after = a->index + 1, until = b->index - 1;

    while (after < graph.done[a->thread] &&
           graph.events[graph.mine[a->thread][after]].place == a->place)
        after++;
    while (until >= 0 && graph.events[graph.mine[b->thread][until]].place == b->place)
        until--;
    if (after >= graph.done[a->thread] || until < 0)
        return false;
    return graph_before(&graph.events[graph.mine[a->thread][after]],
                        &graph.events[graph.mine[b->thread][until]]);
}

/* The edges of RC11's psc between two SEQ_CST accesses. */
static bool graph_sc_edge(const struct model_event *a, const struct model_event *b)
{
    if (a->thread == b->thread)
        return a->index < b->index;
    if (a->place == b->place) {
        if (graph_before(a, b))
            return true;
        if (b->writes && a->writes && a->at < b->at)
            return true;
        return b->writes && a->reads && graph.events[a->from].at < b->at;
    }
    return graph_before_around(a, b);
}

/* Puts the newest event into that order: false if there is none that holds it. Later ones add no
 * edge between earlier ones, so a cycle closes with its last event. */
static bool graph_orders(struct model_event *e)
{
    uint64_t to = 0, from = 0, me;

    for (int i = 0; i < graph.sc_count; i++) {
        const struct model_event *other = &graph.events[graph.sc[i]];

        if (graph_sc_edge(other, e))
            from |= UINT64_C(1) << i;
        if (graph_sc_edge(e, other))
            to |= UINT64_C(1) << i | graph.reach[i];
    }
    e->sc = graph.sc_count++;
    graph.sc[e->sc] = (int)(e - graph.events);
    graph.reach[e->sc] = to;
    me = UINT64_C(1) << e->sc;
    if (to & from)
        return false;
    for (int i = 0; i < e->sc; i++)
        if (from >> i & 1 || graph.reach[i] & from)
            graph.reach[i] |= to | me;
    return true;
}

#endif
