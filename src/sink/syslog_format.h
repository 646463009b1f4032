#pragma once

/*
 * A delivery as a syslog message. Pure.
 */

#include "job/delivery.h"
#include "job/job.h"
#include "util/buf.h"

#include <sys/types.h>
#include <time.h>

/* The most bytes of a JSON message; with every header it fits a UDP packet (65,507 bytes). */
#define SYSLOG_JSON_MAX ((size_t)60 * 1024)

struct syslog_header {
    int facility;         /* 0..23 */
    int severity;         /* 0..7 */
    bool rfc3164;         /* else RFC 5424 */
    const char *hostname; /* NULL with RFC 3164: left out, as local daemons expect */
    const char *tag;
    pid_t pid;
};

/* Appends the header and the space after it. `local` is the same moment as `usec` in local time;
 * RFC 3164 has no other. Each function here returns 0 or -ENOMEM. */
int syslog_append_header(
    struct buf *out, const struct syslog_header *header, int64_t usec, const struct tm *local);

/* Appends key=value pairs: who, what, when; not output_url, which lets whoever holds it fetch the
 * result. A value that is not plain stands in quotes, escaped and cut as escape_field does. */
int syslog_append_text(struct buf *out, const struct delivery *delivery, const struct job *job);

/* Appends the object of line.h, with control characters inside its strings written as \u escapes:
 * the same JSON value, and no way to move a terminal or begin a line. -EMSGSIZE, with nothing
 * appended, when it is longer than SYSLOG_JSON_MAX. */
int syslog_append_json(struct buf *out, const struct delivery *delivery);

/* Whether a tag is legal in both formats: 1 to 32 letters, digits and "-_.". */
bool syslog_tag_is_legal(const char *tag);
