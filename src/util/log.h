#pragma once

/*
 * The log: one event is one line, wherever it goes.
 *
 * Three formats of the same event: fields to the journal, a line of text, or a line of JSON. `auto`
 * takes the journal when stderr is connected to it, else text. An event has a level, a stable
 * short name ("hook-failed"), a sentence for people, and fields for machines.
 *
 * Levels: err = the operator must act; warning = handled, worth a look; info = a change of state;
 * debug = per delivery. Foreign bytes go through escape_field() first when they appear in the
 * sentence; field values are escaped here. No secret is ever passed to this module.
 *
 * log_init and log_set_level come from the main thread; everything else from any thread. A line is
 * written with one system call; no lock is held meanwhile.
 */

#include "util/error.h"
#include "util/log_limit.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level {
    LOG_LEVEL_ERR = 3, /* the numbers are syslog's severities, RFC 5424 §6.2.1 */
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7,
};

enum log_format {
    LOG_FORMAT_AUTO,
    LOG_FORMAT_JOURNAL,
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON,
};

struct log_field {
    const char *name;  /* lower_snake; the journal gets SASHA_<NAME>, JSON the name itself */
    const char *value; /* any bytes up to NUL; NULL leaves the field out */
};

#define LOG_FIELDS(...) ((const struct log_field[]){__VA_ARGS__, {NULL, NULL}})
#define LOG_NO_FIELDS ((const struct log_field[]){{NULL, NULL}})

/* Before any thread starts. Without it: text at info to stderr. Text leaves the date out when
 * stderr is a terminal. LOG_FORMAT_JOURNAL becomes text where no journal runs. */
void log_init(enum log_level level, enum log_format format);
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/* How many events of a level were written since the start. */
uint64_t log_count(enum log_level level);

int log_level_parse(const char *text, enum log_level *ret_level); /* 0 or -EINVAL */
const char *log_level_name(enum log_level level);
int log_format_parse(const char *text, enum log_format *ret_format);
const char *log_format_name(enum log_format format);

/* `event`: a stable short name of the kind of event, in kebab case; a row of log_ids.c. `fields`
 * ends with a NULL name; no field is named time, level, event or message. Values are cut at
 * ESCAPE_FIELD_MAX bytes, the sentence at 2048. Keeps errno. Builds the line on the stack: 70 KiB
 * of it must be left. */
void log_event(enum log_level level, const char *event, const struct log_field *fields,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* For events with no fields. */
#define log_err(event, ...) log_event(LOG_LEVEL_ERR, event, LOG_NO_FIELDS, __VA_ARGS__)
#define log_warning(event, ...) log_event(LOG_LEVEL_WARNING, event, LOG_NO_FIELDS, __VA_ARGS__)
#define log_info(event, ...) log_event(LOG_LEVEL_INFO, event, LOG_NO_FIELDS, __VA_ARGS__)
#define log_debug(event, ...) log_event(LOG_LEVEL_DEBUG, event, LOG_NO_FIELDS, __VA_ARGS__)
