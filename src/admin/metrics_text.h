#pragma once

/*
 * Prometheus's text format, version 0.0.4: families, samples, histograms. Pure; appends to a
 * buffer, in which running out of memory shows as `failed`.
 */

#include "util/buf.h"

#include <stddef.h>
#include <stdint.h>

/* A label; the list ends with a NULL name. */
struct metrics_label {
    const char *name, *value;
};

#define METRICS_LABELS(...) ((const struct metrics_label[]){__VA_ARGS__, {NULL, NULL}})
#define METRICS_NO_LABELS ((const struct metrics_label[]){{NULL, NULL}})

/* Before the first sample of a name. `type`: "counter", "gauge", "histogram". */
void metrics_family(struct buf *out, const char *name, const char *type, const char *help);

void metrics_sample(
    struct buf *out, const char *name, const struct metrics_label *labels, uint64_t value);

/* Microseconds as seconds, exactly. */
void metrics_seconds(
    struct buf *out, const char *name, const struct metrics_label *labels, int64_t usec);

/* One sample without labels, with its family. */
void metrics_lone(
    struct buf *out, const char *name, const char *type, const char *help, uint64_t value);

/* A histogram's buckets: how many were counted in each alone, and the bounds of all but the last.
 * Either bounds are in microseconds and shown in seconds, or they are powers of two. */
struct metrics_histogram {
    const uint64_t *buckets;
    size_t n;
    const int64_t *bounds_usec; /* NULL: 2^i, and the last holds the greatest there can be */
    uint64_t sum;               /* microseconds, or plain */
};

/* With one label, or none when `label` is NULL. */
void metrics_histogram(struct buf *out, const char *name, const char *label, const char *value,
    const struct metrics_histogram *histogram);
