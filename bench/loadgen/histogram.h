/* Round trip times in log-linear buckets: 64 an octave, so a percentile is off by less than 1.6 %. */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 6
#define HISTOGRAM_BUCKETS ((64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count, min, max;
    double sum;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_reset(struct histogram *histogram);
void histogram_record(struct histogram *histogram, uint64_t value);

/* The smallest recorded value that at least `share` of all do not exceed (its bucket's middle); 0 if empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

#endif
