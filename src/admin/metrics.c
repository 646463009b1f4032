/*
 * The numbers in Prometheus's text format; see metrics.h.
 */

#include "admin/metrics.h"

#include "admin/metrics_text.h"

#include "build_config.h"

#include "util/cleanup.h"

/* ---- the daemon ---- */

static void write_daemon(const struct overview *overview, struct buf *out)
{
    metrics_family(out, "sasha_build_info", "gauge", "The version that runs; always 1.");
    metrics_sample(out, "sasha_build_info", METRICS_LABELS({"version", PROJECT_VERSION}), 1);
    metrics_family(
        out, "sasha_start_time_seconds", "gauge", "When the daemon was started, since 1970.");
    metrics_seconds(out, "sasha_start_time_seconds", METRICS_NO_LABELS, overview->started_at_usec);
    metrics_lone(out, "sasha_ready", "gauge", "Whether /readyz answers 200.",
        overview->readiness.n_reasons == 0);
    metrics_lone(out, "sasha_reload_successful", "gauge",
        "Whether the last reload was taken in; 1 as well when there was none.",
        !overview->reload_has_failed);
    metrics_family(out, "sasha_conf_timestamp_seconds", "gauge",
        "When the conf in force was read: the last successful reload, or the start.");
    metrics_seconds(
        out, "sasha_conf_timestamp_seconds", METRICS_NO_LABELS, overview->conf_since_usec);
}

static void write_log(const uint64_t counts[4], struct buf *out)
{
    static const char *const levels[] = {"err", "warning", "info", "debug"};

    metrics_family(out, "sasha_log_events_total", "counter",
        "Events that were logged, by level; those that a limit left out are not counted.");
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
        metrics_sample(
            out, "sasha_log_events_total", METRICS_LABELS({"level", levels[i]}), counts[i]);
}

/* Named as in Prometheus's own libraries. */
static void write_process(const struct process_stats *process, struct buf *out)
{
    metrics_family(out, "process_cpu_seconds_total", "counter",
        "Time on a processor, user and system, hooks not included.");
    metrics_seconds(out, "process_cpu_seconds_total", METRICS_NO_LABELS, process->cpu_usec);
    metrics_lone(out, "process_resident_memory_bytes", "gauge", "Memory that is resident.",
        process->resident_bytes);
    metrics_lone(out, "process_virtual_memory_bytes", "gauge", "Memory that is mapped.",
        process->virtual_bytes);
    metrics_lone(out, "process_threads", "gauge", "Threads.", process->threads);
    metrics_lone(out, "process_open_fds", "gauge", "Descriptors that are open.", process->open_fds);
    metrics_lone(
        out, "process_max_fds", "gauge", "Descriptors that may be open.", process->max_fds);
}

/* ---- intake ---- */

static void write_callbacks(const struct overview *overview, struct buf *out)
{
    static const char name[] = "sasha_callbacks_total";

    metrics_family(out, name, "counter",
        "Requests by endpoint (empty: none was found) and outcome: accepted, duplicate, conflict, "
        "or why it was refused.");
    for (size_t i = 0; i < overview->n_endpoints; i++) {
        const struct intake_endpoint_stats *endpoint = &overview->endpoints[i];

        for (int reason = 0; reason < REASON_COUNT; reason++) {
            if (overview_is_routed((enum reason)reason))
                metrics_sample(out, name,
                    METRICS_LABELS({"endpoint", endpoint->name}, {"outcome", reason_name(reason)}),
                    endpoint->reasons[reason]);
        }
    }
    for (int reason = 0; reason < REASON_COUNT; reason++) {
        if (overview_is_unrouted((enum reason)reason))
            metrics_sample(out, name,
                METRICS_LABELS({"endpoint", ""}, {"outcome", reason_name(reason)}),
                overview->unrouted[reason]);
    }
}

