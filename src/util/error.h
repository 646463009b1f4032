#pragma once

/*
 * Errors that carry their own text.
 *
 * The contract of the whole project: a function that can fail in more than one way a caller must
 * tell apart returns a named enum; every other one returns 0 or a negative errno. Where a person
 * will read about the failure, the function takes a `struct error *` (which may be NULL) and
 * describes what was tried, on what, and what went wrong. The text is logged once, by whoever
 * stops passing the error on. It never holds a secret or bytes of a payload.
 *
 * No function here logs. Thread-safe: an error belongs to its holder.
 */

#include <stdarg.h>

#define ERROR_TEXT_MAX 256

struct error {
    int code; /* positive errno; 0 = no error */
    char text[ERROR_TEXT_MAX];
};

#define ERROR_INIT \
    {              \
        0, ""      \
    }

/* Describes a failure; a text too long is cut. `code` is a positive errno; anything else counts as
 * EIO, so that a failure never looks like success. The old text may be an argument. Returns -code,
 * so that `return error_set(err, EINVAL, "…");` is the usual way out. */
int error_set(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, and appends ": <what strerror(3) says of code>". */
int error_errno(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "<formatted>: " before the text that is there, on the way up. Returns -error->code, or -EIO
 * for a NULL error. */
int error_prefix(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
