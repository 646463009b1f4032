#include "util/buf.h"

/*
 * A growing run of bytes. See buf.h for the contract.
 *
 * Capacity doubles, so that appending n bytes costs O(n) copies in all. `failed` latches: a run of
 * appends with a gap in it would be worse than none, for the caller may write it to disk.
 */

#include "util/escape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_CAPACITY_MIN 64

void buf_done(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf)BUF_INIT;
}

static int buf_fail(struct buf *buf)
{
    buf->failed = true;
    return -ENOMEM;
}

int buf_reserve(struct buf *buf, size_t more)
{
    size_t capacity = buf->capacity;
    size_t needed;
    unsigned char *data;

    if (buf->failed)
        return -ENOMEM;
    if (more <= capacity - buf->length)
        return 0;
    if (__builtin_add_overflow(buf->length, more, &needed))
        return buf_fail(buf);

    if (capacity < BUF_CAPACITY_MIN)
        capacity = BUF_CAPACITY_MIN;
    while (capacity < needed)
        if (__builtin_mul_overflow(capacity, 2, &capacity))
            capacity = needed;

    data = realloc(buf->data, capacity);
    if (!data)
        return buf_fail(buf);
    buf->data = data;
    buf->capacity = capacity;
    return 0;
}

int buf_append(struct buf *buf, const void *data, size_t length)
{
    int r;

    r = buf_reserve(buf, length);
    if (r < 0)
        return r;
    if (length > 0)
        memcpy(buf->data + buf->length, data, length);
    buf->length += length;
    return 0;
}

int buf_append_text(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

int buf_append_format(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    int length;
    int r;

    va_start(arguments, format);
    length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        return buf_fail(buf);

    r = buf_reserve(buf, (size_t)length + 1); /* vsnprintf ends in NUL, which does not count */
    if (r < 0)
        return r;

    va_start(arguments, format);
    vsnprintf((char *)buf->data + buf->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    buf->length += (size_t)length;
    return 0;
}

int buf_append_json(struct buf *buf, const char *text, size_t length)
{
    size_t at = 0;

    buf_append(buf, "\"", 1);
    while (at < length) {
        if (buf_reserve(buf, ESCAPE_STEP_MAX) < 0)
            return -ENOMEM;
        buf->length += escape_step(ESCAPE_JSON, text, length, &at, (char *)buf->data + buf->length);
    }
    return buf_append(buf, "\"", 1);
}
