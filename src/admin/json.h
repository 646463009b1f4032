#pragma once

/*
 * Answers in JSON, written straight into a buffer. Pure.
 *
 * A comma is put where one is due: before whatever follows another value. So a caller opens, writes
 * and closes, and cannot forget one. Running out of memory shows in buf.failed, once, at the end.
 * The caller bounds what it writes.
 */

#include "util/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `bracket` is '{' or '[', and '}' or ']'. */
void put_open(struct buf *out, char bracket);
void put_close(struct buf *out, char bracket);

/* A member's name; its value follows. */
void put_key(struct buf *out, const char *name);

/* Values. */
void put_text(struct buf *out, const char *text); /* NULL: null */
void put_bytes(struct buf *out, const void *data, size_t length);
void put_number(struct buf *out, uint64_t number);
void put_bool(struct buf *out, bool value);
void put_null(struct buf *out);
void put_time(struct buf *out, int64_t usec); /* RFC 3339 in UTC */
void put_msec(struct buf *out, int64_t usec); /* "1.234" */
void put_base64(struct buf *out, const void *data, size_t length);
/* A value that is JSON already. */
void put_raw(struct buf *out, const void *data, size_t length);

/* Key and value at once; the last two are null for 0 and for "" (or NULL). */
void put_member_text(struct buf *out, const char *name, const char *text);
void put_member_number(struct buf *out, const char *name, uint64_t number);
void put_member_bool(struct buf *out, const char *name, bool value);
void put_member_time(struct buf *out, const char *name, int64_t usec);
void put_member_text_or_null(struct buf *out, const char *name, const char *text);
