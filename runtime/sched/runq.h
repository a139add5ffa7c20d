/* runq.h: the tasks that are ready, first come first served.
 *
 * A ring of pointers and not a list through the tasks: the next task's address then does not
 * hang on data of the last one, and is loaded while the last one still runs. It has room for
 * every started task (runq_reserve() at each start), so that waking one cannot fail.
 */
#ifndef SCHED_RUNQ_H
#define SCHED_RUNQ_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

struct task;

struct runq {
    struct task **ring;
    uint32_t mask; /* room - 1, a power of two less one */
    uint32_t head; /* counts, not indices: they wrap by themselves */
    uint32_t tail;
};

static inline bool runq_empty(const struct runq *q)
{
    return q->head == q->tail;
}

static inline void runq_push(struct runq *q, struct task *t)
{
    q->ring[q->tail++ & q->mask] = t;
}

static inline struct task *runq_pop(struct runq *q)
{
    return q->ring[q->head++ & q->mask];
}

/* The task that is `ahead` places from the next one; only if that many are there. */
static inline struct task *runq_ahead(const struct runq *q, uint32_t ahead)
{
    return q->ring[(q->head + ahead) & q->mask];
}

static inline void runq_swap(struct runq *q, uint32_t a, uint32_t b)
{
    struct task **one = &q->ring[(q->head + a) & q->mask], *kept = *one;

    *one = q->ring[(q->head + b) & q->mask];
    q->ring[(q->head + b) & q->mask] = kept;
}

static inline uint32_t runq_count(const struct runq *q)
{
    return q->tail - q->head;
}

static inline int runq_reserve(struct runq *q, uint32_t count)
{
    uint32_t room = q->ring ? q->mask + 1 : 64, have = runq_count(q);
    struct task **ring;

    if (q->ring && count <= room)
        return 0;
    while (room < count)
        room *= 2;
    ring = malloc(room * sizeof *ring);
    if (ring == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < have; i++)
        ring[i] = runq_pop(q);
    free(q->ring);
    *q = (struct runq){.ring = ring, .mask = room - 1, .tail = have};
    return 0;
}

#endif
