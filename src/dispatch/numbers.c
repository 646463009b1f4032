/*
 * What a runner counts. See numbers.h.
 *
 * A histogram's buckets are not cumulative here: each attempt is in the one bucket it belongs to.
 */

#include "dispatch/numbers.h"

#include "util/cleanup.h"

#include <stdio.h>
#include <string.h>

/* From a line in a file to a hook that runs into its time limit. */
const int64_t dispatch_bucket_usec[DISPATCH_BUCKETS - 1] = {
    100,
    1 * USEC_PER_MSEC,
    5 * USEC_PER_MSEC,
    25 * USEC_PER_MSEC,
    100 * USEC_PER_MSEC,
    250 * USEC_PER_MSEC,
    500 * USEC_PER_MSEC,
    1 * USEC_PER_SEC,
    2500 * USEC_PER_MSEC,
    5 * USEC_PER_SEC,
    10 * USEC_PER_SEC,
    30 * USEC_PER_SEC,
    60 * USEC_PER_SEC,
};

void numbers_init(struct numbers *numbers)
{
    *numbers = (struct numbers){0};
    pthread_mutex_init(&numbers->lock, NULL);
}

void numbers_done(struct numbers *numbers)
{
    pthread_mutex_destroy(&numbers->lock);
}

static size_t bucket_of(int64_t usec)
{
    size_t i = 0;

    while (i < DISPATCH_BUCKETS - 1 && usec > dispatch_bucket_usec[i])
        i++;
    return i;
}

static void note_error(
    struct numbers *numbers, uint64_t seq, const struct sink_item *item, int64_t now_usec)
{
    pthread_mutex_lock(&numbers->lock);
    numbers->error_seq = seq;
    numbers->error_at_usec = now_usec;
    snprintf(numbers->error_result, sizeof(numbers->error_result), "%s", item->result);
    pthread_mutex_unlock(&numbers->lock);
}

void numbers_note(struct numbers *numbers, enum sink_result result, uint64_t seq,
    const struct sink_item *item, int64_t now_usec)
{
    int64_t usec = item->duration_usec;

    ASSERT((size_t)result < ARRAY_SIZE(numbers->attempts));
    atomic_fetch_add_explicit(&numbers->attempts[result], 1, memory_order_relaxed);
    if (result == SINK_DEFERRED)
        return;
    atomic_fetch_add_explicit(&numbers->durations[bucket_of(usec)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&numbers->duration_sum_usec, usec, memory_order_relaxed);
    if (result != SINK_DELIVERED)
        note_error(numbers, seq, item, now_usec);
}

void numbers_read(struct numbers *numbers, struct dispatch_sink_stats *stats)
{
    for (size_t i = 0; i < ARRAY_SIZE(stats->attempts); i++)
        stats->attempts[i] = atomic_load_explicit(&numbers->attempts[i], memory_order_relaxed);
    for (size_t i = 0; i < DISPATCH_BUCKETS; i++)
        stats->durations[i] = atomic_load_explicit(&numbers->durations[i], memory_order_relaxed);
    stats->duration_sum_usec =
        atomic_load_explicit(&numbers->duration_sum_usec, memory_order_relaxed);
    pthread_mutex_lock(&numbers->lock);
    stats->error_seq = numbers->error_seq;
    stats->error_at_usec = numbers->error_at_usec;
    memcpy(stats->error_result, numbers->error_result, sizeof(stats->error_result));
    pthread_mutex_unlock(&numbers->lock);
}
