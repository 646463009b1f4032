/*
 * Prometheus's text format; see metrics_text.h.
 */

#include "admin/metrics_text.h"

#include "util/clock.h"

#include <inttypes.h>
#include <stdio.h>

void metrics_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Backslash, quote and newline are what a label's value must escape. */
static void label_value(struct buf *out, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            buf_append(out, "\\", 1);
        if (*value == '\n')
            buf_append_text(out, "\\n");
        else
            buf_append(out, value, 1);
    }
}

static void name_and_labels(
    struct buf *out, const char *name, const char *suffix, const struct metrics_label *labels)
{
    buf_append_text(out, name);
    buf_append_text(out, suffix);
    if (labels->name) {
        for (const char *opening = "{"; labels->name; opening = ",", labels++) {
            buf_append_format(out, "%s%s=\"", opening, labels->name);
            label_value(out, labels->value);
            buf_append_text(out, "\"");
        }
        buf_append_text(out, "}");
    }
    buf_append_text(out, " ");
}

void metrics_sample(
    struct buf *out, const char *name, const struct metrics_label *labels, uint64_t value)
{
    name_and_labels(out, name, "", labels);
    buf_append_format(out, "%" PRIu64 "\n", value);
}

static void put_seconds(struct buf *out, int64_t usec)
{
    buf_append_format(out, "%s%" PRIi64 ".%06" PRIi64, usec < 0 ? "-" : "",
        (usec < 0 ? -usec : usec) / USEC_PER_SEC, (usec < 0 ? -usec : usec) % USEC_PER_SEC);
}

void metrics_seconds(
    struct buf *out, const char *name, const struct metrics_label *labels, int64_t usec)
{
    name_and_labels(out, name, "", labels);
    put_seconds(out, usec);
    buf_append_text(out, "\n");
}

/* A bound as everybody writes it, without zeros at the end: queries compare it as text. */
static void put_bound(struct buf *out, int64_t usec)
{
    char text[32];
    int length = snprintf(
        text, sizeof(text), "%" PRIi64 ".%06" PRIi64, usec / USEC_PER_SEC, usec % USEC_PER_SEC);

    while (text[length - 1] == '0')
        length--;
    if (text[length - 1] == '.')
        length--;
    buf_append(out, text, (size_t)length);
}

/* The name, its labels and one more, le. */
static void bucket(struct buf *out, const char *name, const char *label, const char *value)
{
    buf_append_format(out, "%s_bucket{", name);
    if (label) {
        buf_append_format(out, "%s=\"", label);
        label_value(out, value);
        buf_append_text(out, "\",");
    }
    buf_append_text(out, "le=\"");
}

void metrics_histogram(struct buf *out, const char *name, const char *label, const char *value,
    const struct metrics_histogram *histogram)
{
    const struct metrics_label labels[] = {{label, value}, {NULL, NULL}};
    const size_t n_bounds = histogram->bounds_usec ? histogram->n - 1 : histogram->n;
    uint64_t count = 0;

    for (size_t i = 0; i < n_bounds; i++) {
        count += histogram->buckets[i];
        bucket(out, name, label, value);
        if (histogram->bounds_usec)
            put_bound(out, histogram->bounds_usec[i]);
        else
            buf_append_format(out, "%zu", (size_t)1 << i);
        buf_append_format(out, "\"} %" PRIu64 "\n", count);
    }
    for (size_t i = n_bounds; i < histogram->n; i++)
        count += histogram->buckets[i];
    bucket(out, name, label, value);
    buf_append_format(out, "+Inf\"} %" PRIu64 "\n", count);
    name_and_labels(out, name, "_sum", labels);
    if (histogram->bounds_usec)
        put_seconds(out, (int64_t)histogram->sum);
    else
        buf_append_format(out, "%" PRIu64, histogram->sum);
    buf_append_text(out, "\n");
    name_and_labels(out, name, "_count", labels);
    buf_append_format(out, "%" PRIu64 "\n", count);
}

void metrics_lone(
    struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    metrics_family(out, name, type, help);
    metrics_sample(out, name, METRICS_NO_LABELS, value);
}
