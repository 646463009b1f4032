/*
 * GET /v1/refused and /v1/refused/ID: the last requests that were refused, as the intake keeps
 * them.
 */

#include "admin/api.h"

#include "admin/internal.h"

#include <errno.h>
#include <string.h>

static const char *const no_params[] = {NULL};

static void write_members(struct buf *out, const struct intake_refused *refused)
{
    put_member_text(out, "id", refused->id);
    put_member_time(out, "at", refused->at_usec);
    put_member_text_or_null(out, "endpoint", refused->endpoint);
    put_member_text(out, "reason", reason_name(refused->reason));
    put_member_text(out, "detail", refused->detail);
    put_member_text(out, "peer", refused->peer);
    put_member_text(out, "method", refused->method);
    put_member_text(out, "target", refused->target);
}

static int write_one(const struct intake_refused *refused, void *context)
{
    struct buf *out = context;

    put_open(out, '{');
    write_members(out, refused);
    put_close(out, '}');
    return out->failed;
}

void api_refused_list(struct call *call)
{
    struct buf *out = &call->out;

    if (!call_check_params(call, no_params))
        return;
    put_open(out, '{');
    put_key(out, "refused");
    put_open(out, '[');
    intake_walk_refused(call->admin->options.intake, write_one, out);
    put_close(out, ']');
    put_close(out, '}');
}

void api_refused(struct call *call)
{
    CLEANUP(free) struct intake_refused *refused = NULL;
    struct buf *out = &call->out;
    int r;

    if (!call_check_params(call, no_params))
        return;
    r = intake_get_refused(call->admin->options.intake, call->tail, &refused);
    if (r < 0) {
        call_fail(call, r == -ENOENT ? 404 : 503, "%s",
            r == -ENOENT ? "no such refused request is kept (any more)" : strerror(-r));
        return;
    }
    put_open(out, '{');
    write_members(out, refused);
    put_key(out, "headers");
    put_open(out, '[');
    for (size_t i = 0; i < refused->n_headers; i++) {
        put_open(out, '[');
        put_text(out, refused->headers[i].name);
        put_text(out, refused->headers[i].value);
        put_close(out, ']');
    }
    put_close(out, ']');
    put_key(out, "body");
    put_base64(out, refused->body, refused->body_length);
    put_member_number(out, "body_cut", refused->body_cut);
    put_close(out, '}');
}
