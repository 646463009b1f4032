/*
 * GET /v1/status: everything at a glance.
 */

#include "admin/api.h"

#include "admin/api_stats.h"
#include "admin/internal.h"
#include "admin/overview.h"

#include "build_config.h"

#include <string.h>
#include <unistd.h>

/* ---- the daemon and its intake ---- */

static void write_readiness(struct buf *out, const struct readiness *readiness)
{
    put_member_bool(out, "ready", readiness->n_reasons == 0);
    put_key(out, "reasons");
    put_open(out, '[');
    for (size_t i = 0; i < readiness->n_reasons; i++)
        put_text(out, readiness->reasons[i]);
    put_close(out, ']');
}

/* `filter`: which reasons are listed, those at 0 too. */
static void write_reasons(
    struct buf *out, const char *name, const uint64_t *reasons, bool (*filter)(enum reason reason))
{
    put_key(out, name);
    put_open(out, '{');
    for (int reason = 0; reason < REASON_COUNT; reason++) {
        if (filter((enum reason)reason))
            put_member_number(out, reason_name((enum reason)reason), reasons[reason]);
    }
    put_close(out, '}');
}

static void write_intake(
    struct buf *out, const struct overview *overview, const struct admin_view *view)
{
    put_key(out, "intake");
    put_open(out, '{');
    put_key(out, "listen");
    put_open(out, '[');
    for (size_t i = 0; i < view->n_listen; i++)
        put_text(out, view->listen[i]);
    put_close(out, ']');
    put_member_number(out, "connections", overview->open_connections);
    put_member_number(out, "max_connections", view->max_connections);
    put_member_number(out, "accepted_connections", overview->accepted_connections);
    put_member_number(out, "refused_connections", overview->refused_connections);
    write_reasons(out, "unrouted", overview->unrouted, overview_is_unrouted);
    put_close(out, '}');
}

/* What came in of late. The minute that has just begun is one of those. */
static void write_recent(struct buf *out, struct admin *admin, int64_t now)
{
    static const unsigned int periods[] = {5, 60};

    put_key(out, "recent");
    put_open(out, '[');
    for (size_t i = 0; i < ARRAY_SIZE(periods); i++) {
        struct history_counts sum;

        pthread_mutex_lock(&admin->history_lock);
        sum = history_sum(
            admin->history, now, now - (int64_t)(periods[i] - 1) * USEC_PER_MIN, now + 1);
        pthread_mutex_unlock(&admin->history_lock);
        put_open(out, '{');
        put_member_number(out, "minutes", periods[i]);
        stats_write_counts(out, &sum);
        put_close(out, '}');
    }
    put_close(out, ']');
}

/* ---- endpoints ---- */

/* NULL: the intake has none of that name (yet). */
static const struct intake_endpoint_stats *find_endpoint(
    const struct overview *overview, const char *name)
{
    for (size_t i = 0; i < overview->n_endpoints; i++) {
        if (strcmp(overview->endpoints[i].name, name) == 0)
            return &overview->endpoints[i];
    }
    return NULL;
}

static void write_use(struct buf *out, const struct intake_use *use)
{
    put_member_number(out, "used", use ? use->used : 0);
    put_member_time(out, "last_used_at", use ? use->last_used_at_usec : 0);
}

