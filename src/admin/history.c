/*
 * The last 24 hours by the minute; see history.h.
 *
 * A ring's place for a minute is the minute modulo the ring's size; each place says of which minute
 * it is, so nothing has to be cleared while no one looks. Counts of a minute fit 32 bits.
 */

#include "admin/history.h"

#include "util/cleanup.h"

#include <string.h>

/* Everything in the counts is a uint64_t, so that both kinds are handled as rows of numbers. */
#define N_COUNTS (sizeof(struct history_counts) / sizeof(uint64_t))
#define N_SINK_COUNTS (sizeof(struct history_sink_counts) / sizeof(uint64_t))
#define N_MAX N_SINK_COUNTS
_Static_assert(N_COUNTS <= N_MAX, "one row holds either");

struct place {
    int64_t minute; /* since 1970; 0: never used */
    uint32_t counts[N_MAX];
};

struct ring {
    size_t n;             /* numbers of a row */
    uint64_t last[N_MAX]; /* the counters when they were last looked at */
    struct place places[HISTORY_MINUTES];
};

struct sink_ring {
    char name[65];
    int64_t seen_minute;
    struct ring ring;
};

struct history {
    struct ring ring;
    struct sink_ring *sinks[HISTORY_SINKS_MAX];
    size_t n_sinks;
};

struct history *history_new(void)
{
    struct history *history = calloc(1, sizeof(*history));

    if (history)
        history->ring.n = N_COUNTS;
    return history;
}

void history_free(struct history *history)
{
    if (!history)
        return;
    for (size_t i = 0; i < history->n_sinks; i++)
        free(history->sinks[i]);
    free(history);
}

/* ---- rings ---- */

static int64_t minute_of(int64_t usec)
{
    return usec / USEC_PER_MIN;
}

static struct place *place_of(struct ring *ring, int64_t minute)
{
    struct place *place = &ring->places[(uint64_t)minute % HISTORY_MINUTES];

    if (place->minute != minute)
        *place = (struct place){.minute = minute};
    return place;
}

static void ring_add(struct ring *ring, int64_t minute, const uint64_t *counters, size_t gauge)
{
    struct place *place = place_of(ring, minute);

    for (size_t i = 0; i < ring->n; i++) {
        const uint64_t last = ring->last[i];
        uint64_t grown = counters[i] >= last ? counters[i] - last : counters[i];

        if (i == gauge && counters[i] < last)
            grown = 0;
        if (grown > UINT32_MAX - place->counts[i])
            grown = UINT32_MAX - place->counts[i];
        place->counts[i] += (uint32_t)grown;
        ring->last[i] = counters[i];
    }
}

/* No number of this row is a gauge. */
#define NO_GAUGE SIZE_MAX

/* The part of [since, until) that a ring can hold, in minutes. */
struct span {
    int64_t first, end;
};

static struct span span_of(int64_t now_usec, int64_t since_usec, int64_t until_usec)
{
    const int64_t now = minute_of(now_usec);
    struct span span = {minute_of(since_usec), now + 1};

    if (until_usec <= now_usec)
        span.end = minute_of(until_usec - 1) + 1;
    if (span.first < now - HISTORY_MINUTES + 1)
        span.first = now - HISTORY_MINUTES + 1;
    return span;
}

/* The row of a minute, wide; false when it was not looked at then. */
static bool ring_get(const struct ring *ring, int64_t minute, uint64_t *counts)
{
    const struct place *place = &ring->places[(uint64_t)minute % HISTORY_MINUTES];

    if (place->minute != minute)
        return false;
    for (size_t i = 0; i < ring->n; i++)
        counts[i] = place->counts[i];
    return true;
}

/* ---- all together ---- */

void history_add(struct history *history, int64_t now_usec, const struct history_counts *counts)
{
    uint64_t row[N_COUNTS];

    memcpy(row, counts, sizeof(row));
    ring_add(&history->ring, minute_of(now_usec), row, NO_GAUGE);
}

void history_walk(const struct history *history, int64_t now_usec, int64_t since_usec,
    int64_t until_usec,
    void (*fn)(void *context, int64_t at_usec, const struct history_counts *minute), void *context)
{
    const struct span span = span_of(now_usec, since_usec, until_usec);

    for (int64_t minute = span.first; minute < span.end; minute++) {
        struct history_counts counts;
        uint64_t row[N_COUNTS];

        if (!ring_get(&history->ring, minute, row))
            continue;
        memcpy(&counts, row, sizeof(counts));
        fn(context, minute * USEC_PER_MIN, &counts);
    }
}

