#include "util/error.h"

/*
 * Errors that carry their own text. See error.h for the contract.
 *
 * Every text is made aside and then copied, so that the old text of an error may be an argument of
 * its new one.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A library that failed without setting errno must not turn into a success on the way up. */
static int error_code(int code)
{
    return code > 0 ? code : EIO;
}

int error_set(struct error *error, int code, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list arguments;

    code = error_code(code);
    if (!error)
        return -code;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);

    error->code = code;
    memcpy(error->text, text, sizeof(text));
    return -code;
}

int error_errno(struct error *error, int code, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    const char *reason;
    va_list arguments;

    code = error_code(code);
    if (!error)
        return -code;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);

    reason = strerrordesc_np(code); /* unlike strerror(3): any thread, no locale */
    if (reason)
        return error_set(error, code, "%s: %s", text, reason);
    return error_set(error, code, "%s: error %d", text, code);
}

int error_prefix(struct error *error, const char *format, ...)
{
    char prefix[ERROR_TEXT_MAX];
    va_list arguments;

    if (!error)
        return -EIO;

    va_start(arguments, format);
    vsnprintf(prefix, sizeof(prefix), format, arguments);
    va_end(arguments);
    return error_set(error, error->code, "%s: %s", prefix, error->text);
}
