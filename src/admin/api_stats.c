/*
 * GET /v1/stats: the last hours by the minute.
 */

#include "admin/api.h"

#include "admin/api_stats.h"
#include "admin/internal.h"

#include "util/rfc3339.h"

#include <string.h>

static void write_percentile(struct buf *out, const char *name, const uint64_t *buckets, size_t n,
    const int64_t *bounds_usec, unsigned int percent)
{
    const int64_t usec = history_percentile(buckets, n, bounds_usec, percent);

    put_key(out, name);
    if (usec < 0)
        put_null(out);
    else
        put_msec(out, usec);
}

void stats_write_counts(struct buf *out, const struct history_counts *counts)
{
    put_member_number(out, "accepted", counts->accepted);
    put_member_number(out, "duplicate", counts->duplicate);
    put_member_number(out, "refused", counts->refused);
    write_percentile(out, "commit_ms_p50", counts->latency, INTAKE_BUCKETS, intake_bucket_usec, 50);
    write_percentile(out, "commit_ms_p99", counts->latency, INTAKE_BUCKETS, intake_bucket_usec, 99);
}

static void write_minute(void *context, int64_t at_usec, const struct history_counts *minute)
{
    struct buf *out = context;

    put_open(out, '{');
    put_member_time(out, "at", at_usec);
    stats_write_counts(out, minute);
    put_close(out, '}');
}

static void write_total(struct buf *out, const struct history_counts *total)
{
    put_key(out, "total");
    put_open(out, '{');
    stats_write_counts(out, total);
    put_close(out, '}');
}

static void write_sink(void *context, const char *name, const struct history_sink_counts *sum)
{
    struct buf *out = context;

    put_open(out, '{');
    put_member_text(out, "name", name);
    put_member_number(out, "delivered", sum->delivered);
    put_member_number(out, "failed", sum->failed);
    put_member_number(out, "dead", sum->dead);
    write_percentile(
        out, "duration_ms_p50", sum->durations, DISPATCH_BUCKETS, dispatch_bucket_usec, 50);
    write_percentile(
        out, "duration_ms_p99", sum->durations, DISPATCH_BUCKETS, dispatch_bucket_usec, 99);
    put_close(out, '}');
}

/* Leaves the default when the parameter is not given. */
static bool parse_time(struct call *call, const char *name, int64_t *ret_usec)
{
    const char *text = call_param(call, name);

    if (!text || rfc3339_parse(text, strlen(text), ret_usec) == 0)
        return true;
    call_fail(
        call, 400, "%s is not an RFC 3339 date-time; right would be 2026-11-22T07:15:00Z", name);
    return false;
}

void api_stats(struct call *call)
{
    static const char *const params[] = {"since", "until", NULL};
    const int64_t now = clock_realtime(call->admin->options.clock);
    const int64_t oldest = now - USEC_PER_DAY;
    int64_t since = oldest, until = now + 1; /* the minute that has just begun counts */
    struct buf *out = &call->out;
    struct history_counts total;

    if (!call_check_params(call, params) || !parse_time(call, "since", &since) ||
        !parse_time(call, "until", &until))
        return;
    if (since >= until) {
        call_fail(call, 400, "since must be before until, which is now unless given");
        return;
    }
    if (since < oldest)
        since = oldest;
    admin_sample(call->admin, call->reader);
    put_open(out, '{');
    put_member_time(out, "since", since);
    put_member_time(out, "until", until > now ? now : until);
    pthread_mutex_lock(&call->admin->history_lock);
    total = history_sum(call->admin->history, now, since, until);
    write_total(out, &total);
    put_key(out, "buckets");
    put_open(out, '[');
    history_walk(call->admin->history, now, since, until, write_minute, out);
    put_close(out, ']');
    put_key(out, "sinks");
    put_open(out, '[');
    history_walk_sinks(call->admin->history, now, since, until, write_sink, out);
    put_close(out, ']');
    pthread_mutex_unlock(&call->admin->history_lock);
    put_close(out, '}');
}
