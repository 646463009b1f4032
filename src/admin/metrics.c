/*
 * The numbers in Prometheus's text format; see metrics.h.
 */

#include "admin/metrics.h"

#include "build_config.h"

#include "util/cleanup.h"

#include <inttypes.h>
#include <string.h>

/* A label; the list ends with a NULL name. */
struct label {
    const char *name, *value;
};

#define LABELS(...) ((const struct label[]){__VA_ARGS__, {NULL, NULL}})
#define NO_LABELS ((const struct label[]){{NULL, NULL}})

/* ---- the format ---- */

static void family(struct buf *out, const char *name, const char *type, const char *help)
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
    struct buf *out, const char *name, const char *suffix, const struct label *labels)
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

static void sample(struct buf *out, const char *name, const struct label *labels, uint64_t value)
{
    name_and_labels(out, name, "", labels);
    buf_append_format(out, "%" PRIu64 "\n", value);
}

/* Microseconds as seconds, exactly. */
static void seconds(struct buf *out, int64_t usec)
{
    buf_append_format(out, "%s%" PRIi64 ".%06" PRIi64, usec < 0 ? "-" : "",
        (usec < 0 ? -usec : usec) / USEC_PER_SEC, (usec < 0 ? -usec : usec) % USEC_PER_SEC);
}

static void sample_seconds(
    struct buf *out, const char *name, const struct label *labels, int64_t usec)
{
    name_and_labels(out, name, "", labels);
    seconds(out, usec);
    buf_append_text(out, "\n");
}

/* A histogram's buckets: how many were counted in each alone, and the bounds of all but the last.
 * Either bounds are in microseconds and shown in seconds, or they are powers of two. */
struct histogram {
    const uint64_t *buckets;
    size_t n;
    const int64_t *bounds_usec; /* NULL: 2^i, and the last holds the greatest there can be */
    uint64_t sum;               /* microseconds, or plain */
};

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

