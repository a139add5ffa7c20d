/* clock.h: nanoseconds on CLOCK_MONOTONIC, in a signed 64-bit count that saturates.
 *
 * Suspend does not advance it, so a timeout means time in which the machine could have worked.
 * INT64_MAX is never; sums stop there instead of wrapping into the past (hazard 42).
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NEVER INT64_MAX

static inline int64_t clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int64_t clock_sum(int64_t instant, int64_t span)
{
    int64_t sum;

    if (__builtin_add_overflow(instant, span, &sum))
        return span > 0 ? CLOCK_NEVER : INT64_MIN;
    return sum;
}

/* In a loop that only looks: leaves the core to others for a moment. */
static inline void cpu_relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#elif defined(__riscv)
    __asm__ volatile(".4byte 0x0100000f"); /* pause; without Zihintpause a fence of nothing */
#endif
}

#endif
