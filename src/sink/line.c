#include "sink/line.h"

/*
 * A delivery as one line of JSON. See line.h for the contract.
 */

#include "util/rfc3339.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define LINE_SEQ_KEY "{\"seq\":"

/* No string in front of it can hold these bytes: inside a string a quote has a backslash. */
#define LINE_JOB_KEY ",\"job\":"

static int line_append_body(struct buf *out, const unsigned char *body, size_t length)
{
    size_t begin = out->length;

    if (buf_append(out, body, length) < 0)
        return -ENOMEM;
    for (size_t i = begin; i < out->length; i++)
        if (out->data[i] < 0x20)
            out->data[i] = ' ';
    return 0;
}

int line_append(struct buf *out, const struct delivery *delivery)
{
    char received_at[RFC3339_SIZE];

    rfc3339_format(delivery->received_at_usec, received_at);
    buf_append_format(out, LINE_SEQ_KEY "%" PRIu64 ",\"request_id\":", delivery->seq);
    buf_append_json(out, delivery->request_id, strlen(delivery->request_id));
    buf_append_text(out, ",\"endpoint\":");
    buf_append_json(out, delivery->endpoint, strlen(delivery->endpoint));
    buf_append_format(out, ",\"received_at\":\"%s\",\"stale\":%s", received_at,
        delivery->stale ? "true" : "false");
    if (delivery->unverified && *delivery->unverified) {
        buf_append_text(out, ",\"unverified\":");
        buf_append_json(out, delivery->unverified, strlen(delivery->unverified));
    }
    buf_append_text(out, LINE_JOB_KEY);
    line_append_body(out, delivery->body, delivery->body_length);
    return buf_append_text(out, "}");
}

int line_parse_seq(const char *head, size_t length, uint64_t *ret_seq)
{
    size_t at = strlen(LINE_SEQ_KEY);
    uint64_t seq = 0;

    if (length <= at || memcmp(head, LINE_SEQ_KEY, at) != 0)
        return -EINVAL;
    if (head[at] < '1' || head[at] > '9') /* neither 0, nor a leading 0, nor nothing */
        return -EINVAL;
    for (; at < length && head[at] >= '0' && head[at] <= '9'; at++)
        if (__builtin_mul_overflow(seq, 10, &seq) ||
            __builtin_add_overflow(seq, (uint64_t)(head[at] - '0'), &seq))
            return -EINVAL;
    if (at == length || head[at] != ',')
        return -EINVAL;

    *ret_seq = seq;
    return 0;
}

int line_parse_job(
    const char *line, size_t length, const unsigned char **ret_job, size_t *ret_length)
{
    uint64_t seq;
    const char *key;
    const char *job;

    if (line_parse_seq(line, length, &seq) < 0)
        return -EINVAL;
    if (line[length - 1] == '\n')
        length--;
    key = memmem(line, length, LINE_JOB_KEY, strlen(LINE_JOB_KEY));
    if (!key || line[length - 1] != '}')
        return -EINVAL;

    job = key + strlen(LINE_JOB_KEY);
    if (job >= line + length - 1)
        return -EINVAL;
    *ret_job = (const unsigned char *)job;
    *ret_length = (size_t)(line + length - 1 - job);
    return 0;
}
