/*
 * Foreign text in answers for people. See text.h.
 */

#include "ctl/text.h"

#include "util/escape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_WIDTH 12

static void append_escaped(struct buf *out, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        char step[ESCAPE_STEP_MAX];

        if (text[at] == '\t')
            buf_append(out, text + at++, 1);
        else
            buf_append(out, step, escape_step(ESCAPE_SENTENCE, text, length, &at, step));
    }
}

void text_append(struct buf *out, const char *text)
{
    if (text && text[0] != '\0')
        append_escaped(out, text, strlen(text));
    else
        buf_append_text(out, "-");
}

void text_append_lines(struct buf *out, const char *indent, const char *text, size_t length)
{
    while (length > 0) {
        const char *end = memchr(text, '\n', length);
        size_t line = end ? (size_t)(end - text) : length;

        buf_append_text(out, indent);
        append_escaped(out, text, line);
        buf_append_text(out, "\n");
        line += end ? 1 : 0;
        text += line;
        length -= line;
    }
}

void text_append_row(struct buf *out, const char *name, const char *format, ...)
{
    va_list arguments;
    char *value = NULL;
    int length;

    va_start(arguments, format);
    length = vasprintf(&value, format, arguments);
    va_end(arguments);
    if (length < 0) {
        out->failed = true;
        return;
    }
    buf_append_format(out, "%-*s%s\n", NAME_WIDTH, name, value);
    free(value);
}

void text_append_field(struct buf *out, const char *name, const char *value)
{
    buf_append_format(out, "%-*s", NAME_WIDTH, name);
    text_append(out, value);
    buf_append_text(out, "\n");
}
