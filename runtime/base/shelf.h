/* shelf.h: work that anybody may take: one worker puts it there, others who are idle help
 * themselves from the old end; and how the two find each other when one of them is asleep.
 *
 * A list under a lock, and beside it `count`, which is looked at without. Who wants to sleep:
 *     1. inbox_park()        "I am asleep"          (its own inbox's word)
 *     2. idlers_add()        "someone is"           (one count for all)
 *     3. shelf_any() of all  is there work?         yes: it does not sleep
 * Who has put something on its shelf:
 *     1. shelf_put()         "there is work"        (count)
 *     2. idlers_any()        is someone asleep?     yes: inbox_rouse(), until one could be
 * All five are sequentially consistent, so that if the sleeper's third step does not see the work,
 * the other's second sees the sleeper. Only one sleeper is called at a time (idlers_call). It takes
 * the call down (idlers_heed), and looks once more before it sleeps again: what came before that it
 * sees, and for what comes after another is called. Who takes some and leaves some calls the next.
 * tests/t_model.c tries all interleavings of it.
 *
 * The owner keeps the newest work to itself and moves it here in batches (spread.c): the lock is
 * taken for some of the tasks that start, not for each. Rejected: a deque without locks (Chase and
 * Lev): its owner pays a full fence for each task that it takes back, thieves take one at a time.
 */
#ifndef BASE_SHELF_H
#define BASE_SHELF_H

#include "base/list.h"
#include "base/lock.h"

struct shelf {
    _Alignas(64) struct lock lock;
    uint32_t count;   /* written under the lock, looked at without */
    struct link list; /* newest first */
};

struct idlers {
    _Alignas(64) uint32_t count; /* workers that are asleep, or about to be */
    uint32_t called;             /* one of them was called, and has not looked yet */
};

static inline void shelf_init(struct shelf *s)
{
    *s = (struct shelf){.count = 0};
    list_init(&s->list);
}

/* Is there anything? SEQ_CST: see above. */
static inline bool shelf_any(const struct shelf *s)
{
    return __atomic_load_n(&s->count, __ATOMIC_SEQ_CST) != 0;
}

static inline uint32_t shelf_count(const struct shelf *s)
{
    return __atomic_load_n(&s->count, __ATOMIC_RELAXED);
}

/* With the lock. */
static inline void shelf_recount(struct shelf *s, uint32_t count)
{
    __atomic_store_n(&s->count, count, __ATOMIC_SEQ_CST);
}

/* All of `batch`, which is newer than what is there; count: how many that are. */
static inline void shelf_put(struct shelf *s, struct link *batch, uint32_t count)
{
    lock_take(&s->lock);
    list_splice_front(&s->list, batch);
    shelf_recount(s, shelf_count(s) + count);
    lock_give(&s->lock);
}

/* Moves the oldest half, `most` at most, to the front of `to`: how many. */
static inline uint32_t shelf_take_oldest(struct shelf *s, struct link *to, uint32_t most)
{
    uint32_t there, count;

    lock_take(&s->lock);
    there = shelf_count(s);
    count = (there + 1) / 2 < most ? (there + 1) / 2 : most;
    for (uint32_t i = 0; i < count; i++) {
        struct link *l = s->list.prev;

        list_remove_fast(l);
        list_push_front(to, l);
    }
    shelf_recount(s, there - count);
    lock_give(&s->lock);
    return count;
}

/* The owner's: the newest, `most` at most, to the back of `to`, in their order: how many. */
static inline uint32_t shelf_take_newest(struct shelf *s, struct link *to, uint32_t most)
{
    uint32_t there, count;

    lock_take(&s->lock);
    there = shelf_count(s);
    count = there < most ? there : most;
    for (uint32_t i = 0; i < count; i++) {
        struct link *l = s->list.next;

        list_remove_fast(l);
        list_push_back(to, l);
    }
    shelf_recount(s, there - count);
    lock_give(&s->lock);
    return count;
}

/* ---- who is asleep ---- */

static inline void idlers_add(struct idlers *i)
{
    __atomic_fetch_add(&i->count, 1, __ATOMIC_SEQ_CST);
}

static inline void idlers_remove(struct idlers *i)
{
    __atomic_fetch_sub(&i->count, 1, __ATOMIC_SEQ_CST);
}

static inline bool idlers_any(const struct idlers *i)
{
    return __atomic_load_n(&i->count, __ATOMIC_SEQ_CST) != 0;
}

/* True: there is somebody to be called, and the caller has to do it. */
static inline bool idlers_call(struct idlers *i)
{
    return idlers_any(i) && __atomic_exchange_n(&i->called, 1, __ATOMIC_SEQ_CST) == 0;
}

static inline void idlers_heed(struct idlers *i)
{
    __atomic_store_n(&i->called, 0, __ATOMIC_SEQ_CST);
}

#endif
