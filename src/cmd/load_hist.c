/*
 * Latencies span six orders of magnitude, and what matters is the tail, so
 * neither a list of samples nor buckets of one width do. Buckets double in
 * width at each power of two, and each power is cut into 128: values below 128
 * have a bucket each, and above, a bucket is never wider than 1/128 of what it
 * holds. Counting costs a shift and an addition; histograms of several workers
 * add up exactly.
 */
#include "cmd/load.h"

#define SUB (UINT64_C(1) << OH__HIST_BITS)

/* The bucket of a value: its power of two, and its first seven bits behind the leading one. */
static size_t bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < SUB)
        return (size_t)value;
    if (value >> OH__HIST_TOP)
        return OH__HIST_BUCKETS - 1;
    shift = 63 - (unsigned)__builtin_clzll(value) - OH__HIST_BITS;
    return (size_t)((shift + 1) * SUB + (value >> shift) - SUB);
}

/* The largest value that falls into a bucket. */
static uint64_t end_of(size_t bucket)
{
    unsigned shift = (unsigned)(bucket / SUB);

    if (shift == 0)
        return bucket;
    shift--;
    return ((bucket % SUB + SUB + 1) << shift) - 1;
}

void oh__hist_add(struct oh__hist *h, uint64_t value)
{
    h->n++;
    h->sum += value;
    if (value > h->max)
        h->max = value;
    h->counts[bucket_of(value)]++;
}

void oh__hist_merge(struct oh__hist *h, const struct oh__hist *other)
{
    /* Most histograms of a run are empty, and this one is 34 KiB to read. */
    if (other->n == 0)
        return;
    h->n += other->n;
    h->sum += other->sum;
    if (other->max > h->max)
        h->max = other->max;
    for (size_t i = 0; i < OH__HIST_BUCKETS; i++)
        h->counts[i] += other->counts[i];
}

uint64_t oh__hist_at(const struct oh__hist *h, double part)
{
    double wanted = part * (double)h->n;
    uint64_t seen = 0;

    if (h->n == 0)
        return 0;
    for (size_t i = 0; i < OH__HIST_BUCKETS - 1; i++) {
        seen += h->counts[i];
        if (seen > 0 && (double)seen >= wanted)
            return end_of(i) < h->max ? end_of(i) : h->max;
    }
    return h->max;
}

uint64_t oh__hist_mean(const struct oh__hist *h)
{
    return h->n ? h->sum / h->n : 0;
}
