#pragma once

/*
 * RFC 3339 date-times to and from microseconds since 1970. Pure.
 */

#include <stddef.h>
#include <stdint.h>

/* "2026-11-22T07:15:38.123456Z" and its NUL. */
#define RFC3339_SIZE 28

/* Parses exactly one date-time (RFC 3339 §5.6): any number of fraction digits, of which six count;
 * `T` and `Z` in either case; an offset; second 60 counts as the next second. Years 0000-9999.
 * Returns 0, or -EINVAL with *ret_usec untouched. */
int rfc3339_parse(const char *text, size_t length, int64_t *ret_usec);

/* Formats in UTC with six fraction digits. Years outside 0000-9999 are clamped. Returns `buffer`.
 */
char *rfc3339_format(int64_t usec, char buffer[static RFC3339_SIZE]);
