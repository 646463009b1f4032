/*
 * The request's state machine; see request.h.
 */

#include "intake/request.h"

#include "intake/commit.h"
#include "intake/connection.h"
#include "intake/head.h"
#include "intake/worker.h"

#include <string.h>

#define HEALTH_PATH "/healthz"

/* Memory for a target that is kept for the connection's next request. */
#define TARGET_KEPT 1024

void request_init(struct request *request, struct connection *connection)
{
    *request = (struct request){.connection = connection};
}

static struct worker *worker_of(const struct request *request)
{
    return request->connection->worker;
}

/* ---- body memory ---- */

static void drop_body(struct request *request)
{
    buf_done(&request->body);
    request->body = (struct buf)BUF_INIT;
    shared_release(worker_of(request)->shared, request->charged);
    request->charged = 0;
}

/* Room for `more` body bytes, within the bound of the whole intake. */
static bool make_room(struct request *request, size_t more)
{
    struct buf *body = &request->body;

    if (buf_reserve(body, more) < 0)
        return false;
    if (body->capacity > request->charged) {
        if (!shared_charge(
                worker_of(request)->shared, body->capacity - request->charged, body->capacity))
            return false;
        request->charged = body->capacity;
    }
    return true;
}

/* ---- refused requests are kept for explain ---- */

/* More of the beginning of a refused body. */
static void gather_beginning(struct request *request, const char *data, size_t size)
{
    const size_t have = request->body.length;
    const size_t room = have < INTAKE_REFUSED_BODY_MAX ? INTAKE_REFUSED_BODY_MAX - have : 0;

    if (size > room)
        size = room;
    if (size > 0 && make_room(request, size))
        (void)buf_append(&request->body, data, size); /* cannot fail: there is room */
}

/* `whole`: libmicrohttpd still has method and headers. */
static void keep(struct request *request, enum reason reason, const char *detail, bool whole)
{
    struct shared *shared = worker_of(request)->shared;
    const struct verify_endpoint *endpoint = request->endpoint;
    char peer[CONNECTION_PEER_SIZE];
    struct head head = {.n_fields = 0};

    if (whole)
        head_collect(request->connection->mhd, &head);
    /* The NUL is beyond the target's length. */
    if (buf_append(&request->target, "", 1) < 0)
        return;
    request->target.length--;
    refused_add(shared->refused,
        &(struct intake_refused){
            .at_usec = clock_realtime(shared->clock),
            .reason = reason,
            .detail = detail,
            .endpoint = endpoint == NULL ? "" : verify_endpoint_name(endpoint),
            .peer = connection_peer(request->connection, peer),
            .method = whole ? request->method : "",
            .target = (const char *)request->target.data,
            .body = request->body.data,
            .body_length = request->body.length,
            .body_cut = request->seen - request->body.length + request->unread,
        },
        head.fields, head.n_fields);
}

/* Refused ones that were chosen to be kept are kept once, when all is known of them. */
static void keep_if_due(struct request *request)
{
    if (!request->keep)
        return;
    request->keep = false;
    keep(request, request->reason, request->detail, true);
    drop_body(request);
}

/* ---- the end of a request ---- */

static void reset(struct request *request)
{
    drop_body(request);
    if (request->target.capacity > TARGET_KEPT) {
        buf_done(&request->target);
        request->target = (struct buf)BUF_INIT;
    }
    buf_clear(&request->target);
    if (request->commit != NULL)
        commit_abandon(request->commit);
    rules_unref(request->rules);
    *request = (struct request){
        .connection = request->connection,
        .target = request->target,
    };
}

void request_done(struct request *request)
{
    reset(request);
    buf_done(&request->target);
}

bool request_is_idle(const struct request *request)
{
    return request->phase == REQUEST_IDLE;
}

bool request_is_waiting(const struct request *request)
{
    return request->phase == REQUEST_PARK || request->phase == REQUEST_WAIT;
}

/* libmicrohttpd's parser answered: what it cannot read by itself (chunk sizes that are no number, a
 * line without a colon, headers beyond the memory limit). */
