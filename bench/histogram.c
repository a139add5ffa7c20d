/* histogram.c: see histogram.h. */
#include "histogram.h"

enum { STEPS = 1 << HISTOGRAM_STEP_BITS, ALL = STEPS * HISTOGRAM_OCTAVES };

static unsigned step_of(uint64_t ns)
{
    unsigned octave;

    if (ns < STEPS)
        return (unsigned)ns;
    octave = 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_STEP_BITS + 1;
    if (octave >= HISTOGRAM_OCTAVES)
        return ALL - 1;
    return octave * STEPS + (unsigned)((ns >> (octave - 1)) & (STEPS - 1));
}

static double step_us(unsigned step)
{
    unsigned octave = step / STEPS, rest = step % STEPS;

    if (octave == 0)
        return rest / 1e3;
    return (double)((uint64_t)(STEPS + rest) << (octave - 1)) / 1e3;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->count[step_of(ns)]++;
}

uint64_t histogram_total(const struct histogram *h)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < ALL; i++)
        total += h->count[i];
    return total;
}

double histogram_us(const struct histogram *h, double share)
{
    uint64_t total = histogram_total(h), seen = 0;

    for (unsigned i = 0; i < ALL; i++) {
        seen += h->count[i];
        if (seen > 0 && (double)seen >= share * (double)total)
            return step_us(i);
    }
    return 0;
}
