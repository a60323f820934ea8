/*
 * A histogram of times: 64 steps for each power of two, so that a percentile is right to 1.6 %
 * whether it is 20 microseconds or 20 seconds, in a table that never grows.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

/* Values of an octave use the upper half of its row; only the first row is used whole. */
#define HIST_ROW     128
#define HIST_BUCKETS (HIST_ROW * 40)

struct hist {
    uint64_t n, max;
    uint32_t buckets[HIST_BUCKETS];
};

/* Counts a value. */
static inline void hist_add(struct hist *h, uint64_t v)
{
    unsigned shift = v < HIST_ROW ? 0 : 57 - (unsigned)__builtin_clzll(v);
    unsigned at = shift * HIST_ROW + (unsigned)(v >> shift);

    h->buckets[at < HIST_BUCKETS ? at : HIST_BUCKETS - 1]++;
    h->n++;
    if (v > h->max)
        h->max = v;
}

/* The value that a share of all values (0 to 1) does not exceed; 0 when there is none. */
static inline uint64_t hist_at(const struct hist *h, double share)
{
    uint64_t wanted = (uint64_t)((double)h->n * share), seen = 0;

    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > wanted)
            return (uint64_t)(i % HIST_ROW) << (i / HIST_ROW);
    }
    return h->max;
}

#endif
