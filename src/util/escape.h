#pragma once

/*
 * Foreign bytes made fit for one line. Pure.
 *
 * Escaped is what could end a line, move a terminal's cursor or turn the order of reading: C0, DEL,
 * C1, U+2028/2029, bidirectional controls, and bytes that are not UTF-8. Other UTF-8 stays.
 */

#include <stddef.h>

/* The most of a foreign field that a log line shows, in bytes before escaping. */
#define ESCAPE_FIELD_MAX 256

/* Big enough for any escaped field: every byte may become \xNN, plus "…" and NUL. */
#define ESCAPE_SIZE (4 * ESCAPE_FIELD_MAX + 4)

/* The most that one escape_step writes: four bytes as \xNN each. */
#define ESCAPE_STEP_MAX 16

enum escape_style {
    ESCAPE_FIELD,    /* \n \r \t \\ \" or \xNN for each byte */
    ESCAPE_SENTENCE, /* the same, but backslash and quote stay: parts of it may be escaped already
                      */
    ESCAPE_JSON,     /* inside a JSON string: \n \r \t \\ \" or \uNNNN; not UTF-8: U+FFFD */
};

/* Writes `text` to `buffer` in ESCAPE_FIELD style, cut at ESCAPE_FIELD_MAX bytes on a character's
 * border with "…" after it. Never overruns `size`; always ends in NUL (size must not be 0). Returns
 * `buffer`. */
char *escape_field(const char *text, size_t length, char *buffer, size_t size);

/* Escapes the character that starts at text[*at] (*at < length) and moves *at behind it. Returns
 * the number of bytes written to `out`; no NUL is added. */
size_t escape_step(enum escape_style style, const char *text, size_t length, size_t *at,
    char out[static ESCAPE_STEP_MAX]);
