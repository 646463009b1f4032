/*
 * HTTP for the admin API; see http.h.
 *
 * What is wrong with the head of a request (path, method, peer, announced size) is answered before
 * the body, which then is not read: the library closes the connection after it. What is wrong with
 * a body can only be answered at its end; until then it is thrown away.
 */

#include "admin/http.h"

#include "admin/metrics.h"

#include "util/cleanup.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_OF_MEMORY "{\"message\":\"out of memory\"}"

void http_request_done(struct http_request *request)
{
    buf_done(&request->body);
    buf_done(&request->errand.call.out);
    *request = (struct http_request){.status = 0};
}

/* ---- answers ---- */

static bool add_headers(struct MHD_Response *response, const struct call *call, const char *allow)
{
    return MHD_add_response_header(response, "Content-Type",
               call->is_metrics ? METRICS_CONTENT_TYPE : "application/json") == MHD_YES &&
           MHD_add_response_header(response, "Cache-Control", "no-store") == MHD_YES &&
           (!allow || MHD_add_response_header(response, "Allow", allow) == MHD_YES);
}

/* Takes the call's text. `allow` may be NULL. */
static enum MHD_Result send_answer(struct MHD_Connection *mhd, struct call *call, const char *allow)
{
    enum MHD_Result result = MHD_NO;
    struct MHD_Response *response;

