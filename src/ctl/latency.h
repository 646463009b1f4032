#pragma once

/*
 * Latencies counted in buckets, so that a million of them take no more memory than one: 16 buckets
 * for each doubling, which is right to one part in sixteen. Pure.
 */

#include <stdint.h>

#define LATENCY_BUCKETS (16 * 40)

struct latency {
    uint64_t buckets[LATENCY_BUCKETS];
    uint64_t n;
    int64_t max_usec;
};

void latency_add(struct latency *latency, int64_t usec);

/* The time within which `percent` of them ended: a bucket's upper bound, at most the longest seen.
 * 0 when there are none. */
int64_t latency_get(const struct latency *latency, unsigned int percent);
