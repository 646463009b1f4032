#pragma once

/*
 * One event of the log, rendered: what the three formats look like. Pure, and without the heap, so
 * that running out of memory can still be logged.
 *
 * Nothing that is passed in can end the line or hide in it: sentence and values are escaped (see
 * escape.h) and cut. What does not fit in the whole is left out field by field, never torn.
 */

#include "util/escape.h"
#include "util/log.h"

#include <stddef.h>
#include <sys/uio.h>

/* The most of a sentence that is shown, in bytes before escaping. */
#define LOG_SENTENCE_MAX 2048

/* Holds the longest sentence, every byte of it escaped, and more than a dozen long fields. */
#define LOG_LINE_MAX 32768

/* PRIORITY, MESSAGE_ID, MESSAGE, SASHA_EVENT, SYSLOG_IDENTIFIER, and fields. */
#define LOG_ENTRIES_MAX 32

/* Borrowed by the renderers. */
struct log_record {
    enum log_level level;
    const char *event;
    const char *sentence;
    const struct log_field *fields; /* ends with a NULL name */
    const char *date;               /* RFC 3339; NULL leaves it out */
};

struct log_line {
    char data[LOG_LINE_MAX];
    size_t length;
};

/* A journal entry: each iovec is one NAME=value and points into the line. */
struct log_entry {
    struct log_line line;
    struct iovec items[LOG_ENTRIES_MAX];
    size_t count;
};

/* <date> <level> <event>: <sentence> key=value key="a value", and a newline. Values are in quotes
 * unless they are one word of printable ASCII without =, quote and backslash. */
void log_line_text(struct log_line *line, const struct log_record *record);

/* One JSON object with time, level, event, message and the fields, and a newline. */
void log_line_json(struct log_line *line, const struct log_record *record);

/* PRIORITY, MESSAGE_ID (of an event that log_ids.c knows), MESSAGE, SASHA_EVENT, SYSLOG_IDENTIFIER
 * and SASHA_<FIELD>. `identifier` is the program's name. */
void log_entry_journal(
    struct log_entry *entry, const struct log_record *record, const char *identifier);
