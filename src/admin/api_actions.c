/*
 * What an operator can do: retry, replay, drop, pause, resume, prune. Each is logged with who asked
 * for it, also when it could not be done.
 *
 * Bodies are JSON objects read strictly: a member that is not known, or missing, is a mistake of
 * the caller's that must not go unnoticed.
 */

#include "admin/api.h"

#include "admin/body.h"
#include "admin/internal.h"

#include "util/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SEQS_MAX 1000

/* How long one request prunes at most; what is then left goes on with the next one or by itself. */
#define PRUNE_USEC (2 * USEC_PER_SEC)

/* At most one line an interval of actions that failed. */
#define FAILED_LOG_USEC USEC_PER_SEC

static const char *const no_params[] = {NULL};

/* ---- the log ---- */

/* Who did what is never left out. What came to nothing is: a script that asks for a sink that is
 * not there, in a loop, shall not fill the log. */
static bool may_log(struct admin *admin, bool has_failed, uint64_t *ret_left_out)
{
    bool may = true;

    *ret_left_out = 0;
    if (!has_failed)
        return true;
    pthread_mutex_lock(&admin->failed_lock);
    may = log_limit_pass(&admin->failed_actions, clock_monotonic(admin->options.clock),
        FAILED_LOG_USEC, ret_left_out);
    pthread_mutex_unlock(&admin->failed_lock);
    return may;
}

void action_log(const struct call *call, const char *action, const char *sink, size_t n, int result,
    const char *outcome)
{
    char uid[24], pid[24], count[24];
    struct log_rest rest;
    uint64_t left_out;

    if (!may_log(call->admin, result < 0, &left_out))
        return;
    log_rest_tell(&rest, left_out);
    (void)snprintf(uid, sizeof(uid), "%u", (unsigned int)call->peer.uid);
    (void)snprintf(pid, sizeof(pid), "%d", (int)call->peer.pid);
    (void)snprintf(count, sizeof(count), "%zu", n);
    log_event(LOG_LEVEL_INFO, "admin-action",
        LOG_FIELDS({"action", action}, {"sink", sink}, {"count", n == 0 ? NULL : count},
            {"uid", uid}, {"pid", pid}, {"outcome", outcome}, {"left_out", rest.field}),
        "%s%s%s asked for by user %s (process %s): %s%s", action, sink ? " of sink " : "",
        sink ? sink : "", uid, pid, outcome, rest.words);
}

bool action_is_open(struct call *call)
{
    if (!call_check_params(call, no_params))
        return false;
    if (!atomic_load(&call->admin->draining))
        return true;
    call_fail(call, 503, "the daemon is stopping");
    return false;
}

static void write_ok(struct call *call)
{
    put_open(&call->out, '{');
    put_member_text(&call->out, "status", "ok");
    put_close(&call->out, '}');
}

/* ---- retry, replay, drop ---- */

static bool parse_seqs(struct call *call, const struct body *body, uint64_t *seqs, size_t *ret_n)
{
    const json_t *array = body_get(body, "seqs");
    const size_t n = json_array_size(array);

    if (!json_is_array(array) || n == 0 || n > SEQS_MAX) {
        call_fail(call, 400, "\"seqs\" must be a list of 1 to %d numbers", SEQS_MAX);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *seq = json_array_get(array, i);

        if (!json_is_integer(seq) || json_integer_value(seq) < 1) {
            call_fail(call, 400, "\"seqs\" must hold whole numbers from 1; item %zu is not", i + 1);
            return false;
        }
        seqs[i] = (uint64_t)json_integer_value(seq);
    }
    *ret_n = n;
    return true;
}

