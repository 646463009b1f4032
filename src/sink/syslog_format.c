#include "sink/syslog_format.h"

/*
 * A delivery as a syslog message. See syslog_format.h for the contract.
 *
 * RFC 5424 wants a byte order mark before UTF-8 text. It is left out, because most receivers show
 * it as three bytes of rubbish or fail to see the JSON behind it; without it the message is of
 * "unspecified encoding", which the same section (6.4) allows.
 */

#include "sink/line.h"
#include "util/escape.h"
#include "util/rfc3339.h"
#include "util/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SYSLOG_TAG_MAX 32
#define SYSLOG_MSGID "jobStatusChanged"

/* Not strftime: the months are English whatever the locale (RFC 3164 §4.1.2). */
static const char *const months[] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

int syslog_append_header(
    struct buf *out, const struct syslog_header *header, int64_t usec, const struct tm *local)
{
    int priority = header->facility * 8 + header->severity;
    char timestamp[RFC3339_SIZE];

    if (header->rfc3164)
        return buf_append_format(out, "<%d>%s %2d %02d:%02d:%02d %s%s%s[%jd]: ", priority,
            months[local->tm_mon % 12], local->tm_mday, local->tm_hour, local->tm_min,
            local->tm_sec, header->hostname ? header->hostname : "", header->hostname ? " " : "",
            header->tag, (intmax_t)header->pid);
    return buf_append_format(out, "<%d>1 %s %s %s %jd " SYSLOG_MSGID " - ", priority,
        rfc3339_format(usec, timestamp), header->hostname ? header->hostname : "-", header->tag,
        (intmax_t)header->pid);
}

static bool is_plain(const char *value)
{
    if (!*value)
        return false;
    for (; *value; value++)
        if (!isascii((unsigned char)*value) ||
            (!isalnum((unsigned char)*value) && !strchr("_-.:/+@", *value)))
            return false;
    return true;
}

/* A field that the Job lacks is NULL, and left out. */
static void append_pair(struct buf *out, const char *name, const char *value)
{
    char escaped[ESCAPE_SIZE];
    bool plain;

    if (!value)
        return;
    escape_field(value, strlen(value), escaped, sizeof(escaped));
    plain = is_plain(escaped);
    buf_append_format(out, " %s=%s%s%s", name, plain ? "" : "\"", escaped, plain ? "" : "\"");
}

int syslog_append_text(struct buf *out, const struct delivery *delivery, const struct job *job)
{
    char received_at[RFC3339_SIZE];

    rfc3339_format(delivery->received_at_usec, received_at);
    buf_append_format(out, "seq=%" PRIu64, delivery->seq);
    append_pair(out, "request_id", delivery->request_id);
    append_pair(out, "endpoint", delivery->endpoint);
    append_pair(out, "received_at", received_at);
    append_pair(out, "stale", delivery->stale ? "true" : "false");
    if (delivery->unverified && *delivery->unverified)
        append_pair(out, "unverified", delivery->unverified);
    append_pair(out, "job_id", job->job_id);
    append_pair(out, "type", job->type);
    append_pair(out, "status", job->status);
    append_pair(out, "updated_at", job->updated_at);
    append_pair(out, "signature_id", job->signature_id);
    append_pair(out, "error_code", job->error_code);
    append_pair(out, "error_message", job->error_message);
    return out->failed ? -ENOMEM : 0;
}

/* Copies a JSON text. Outside its strings there are no control characters left (line_append), so
 * one that is found is inside a string, where \u means the same. Bytes that are not UTF-8 cannot be
 * in a proven Job; one that was altered on the disk gets U+FFFD for them. */
static void append_escaped(struct buf *out, const char *text, size_t length)
{
    size_t at = 0, copied = 0;

    while (at < length) {
        uint32_t character = 0;
        size_t size = utf8_decode(text + at, length - at, &character);

        if (size > 0 && !utf8_is_control(character)) {
            at += size;
            continue;
        }
        buf_append(out, text + copied, at - copied);
        if (size > 0)
            buf_append_format(out, "\\u%04" PRIx32, character);
        else
            buf_append_text(out, "\xEF\xBF\xBD");
        at += size > 0 ? size : 1;
        copied = at;
    }
    buf_append(out, text + copied, length - copied);
}

int syslog_append_json(struct buf *out, const struct delivery *delivery)
{
    size_t begin = out->length;
    struct buf line = BUF_INIT;
    int r;

    r = line_append(&line, delivery);
    if (r == 0 && line.length <= SYSLOG_JSON_MAX)
        append_escaped(out, (const char *)line.data, line.length);
    if (r == 0 && out->failed)
        r = -ENOMEM;
    if (r == 0 && (line.length > SYSLOG_JSON_MAX || out->length - begin > SYSLOG_JSON_MAX)) {
        out->length = begin;
        r = -EMSGSIZE;
    }
    buf_done(&line);
    return r;
}

bool syslog_tag_is_legal(const char *tag)
{
    size_t length = strlen(tag);

    if (length < 1 || length > SYSLOG_TAG_MAX)
        return false;
    for (; *tag; tag++)
        if (!isascii((unsigned char)*tag) ||
            (!isalnum((unsigned char)*tag) && !strchr("-_.", *tag)))
            return false;
    return true;
}