static void histogram(struct buf *out, const char *name, const char *label, const char *value,
    const struct histogram *histogram)
{
    const struct label labels[] = {{label, value}, {NULL, NULL}};
    const size_t n_bounds = histogram->bounds_usec ? histogram->n - 1 : histogram->n;
    uint64_t count = 0;

    for (size_t i = 0; i < n_bounds; i++) {
        count += histogram->buckets[i];
        bucket(out, name, label, value);
        if (histogram->bounds_usec)
            seconds(out, histogram->bounds_usec[i]);
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
        seconds(out, (int64_t)histogram->sum);
    else
        buf_append_format(out, "%" PRIu64, histogram->sum);
    buf_append_text(out, "\n");
    name_and_labels(out, name, "_count", labels);
    buf_append_format(out, "%" PRIu64 "\n", count);
}

/* One sample without labels, with its family. */
static void lone(
    struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    family(out, name, type, help);
    sample(out, name, NO_LABELS, value);
}

/* ---- the daemon ---- */

static void write_daemon(const struct overview *overview, struct buf *out)
{
    family(out, "sasha_build_info", "gauge", "The version that runs; always 1.");
    sample(out, "sasha_build_info", LABELS({"version", PROJECT_VERSION}), 1);
    family(out, "sasha_start_time_seconds", "gauge", "When the daemon was started, since 1970.");
    sample_seconds(out, "sasha_start_time_seconds", NO_LABELS, overview->started_at_usec);
    lone(out, "sasha_ready", "gauge", "Whether /readyz answers 200.",
        overview->readiness.n_reasons == 0);
}

/* ---- intake ---- */

static void write_callbacks(const struct overview *overview, struct buf *out)
{
    static const char name[] = "sasha_callbacks_total";

    family(out, name, "counter",
        "Requests by endpoint (empty: none was found) and outcome: accepted, duplicate, conflict, "
        "or "
        "why it was refused.");
    for (size_t i = 0; i < overview->n_endpoints; i++) {
        const struct intake_endpoint_stats *endpoint = &overview->endpoints[i];

        for (int reason = 0; reason < REASON_COUNT; reason++) {
            if (overview_is_routed((enum reason)reason))
                sample(out, name,
                    LABELS({"endpoint", endpoint->name}, {"outcome", reason_name(reason)}),
                    endpoint->reasons[reason]);
        }
    }
    for (int reason = 0; reason < REASON_COUNT; reason++) {
        if (overview_is_unrouted((enum reason)reason))
            sample(out, name, LABELS({"endpoint", ""}, {"outcome", reason_name(reason)}),
                overview->unrouted[reason]);
    }
}

static void write_endpoints(const struct overview *overview, struct buf *out)
{
    family(out, "sasha_callbacks_unverified_total", "counter",
        "Callbacks that were accepted although a check failed, because of verify = \"report\".");
    for (size_t i = 0; i < overview->n_endpoints; i++)
        sample(out, "sasha_callbacks_unverified_total",
            LABELS({"endpoint", overview->endpoints[i].name}), overview->endpoints[i].unverified);

    family(out, "sasha_endpoint_report_mode", "gauge",
        "Whether the endpoint lets callbacks pass that fail verification.");
    for (size_t i = 0; i < overview->n_endpoints; i++)
        sample(out, "sasha_endpoint_report_mode", LABELS({"endpoint", overview->endpoints[i].name}),
            overview->endpoints[i].report);

    family(out, "sasha_last_valid_callback_timestamp_seconds", "gauge",
        "When the last callback that was proven genuine came; absent: none since the start.");
    for (size_t i = 0; i < overview->n_endpoints; i++) {
        const struct intake_endpoint_stats *endpoint = &overview->endpoints[i];

        if (endpoint->last_valid_at_usec != 0)
            sample_seconds(out, "sasha_last_valid_callback_timestamp_seconds",
                LABELS({"endpoint", endpoint->name}), endpoint->last_valid_at_usec);
    }
}

enum credential {
    CREDENTIAL_TOKEN,
    CREDENTIAL_SECRET,
};

static const struct intake_use *uses_of(
    const struct intake_endpoint_stats *endpoint, enum credential credential, size_t *ret_n)
{
    const size_t n = credential == CREDENTIAL_TOKEN ? endpoint->n_tokens : endpoint->n_secrets;

    *ret_n = n < INTAKE_CREDENTIALS_MAX ? n : INTAKE_CREDENTIALS_MAX;
    return credential == CREDENTIAL_TOKEN ? endpoint->tokens : endpoint->secrets;
}

static void write_uses(const struct overview *overview, enum credential credential, struct buf *out)
{
    const bool is_token = credential == CREDENTIAL_TOKEN;
    const char *label = is_token ? "token" : "secret";
    const char *used = is_token ? "sasha_token_used_total" : "sasha_secret_used_total";
    const char *last = is_token ? "sasha_token_last_used_timestamp_seconds"
                                : "sasha_secret_last_used_timestamp_seconds";
    size_t n;

    family(out, used, "counter",
        is_token ? "Callbacks that came with the partner token; numbered as in the conf, from 1."
                 : "Callbacks that were signed with the callback secret.");
    for (size_t i = 0; i < overview->n_endpoints; i++) {
        const struct intake_use *uses = uses_of(&overview->endpoints[i], credential, &n);

        for (size_t j = 0; j < n; j++)
            sample(out, used,
                LABELS({"endpoint", overview->endpoints[i].name}, {label, uses[j].name}),
                uses[j].used);
    }
    family(out, last, "gauge",
        is_token ? "When the partner token was last used; absent: not since the start."
                 : "When the callback secret was last used; absent: not since the start.");
    for (size_t i = 0; i < overview->n_endpoints; i++) {
        const struct intake_use *uses = uses_of(&overview->endpoints[i], credential, &n);

        for (size_t j = 0; j < n; j++) {
            if (uses[j].last_used_at_usec != 0)
                sample_seconds(out, last,
                    LABELS({"endpoint", overview->endpoints[i].name}, {label, uses[j].name}),
                    uses[j].last_used_at_usec);
        }
    }
}

static void write_connections(const struct overview *overview, struct buf *out)
{
    lone(out, "sasha_connections", "gauge", "Connections that are open.",
        overview->open_connections);
    lone(out, "sasha_connections_limit", "gauge", "server.max_connections.",
        overview->max_connections);
    lone(out, "sasha_connections_accepted_total", "counter", "Connections that were taken.",
        overview->accepted_connections);
    lone(out, "sasha_connections_refused_total", "counter",
        "Connections over the limit, answered 503.", overview->refused_connections);
    family(out, "sasha_callback_duration_seconds", "histogram",
        "From the complete body of a callback to the store's verdict.");
    histogram(out, "sasha_callback_duration_seconds", NULL, NULL,
        &(const struct histogram){overview->latency.buckets, INTAKE_BUCKETS, intake_bucket_usec,
            (uint64_t)overview->latency.sum_usec});
}

/* ---- store ---- */

static void write_writer(const struct overview_writer *writer, struct buf *out)
{
    lone(out, "sasha_deliveries_stored_total", "counter", "Deliveries that were stored.",
        writer->appended);
    lone(out, "sasha_commits_unavailable_total", "counter",
        "Commits that could not be made for now: disk full, or locked.", writer->unavailable);
    family(out, "sasha_commit_duration_seconds", "histogram",
        "Time of a commit of the store, its sync included.");
    histogram(out, "sasha_commit_duration_seconds", NULL, NULL,
        &(const struct histogram){writer->commit_buckets, STORE_COMMIT_BUCKETS,
            store_commit_bucket_usec, writer->commit_usec});
    family(out, "sasha_commit_batch_size", "histogram",
        "Deliveries and reports of sinks that one commit made durable.");
    histogram(out, "sasha_commit_batch_size", NULL, NULL,
        &(const struct histogram){writer->batch_buckets, STORE_BATCH_BUCKETS, NULL, writer->works});
}

static void write_store(const struct store_stats *store, struct buf *out)
{
    lone(out, "sasha_store_head", "gauge", "Sequence number of the newest delivery.", store->head);
    lone(out, "sasha_store_deliveries", "gauge", "Deliveries that are kept.", store->deliveries);
    lone(out, "sasha_store_request_ids", "gauge", "Request ids that are remembered.", store->ids);
    lone(out, "sasha_store_size_bytes", "gauge", "Size of the database file.", store->bytes);
    lone(out, "sasha_store_wal_size_bytes", "gauge", "Size of the write-ahead log.",
        store->wal_bytes);
    lone(out, "sasha_store_disk_free_bytes", "gauge", "Free space on the store's file system.",
        store->disk_free);
    lone(out, "sasha_store_below_floor", "gauge",
        "Whether the free space is below store.disk_floor, so that callbacks are answered 503.",
        store->below_floor);
    lone(out, "sasha_store_disk_full", "gauge",
        "Whether the disk was met full and has not enough room again, so that callbacks are "
        "answered "
        "503.",
        store->disk_full);
    lone(out, "sasha_store_reserve_bytes", "gauge",
        "Disk space kept back for a full disk; given back when it is.", store->reserve);
    lone(out, "sasha_store_failed", "gauge", "Whether a sync failed and the daemon must stop.",
        store->failed);
}

/* ---- sinks ---- */

/* A number of a sink that the store or the runner keeps. */
struct sink_row {
    const char *name;
    const char *type;
    const char *help;
    uint64_t (*get)(const struct overview_sink *sink);
};

static uint64_t get_delivered(const struct overview_sink *sink)
{
    return sink->store.delivered;
}

static uint64_t get_filtered(const struct overview_sink *sink)
{
    return sink->store.filtered;
}

static uint64_t get_requeued(const struct overview_sink *sink)
{
    return sink->store.requeued;
}

static uint64_t get_dropped(const struct overview_sink *sink)
{
    return sink->store.dropped;
}

static uint64_t get_pending(const struct overview_sink *sink)
{
    return sink->pending;
}

static uint64_t get_running(const struct overview_sink *sink)
{
    return sink->running;
}

static uint64_t get_dead(const struct overview_sink *sink)
{
    return sink->store.dead;
}

static uint64_t get_paused(const struct overview_sink *sink)
{
    return sink->stats.paused;
}

static uint64_t get_breaker_open(const struct overview_sink *sink)
{
    return sink->stats.breaker_open;
}

static const struct sink_row sink_rows[] = {
    {"sasha_sink_delivered_total", "counter", "Deliveries that the sink took.", get_delivered},
    {"sasha_sink_filtered_total", "counter", "Deliveries that the sink's own filter left out.",
        get_filtered},
    {"sasha_sink_requeued_total", "counter", "Deliveries that were asked for again.", get_requeued},
    {"sasha_sink_dropped_total", "counter", "Deliveries that were given up.", get_dropped},
    {"sasha_sink_pending", "gauge", "Deliveries that wait, retries included.", get_pending},
    {"sasha_sink_running", "gauge", "Deliveries that are being made.", get_running},
    {"sasha_sink_dead", "gauge", "Deliveries that failed for good and wait for an operator.",
        get_dead},
    {"sasha_sink_paused", "gauge", "Whether an operator paused the sink.", get_paused},
    {"sasha_sink_breaker_open", "gauge", "Whether failures in a row have slowed the sink down.",
        get_breaker_open},
};

static void write_sink_rows(const struct overview *overview, struct buf *out)
{
    family(out, "sasha_sink_info", "gauge", "The sink's type; always 1.");
    for (size_t i = 0; i < overview->n_sinks; i++)
        sample(out, "sasha_sink_info",
            LABELS(
                {"sink", overview->sinks[i].stats.name}, {"type", overview->sinks[i].stats.type}),
            1);
    for (size_t row = 0; row < ARRAY_SIZE(sink_rows); row++) {
        family(out, sink_rows[row].name, sink_rows[row].type, sink_rows[row].help);
        for (size_t i = 0; i < overview->n_sinks; i++)
            sample(out, sink_rows[row].name, LABELS({"sink", overview->sinks[i].stats.name}),
                sink_rows[row].get(&overview->sinks[i]));
    }
    family(out, "sasha_sink_oldest_pending_age_seconds", "gauge",
        "How long the oldest delivery that waits was received ago; 0: none waits.");
    for (size_t i = 0; i < overview->n_sinks; i++) {
        const int64_t at = overview->sinks[i].oldest_pending_at_usec;

        sample_seconds(out, "sasha_sink_oldest_pending_age_seconds",
            LABELS({"sink", overview->sinks[i].stats.name}),
            at == 0 || at > overview->now_usec ? 0 : overview->now_usec - at);
    }
}

static void write_attempts(const struct overview *overview, struct buf *out)
{
    static const char *const results[] = {
        [SINK_DELIVERED] = "delivered",
        [SINK_RETRY] = "retry",
        [SINK_DEAD] = "dead",
        [SINK_DEFERRED] = "deferred",
    };

    family(out, "sasha_sink_attempts_total", "counter",
        "Attempts by result: delivered, retry (failed, to be tried again), dead (can never "
        "succeed) "
        "or deferred (could not be made).");
    for (size_t i = 0; i < overview->n_sinks; i++) {
        const struct dispatch_sink_stats *stats = &overview->sinks[i].stats;

        for (size_t result = 0; result < ARRAY_SIZE(results); result++)
            sample(out, "sasha_sink_attempts_total",
                LABELS({"sink", stats->name}, {"result", results[result]}),
                stats->attempts[result]);
    }
    family(out, "sasha_sink_attempt_duration_seconds", "histogram",
        "How long attempts took that were not deferred.");
    for (size_t i = 0; i < overview->n_sinks; i++) {
        const struct dispatch_sink_stats *stats = &overview->sinks[i].stats;

        histogram(out, "sasha_sink_attempt_duration_seconds", "sink", stats->name,
            &(const struct histogram){stats->durations, DISPATCH_BUCKETS, dispatch_bucket_usec,
                (uint64_t)stats->duration_sum_usec});
    }
}

void metrics_write(const struct overview *overview, struct buf *out)
{
    write_daemon(overview, out);
    write_callbacks(overview, out);
    write_endpoints(overview, out);
    write_uses(overview, CREDENTIAL_TOKEN, out);
    write_uses(overview, CREDENTIAL_SECRET, out);
    write_connections(overview, out);
    write_writer(&overview->writer, out);
    lone(out, "sasha_store_readable", "gauge", "Whether the store could be read for these numbers.",
        overview->store_is_readable);
    if (!overview->store_is_readable)
        return;
    write_store(&overview->store, out);
    write_sink_rows(overview, out);
    write_attempts(overview, out);
}
