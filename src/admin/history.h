#pragma once

/*
 * The last 24 hours by the minute, in memory: what came in, how long it took, what the sinks did.
 *
 * Fed with counters that only go up, looked at every few seconds; what they grew by goes into the
 * minute of that moment. A counter that went down started anew (a sink that left the conf and came
 * back), so all of it is new. Bounded: one ring, and one for each of at most HISTORY_SINKS_MAX
 * sinks; a sink that was not seen for 24 hours is forgotten.
 *
 * Pure but for memory: the caller brings the time, and locks.
 */

#include "dispatch/dispatch.h"
#include "intake/intake.h"

#define HISTORY_MINUTES (24 * 60)
#define HISTORY_SINKS_MAX 128

struct history_counts {
    uint64_t accepted;
    uint64_t duplicate; /* conflicts too */
    uint64_t refused;
    uint64_t latency[INTAKE_BUCKETS];
};

struct history_sink_counts {
    uint64_t delivered; /* attempts that succeeded */
    uint64_t failed;    /* attempts that did not */
    uint64_t dead;      /* deliveries that are dead; goes down, too, which is no news */
    uint64_t durations[DISPATCH_BUCKETS];
};

struct history;

/* NULL: out of memory. */
struct history *history_new(void);
void history_free(struct history *history); /* NULL is legal */

/* What the counters are now. Times are real time in microseconds. */
void history_add(struct history *history, int64_t now_usec, const struct history_counts *counts);

/* The same of one sink. Without memory, or beyond HISTORY_SINKS_MAX, the sink is left out. */
void history_add_sink(struct history *history, int64_t now_usec, const char *name,
    const struct history_sink_counts *counts);

/* Passes on the minutes that were looked at in [since, until), oldest first. */
void history_walk(const struct history *history, int64_t now_usec, int64_t since_usec,
    int64_t until_usec,
    void (*fn)(void *context, int64_t at_usec, const struct history_counts *minute), void *context);

/* The sum of the same minutes. */
struct history_counts history_sum(
    const struct history *history, int64_t now_usec, int64_t since_usec, int64_t until_usec);

/* Passes on what each sink did in [since, until), summed. */
void history_walk_sinks(const struct history *history, int64_t now_usec, int64_t since_usec,
    int64_t until_usec,
    void (*fn)(void *context, const char *name, const struct history_sink_counts *sum),
    void *context);

/* The value that `percent` of what was counted does not exceed, read linearly within its bucket;
 * for the last bucket, which has no bound, the bound before it. -1: nothing was counted. */
int64_t history_percentile(
    const uint64_t *buckets, size_t n, const int64_t *bounds_usec, unsigned int percent);
