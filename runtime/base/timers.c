/* timers.c: the heap. See timers.h. */
#include "base/timers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/report.h"

enum { ROOT = 3, FIRST_ROOM = 64 };

static inline uint32_t parent_of(uint32_t at)
{
    return at / 4 + 2;
}

static inline uint32_t first_child_of(uint32_t at)
{
    return (at - 2) * 4;
}

static inline void place(struct timers *t, uint32_t at, struct timer_node node)
{
    t->nodes[at] = node;
    t->at[node.id] = at;
}

static void sift_up(struct timers *t, uint32_t at, struct timer_node node)
{
    while (at > ROOT && t->nodes[parent_of(at)].when > node.when) {
        place(t, at, t->nodes[parent_of(at)]);
        at = parent_of(at);
    }
    place(t, at, node);
}

static void sift_down(struct timers *t, uint32_t at, struct timer_node node)
{
    for (;;) {
        uint32_t child = first_child_of(at), least = child;

        if (child >= t->end)
            break;
        for (uint32_t i = child + 1; i < child + 4 && i < t->end; i++)
            if (t->nodes[i].when < t->nodes[least].when)
                least = i;
        if (t->nodes[least].when >= node.when)
            break;
        place(t, at, t->nodes[least]);
        at = least;
    }
    place(t, at, node);
}

static void settle(struct timers *t, uint32_t at, struct timer_node node)
{
    if (at > ROOT && t->nodes[parent_of(at)].when > node.when)
        sift_up(t, at, node);
    else
        sift_down(t, at, node);
}

static void take_out(struct timers *t, uint32_t at)
{
    struct timer_node last = t->nodes[--t->end];

    t->at[t->nodes[at].id] = 0;
    if (at != t->end)
        settle(t, at, last);
}

void timers_init(struct timers *t)
{
    *t = (struct timers){.end = ROOT};
}

void timers_fini(struct timers *t)
{
    free(t->nodes);
    free(t->at);
    free(t->owners);
    timers_init(t);
}

/* Not realloc: siblings share a cache line only if the array starts on one. */
static bool grow_nodes(struct timers *t, uint32_t room)
{
    size_t bytes = (room + ROOT + 1) * sizeof *t->nodes / 64 * 64 + 64;
    struct timer_node *nodes = aligned_alloc(64, bytes);

    if (nodes == NULL)
        return false;
    if (t->nodes)
        memcpy(nodes, t->nodes, t->end * sizeof *nodes);
    free(t->nodes);
    t->nodes = nodes;
    return true;
}

static bool grow_ids(struct timers *t, uint32_t room)
{
    uint32_t *at = realloc(t->at, (room + 1) * sizeof *at);
    void **owners;

    if (at == NULL)
        return false;
    t->at = at;
    owners = realloc(t->owners, (room + 1) * sizeof *owners);
    if (owners == NULL)
        return false;
    t->owners = owners;
    return true;
}

int timers_reserve(struct timers *t, uint32_t count)
{
    uint32_t room = t->room ? t->room : FIRST_ROOM;

    if (count <= t->room)
        return 0;
    while (room < count)
        room *= 2;
    if (!grow_ids(t, room) || !grow_nodes(t, room))
        return -ENOMEM;
    for (uint32_t id = room; id > t->room; id--) {
        t->owners[id] = NULL;
        t->at[id] = t->unused;
        t->unused = id;
    }
    t->room = room;
    return 0;
}

uint32_t timers_new(struct timers *t, void *owner)
{
    uint32_t id = t->unused;

    ASSERT(id != 0 && owner != NULL);
    t->unused = t->at[id];
    t->at[id] = 0;
    t->owners[id] = owner;
    return id;
}

uint32_t timers_owned(const struct timers *t)
{
    uint32_t count = 0;

    for (uint32_t id = 1; id <= t->room; id++)
        count += t->owners[id] != NULL;
    return count;
}

void timers_free(struct timers *t, uint32_t id)
{
    timers_clear(t, id);
    t->owners[id] = NULL;
    t->at[id] = t->unused;
    t->unused = id;
}

void timers_set(struct timers *t, uint32_t id, int64_t when)
{
    struct timer_node node = {when, id};
    uint32_t at = t->at[id];

    ASSERT(t->owners[id] != NULL);

    if (at)
        settle(t, at, node);
    else
        sift_up(t, t->end++, node);
}

void timers_clear(struct timers *t, uint32_t id)
{
    ASSERT(t->owners[id] != NULL);
    if (t->at[id])
        take_out(t, t->at[id]);
}

bool timers_any(const struct timers *t)
{
    return t->end > ROOT;
}

int64_t timers_next(const struct timers *t)
{
    return timers_any(t) ? t->nodes[ROOT].when : CLOCK_NEVER;
}

void *timers_first(const struct timers *t)
{
    return t->owners[t->nodes[ROOT].id];
}

void *timers_pop(struct timers *t, int64_t now)
{
    void *owner;

    if (timers_next(t) > now || !timers_any(t))
        return NULL;
    owner = timers_first(t);
    take_out(t, ROOT);
    return owner;
}
