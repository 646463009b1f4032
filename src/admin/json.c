/*
 * Answers in JSON; see json.h.
 */

#include "admin/json.h"

#include "util/clock.h"
#include "util/rfc3339.h"

#include <inttypes.h>
#include <string.h>

/* A comma is due unless a bracket was opened or a key was written just before. */
static void separate(struct buf *out)
{
    if (out->length > 0 && !strchr("{[:", out->data[out->length - 1]))
        buf_append(out, ",", 1);
}

void put_open(struct buf *out, char bracket)
{
    separate(out);
    buf_append(out, &bracket, 1);
}

void put_close(struct buf *out, char bracket)
{
    buf_append(out, &bracket, 1);
}

void put_key(struct buf *out, const char *name)
{
    separate(out);
    buf_append_json(out, name, strlen(name));
    buf_append(out, ":", 1);
}

void put_bytes(struct buf *out, const void *data, size_t length)
{
    separate(out);
    buf_append_json(out, data, length);
}

void put_text(struct buf *out, const char *text)
{
    if (text)
        put_bytes(out, text, strlen(text));
    else
        put_null(out);
}

void put_raw(struct buf *out, const void *data, size_t length)
{
    separate(out);
    buf_append(out, data, length);
}

void put_number(struct buf *out, uint64_t number)
{
    separate(out);
    buf_append_format(out, "%" PRIu64, number);
}

void put_bool(struct buf *out, bool value)
{
    separate(out);
    buf_append_text(out, value ? "true" : "false");
}

void put_null(struct buf *out)
{
    separate(out);
    buf_append_text(out, "null");
}

void put_time(struct buf *out, int64_t usec)
{
    char text[RFC3339_SIZE];

    put_text(out, rfc3339_format(usec, text));
}

void put_msec(struct buf *out, int64_t usec)
{
    separate(out);
    buf_append_format(
        out, "%" PRIi64 ".%03" PRIi64, usec / USEC_PER_MSEC, (usec % USEC_PER_MSEC + 1000) % 1000);
}

/* RFC 4648 §4, with padding. */
void put_base64(struct buf *out, const void *data, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *bytes = data;

    separate(out);
    buf_append(out, "\"", 1);
    for (size_t at = 0; at < length; at += 3) {
        const size_t n = length - at < 3 ? length - at : 3;
        const uint32_t group = (uint32_t)bytes[at] << 16 |
                               (uint32_t)(n > 1 ? bytes[at + 1] : 0) << 8 |
                               (uint32_t)(n > 2 ? bytes[at + 2] : 0);
        const char text[4] = {
            digits[group >> 18],
            digits[group >> 12 & 63],
            n > 1 ? digits[group >> 6 & 63] : '=',
            n > 2 ? digits[group & 63] : '=',
        };
        buf_append(out, text, sizeof(text));
    }
    buf_append(out, "\"", 1);
}

void put_member_text(struct buf *out, const char *name, const char *text)
{
    put_key(out, name);
    put_text(out, text);
}

void put_member_number(struct buf *out, const char *name, uint64_t number)
{
    put_key(out, name);
    put_number(out, number);
}

void put_member_bool(struct buf *out, const char *name, bool value)
{
    put_key(out, name);
    put_bool(out, value);
}

void put_member_time(struct buf *out, const char *name, int64_t usec)
{
    put_key(out, name);
    if (usec == 0)
        put_null(out);
    else
        put_time(out, usec);
}

void put_member_text_or_null(struct buf *out, const char *name, const char *text)
{
    put_member_text(out, name, text && text[0] != '\0' ? text : NULL);
}
