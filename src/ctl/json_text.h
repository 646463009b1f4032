#pragma once

/*
 * JSON as text: parts of an answer passed on exactly as they came, and indented for people.
 *
 * A parser would change what it prints again (0.1 becomes 0.10000000000000001). Nothing here checks
 * JSON: the text must have passed a parser before. Pure.
 */

#include "util/buf.h"

#include <stdbool.h>
#include <stddef.h>

struct json_span {
    const char *text; /* borrowed */
    size_t length;
};

/* The value of `name` in the object that is the whole of `text`. False: it has none. Names with
 * escapes are not found. */
bool json_text_get(const char *text, size_t length, const char *name, struct json_span *ret_value);

/* The next element of the array that is the whole of `text`; *at is 0 at first. False: the end. */
bool json_text_next(const char *text, size_t length, size_t *at, struct json_span *ret_element);

/* Appends it as one line, without the newline: what could end the line or move a terminal's cursor
 * is escaped as JSON escapes, so that it stays the same value. 0 or -ENOMEM. */
int json_text_append_line(struct buf *out, const char *text, size_t length);

/* Appends it indented by two blanks a level, `indent` before each line, numbers and strings as they
 * came, escaped as above. Ends with a newline. 0 or -ENOMEM. */
int json_text_append_pretty(struct buf *out, const char *text, size_t length, const char *indent);
