/* lock.h: a lock for a handful of instructions, between threads that mostly do not meet.
 *
 * One word. Who finds it taken looks on for a moment, then lets others run: the holder may have
 * lost its core. Never held over a call that may wait, nor over a switch.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct lock {
    uint32_t taken;
};

enum { LOCK_LOOKS = 100 };

static inline bool lock_try(struct lock *l)
{
    return __atomic_load_n(&l->taken, __ATOMIC_RELAXED) == 0 &&
           __atomic_exchange_n(&l->taken, 1, __ATOMIC_ACQUIRE) == 0;
}

static inline void lock_take(struct lock *l)
{
    for (int looks = 0; !lock_try(l); looks++) {
        if (looks < LOCK_LOOKS)
            cpu_relax();
        else
            sched_yield();
    }
}

static inline void lock_give(struct lock *l)
{
    __atomic_store_n(&l->taken, 0, __ATOMIC_RELEASE);
}

#endif
