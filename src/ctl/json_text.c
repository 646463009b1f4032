/*
 * Walking over JSON text. See json_text.h.
 */

#include "ctl/json_text.h"

#include "util/escape.h"
#include "util/utf8.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* Beyond this depth lines are not indented further. */
#define INDENT_MAX 32

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static size_t skip_blanks(const char *text, size_t length, size_t at)
{
    while (at < length && is_blank(text[at]))
        at++;
    return at;
}

/* Behind the string that starts at `at`. */
static size_t skip_string(const char *text, size_t length, size_t at)
{
    for (at++; at < length && text[at] != '"'; at++) {
        if (text[at] == '\\')
            at++;
    }
    return at < length ? at + 1 : length;
}

/* Behind the value that starts at `at`. */
static size_t skip_value(const char *text, size_t length, size_t at)
{
    size_t depth = 0;

    while (at < length) {
        char byte = text[at];

        if (byte == '"') {
            at = skip_string(text, length, at);
        } else if (byte == '{' || byte == '[') {
            depth++;
            at++;
        } else if (byte == '}' || byte == ']') {
            depth--;
            at++;
        } else {
            at++;
            /* A number or a word ends before what cannot be part of it. */
            if (depth == 0 && (at == length || is_blank(text[at]) || strchr(",]}:", text[at])))
                return at;
            continue;
        }
        if (depth == 0)
            return at;
    }
    return length;
}

/* Skips blanks and one comma. */
static size_t skip_comma(const char *text, size_t length, size_t at)
{
    at = skip_blanks(text, length, at);
    if (at < length && text[at] == ',')
        at = skip_blanks(text, length, at + 1);
    return at;
}

bool json_text_get(const char *text, size_t length, const char *name, struct json_span *ret_value)
{
    size_t at = skip_blanks(text, length, 0);

    if (at == length || text[at] != '{')
        return false;
    at = skip_blanks(text, length, at + 1);
    while (at < length && text[at] == '"') {
        size_t key = at + 1, key_end, value;

        at = skip_string(text, length, at);
        key_end = at - 1;
        at = skip_blanks(text, length, at);
        value = skip_blanks(text, length, at + 1); /* behind the colon */
        at = skip_value(text, length, value);
        if (key_end - key == strlen(name) && memcmp(text + key, name, strlen(name)) == 0) {
            ret_value->text = text + value;
            ret_value->length = at - value;
            return true;
        }
        at = skip_comma(text, length, at);
    }
    return false;
}

bool json_text_next(const char *text, size_t length, size_t *at, struct json_span *ret_element)
{
    size_t start = *at;

    if (start == 0) {
        start = skip_blanks(text, length, 0);
        if (start == length || text[start] != '[')
            return false;
        start++;
    }
    start = skip_comma(text, length, start);
    if (start >= length || text[start] == ']')
        return false;
    *at = skip_value(text, length, start);
    ret_element->text = text + start;
    ret_element->length = *at - start;
    return true;
}

/* Appends the character at *at and moves *at behind it. Controls stand inside of strings only, so
 * the escape does not change the value; what is no UTF-8 cannot be in JSON. */
static void append_safe(struct buf *out, const char *text, size_t length, size_t *at)
{
    uint32_t character = 0;
    size_t size = utf8_decode(text + *at, length - *at, &character);

    if (size > 0 && !utf8_is_control(character)) {
        buf_append(out, text + *at, size);
        *at += size;
    } else {
        char step[ESCAPE_STEP_MAX];

        buf_append(out, step, escape_step(ESCAPE_JSON, text, length, at, step));
    }
}

int json_text_append_line(struct buf *out, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        if (is_blank(text[at])) {
            buf_append(out, " ", 1);
            at++;
        } else {
            append_safe(out, text, length, &at);
        }
    }
    return out->failed ? -ENOMEM : 0;
}

static void append_newline(struct buf *out, const char *indent, size_t depth)
{
    buf_append_text(out, "\n");
    buf_append_text(out, indent);
    for (size_t i = 0; i < depth && i < INDENT_MAX; i++)
        buf_append_text(out, "  ");
}

int json_text_append_pretty(struct buf *out, const char *text, size_t length, const char *indent)
{
    size_t depth = 0;
    size_t at = skip_blanks(text, length, 0);

    buf_append_text(out, indent);
    while (at < length) {
        char byte = text[at];

        if (byte == '"') {
            size_t end = skip_string(text, length, at);

            while (at < end)
                append_safe(out, text, end, &at);
        } else if (byte == '{' || byte == '[') {
            size_t next = skip_blanks(text, length, at + 1);

            buf_append(out, text + at, 1);
            depth++;
            at = next;
            if (next < length && text[next] != '}' && text[next] != ']')
                append_newline(out, indent, depth);
        } else if (byte == '}' || byte == ']') {
            bool is_empty = out->length > 0 && out->data[out->length - 1] == byte - 2;

            depth--;
            if (!is_empty)
                append_newline(out, indent, depth);
            buf_append(out, text + at, 1);
            at++;
        } else if (byte == ',') {
            buf_append_text(out, ",");
            append_newline(out, indent, depth);
            at++;
        } else if (byte == ':') {
            buf_append_text(out, ": ");
            at++;
        } else {
            append_safe(out, text, length, &at);
        }
        at = skip_blanks(text, length, at);
    }
    return buf_append_text(out, "\n");
}
