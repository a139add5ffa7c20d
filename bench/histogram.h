/* histogram.h: latencies, kept as counts: 64 steps an octave, 1.6 % wide at worst. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEP_BITS = 6, HISTOGRAM_OCTAVES = 40 };

struct histogram {
    uint64_t count[HISTOGRAM_OCTAVES << HISTOGRAM_STEP_BITS];
};

void histogram_add(struct histogram *h, uint64_t ns);
uint64_t histogram_total(const struct histogram *h);
/* What `share` of all are not above: 0.5 is the median. 0 where there are none. */
double histogram_us(const struct histogram *h, double share);

#endif
