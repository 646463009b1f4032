#pragma once

/*
 * Foreign bytes made fit for one log line. Pure.
 */

#include <stddef.h>

/* The most of a foreign field that a log line shows, in bytes before escaping. */
#define ESCAPE_FIELD_MAX 256

/* Big enough for any escaped field: every byte may become \xNN, plus "…" and NUL. */
#define ESCAPE_SIZE (4 * ESCAPE_FIELD_MAX + 4)

/* Writes `text` to `buffer` with C0, DEL, C1, U+2028/2029, bidirectional controls, invalid UTF-8,
 * backslash and double quote escaped (\n \r \t \\ \" or \xNN for each byte), cut at
 * ESCAPE_FIELD_MAX bytes on a character's border with "…" after it. Never overruns `size`; always
 * ends in NUL (size must not be 0). Returns `buffer`. */
char *escape_field(const char *text, size_t length, char *buffer, size_t size);
