/* stack.h: where tasks' stacks come from and go back to.
 *
 * An arena holds one pool for each size. A pool reserves address space in chunks and cuts it
 * into slots, guard below, stack above, the owner's head (its task struct) at the very top:
 *
 *     | guard 64K | usable bytes ........ frames | head | colour |   slot k
 *
 * The head and the first frames share one page, so a parked task holds 4 KiB. The colour, a
 * number of cache lines that differs from slot to slot, keeps equal frames of many tasks from
 * competing for the same lines of the cache (5.4 against 6.2 us a message at 1,000 connections).
 *
 * A slot is free or lent. Free ones are on a LIFO array, not linked through the stacks, so that a
 * cold stack can be given back to the kernel whole, head and all. Lending a hot one touches
 * nothing: no zeroing, no protecting, no freeing. The guard is installed when a slot is made.
 *
 * Guards: MADV_GUARD_INSTALL (Linux 6.13) needs no mapping of its own, so a million of them fit
 * the stock vm.max_map_count; before that mprotect, which splits the mapping. stack_take() then
 * fails at about 30,000 stacks: short of the limit, since at it the whole process could map
 * nothing more, neither a thread's stack nor a large malloc(). REEVE_GUARD forces either. The
 * guard is wide because frames are: -fstack-clash-protection touches each page on its way.
 *
 * One thread each, and mostly one arena a thread: its overflow handler looks there (overflow.c).
 */
#ifndef STACK_STACK_H
#define STACK_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "stack/sanitize.h"

enum stack_guard { STACK_GUARD_AUTO, STACK_GUARD_MADVISE, STACK_GUARD_MPROTECT };

enum {
    STACK_BYTES_MIN = 16 * 1024,
    STACK_BYTES_DEFAULT = 64 * 1024,
    STACK_GUARD_BYTES = 64 * 1024,
    STACK_CLASSES = 18, /* 16 KiB, and each power of two up to 2 GiB */
};

/* What the pool keeps in the head of a lent slot. */
struct stack {
    char *low; /* lowest usable address, above the guard */
    struct stack_pool *pool;
    uint32_t slot;
    struct stack_sanitizer sanitizer;
};

/* A free stack: a cold one has no head to point to. */
union stack_free {
    struct stack *head;
    uint32_t slot;
};

/* What lending touches comes first, and pools are found by number: a power of two long. */
struct stack_pool {
    _Alignas(128) union stack_free *free; /* the hottest last; its room is for all that are made */
    uint32_t free_count;
    uint32_t free_low; /* the least free_count since the last trim */
    struct stack_arena *arena;
    bool exhausted;     /* the last try to make one failed, and none has been given back since */
    uint32_t cold;      /* free[0..cold) have no memory: known by slot; at most free_low */
    uint32_t free_room; /* of free */
    uint32_t made;      /* slots with a guard, lent or free */
    char **chunks;      /* of CHUNK_SLOTS slots */
    uint32_t chunk_count;
    size_t usable_bytes; /* promised below the head */
    size_t slot_bytes;   /* guard and all; 0: this pool is not used yet */
};

struct stack_arena {
    struct stack_pool pools[STACK_CLASSES];
    size_t head_bytes;
    enum stack_guard guard;           /* what is really used, after init */
    bool wipe;                        /* a returned stack is emptied before it is lent again */
    size_t guards_left;               /* how many more may be installed */
    struct stack_arena *watched_next; /* overflow.c */
};

/* 0, or -ENOTSUP: the guard asked for is not there. head_bytes: what an owner wants at the top. */
int stack_arena_init(struct stack_arena *a, size_t head_bytes, enum stack_guard guard, bool wipe);
size_t stack_lent(const struct stack_arena *a); /* that have not been given back */
void stack_arena_fini(struct stack_arena *a);   /* unmaps all, lent or not */

/* The pool for stacks of at least `bytes`; NULL: more than the largest class. */
struct stack_pool *stack_pool_for(struct stack_arena *a, size_t bytes);

/* That of an index that was a pool's in another arena. */
struct stack_pool *stack_pool_of_class(struct stack_arena *a, unsigned index);

struct stack *stack_take_slowly(struct stack_pool *p);

/* True: the pool is no longer exhausted. Whatever was short may be there again, though nobody has
 * given a stack back. */
bool stack_recovers(struct stack_pool *p);

/* The head (aligned to 64) of a free slot, whose first member must be a struct stack, filled in;
 * the rest is as it was left or zero. NULL: no memory, no address space or no more mappings. */
static inline struct stack *stack_take(struct stack_pool *p)
{
    if (__builtin_expect(STACK_SANITIZED || p->free_count <= p->free_low || p->arena->wipe, 0))
        return stack_take_slowly(p);
    return p->free[--p->free_count].head;
}

/* The caller may still run on it until the next take. */
static inline void stack_give(struct stack *s)
{
    struct stack_pool *p = s->pool;

    p->exhausted = false;
    p->free[p->free_count++].head = s;
}

/* Gives memory of stacks back that were free all the time since the last call, and whose pages
 * the kernel still holds, at most `most` of them. True: there is more to do. */
bool stack_trim(struct stack_arena *a, unsigned most);

/* Some free stack still holds memory: a trim later on may give it back. */
bool stack_warm(const struct stack_arena *a);

/* Each slot's head in turn, lent or not, for the dump: start with *at = 0. NULL: no more.
 * A head whose `low` is NULL was never lent or lies in a trimmed stack. */
struct stack *stack_each(struct stack_arena *a, uint64_t *at);

static inline size_t stack_bytes(const struct stack *s)
{
    return (size_t)((const char *)s - s->low);
}

/* ---- overflow.c ---- */

/* Says, in a few words, whose head this is (it may be nobody's); true: it is who runs. */
typedef bool stack_describe(struct stack *head, char *text, size_t room);

/* On this thread, for an arena: the handler's own stack, where the thread has none yet, and the
 * process-wide handler if it is not there. 0 or -errno. */
int stack_overflow_watch(struct stack_arena *a, stack_describe *describe);
void stack_overflow_unwatch(struct stack_arena *a);
/* In a forked child, whose arena is the parent's: what the handler had is left as it is, for the
 * lock may be held by a thread that was not forked along. */
void stack_overflow_forget(void);

/* Which slot of this arena, lent or free, owns the address; NULL: none. *in_guard: the guard. */
struct stack *stack_find(struct stack_arena *a, const void *address, bool *in_guard);

#endif
