/* agenda.c: what will happen in a simulated world, by virtual time; and chance, and the trace.
 *
 * A binary heap of events by (at, order). Events at the same time happen in the order in which
 * they were put down, or, where the world has RV_SIM_ORDER, in any. Nothing is ever taken off
 * before its time: who no longer wants an event sees to that when it happens.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/sim/sim.h"

void *sim_had(void *p)
{
    if (p == NULL)
        die("sim: no memory for the simulated world");
    return p;
}

void *sim_alloc(size_t size)
{
    return sim_had(calloc(1, size));
}

/* ---- events ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void make_room(struct sim_agenda *a)
{
    size_t room = a->room ? a->room * 2 : 64;

    if (a->count < a->room)
        return;
    a->heap = sim_had(realloc(a->heap, room * sizeof(struct sim_event *)));
    a->room = room;
}

void sim_at(struct sim *w, struct sim_event *e, int64_t at)
{
    struct sim_agenda *a = &w->agenda;
    size_t i;

    make_room(a);
    e->at = at < w->now ? w->now : at;
    e->order = ++a->asked | (sim_has(w, RV_SIM_ORDER) ? sim_draw(w) << 40 : 0);
    for (i = a->count++; i > 0 && before(e, a->heap[(i - 1) / 2]); i = (i - 1) / 2)
        a->heap[i] = a->heap[(i - 1) / 2];
    a->heap[i] = e;
}

int64_t sim_next(const struct sim *w)
{
    return w->agenda.count ? w->agenda.heap[0]->at : CLOCK_NEVER;
}

struct sim_event *sim_due(struct sim *w)
{
    struct sim_agenda *a = &w->agenda;
    struct sim_event *first, *last;
    size_t i = 0, child;

    if (a->count == 0 || a->heap[0]->at > w->now)
        return NULL;
    first = a->heap[0];
    last = a->heap[--a->count];
    while ((child = 2 * i + 1) < a->count) {
        child += child + 1 < a->count && before(a->heap[child + 1], a->heap[child]);
        if (!before(a->heap[child], last))
            break;
        a->heap[i] = a->heap[child];
        i = child;
    }
    a->heap[i] = last;
    return first;
}

/* ---- chance ---- */

int64_t sim_span(struct sim *w, int64_t usual)
{
    int64_t span = usual;

    if (sim_has(w, RV_SIM_ORDER))
        span = usual / 2 + (int64_t)sim_below(w, (uint64_t)usual + 1);
    if (sim_chance(w, RV_SIM_LATE))
        span += (int64_t)sim_below(w, (uint64_t)usual * 1000 + 1000000);
    return span;
}

/* ---- trace and findings ---- */

static uint64_t mixed(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9fb21c651e98df25u;
    return hash ^ (hash >> 32);
}

static void print_line(const struct sim *w, const char *what, int64_t a, int64_t b)
{
    char who[160] = "";

    if (report_who)
        report_who(who, sizeof who);
    report_to(2, "sim: %12.6f ms  %-16s %8lld %8lld  %s", (double)(w->now - w->began) / 1e6, what,
              (long long)a, (long long)b, who);
}

void sim_tell(struct sim *w, const char *what, int64_t a, int64_t b)
{
    uint64_t text = 0;

    for (const char *c = what; *c; c++)
        text = text * 31 + (unsigned char)*c;
    w->hash = mixed(mixed(mixed(w->hash, text), (uint64_t)a), (uint64_t)b);
    w->hash = mixed(w->hash, (uint64_t)w->now);
    if (__builtin_expect(w->config->traced, 0))
        print_line(w, what, a, b);
}

void sim_find(struct sim *w, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    report("sim: %s", text);
    w->config->findings++;
}