static void note_parser(struct request *request, unsigned int status)
{
    struct connection *connection = request->connection;
    struct worker *worker = connection->worker;

    request->reason = status == MHD_HTTP_CONTENT_TOO_LARGE ? REASON_TOO_LARGE : REASON_FRAMING;
    request->detail = "refused by the HTTP parser";
    report_request(connection, request->reason, request->detail);
    if (refused_admit(worker->shared->refused, request->reason, worker->now_usec))
        keep(request, request->reason, request->detail, false);
    connection->linger = true;
}

/* A refusal counts when it is answered, or when the connection is gone before that: until then it
 * may turn out that the body cannot be read at all, and a request has one outcome only. */
static void tell(struct request *request)
{
    if (!request->health)
        report_request(request->connection, request->reason, request->detail);
}

void request_completed(void *context, struct MHD_Connection *mhd, void **request_context,
    enum MHD_RequestTerminationCode code)
{
    struct connection *connection = *request_context;
    struct request *request;
    const union MHD_ConnectionInfo *info;

    if (connection == NULL)
        return;
    *request_context = NULL;
    request = &connection->request;
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_HTTP_STATUS);
    if (request->phase != REQUEST_ANSWERED && info != NULL)
        note_parser(request, info->http_status);
    else if (request->phase == REQUEST_DISCARD)
        tell(request); /* refused, and gone before it could be answered */
    reset(request);
    connection_idle(connection);
}

/* ---- answering ---- */

static enum MHD_Result answer(struct request *request)
{
    struct worker *worker = worker_of(request);
    struct connection *connection = request->connection;
    const bool closing = worker->draining || request->chunked;

    if (request->phase == REQUEST_DISCARD)
        tell(request);
    keep_if_due(request);
    request->phase = REQUEST_ANSWERED;
    connection_deadline(connection, DEADLINE_ANSWER);
    if (request->chunked)
        connection->linger = true;
    if (request->health)
        return answer_queue_health(worker->answers, connection->mhd, closing);
    return answer_queue(worker->answers, connection->mhd, request->reason, closing);
}

/* Refuses; the answer follows when the body has been read. */
static void refuse(struct request *request, enum reason reason, const char *detail)
{
    const struct worker *worker = worker_of(request);

    request->reason = reason;
    request->detail = detail;
    request->phase = REQUEST_DISCARD;
    request->keep = refused_admit(worker->shared->refused, reason, worker->now_usec);
    if (!request->keep)
        drop_body(request);
}

/* Refuses without reading the rest, which nobody can tell from the next request, or which is more
 * than we read for nothing. */
static enum MHD_Result refuse_and_close(
    struct request *request, enum reason reason, const char *detail)
{
    refuse(request, reason, detail);
    request->connection->linger = true;
    return answer(request);
}

static void settle(struct request *request, enum reason reason, const char *detail)
{
    const struct worker *worker = worker_of(request);
    const int64_t waited_usec = worker->now_usec - request->complete_at_usec;
    const bool is_suspended = request->phase == REQUEST_WAIT;

    request->commit = NULL;
    request->reason = reason;
    request->phase = REQUEST_SETTLED;
    shared_note_latency(worker->shared, waited_usec > 0 ? waited_usec : 0);
    if (reason == REASON_ACCEPTED && request->finding.unverified != REASON_ACCEPTED)
        counts_unverified(request->page);
    report_request(request->connection, reason, detail);
    connection_deadline(request->connection, DEADLINE_ANSWER);
    if (is_suspended)
        MHD_resume_connection(request->connection->mhd);
}

void request_settle(struct request *request, enum reason reason)
{
    settle(request, reason, NULL);
}

void request_give_up(struct request *request)
{
    commit_abandon(request->commit);
    settle(request, REASON_STORE, "the store did not answer in time");
}

/* ---- steps 1 to 5: the head ---- */

