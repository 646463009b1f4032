#pragma once

/*
 * A growing run of bytes.
 *
 * Starts as BUF_INIT, owns its memory, is given back with buf_done. Once an append fails nothing
 * is added any more and buf.failed stays set, so that a long run of appends is checked once. The
 * caller bounds what it appends: nothing here does.
 */

#include <stdbool.h>
#include <stddef.h>

struct buf {
    unsigned char *data; /* owned; not NUL-terminated; NULL while empty */
    size_t length;
    size_t capacity;
    bool failed; /* out of memory once */
};

#define BUF_INIT          \
    {                     \
        NULL, 0, 0, false \
    }

void buf_done(struct buf *buf);

/* Makes room for `more` bytes beyond the length. Returns 0 or -ENOMEM. */
int buf_reserve(struct buf *buf, size_t more);

/* Each returns 0 or -ENOMEM. */
int buf_append(struct buf *buf, const void *data, size_t length);
int buf_append_text(struct buf *buf, const char *text);
int buf_append_format(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends a JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD; what could move a
 * reader's terminal or end a line is escaped (see escape.h), so the result is one line. */
int buf_append_json(struct buf *buf, const char *text, size_t length);

/* Forgets the content, keeps the memory. */
static inline void buf_clear(struct buf *buf)
{
    buf->length = 0;
    buf->failed = false;
}
