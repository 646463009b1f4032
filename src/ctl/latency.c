/*
 * Buckets of latencies. See latency.h.
 */

#include "ctl/latency.h"

#include <stddef.h>

#define STEPS 16 /* a power of two */

/* Up to 2 * STEPS each value has a bucket of its own; from there on STEPS for each doubling. */
static size_t bucket_of(int64_t usec)
{
    uint64_t value = usec > 0 ? (uint64_t)usec : 0;
    unsigned int shift = 0;
    size_t bucket;

    while (value >> shift >= (uint64_t)2 * STEPS)
        shift++;
    bucket = (size_t)shift * STEPS + (size_t)(value >> shift);
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The greatest value of a bucket; the last one has no bound. */
static int64_t bucket_end(size_t bucket)
{
    size_t shift = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;
    uint64_t step = bucket - shift * STEPS;

    if (bucket == LATENCY_BUCKETS - 1)
        return INT64_MAX;
    return (int64_t)(((step + 1) << shift) - 1);
}

void latency_add(struct latency *latency, int64_t usec)
{
    latency->buckets[bucket_of(usec)]++;
    latency->n++;
    if (usec > latency->max_usec)
        latency->max_usec = usec;
}

int64_t latency_get(const struct latency *latency, unsigned int percent)
{
    uint64_t want = (latency->n * percent + 99) / 100;
    uint64_t seen = 0;

    for (size_t i = 0; i < LATENCY_BUCKETS && latency->n > 0; i++) {
        seen += latency->buckets[i];
        if (seen >= want && seen > 0)
            return bucket_end(i) < latency->max_usec ? bucket_end(i) : latency->max_usec;
    }
    return latency->max_usec;
}
