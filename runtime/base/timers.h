/* timers.h: which owner is due next. A 4-ary heap of (when, id), ids through a dense table.
 *
 * Each id is one timer: idle, or armed with one time. Setting, moving and clearing are
 * O(log n); the four children of a node share a cache line. The heap holds no pointer into
 * its owners, and a move writes only a dense array: with a million sleepers 4 KiB apart,
 * writing each moved owner's own memory cost a TLB miss a level.
 *
 * Nothing fails but timers_reserve(): whoever brings a timer's owner to life reserves first,
 * so that arming, which happens in the middle of a wait, cannot.
 *
 * Rejected: a timing wheel (1.6 ns instead of 4-7 to arm, but a resolution to choose, and
 * cascades that come all at once); the kernel's timers (110 us to arm with 10,000 live).
 */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct timer_node {
    int64_t when;
    uint32_t id;
};

struct timers {
    struct timer_node *nodes; /* the root is at 3, so that each four siblings are aligned */
    uint32_t end;             /* one past the last node */
    uint32_t *at;    /* by id: armed: its node's index; idle: 0; unused: the next unused id */
    void **owners;   /* by id, NULL: unused. Ids start at 1 */
    uint32_t room;   /* ids that exist, and nodes that fit */
    uint32_t unused; /* first unused id, 0: none */
};

void timers_init(struct timers *t);
void timers_fini(struct timers *t);
int timers_reserve(struct timers *t, uint32_t count); /* ids in all; 0 or -ENOMEM */

uint32_t timers_new(struct timers *t, void *owner); /* an idle id, within what was reserved */
void timers_free(struct timers *t, uint32_t id);
void timers_set(struct timers *t, uint32_t id, int64_t when); /* arms or moves */
void timers_clear(struct timers *t, uint32_t id);             /* armed or not */

uint32_t timers_owned(const struct timers *t); /* ids that have an owner; looks at all of them */
bool timers_any(const struct timers *t);
int64_t timers_next(const struct timers *t); /* CLOCK_NEVER: none */
void *timers_first(const struct timers *t);  /* whose that is; only if there is one */
void *timers_pop(struct timers *t,
                 int64_t now); /* the owner of one due timer, now idle; NULL: none due */

#endif
