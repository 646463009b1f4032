#pragma once

/*
 * What a runner counts: attempts by result, how long they took, the last failure.
 *
 * Threads: one notes (the runner's), any may read at any time. Counters are atomics of their own,
 * so a reader may see an attempt counted in one of them and not yet in another; each only grows.
 */

#include "dispatch/dispatch.h"

#include <pthread.h>
#include <stdatomic.h>

struct numbers {
    _Atomic uint64_t attempts[4]; /* by enum sink_result */
    _Atomic uint64_t durations[DISPATCH_BUCKETS];
    _Atomic int64_t duration_sum_usec;

    pthread_mutex_t lock; /* a leaf, for the text below */
    uint64_t error_seq;
    int64_t error_at_usec;
    char error_result[64];
};

void numbers_init(struct numbers *numbers);
void numbers_done(struct numbers *numbers);

/* An attempt at `seq` ended; `now_usec` is real time. */
void numbers_note(struct numbers *numbers, enum sink_result result, uint64_t seq,
    const struct sink_item *item, int64_t now_usec);

/* Fills in what is counted here and leaves the rest of the stats alone. */
void numbers_read(struct numbers *numbers, struct dispatch_sink_stats *stats);