    if (call->out.failed) {
        buf_done(&call->out);
        call->status = 503;
        call->is_metrics = false;
        response = MHD_create_response_from_buffer(
            strlen(OUT_OF_MEMORY), (void *)(uintptr_t)OUT_OF_MEMORY, MHD_RESPMEM_PERSISTENT);
    } else {
        response = MHD_create_response_from_buffer(
            call->out.length, call->out.data, MHD_RESPMEM_MUST_FREE);
        if (response)
            call->out = (struct buf)BUF_INIT;
        else
            buf_done(&call->out);
    }
    if (!response)
        return MHD_NO;
    if (add_headers(response, call, allow))
        result = MHD_queue_response(mhd, call->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_failure(
    struct MHD_Connection *mhd, const struct http_request *request, const char *text)
{
    struct call call = {.out = BUF_INIT};

    call_fail(&call, request->status, "%s", text);
    return send_answer(
        mhd, &call, request->status == MHD_HTTP_METHOD_NOT_ALLOWED ? request->route->allow : NULL);
}

/* ---- the query ---- */

struct collector {
    struct call *call;
    bool is_bad;
};

static enum MHD_Result collect_param(void *context, enum MHD_ValueKind kind, const char *name,
    size_t name_size, const char *value, size_t value_size)
{
    struct collector *collector = context;
    struct call *call = collector->call;

    if (!value || call->n_params == CALL_PARAMS_MAX || strlen(name) != name_size ||
        strlen(value) != value_size) {
        collector->is_bad = true;
        return MHD_NO;
    }
    call->params[call->n_params++] = (struct call_param){name, value};
    return MHD_YES;
}

static bool collect_params(struct MHD_Connection *mhd, struct call *call)
{
    struct collector collector = {call, false};

    (void)MHD_get_connection_values_n(mhd, MHD_GET_ARGUMENT_KIND, collect_param, &collector);
    if (collector.is_bad)
        call_fail(call, MHD_HTTP_BAD_REQUEST,
            "the query must be at most %d name=value pairs, joined by '&', without NUL bytes",
            CALL_PARAMS_MAX);
    return !collector.is_bad;
}

/* ---- requests ---- */

static unsigned int judge_head(const struct http_host *host, struct http_request *request,
    struct MHD_Connection *mhd, const char *url, const char *method)
{
    const char *length = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Length");
    uint64_t announced;
    unsigned int status;

    if (host->peer->is_unix && !host->peer->is_allowed)
        return MHD_HTTP_FORBIDDEN;
    status = route_find(method, url, host->peer->is_unix, &request->route, &request->tail);
    if (status == MHD_HTTP_OK && length &&
        call_parse_number(length, 0, HTTP_BODY_MAX, &announced) < 0)
        status = MHD_HTTP_CONTENT_TOO_LARGE;
    return status;
}

static const char *failure_text(unsigned int status, bool is_unix)
{
    switch (status) {
    case MHD_HTTP_FORBIDDEN:
        return "only root, the daemon's user and members of the socket's group may ask here";
    case MHD_HTTP_NOT_FOUND:
        return is_unix ? "there is no such thing; docs/api.md lists what there is"
                       : "here are /healthz, /readyz and /metrics; all else is on a unix socket";
    case MHD_HTTP_METHOD_NOT_ALLOWED:
        return "the method is not one of those in Allow";
    default:
        return "the body is larger than 1 MiB";
    }
}

/* Bytes of the body, or of one that is thrown away. */
static void take_body(struct http_request *request, const char *upload, size_t size)
{
    if (request->status != MHD_HTTP_OK)
        return;
    if (size > HTTP_BODY_MAX - request->body.length) {
        request->status = MHD_HTTP_CONTENT_TOO_LARGE;
        buf_done(&request->body);
    } else {
        (void)buf_append(&request->body, upload, size);
    }
}

static struct call make_call(const struct http_host *host, const struct http_request *request)
{
    return (struct call){
        .admin = host->admin,
        .reader = host->reader,
        .peer = *host->peer,
        .tail = request->tail,
        .body = request->body.data ? (const char *)request->body.data : "",
        .body_length = request->body.length,
        .status = MHD_HTTP_OK,
        .out = BUF_INIT,
    };
}

/* The whole request is there. */
static enum MHD_Result serve(const struct http_host *host, struct http_request *request,
    struct MHD_Connection *mhd, bool *ret_answered)
{
    struct call call = make_call(host, request);
    bool is_good = false;

    if (request->body.failed)
        call_fail(&call, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    else
        is_good = collect_params(mhd, &call);
    if (is_good && route_is_action(request->route) && host->is_ending) {
        call_fail(&call, MHD_HTTP_SERVICE_UNAVAILABLE, "the daemon is stopping");
        is_good = false;
    }
    if (is_good && route_is_action(request->route)) {
        call.reader = NULL;
        request->errand = (struct errand){.route = request->route, .call = call};
        request->is_away = true;
        /* Suspend first: it may be back before give returns. */
        MHD_suspend_connection(mhd);
        errands_give(host->errands, &request->errand);
        return MHD_YES;
    }
    if (is_good)
        request->route->handle(&call);
    *ret_answered = true;
    return send_answer(mhd, &call, NULL);
}

enum MHD_Result http_step(const struct http_host *host, struct http_request *request,
    struct MHD_Connection *mhd, const char *url, const char *method, const char *upload,
    size_t *upload_size, bool *ret_answered)
{
    *ret_answered = false;
    if (request->is_away) {
        request->is_away = false;
        *ret_answered = true;
        return send_answer(mhd, &request->errand.call, NULL);
    }
    if (!request->has_begun) {
        request->has_begun = true;
        request->status = judge_head(host, request, mhd, url, method);
        if (request->status == MHD_HTTP_OK)
            return MHD_YES;
    } else if (*upload_size > 0) {
        take_body(request, upload, *upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    if (request->status == MHD_HTTP_OK)
        return serve(host, request, mhd, ret_answered);
    *ret_answered = true;
    return send_failure(mhd, request, failure_text(request->status, host->peer->is_unix));
}

void http_shed(int fd)
{
    static const char answer[] =
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        "Retry-After: 5\r\nConnection: close\r\nContent-Length: 43\r\n\r\n"
        "{\"message\":\"too many connections are open\"}";
    char scratch[4096];

    (void)!send(fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
    /* What came already would reset the connection, and the answer with it, when it is closed. */
    (void)!recv(fd, scratch, sizeof(scratch), MSG_DONTWAIT);
}
