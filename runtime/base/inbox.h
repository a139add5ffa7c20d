/* inbox.h: how other threads reach a worker: many producers, one consumer, and one word.
 *     NULL            awake, and there is no message
 *     a message       the newest of a chain, oldest last; the owner will look before it parks
 *     INBOX_PARKED    asleep, or about to be: whoever replaces this rings the bell
 * Since "is it asleep?" and "is there a message?" are one word, changed by read-modify-writes
 * alone, no wake-up is lost: a post comes before the park, which then fails, or after it, and then
 * it is the one post that found PARKED, and it rings. No fence, no timer behind it.
 *     post   any thread    CAS  old -> m (m->next = old)     true: PARKED was there: ring
 *     rouse  any thread    CAS  PARKED -> NULL               true: ring. There is no message
 *     park   the owner     CAS  NULL -> PARKED               false: a message is there
 *     take   the owner     XCHG -> NULL                      the chain, oldest first
 * Ordering: post releases the message, take acquires, and the chain's other messages too, since
 * each later post is a read-modify-write, and so part of an earlier one's release sequence. park
 * and rouse are sequentially consistent for a second question, "is there work for anybody?"
 * (shelf.h): who parks says so, then looks there; who brings work puts it there, then looks here.
 *
 * A message is its sender's memory until deliver() is called on the owner's thread, and may be gone
 * when that returns: it is not looked at after a post. One sender's messages keep their order.
 *
 * Rejected: a flag "parked" beside a queue: a full fence on both sides of each post; a queue by
 * exchange (Vyukov): a producer that is preempted half-way hides the others' messages.
 * tests/t_model.c tries all interleavings of this file, with what C11 lets be reordered.
 */
#ifndef BASE_INBOX_H
#define BASE_INBOX_H

#include <stdbool.h>
#include <stddef.h>

struct message {
    struct message *next;
    void (*deliver)(struct message *m);
};

struct inbox {
    _Alignas(64) struct message *word;
};

#define INBOX_PARKED ((struct message *)1)

static inline bool inbox_post(struct inbox *b, struct message *m)
{
    struct message *old = __atomic_load_n(&b->word, __ATOMIC_RELAXED);

    do
        m->next = old == INBOX_PARKED ? NULL : old;
    while (
        !__atomic_compare_exchange_n(&b->word, &old, m, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    return old == INBOX_PARKED;
}

static inline bool inbox_rouse(struct inbox *b)
{
    struct message *parked = INBOX_PARKED;

    return __atomic_compare_exchange_n(&b->word, &parked, NULL, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

static inline bool inbox_park(struct inbox *b)
{
    struct message *none = NULL;

    return __atomic_compare_exchange_n(&b->word, &none, INBOX_PARKED, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* Worth a take, or a look: neither is decided by it. */
static inline bool inbox_called(const struct inbox *b)
{
    return __atomic_load_n(&b->word, __ATOMIC_RELAXED) != NULL;
}

static inline bool inbox_parked(const struct inbox *b)
{
    return __atomic_load_n(&b->word, __ATOMIC_SEQ_CST) == INBOX_PARKED;
}

/* Also ends a park. */
static inline struct message *inbox_take(struct inbox *b)
{
    struct message *newest, *oldest = NULL, *next;

    if (!inbox_called(b))
        return NULL;
    newest = __atomic_exchange_n(&b->word, NULL, __ATOMIC_SEQ_CST);
    if (newest == INBOX_PARKED)
        return NULL;
    for (; newest; newest = next) {
        next = newest->next;
        newest->next = oldest;
        oldest = newest;
    }
    return oldest;
}

#endif
