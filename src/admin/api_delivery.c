/*
 * GET /v1/deliveries/SEQ: one delivery with its Job, what each sink has to do with it, every
 * attempt that is recorded, and the other bodies that came under its id.
 */

#include "admin/api_delivery.h"

#include "admin/api.h"
#include "admin/internal.h"

#include "job/job.h"
#include "store/query.h"

#include <errno.h>
#include <string.h>

/* Of each other body that is shown; `bytes` tells the whole length. */
#define CONFLICT_BODY_MAX (256u << 10)

void delivery_write(struct buf *out, const struct delivery *delivery)
{
    put_member_number(out, "seq", delivery->seq);
    put_member_time(out, "received_at", delivery->received_at_usec);
    put_member_time(out, "updated_at", delivery->updated_at_usec);
    put_member_text(out, "endpoint", delivery->endpoint);
    put_member_text(out, "request_id", delivery->request_id);
    put_member_text_or_null(out, "secret", delivery->secret);
    put_member_text(out, "job_id", delivery->job_id);
    put_member_text(out, "type", delivery->type);
    put_member_text(out, "status", delivery->status);
    put_member_bool(out, "stale", delivery->stale);
    put_member_text_or_null(out, "unverified", delivery->unverified);
    put_member_number(out, "bytes", delivery->body_length);
}

/* ---- sinks ---- */

/* The sinks that run now. */
struct sinks {
    struct dispatch_sink_stats *stats; /* owned */
    size_t n;
};

static int take_sinks(const struct admin *admin, struct sinks *ret_sinks)
{
    const size_t room = dispatch_get_stats(admin->options.dispatch, NULL, 0);
    struct dispatch_sink_stats *stats = calloc(room + 1, sizeof(*stats));
    size_t n;

    if (!stats)
        return -ENOMEM;
    n = dispatch_get_stats(admin->options.dispatch, stats, room);
    *ret_sinks = (struct sinks){stats, n < room ? n : room};
    return 0;
}

uint32_t delivery_find_sink(const struct admin *admin, const char *name)
{
    struct sinks sinks = {NULL, 0};
    uint32_t id = 0;

    if (take_sinks(admin, &sinks) < 0)
        return 0;
    for (size_t i = 0; i < sinks.n; i++) {
        if (strcmp(sinks.stats[i].name, name) == 0)
            id = sinks.stats[i].id;
    }
    free(sinks.stats);
    return id;
}

static const char *state_name(enum store_sink_state state)
{
    switch (state) {
    case STORE_SINK_UNSEEN:
        return "unseen";
    case STORE_SINK_SETTLED:
        return "settled";
    case STORE_SINK_PENDING:
        return "pending";
    case STORE_SINK_DEAD:
        return "dead";
    }
    ASSERT(false);
}

static int write_sinks(struct call *call, const struct sinks *sinks,
    const struct delivery *delivery, struct error *error)
{
    struct dispatch *dispatch = call->admin->options.dispatch;
    struct buf *out = &call->out;

    put_key(out, "sinks");
    put_open(out, '[');
    for (size_t i = 0; i < sinks->n; i++) {
        struct store_sink_row row;
        int r = store_read_sink_row(call->reader, sinks->stats[i].id, delivery->seq, &row, error);

        if (r < 0)
            return r;
        put_open(out, '{');
        put_member_text(out, "sink", sinks->stats[i].name);
        put_member_text(out, "state", state_name(row.state));
        put_member_text(
            out, "left_out", dispatch_leaves_out(dispatch, sinks->stats[i].name, delivery));
        put_member_number(out, "attempts", row.attempts);
        put_member_time(out, "next_at", row.next_at_usec);
        put_member_bool(out, "replay", row.replay);
        put_close(out, '}');
    }
    put_close(out, ']');
    return 0;
}

/* ---- attempts ---- */

struct tries {
    struct buf *out;
    const struct sinks *sinks;
};