void *request_line(void *context, const char *target, struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *connection = info->socket_context;
    struct request *request = &connection->request;
    struct worker *worker = connection->worker;

    request->phase = REQUEST_LINE;
    request->target_at = target;
    buf_clear(&request->target);
    if (target != NULL)
        (void)buf_append_text(&request->target, target);
    if (!connection->fresh || worker->draining)
        connection_deadline(connection, DEADLINE_HEAD);
    connection->fresh = false;
    return connection;
}

static const char *check_framing(struct request *request, const char *method, const char *version,
    const struct head *head, struct framing *ret_framing)
{
    struct MHD_Connection *mhd = request->connection->mhd;
    const bool has_target = request->target_at != NULL;
    const struct framing_request seen = {
        .version = version,
        .method = method,
        .target = has_target ? (const char *)request->target.data : NULL,
        .target_length = has_target ? request->target.length : 0,
        .headers = head->fields,
        .n_headers = head->n_fields,
    };
    const struct head_line line = {method, request->target_at, request->target.length, version};
    const union MHD_ConnectionInfo *info;
    const char *why = framing_check(&seen, ret_framing);

    if (why != NULL || !worker_of(request)->layout_known)
        return why;
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info == NULL || !head_is_whole(&line, head, info->header_size))
        return "a NUL, a bare line feed, a folded line or extra spaces in the head";
    return NULL;
}

static bool is_health(const struct request *request, const char *method, size_t path_length)
{
    return path_length == strlen(HEALTH_PATH) &&
           memcmp(request->target.data, HEALTH_PATH, path_length) == 0 &&
           (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0);
}

static enum MHD_Result begin(struct request *request, const char *method, const char *version)
{
    struct worker *worker = worker_of(request);
    struct connection *connection = request->connection;
    struct framing framing;
    struct head head;
    const char *why;
    enum reason reason;
    bool too_large;

    request->method = method;
    if (request->target.failed)
        return refuse_and_close(request, REASON_OVERLOAD, "no memory for the target");
    head_collect(connection->mhd, &head);
    head_find(&head, &request->head);
    why = check_framing(request, method, version, &head, &framing);
    if (why != NULL)
        return refuse_and_close(request, REASON_FRAMING, why);

    request->chunked = framing.chunked;
    connection_deadline(connection, DEADLINE_BODY);
    too_large = framing.has_length && framing.content_length > worker->shared->max_body;
    if (is_health(request, method, framing.path_length) && !too_large) {
        request->health = true;
        request->phase = REQUEST_DISCARD;
        return MHD_YES;
    }

    request->rules = rules_ref(worker->rules);
    request->endpoint = verifier_route(
        request->rules->verifier, (const char *)request->target.data, framing.path_length);
    if (request->endpoint != NULL)
        request->page = counts_get(request->rules->counts, request->endpoint);
    if (request->endpoint == NULL)
        reason = REASON_PATH;
    else if (strcmp(method, "POST") != 0)
        reason = REASON_METHOD;
    else if (too_large)
        reason = REASON_TOO_LARGE;
    else
        reason = verify_check_head(
            request->rules->verifier, request->endpoint, &request->head, &request->finding);

    if (too_large) {
        request->unread = (size_t)framing.content_length;
        return refuse_and_close(request, reason, NULL);
    }
    if (reason != REASON_ACCEPTED) {
        refuse(request, reason, NULL);
        return MHD_YES;
    }
    request->phase = REQUEST_GATHER;
    /* A larger one gets its memory as it comes, so that a promise of many bytes costs nothing. */
    if (framing.has_length && framing.content_length <= SHARED_SMALL_BODY &&
        !make_room(request, (size_t)framing.content_length))
        refuse(request, REASON_OVERLOAD, "no memory for the body");
    return MHD_YES;
}

/* ---- the body ---- */

/* A body that turns out too large. No response can be queued in the middle of one (in 0.9.75), so
 * the answer is written past libmicrohttpd, which has nothing of its own to send now, and the
 * connection is given up. */
static enum MHD_Result overflow(struct request *request, const char *data, size_t size)
{
    struct connection *connection = request->connection;

