/*
 * What handlers share; see call.h.
 */

#include "admin/call.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void call_fail(struct call *call, unsigned int status, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    call->status = status;
    call->is_metrics = false;
    buf_clear(&call->out);
    put_open(&call->out, '{');
    put_member_text(&call->out, "message", text);
    put_close(&call->out, '}');
}

void call_fail_error(struct call *call, const struct error *error)
{
    call_fail(call, error->code == ENOENT ? 404 : 503, "%s", error->text);
}

static bool is_known(const char *name, const char *const *names)
{
    for (; *names; names++) {
        if (strcmp(*names, name) == 0)
            return true;
    }
    return false;
}

static void fail_unknown(struct call *call, const char *name, const char *const *names)
{
    char known[256] = "there are none";
    size_t length = 0;

    for (; *names; names++)
        length += (size_t)snprintf(known + length, sizeof(known) - length, "%s%s",
            length == 0 ? "known are: " : ", ", *names);
    call_fail(call, 400, "unknown parameter '%.64s'; %s", name, known);
}

bool call_check_params(struct call *call, const char *const *names)
{
    for (size_t i = 0; i < call->n_params; i++) {
        const char *name = call->params[i].name;

        if (!is_known(name, names)) {
            fail_unknown(call, name, names);
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(call->params[j].name, name) == 0) {
                call_fail(call, 400, "parameter '%s' is given twice", name);
                return false;
            }
        }
    }
    return true;
}

const char *call_param(const struct call *call, const char *name)
{
    for (size_t i = 0; i < call->n_params; i++) {
        if (strcmp(call->params[i].name, name) == 0)
            return call->params[i].value;
    }
    return NULL;
}

int call_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number)
{
    uint64_t number = 0;

    if (text[0] == '\0')
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
            return -EINVAL;
    }
    if (number < min || number > max)
        return -EINVAL;
    *ret_number = number;
    return 0;
}