static int write_try(uint32_t sink, const struct store_attempt *attempt, void *context)
{
    struct tries *tries = context;
    struct buf *out = tries->out;
    const char *name = NULL; /* of a sink that the conf has no more */

    for (size_t i = 0; i < tries->sinks->n; i++) {
        if (tries->sinks->stats[i].id == sink)
            name = tries->sinks->stats[i].name;
    }
    put_open(out, '{');
    put_member_text(out, "sink", name);
    put_member_number(out, "number", attempt->number);
    put_member_time(out, "at", attempt->started_at_usec);
    put_key(out, "duration_ms");
    put_msec(out, attempt->duration_usec);
    put_member_text(out, "result", attempt->result);
    put_key(out, "output");
    put_bytes(out, attempt->output ? attempt->output : "", attempt->output_length);
    put_close(out, '}');
    return out->failed;
}

static int write_conflict(const struct store_conflict *conflict, void *context)
{
    struct buf *out = context;
    const size_t length =
        conflict->body_length < CONFLICT_BODY_MAX ? conflict->body_length : CONFLICT_BODY_MAX;

    put_open(out, '{');
    put_member_time(out, "at", conflict->received_at_usec);
    put_member_text_or_null(out, "secret", conflict->secret);
    put_key(out, "body");
    if (conflict->body)
        put_bytes(out, conflict->body, length);
    else
        put_null(out);
    put_member_number(out, "bytes", conflict->full_length);
    put_close(out, '}');
    return out->failed;
}

/* ---- the whole ---- */

/* The body as it came when it is JSON. It was when it was taken in, but the answer must be JSON
 * whatever the disk held. */
static void write_job(struct buf *out, const struct delivery *delivery)
{
    struct job *job = NULL;
    const char *why;

    put_key(out, "job");
    if (job_parse(delivery->body, delivery->body_length, &job, &why) == JOB_OK)
        put_raw(out, delivery->body, delivery->body_length);
    else
        put_bytes(out, delivery->body, delivery->body_length);
    job_free(job);
}

static int write_all(struct call *call, const struct delivery *delivery, const struct sinks *sinks,
    struct error *error)
{
    struct buf *out = &call->out;
    struct tries tries = {out, sinks};
    ssize_t n;
    int r;

    put_open(out, '{');
    delivery_write(out, delivery);
    write_job(out, delivery);
    r = write_sinks(call, sinks, delivery, error);
    if (r < 0)
        return r;
    put_key(out, "tries");
    put_open(out, '[');
    n = store_scan_attempts(call->reader, delivery->seq, write_try, &tries, error);
    if (n < 0)
        return (int)n;
    put_close(out, ']');
    put_key(out, "conflicts");
    put_open(out, '[');
    n = store_scan_conflicts(call->reader, delivery->seq, write_conflict, out, error);
    if (n < 0)
        return (int)n;
    put_close(out, ']');
    put_close(out, '}');
    return 0;
}

void api_delivery(struct call *call)
{
    static const char *const no_params[] = {NULL};
    CLEANUP(delivery_free) struct delivery *delivery = NULL;
    struct sinks sinks = {NULL, 0};
    struct error error = ERROR_INIT;
    uint64_t seq;
    int r;

    if (!call_check_params(call, no_params))
        return;
    if (call_parse_number(call->tail, 1, INT64_MAX, &seq) < 0) {
        call_fail(call, 400, "/v1/deliveries/SEQ wants the number of a delivery, from 1");
        return;
    }
    r = store_fetch(call->reader, seq, &delivery, &error);
    if (r == -ENOENT) {
        call_fail(call, 404, "there is no delivery %llu (any more)", (unsigned long long)seq);
        return;
    }
    if (r == 0 && (r = take_sinks(call->admin, &sinks)) < 0)
        error_set(&error, ENOMEM, "out of memory");
    if (r == 0)
        r = write_all(call, delivery, &sinks, &error);
    free(sinks.stats);
    /* Pruned between two reads: what is left of it is nothing. */
    if (r < 0)
        call_fail_error(call, &error);
}
