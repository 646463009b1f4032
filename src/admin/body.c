/*
 * The body of a request; see body.h.
 */

#include "admin/body.h"

#include <stdio.h>
#include <string.h>

static bool is_known(const char *name, const char *const *members)
{
    for (; *members; members++) {
        if (strcmp(name, *members) == 0)
            return true;
    }
    return false;
}

static bool fail_unknown(struct call *call, const char *name, const char *const *members)
{
    char known[256] = "there are none";
    size_t length = 0;

    for (; *members; members++)
        length += (size_t)snprintf(known + length, sizeof(known) - length, "%s\"%s\"",
            length == 0 ? "known are: " : ", ", *members);
    call_fail(call, 400, "unknown member \"%.64s\"; %s", name, known);
    return false;
}

bool body_parse(struct call *call, const char *const *members, struct body *ret_body)
{
    json_error_t error;
    json_t *object = json_loadb(call->body, call->body_length, JSON_REJECT_DUPLICATES, &error);
    const char *name;
    json_t *value;

    if (!object) {
        call_fail(call, 400, "the body must be a JSON object; it goes wrong at line %d, column %d",
            error.line, error.column);
        return false;
    }
    ret_body->object = object;
    if (!json_is_object(object)) {
        call_fail(call, 400, "the body must be a JSON object");
        return false;
    }
    json_object_foreach(object, name, value)
    {
        if (!is_known(name, members))
            return fail_unknown(call, name, members);
    }
    return true;
}

const json_t *body_get(const struct body *body, const char *name)
{
    return json_object_get(body->object, name);
}

bool body_get_text(
    struct call *call, const struct body *body, const char *name, const char **ret_text)
{
    const char *text = json_string_value(body_get(body, name));

    if (!text || text[0] == '\0') {
        call_fail(call, 400, "\"%s\" must be there and be a text that is not empty", name);
        return false;
    }
    *ret_text = text;
    return true;
}