    if (request->phase == REQUEST_GATHER || request->health)
        refuse(request, REASON_TOO_LARGE, NULL);
    request->health = false;
    if (request->keep)
        gather_beginning(request, data, size);
    request->seen += size;
    tell(request);
    keep_if_due(request);
    answer_write_raw(
        request->reason, clock_realtime(connection->worker->shared->clock), connection->fd);
    connection->linger = true;
    request->phase = REQUEST_ANSWERED;
    return MHD_NO;
}

static enum MHD_Result take_body(struct request *request, const char *data, size_t *size)
{
    if (*size > worker_of(request)->shared->max_body - request->seen)
        return overflow(request, data, *size);
    request->seen += *size;
    if (request->phase == REQUEST_GATHER) {
        if (make_room(request, *size))
            (void)buf_append(&request->body, data, *size); /* cannot fail: there is room */
        else
            refuse(request, REASON_OVERLOAD, "no memory for the body");
    } else if (request->keep) {
        gather_beginning(request, data, *size);
    }
    *size = 0;
    return MHD_YES;
}

/* ---- steps 6 to 9 ---- */

/* Report mode: it goes on unproven. Kept like a refused one, so that it can be explained. */
static void let_pass(struct request *request)
{
    const struct worker *worker = worker_of(request);
    const enum reason reason = request->finding.unverified;

    report_would_refuse(request->connection, reason);
    if (refused_admit(worker->shared->refused, reason, worker->now_usec))
        keep(request, reason, "passed on unverified, as verify = \"report\" asks", true);
}

/* The body is complete: proves it and posts it to the writer. */
static enum MHD_Result prove(struct request *request)
{
    struct worker *worker = worker_of(request);
    const int64_t complete_at_usec = clock_monotonic(worker->shared->clock);
    const int64_t now_usec = clock_realtime(worker->shared->clock);
    struct verify_finding *finding = &request->finding;
    struct delivery *delivery = NULL;
    const char *detail = NULL;
    size_t charge;
    enum reason reason =
        verify_check_body(request->rules->verifier, request->endpoint, &request->head,
            request->body.data, request->body.length, now_usec, finding, &delivery, &detail);

    request->complete_at_usec = complete_at_usec;
    if (reason != REASON_ACCEPTED) {
        refuse(request, reason, detail);
        return answer(request);
    }
    counts_passed(request->page, finding, now_usec);
    if (finding->unverified != REASON_ACCEPTED)
        let_pass(request);
    charge = request->body.length;
    request->commit = commit_new(worker, request, delivery, charge);
    if (request->commit == NULL) {
        delivery_free(delivery);
        refuse(request, REASON_OVERLOAD, "too many deliveries wait for the store");
        return answer(request);
    }
    /* The charge for the body's bytes goes on with the copy in the delivery. */
    request->charged -= charge;
    drop_body(request);
    request->phase = REQUEST_PARK;
    connection_deadline(request->connection, DEADLINE_COMMIT);
    commit_post(request->commit);
    return MHD_YES;
}

static enum MHD_Result park(struct request *request)
{
    if (worker_of(request)->cutting)
        return MHD_NO;
    MHD_suspend_connection(request->connection->mhd);
    request->phase = REQUEST_WAIT;
    return MHD_YES;
}

enum MHD_Result request_handle(void *context, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *size, void **request_context)
{
    struct connection *connection = *request_context;
    struct request *request;

    if (connection == NULL)
        return MHD_NO;
    request = &connection->request;
    switch (request->phase) {
    case REQUEST_LINE:
        return begin(request, method, version);
    case REQUEST_GATHER:
        return *size != 0 ? take_body(request, data, size) : prove(request);
    case REQUEST_DISCARD:
        return *size != 0 ? take_body(request, data, size) : answer(request);
    case REQUEST_PARK:
        return park(request);
    case REQUEST_SETTLED:
        return answer(request);
    case REQUEST_WAIT:
        return MHD_YES;
    case REQUEST_IDLE:
    case REQUEST_ANSWERED:
        return MHD_NO;
    }
    return MHD_NO;
}