static void add_minute(void *context, int64_t at_usec, const struct history_counts *minute)
{
    struct history_counts *sum = context;

    sum->accepted += minute->accepted;
    sum->duplicate += minute->duplicate;
    sum->refused += minute->refused;
    for (size_t i = 0; i < INTAKE_BUCKETS; i++)
        sum->latency[i] += minute->latency[i];
}

struct history_counts history_sum(
    const struct history *history, int64_t now_usec, int64_t since_usec, int64_t until_usec)
{
    struct history_counts sum = {.accepted = 0};

    history_walk(history, now_usec, since_usec, until_usec, add_minute, &sum);
    return sum;
}

/* ---- sinks ---- */

static struct sink_ring *find_sink(const struct history *history, const char *name)
{
    for (size_t i = 0; i < history->n_sinks; i++) {
        if (strcmp(history->sinks[i]->name, name) == 0)
            return history->sinks[i];
    }
    return NULL;
}

static void forget_old_sinks(struct history *history, int64_t minute)
{
    for (size_t i = 0; i < history->n_sinks;) {
        if (history->sinks[i]->seen_minute > minute - HISTORY_MINUTES) {
            i++;
            continue;
        }
        free(history->sinks[i]);
        history->sinks[i] = history->sinks[--history->n_sinks];
    }
}

static struct sink_ring *new_sink(struct history *history, int64_t minute, const char *name)
{
    struct sink_ring *sink;

    forget_old_sinks(history, minute);
    if (history->n_sinks == HISTORY_SINKS_MAX)
        return NULL;
    sink = calloc(1, sizeof(*sink));
    if (!sink)
        return NULL;
    memcpy(sink->name, name, strnlen(name, sizeof(sink->name) - 1));
    sink->ring.n = N_SINK_COUNTS;
    history->sinks[history->n_sinks++] = sink;
    return sink;
}

void history_add_sink(struct history *history, int64_t now_usec, const char *name,
    const struct history_sink_counts *counts)
{
    const size_t gauge = offsetof(struct history_sink_counts, dead) / sizeof(uint64_t);
    const int64_t minute = minute_of(now_usec);
    struct sink_ring *sink = find_sink(history, name);
    uint64_t row[N_SINK_COUNTS];

    memcpy(row, counts, sizeof(row));
    if (!sink) {
        sink = new_sink(history, minute, name);
        if (!sink)
            return;
        /* What was dead before is no news; attempts count since the daemon's start. */
        sink->ring.last[gauge] = row[gauge];
    }
    sink->seen_minute = minute;
    ring_add(&sink->ring, minute, row, gauge);
}

void history_walk_sinks(const struct history *history, int64_t now_usec, int64_t since_usec,
    int64_t until_usec,
    void (*fn)(void *context, const char *name, const struct history_sink_counts *sum),
    void *context)
{
    const struct span span = span_of(now_usec, since_usec, until_usec);

    for (size_t i = 0; i < history->n_sinks; i++) {
        uint64_t sum[N_SINK_COUNTS] = {0}, row[N_SINK_COUNTS] = {0};
        struct history_sink_counts counts;

        for (int64_t minute = span.first; minute < span.end; minute++) {
            if (!ring_get(&history->sinks[i]->ring, minute, row))
                continue;
            for (size_t j = 0; j < N_SINK_COUNTS; j++)
                sum[j] += row[j];
        }
        memcpy(&counts, sum, sizeof(counts));
        fn(context, history->sinks[i]->name, &counts);
    }
}

/* ---- percentiles ---- */

int64_t history_percentile(
    const uint64_t *buckets, size_t n, const int64_t *bounds_usec, unsigned int percent)
{
    uint64_t total = 0, below = 0, rank;

    for (size_t i = 0; i < n; i++)
        total += buckets[i];
    if (total == 0)
        return -1;
    rank = (total * percent + 99) / 100;
    for (size_t i = 0; i + 1 < n; i++) {
        const int64_t low = i == 0 ? 0 : bounds_usec[i - 1];

        if (below + buckets[i] >= rank && buckets[i] > 0)
            return low + (int64_t)((double)(bounds_usec[i] - low) * (double)(rank - below) /
                                   (double)buckets[i]);
        below += buckets[i];
    }
    return bounds_usec[n - 2];
}
