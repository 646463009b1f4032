/*
 * POST /v1/explain: why a request was or would be refused, and what would have matched.
 *
 * Judged by the endpoints in force, on a request that the intake kept or on one that the caller
 * sends along. What a finding may say is explain.h's business; nothing is added here.
 */

#include "admin/api.h"

#include "admin/body.h"
#include "admin/internal.h"

#include "verify/explain.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* A captured request and what it borrows from. */
struct captured {
    struct explain_request request;
    struct explain_header headers[EXPLAIN_HEADERS_MAX];
    struct intake_refused *refused; /* owned, or NULL */
    char *text;                     /* owned, or NULL */
};

static void captured_donep(struct captured *captured)
{
    free(captured->refused);
    free(captured->text);
}

static bool take_refused(struct call *call, const char *id, struct captured *captured)
{
    int r = intake_get_refused(call->admin->options.intake, id, &captured->refused);
    const struct intake_refused *refused = captured->refused;
    struct explain_request *request = &captured->request;

    if (r < 0) {
        call_fail(call, r == -ENOENT ? 404 : 503, "%s",
            r == -ENOENT ? "no such refused request is kept (any more)" : strerror(-r));
        return false;
    }
    *request = (struct explain_request){
        .method = refused->method,
        .target = refused->target,
        .headers = captured->headers,
        .body = refused->body,
        .body_length = refused->body_length,
        .body_cut = refused->body_cut > 0,
    };
    for (size_t i = 0; i < refused->n_headers && i < EXPLAIN_HEADERS_MAX; i++) {
        captured->headers[i] =
            (struct explain_header){refused->headers[i].name, refused->headers[i].value};
        request->n_headers = i + 1;
        if (strcasecmp(refused->headers[i].name, "Authorization") == 0)
            request->token_hidden = true;
    }
    return true;
}

static bool take_text(struct call *call, const char *text, size_t length, struct captured *captured)
{
    struct error error = ERROR_INIT;

    captured->text = malloc(length + 1);
    if (!captured->text) {
        call_fail(call, 503, "out of memory");
        return false;
    }
    memcpy(captured->text, text, length + 1);
    if (explain_parse(captured->text, length, &captured->request, captured->headers,
            EXPLAIN_HEADERS_MAX, &error) == 0)
        return true;
    call_fail(call, 400, "the request cannot be read: %s", error.text);
    return false;
}

static bool take_captured(struct call *call, const struct body *body, struct captured *captured)
{
    const json_t *id = body_get(body, "refused"), *text = body_get(body, "request");

    if (json_is_string(id) && !text)
        return take_refused(call, json_string_value(id), captured);
    if (json_is_string(text) && !id)
        return take_text(call, json_string_value(text), json_string_length(text), captured);
    call_fail(call, 400,
        "either \"refused\", the id of a refused request, or \"request\", a captured one, must be "
        "there as a text");
    return false;
}

static void write_check(struct buf *out, const struct explain_check *check)
{
    put_open(out, '{');
    put_member_text(out, "step", check->step);
    put_key(out, "ok");
    if (check->outcome == EXPLAIN_NOT_JUDGED)
        put_null(out);
    else
        put_bool(out, check->outcome == EXPLAIN_OK);
    put_member_text(out, "text", check->text);
    put_close(out, '}');
}

static void write_report(struct buf *out, const struct explain_report *report)
{
    put_open(out, '{');
    put_member_text(out, "endpoint", report->endpoint);
    put_key(out, "checks");
    put_open(out, '[');
    for (size_t i = 0; i < report->n_checks; i++)
        write_check(out, &report->checks[i]);
    put_close(out, ']');
    put_key(out, "findings");
    put_open(out, '[');
    for (size_t i = 0; i < report->n_findings; i++)
        put_text(out, report->findings[i]);
    put_close(out, ']');
    put_member_text(out, "verdict", report->judged ? reason_name(report->verdict) : NULL);
    put_close(out, '}');
}

void api_explain(struct call *call)
{
    static const char *const members[] = {"endpoint", "refused", "request", NULL};
    static const char *const no_params[] = {NULL};
    CLEANUP(body_done) struct body body = BODY_INIT;
    CLEANUP(captured_done) struct captured captured = {.refused = NULL};
    CLEANUP(view_unref) struct view *view = NULL;
    struct explain_report report = {.n_checks = 0};
    struct error error = ERROR_INIT;
    const json_t *endpoint;
    int r;

    if (!call_check_params(call, no_params) || !body_parse(call, members, &body))
        return;
    endpoint = body_get(&body, "endpoint");
    if (endpoint && !json_is_string(endpoint) && !json_is_null(endpoint)) {
        call_fail(call, 400, "\"endpoint\" must be the name of an endpoint, or null");
        return;
    }
    if (!take_captured(call, &body, &captured))
        return;
    view = admin_view(call->admin);
    r = explain_request(view->what.verify, json_string_value(endpoint), &captured.request,
        clock_realtime(call->admin->options.clock), &report, &error);
    if (r == 0)
        write_report(&call->out, &report);
    else
        call_fail(call, r == -ENOENT ? 404 : r == -EFBIG ? 413 : 503, "%s", error.text);
    explain_report_done(&report);
}