static void write_tokens(struct buf *out, const struct admin_endpoint *endpoint,
    const struct intake_endpoint_stats *stats)
{
    put_key(out, "tokens");
    put_open(out, '[');
    for (size_t i = 0; i < endpoint->n_tokens; i++) {
        put_open(out, '{');
        put_member_number(out, "number", i + 1);
        put_member_text(out, "source", endpoint->token_sources[i]);
        write_use(out, stats && i < stats->n_tokens ? &stats->tokens[i] : NULL);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static void write_secrets(struct buf *out, const struct admin_endpoint *endpoint,
    const struct intake_endpoint_stats *stats)
{
    put_key(out, "secrets");
    put_open(out, '[');
    for (size_t i = 0; i < endpoint->n_secrets; i++) {
        const struct intake_use *use = NULL;

        for (size_t j = 0; stats && j < stats->n_secrets; j++) {
            if (strcmp(stats->secrets[j].name, endpoint->secret_names[i]) == 0)
                use = &stats->secrets[j];
        }
        put_open(out, '{');
        put_member_text(out, "name", endpoint->secret_names[i]);
        put_member_text(out, "id", endpoint->secret_ids[i]);
        write_use(out, use);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static void write_endpoints(
    struct buf *out, const struct overview *overview, const struct admin_view *view)
{
    static const struct intake_endpoint_stats none = {.n_tokens = 0};

    put_key(out, "endpoints");
    put_open(out, '[');
    for (size_t i = 0; i < view->n_endpoints; i++) {
        const struct admin_endpoint *endpoint = &view->endpoints[i];
        const struct intake_endpoint_stats *stats = find_endpoint(overview, endpoint->name);

        put_open(out, '{');
        put_member_text(out, "name", endpoint->name);
        put_member_text(out, "public_url", endpoint->public_url);
        put_member_text(out, "verify", endpoint->report ? "report" : "enforce");
        write_reasons(out, "outcomes", stats ? stats->reasons : none.reasons, overview_is_routed);
        put_member_number(out, "unverified", stats ? stats->unverified : 0);
        put_member_time(out, "last_valid_at", stats ? stats->last_valid_at_usec : 0);
        write_tokens(out, endpoint, stats);
        write_secrets(out, endpoint, stats);
        put_close(out, '}');
    }
    put_close(out, ']');
}

/* ---- store and sinks ---- */

static void write_store(
    struct buf *out, const struct overview *overview, const struct admin_view *view)
{
    const struct store_stats *store = &overview->store;
    const struct overview_writer *writer = &overview->writer;

    put_key(out, "store");
    put_open(out, '{');
    put_member_text(out, "path", view->store_path);
    put_member_number(out, "head", store->head);
    put_member_number(out, "deliveries", store->deliveries);
    put_member_number(out, "ids", store->ids);
    put_member_number(out, "bytes", store->bytes);
    put_member_number(out, "wal_bytes", store->wal_bytes);
    put_member_number(out, "disk_free", store->disk_free);
    put_member_number(out, "reserve", store->reserve);
    put_member_bool(out, "below_floor", store->below_floor);
    put_member_bool(out, "disk_full", store->disk_full);
    put_member_number(out, "commits", writer->commits);
    put_key(out, "commit_ms");
    if (writer->commits == 0)
        put_null(out);
    else
        put_msec(out, (int64_t)(writer->commit_usec / writer->commits));
    put_close(out, '}');
}

static void write_last_error(struct buf *out, const struct dispatch_sink_stats *stats)
{
    put_key(out, "last_error");
    if (stats->error_seq == 0) {
        put_null(out);
        return;
    }
    put_open(out, '{');
    put_member_number(out, "seq", stats->error_seq);
    put_member_time(out, "at", stats->error_at_usec);
    put_member_text(out, "result", stats->error_result);
    put_close(out, '}');
}

static void write_sinks(struct buf *out, const struct overview *overview)
{
    put_key(out, "sinks");
    put_open(out, '[');
    for (size_t i = 0; i < overview->n_sinks; i++) {
        const struct overview_sink *sink = &overview->sinks[i];

        put_open(out, '{');
        put_member_text(out, "name", sink->stats.name);
        put_member_text(out, "type", sink->stats.type);
        put_member_number(out, "accepted", sink->accepted);
        put_member_number(out, "filtered", sink->store.filtered);
        put_member_number(out, "delivered", sink->store.delivered);
        put_member_number(out, "dead", sink->store.dead);
        put_member_number(out, "dropped", sink->store.dropped);
        put_member_number(out, "pending", sink->pending);
        put_member_number(out, "running", sink->running);
        put_member_bool(out, "paused", sink->stats.paused);
        put_member_bool(out, "breaker_open", sink->stats.breaker_open);
        put_member_time(out, "oldest_pending_at", sink->oldest_pending_at_usec);
        write_last_error(out, &sink->stats);
        put_close(out, '}');
    }
    put_close(out, ']');
}

static void write_status(struct buf *out, struct admin *admin, const struct overview *overview,
    const struct admin_view *view)
{
    put_open(out, '{');
    put_member_text(out, "version", PROJECT_VERSION);
    put_member_number(out, "pid", (uint64_t)getpid());
    put_member_time(out, "started_at", overview->started_at_usec);
    put_member_time(out, "now", overview->now_usec);
    put_member_text(out, "config", view->config_file);
    write_readiness(out, &overview->readiness);
    write_intake(out, overview, view);
    write_recent(out, admin, overview->now_usec);
    write_endpoints(out, overview, view);
    write_store(out, overview, view);
    put_key(out, "backup");
    put_backup(out, admin->backup);
    write_sinks(out, overview);
    put_close(out, '}');
}

void api_status(struct call *call)
{
    static const char *const no_params[] = {NULL};
    struct overview overview;

    if (!call_check_params(call, no_params))
        return;
    if (overview_take(call->admin, call->reader, &overview) < 0) {
        call_fail(call, 503, "out of memory");
    } else if (!overview.store_is_readable) {
        call_fail(call, 503, "the store cannot be read: %s", overview.store_error.text);
    } else {
        struct view *view = admin_view(call->admin);

        admin_sample(call->admin, call->reader);
        write_status(&call->out, call->admin, &overview, &view->what);
        view_unref(view);
    }
    overview_done(&overview);
}