static void request(struct call *call, const char *action, enum dispatch_request request)
{
    static const char *const members[] = {"sink", "seqs", NULL};
    CLEANUP(body_done) struct body body = BODY_INIT;
    struct dispatch_request_result result = {.done = 0};
    struct error error = ERROR_INIT;
    uint64_t seqs[SEQS_MAX];
    const char *sink;
    char outcome[96];
    size_t n;
    int r;

    if (!action_is_open(call) || !body_parse(call, members, &body) ||
        !body_get_text(call, &body, "sink", &sink) || !parse_seqs(call, &body, seqs, &n))
        return;
    r = dispatch_request(call->admin->options.dispatch, sink, request, seqs, n, &result, &error);
    if (r < 0) {
        action_log(call, action, sink, n, r, error.text);
        call_fail_error(call, &error);
        return;
    }
    (void)snprintf(outcome, sizeof(outcome), "%zu done, %zu skipped, %zu busy", result.done,
        result.skipped, result.busy);
    action_log(call, action, sink, n, r, outcome);
    put_open(&call->out, '{');
    put_member_number(&call->out, "done", result.done);
    put_member_number(&call->out, "skipped", result.skipped);
    put_member_number(&call->out, "busy", result.busy);
    put_close(&call->out, '}');
}

void api_retry(struct call *call)
{
    request(call, "retry", DISPATCH_RETRY);
}

void api_replay(struct call *call)
{
    request(call, "replay", DISPATCH_REPLAY);
}

void api_drop(struct call *call)
{
    request(call, "drop", DISPATCH_DROP);
}

/* ---- pause, resume ---- */

static void set_paused(struct call *call, const char *action, bool paused)
{
    static const char *const members[] = {"sink", NULL};
    CLEANUP(body_done) struct body body = BODY_INIT;
    struct error error = ERROR_INIT;
    const char *sink;
    int r;

    if (!action_is_open(call) || !body_parse(call, members, &body) ||
        !body_get_text(call, &body, "sink", &sink))
        return;
    r = dispatch_set_paused(call->admin->options.dispatch, sink, paused, &error);
    action_log(call, action, sink, 0, r, r < 0 ? error.text : "done");
    if (r < 0)
        call_fail_error(call, &error);
    else
        write_ok(call);
}

void api_pause(struct call *call)
{
    set_paused(call, "pause", true);
}

void api_resume(struct call *call)
{
    set_paused(call, "resume", false);
}

/* ---- prune ---- */

struct prune_step {
    const struct store_retention *retention;
    enum store_result result;
    bool more;
    uint64_t deliveries, ids; /* that went, over all steps */
    struct error error;
};

/* On the writer's thread: one bounded step, so that what waits for a verdict gets in between. */
static void prune_one_step(struct store *store, void *context)
{
    struct prune_step *step = context;
    struct store_stats before, after;

    store_get_stats(store, &before);
    step->result = store_prune(store, step->retention, &step->more, &step->error);
    store_get_stats(store, &after);
    step->deliveries += before.deliveries - after.deliveries;
    step->ids += before.ids - after.ids;
}

static int prune(struct admin *admin, struct prune_step *step, struct error *error)
{
    const int64_t end = clock_monotonic(admin->options.clock) + PRUNE_USEC;

    do {
        step->more = false;
        if (store_writer_call(admin->options.writer, prune_one_step, step) != STORE_OK)
            return error_set(error, EIO, "the store has failed");
        if (step->result != STORE_OK)
            return error_set(error, EAGAIN, "%s", step->error.text);
        if (atomic_load(&admin->draining))
            return error_set(error, EAGAIN, "the daemon is stopping");
    } while (step->more && clock_monotonic(admin->options.clock) < end);
    return 0;
}

void api_prune(struct call *call)
{
    static const char *const members[] = {NULL};
    CLEANUP(body_done) struct body body = BODY_INIT;
    struct prune_step step = {.retention = &call->admin->options.retention, .error = ERROR_INIT};
    struct error error = ERROR_INIT;
    char outcome[96];
    int r;

    if (!action_is_open(call) || !body_parse(call, members, &body))
        return;
    r = prune(call->admin, &step, &error);
    (void)snprintf(outcome, sizeof(outcome), "%" PRIu64 " deliveries and %" PRIu64 " ids removed%s",
        step.deliveries, step.ids, step.more ? ", more are due" : "");
    action_log(call, "prune", NULL, 0, r, r < 0 ? error.text : outcome);
    if (r < 0) {
        call_fail_error(call, &error);
        return;
    }
    put_open(&call->out, '{');
    put_member_text(&call->out, "status", "ok");
    put_member_number(&call->out, "deliveries", step.deliveries);
    put_member_number(&call->out, "ids", step.ids);
    put_member_bool(&call->out, "more", step.more);
    put_close(&call->out, '}');
}
