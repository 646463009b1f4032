/*
 * One line an outcome, at most one a second and reason; see report.h.
 */

#include "intake/report.h"

#include "intake/connection.h"
#include "intake/worker.h"

#include <string.h>

#define REPORT_INTERVAL_USEC USEC_PER_SEC

/* The rule of design §2, step 5; 255 bytes and a NUL fit `text`. NULL when it is broken. */
static const char *plain_id(const struct verify_header *id, char text[static 256])
{
    if (id->count != 1 || id->length == 0 || id->length > 255)
        return NULL;
    for (size_t i = 0; i < id->length; i++) {
        const char c = id->value[i];

        if (c <= ' ' || c > '~' || c == '{' || c == '"')
            return NULL;
    }
    memcpy(text, id->value, id->length);
    text[id->length] = '\0';
    return text;
}

static const char *event_name(enum reason reason)
{
    if (reason == REASON_ACCEPTED || reason == REASON_DUPLICATE)
        return "request-accepted";
    if (reason == REASON_CONFLICT)
        return "request-conflict";
    return "request-refused";
}

/* Something is left out that the limit will let through. */
static void note_rest(struct report *report, const struct log_limit *limit)
{
    if (report->rest_at_usec == 0 || limit->next_usec < report->rest_at_usec)
        report->rest_at_usec = limit->next_usec;
}

/* log_limit_pass, and notes when those that do not pass are to be told of. */
static bool may_report(struct worker *worker, struct log_limit *limit, uint64_t *ret_left_out)
{
    struct report *report = &worker->shared->report;
    bool may;

    pthread_mutex_lock(&report->lock);
    may = log_limit_pass(limit, worker->now_usec, REPORT_INTERVAL_USEC, ret_left_out);
    if (!may)
        note_rest(report, limit);
    pthread_mutex_unlock(&report->lock);
    return may;
}

void report_request(struct connection *connection, enum reason reason, const char *detail)
{
    struct worker *worker = connection->worker;
    const struct request *request = &connection->request;
    const enum log_level level = answer_log_level(reason);
    char peer_text[CONNECTION_PEER_SIZE], id_text[256];
    struct log_rest rest;
    const char *peer, *endpoint;
    uint64_t left_out;

    atomic_fetch_add_explicit(&worker->shared->stats.reasons[reason], 1, memory_order_relaxed);
    if (request->page != NULL)
        counts_outcome(request->page, reason);
    /* Debug lines are for looking at single deliveries: none is left out. */
    if (!log_is_on(level) ||
        (level != LOG_LEVEL_DEBUG &&
            !may_report(worker, &worker->shared->report.reasons[reason], &left_out)))
        return;
    if (level == LOG_LEVEL_DEBUG)
        left_out = 0;
    log_rest_tell(&rest, left_out);
    peer = connection_peer(connection, peer_text);
    endpoint = request->endpoint == NULL ? NULL : verify_endpoint_name(request->endpoint);
    log_event(level, event_name(reason),
        LOG_FIELDS({"endpoint", endpoint}, {"reason", reason_name(reason)}, {"peer", peer},
            {"request_id", plain_id(&request->head.request_id, id_text)}, {"detail", detail},
            {"left_out", rest.field}),
        "request from %s: %s%s%s%s", peer, reason_name(reason), detail == NULL ? "" : ": ",
        detail == NULL ? "" : detail, rest.words);
}

void report_would_refuse(struct connection *connection, enum reason reason)
{
    struct worker *worker = connection->worker;
    const struct request *request = &connection->request;
    const char *endpoint = verify_endpoint_name(request->endpoint);
    char peer_text[CONNECTION_PEER_SIZE], id_text[256];
    struct log_rest rest;
    const char *peer;
    uint64_t left_out;

    if (!may_report(worker, &worker->shared->report.would_refuse[reason], &left_out))
        return;
    log_rest_tell(&rest, left_out);
    peer = connection_peer(connection, peer_text);
    log_event(LOG_LEVEL_WARNING, "report-would-refuse",
        LOG_FIELDS({"endpoint", endpoint}, {"reason", reason_name(reason)}, {"peer", peer},
            {"request_id", plain_id(&request->head.request_id, id_text)}, {"left_out", rest.field}),
        "request from %s to endpoint \"%s\" is passed on unverified; verify = \"enforce\" would "
        "refuse it: %s%s",
        peer, endpoint, reason_name(reason), rest.words);
}

void report_cut(struct connection *connection, enum intake_cut cut)
{
    static const char *const details[] = {
        [INTAKE_CUT_HEAD] = "the headers were not complete in time",
        [INTAKE_CUT_BODY] = "the body was not complete in time",
        [INTAKE_CUT_ANSWER] = "the answer was not read in time",
    };
    const char *detail = details[cut];
    struct worker *worker = connection->worker;
    char peer_text[CONNECTION_PEER_SIZE];
    struct log_rest rest;
    const char *peer;
    uint64_t left_out;

    atomic_fetch_add_explicit(&worker->shared->stats.cuts[cut], 1, memory_order_relaxed);
    if (!may_report(worker, &worker->shared->report.cuts, &left_out))
        return;
    log_rest_tell(&rest, left_out);
    peer = connection_peer(connection, peer_text);
    log_event(LOG_LEVEL_INFO, "connection-cut",
        LOG_FIELDS({"peer", peer}, {"detail", detail}, {"left_out", rest.field}),
        "connection from %s cut: %s%s", peer, detail, rest.words);
}

/* Whether there is something to tell; else notes when there will be. */
static bool take_rest(
    struct worker *worker, struct log_limit *limit, bool must, struct log_rest *rest)
{
    struct report *report = &worker->shared->report;
    uint64_t n;

    pthread_mutex_lock(&report->lock);
    n = log_limit_take_rest(limit, worker->now_usec, REPORT_INTERVAL_USEC, must);
    if (n == 0 && limit->left_out > 0)
        note_rest(report, limit);
    pthread_mutex_unlock(&report->lock);
    log_rest_tell(rest, n);
    return n > 0;
}

void report_rest(struct worker *worker, bool must)
{
    struct report *report = &worker->shared->report;
    int64_t due = report->rest_at_usec;
    struct log_rest rest;

    /* One worker does it; what comes in between notes its own time. */
    if (due == 0 || (worker->now_usec < due && !must) ||
        !atomic_compare_exchange_strong(&report->rest_at_usec, &due, 0))
        return;
    for (int i = 0; i < REASON_COUNT; i++) {
        const enum reason reason = (enum reason)i;
        const enum log_level level = answer_log_level(reason);

        if (take_rest(worker, &report->reasons[i], must, &rest))
            log_event(level, event_name(reason),
                LOG_FIELDS({"reason", reason_name(reason)}, {"left_out", rest.field}),
                "%s more requests since the last such line: %s", rest.number, reason_name(reason));
        if (take_rest(worker, &report->would_refuse[i], must, &rest))
            log_event(LOG_LEVEL_WARNING, "report-would-refuse",
                LOG_FIELDS({"reason", reason_name(reason)}, {"left_out", rest.field}),
                "%s more requests since the last such line are passed on unverified: %s",
                rest.number, reason_name(reason));
    }
    if (take_rest(worker, &report->cuts, must, &rest))
        log_event(LOG_LEVEL_INFO, "connection-cut", LOG_FIELDS({"left_out", rest.field}),
            "%s more connections cut since the last such line", rest.number);
}
