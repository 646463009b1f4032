#pragma once

/*
 * Foreign text in answers for people: escaped, so that nothing reaches the terminal but what can be
 * read. Pure.
 */

#include "util/buf.h"

#include <stddef.h>

/* On one line. NULL and "" show as "-". */
void text_append(struct buf *out, const char *text);

/* A line each, with `indent` before it and a newline behind it. Nothing for a length of 0. */
void text_append_lines(struct buf *out, const char *indent, const char *text, size_t length);

/* "name      value\n": a name in its own column, and what a format says, which is not escaped. */
void text_append_row(struct buf *out, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a foreign value. */
void text_append_field(struct buf *out, const char *name, const char *value);