static void write_endpoints(const struct overview *overview, struct buf *out)
{
    metrics_family(out, "sasha_callbacks_unverified_total", "counter",
        "Callbacks that were accepted although a check failed, because of verify = \"report\".");
    for (size_t i = 0; i < overview->n_endpoints; i++)
        metrics_sample(out, "sasha_callbacks_unverified_total",
            METRICS_LABELS({"endpoint", overview->endpoints[i].name}),
            overview->endpoints[i].unverified);

    metrics_family(out, "sasha_endpoint_report_mode", "gauge",
        "Whether the endpoint lets callbacks pass that fail verification.");
    for (size_t i = 0; i < overview->n_endpoints; i++)
        metrics_sample(out, "sasha_endpoint_report_mode",
            METRICS_LABELS({"endpoint", overview->endpoints[i].name}),
            overview->endpoints[i].report);

    metrics_family(out, "sasha_last_valid_callback_timestamp_seconds", "gauge",
        "When the last callback that was proven genuine came; absent: none since the start.");
    for (size_t i = 0; i < overview->n_endpoints; i++) {
        const struct intake_endpoint_stats *endpoint = &overview->endpoints[i];

        if (endpoint->last_valid_at_usec != 0)
            metrics_seconds(out, "sasha_last_valid_callback_timestamp_seconds",
                METRICS_LABELS({"endpoint", endpoint->name}), endpoint->last_valid_at_usec);
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

    metrics_family(out, used, "counter",
        is_token ? "Callbacks that came with the partner token; numbered as in the conf, from 1."
                 : "Callbacks that were signed with the callback secret.");
    for (size_t i = 0; i < overview->n_endpoints; i++) {
        const struct intake_use *uses = uses_of(&overview->endpoints[i], credential, &n);

        for (size_t j = 0; j < n; j++)
            metrics_sample(out, used,
                METRICS_LABELS({"endpoint", overview->endpoints[i].name}, {label, uses[j].name}),
                uses[j].used);
    }
    metrics_family(out, last, "gauge",
        is_token ? "When the partner token was last used; absent: not since the start."
                 : "When the callback secret was last used; absent: not since the start.");
    for (size_t i = 0; i < overview->n_endpoints; i++) {
        const struct intake_use *uses = uses_of(&overview->endpoints[i], credential, &n);

        for (size_t j = 0; j < n; j++) {
            if (uses[j].last_used_at_usec != 0)
                metrics_seconds(out, last,
                    METRICS_LABELS(
                        {"endpoint", overview->endpoints[i].name}, {label, uses[j].name}),
                    uses[j].last_used_at_usec);
        }
    }
}

static void write_connections(const struct overview *overview, struct buf *out)
{
    static const char *const cuts[] = {
        [INTAKE_CUT_HEAD] = "head", [INTAKE_CUT_BODY] = "body", [INTAKE_CUT_ANSWER] = "answer"};

    metrics_lone(out, "sasha_connections", "gauge", "Connections that are open.",
        overview->open_connections);
    metrics_lone(out, "sasha_connections_limit", "gauge", "server.max_connections.",
        overview->max_connections);
    metrics_lone(out, "sasha_connections_accepted_total", "counter", "Connections that were taken.",
        overview->accepted_connections);
    metrics_lone(out, "sasha_connections_refused_total", "counter",
        "Connections over the limit, answered 503.", overview->refused_connections);
    metrics_family(out, "sasha_connections_cut_total", "counter",
        "Connections that were cut because the head or body was not complete, or the answer not "
        "read, in time.");
    for (int cut = 0; cut < INTAKE_CUT_COUNT; cut++)
        metrics_sample(out, "sasha_connections_cut_total", METRICS_LABELS({"phase", cuts[cut]}),
            overview->cuts[cut]);
    metrics_family(out, "sasha_callback_duration_seconds", "histogram",
        "From the complete body of a callback to the store's verdict.");
    metrics_histogram(out, "sasha_callback_duration_seconds", NULL, NULL,
        &(const struct metrics_histogram){overview->latency.buckets, INTAKE_BUCKETS,
            intake_bucket_usec, (uint64_t)overview->latency.sum_usec});
}

/* ---- store ---- */

static void write_writer(const struct overview_writer *writer, struct buf *out)
{
    metrics_lone(out, "sasha_deliveries_stored_total", "counter", "Deliveries that were stored.",
        writer->appended);
    metrics_lone(out, "sasha_commits_unavailable_total", "counter",
        "Commits that could not be made for now: disk full, or locked by another program. Below "
        "the floor none is tried.",
        writer->unavailable);
    metrics_family(out, "sasha_commit_duration_seconds", "histogram",
        "Time of a commit of the store, its sync included.");
    metrics_histogram(out, "sasha_commit_duration_seconds", NULL, NULL,
        &(const struct metrics_histogram){writer->commit_buckets, STORE_COMMIT_BUCKETS,
            store_commit_bucket_usec, writer->commit_usec});
    metrics_family(out, "sasha_commit_batch_size", "histogram",
        "Deliveries and reports of sinks that one commit made durable.");
    metrics_histogram(out, "sasha_commit_batch_size", NULL, NULL,
        &(const struct metrics_histogram){
            writer->batch_buckets, STORE_BATCH_BUCKETS, NULL, writer->works});
}

static void write_store(const struct store_stats *store, struct buf *out)
{
    metrics_lone(
        out, "sasha_store_head", "gauge", "Sequence number of the newest delivery.", store->head);
    metrics_lone(
        out, "sasha_store_deliveries", "gauge", "Deliveries that are kept.", store->deliveries);
    metrics_lone(
        out, "sasha_store_request_ids", "gauge", "Request ids that are remembered.", store->ids);
    metrics_lone(
        out, "sasha_store_size_bytes", "gauge", "Size of the database file.", store->bytes);
    metrics_lone(out, "sasha_store_wal_size_bytes", "gauge", "Size of the write-ahead log.",
        store->wal_bytes);
    metrics_lone(out, "sasha_store_disk_free_bytes", "gauge",
        "Free space on the store's file system.", store->disk_free);
    metrics_lone(out, "sasha_store_disk_floor_bytes", "gauge", "store.disk_floor; 0: none.",
        store->disk_floor);
    metrics_lone(out, "sasha_store_below_floor", "gauge",
        "Whether the free space is below store.disk_floor, so that callbacks are answered 503.",
        store->below_floor);
    metrics_lone(out, "sasha_store_disk_full", "gauge",
        "Whether the disk was met full and has not enough room again, so that callbacks are "
        "answered 503.",
        store->disk_full);
    metrics_lone(out, "sasha_store_reserve_bytes", "gauge",
        "Disk space kept back for a full disk; given back when it is.", store->reserve);
    metrics_lone(out, "sasha_store_failed", "gauge",
        "Whether a sync failed and the daemon must stop.", store->failed);
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
    {"sasha_sink_pending", "gauge",
        "Deliveries that wait, retries included, and such as the filter will leave out.",
        get_pending},
    {"sasha_sink_running", "gauge", "Deliveries that are being made.", get_running},
    {"sasha_sink_dead", "gauge", "Deliveries that failed for good and wait for an operator.",
        get_dead},
    {"sasha_sink_paused", "gauge", "Whether an operator paused the sink.", get_paused},
    {"sasha_sink_breaker_open", "gauge", "Whether failures in a row have slowed the sink down.",
        get_breaker_open},
};

static void write_sink_rows(const struct overview *overview, struct buf *out)
{
    metrics_family(out, "sasha_sink_info", "gauge", "The sink's type; always 1.");
    for (size_t i = 0; i < overview->n_sinks; i++)
        metrics_sample(out, "sasha_sink_info",
            METRICS_LABELS(
                {"sink", overview->sinks[i].stats.name}, {"type", overview->sinks[i].stats.type}),
            1);
    for (size_t row = 0; row < ARRAY_SIZE(sink_rows); row++) {
        metrics_family(out, sink_rows[row].name, sink_rows[row].type, sink_rows[row].help);
        for (size_t i = 0; i < overview->n_sinks; i++)
            metrics_sample(out, sink_rows[row].name,
                METRICS_LABELS({"sink", overview->sinks[i].stats.name}),
                sink_rows[row].get(&overview->sinks[i]));
    }
    metrics_family(out, "sasha_sink_oldest_pending_age_seconds", "gauge",
        "How long the oldest delivery that waits was received ago; 0: none waits.");
    for (size_t i = 0; i < overview->n_sinks; i++) {
        const int64_t at = overview->sinks[i].oldest_pending_at_usec;

        metrics_seconds(out, "sasha_sink_oldest_pending_age_seconds",
            METRICS_LABELS({"sink", overview->sinks[i].stats.name}),
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

    metrics_family(out, "sasha_sink_attempts_total", "counter",
        "Attempts by result: delivered, retry (failed, to be tried again), dead (can never "
        "succeed) or deferred (could not be made).");
    for (size_t i = 0; i < overview->n_sinks; i++) {
        const struct dispatch_sink_stats *stats = &overview->sinks[i].stats;

        for (size_t result = 0; result < ARRAY_SIZE(results); result++)
            metrics_sample(out, "sasha_sink_attempts_total",
                METRICS_LABELS({"sink", stats->name}, {"result", results[result]}),
                stats->attempts[result]);
    }
    metrics_family(out, "sasha_sink_attempt_duration_seconds", "histogram",
        "How long attempts took that were not deferred.");
    for (size_t i = 0; i < overview->n_sinks; i++) {
        const struct dispatch_sink_stats *stats = &overview->sinks[i].stats;

        metrics_histogram(out, "sasha_sink_attempt_duration_seconds", "sink", stats->name,
            &(const struct metrics_histogram){stats->durations, DISPATCH_BUCKETS,
                dispatch_bucket_usec, (uint64_t)stats->duration_sum_usec});
    }
}

void metrics_write(
    const struct overview *overview, const struct metrics_more *more, struct buf *out)
{
    write_daemon(overview, out);
    write_log(more->log_counts, out);
    if (more->process)
        write_process(more->process, out);
    write_callbacks(overview, out);
    write_endpoints(overview, out);
    write_uses(overview, CREDENTIAL_TOKEN, out);
    write_uses(overview, CREDENTIAL_SECRET, out);
    write_connections(overview, out);
    write_writer(&overview->writer, out);
    metrics_lone(out, "sasha_store_readable", "gauge",
        "Whether the store could be read for these numbers.", overview->store_is_readable);
    if (!overview->store_is_readable)
        return;
    write_store(&overview->store, out);
    write_sink_rows(overview, out);
    write_attempts(overview, out);
}
