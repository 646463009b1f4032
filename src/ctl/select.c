/*
 * From options to a filter, and from a filter to the query of a page. Pure. See select.h.
 */

#include "ctl/select.h"

#include "ctl/when.h"
#include "util/escape.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sysexits.h>

static int parse_bound(const char *option, const char *text, int64_t now_usec,
    char ret_text[static RFC3339_SIZE], struct error *error)
{
    int64_t usec;

    ret_text[0] = '\0';
    if (!text)
        return EX_OK;
    if (when_parse(text, now_usec, &usec, error) < 0) {
        error_prefix(error, "--%s", option);
        return EX_USAGE;
    }
    rfc3339_format(usec, ret_text);
    return EX_OK;
}

int select_filter_parse(const struct select_options *options, int64_t now_usec,
    struct select_filter *ret_filter, struct error *error)
{
    struct select_filter filter = {
        .job = options->job,
        .request_id = options->request_id,
        .status = options->status,
        .type = options->type,
        .endpoint = options->endpoint,
        .sink = options->sink,
        .state = options->state,
    };
    int status = parse_bound("since", options->since, now_usec, filter.since, error);

    if (status == EX_OK)
        status = parse_bound("until", options->until, now_usec, filter.until, error);
    if (status != EX_OK)
        return status;
    if (options->since && options->until && strcmp(filter.since, filter.until) >= 0) {
        error_set(error, EINVAL, "--since is not before --until: nothing lies between");
        return EX_USAGE;
    }
    if (options->state && strcmp(options->state, "dead") != 0 &&
        strcmp(options->state, "pending") != 0) {
        error_set(error, EINVAL, "--state is dead or pending");
        return EX_USAGE;
    }
    if (options->stale) {
        bool yes = strcmp(options->stale, "yes") == 0;

        if (!yes && strcmp(options->stale, "no") != 0) {
            error_set(error, EINVAL, "--stale is yes or no");
            return EX_USAGE;
        }
        filter.stale = yes ? "true" : "false";
    }
    *ret_filter = filter;
    return EX_OK;
}

bool select_filter_is_all(const struct select_filter *filter)
{
    return !filter->job && !filter->request_id && !filter->status && !filter->type &&
           !filter->endpoint && !filter->stale && filter->since[0] == '\0' &&
           filter->until[0] == '\0';
}

/* Percent-encodes all but what RFC 3986 §2.3 leaves alone. */
static void append_encoded(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        char byte = *text;

        if ((byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
            (byte >= '0' && byte <= '9') || strchr("-._~", byte))
            buf_append(out, text, 1);
        else
            buf_append_format(out, "%%%02X", (unsigned)(unsigned char)byte);
    }
}

static void append_parameter(struct buf *out, const char *name, const char *value)
{
    if (!value || value[0] == '\0')
        return;
    buf_append_format(out, "&%s=", name);
    append_encoded(out, value);
}

int select_target(const struct select_filter *filter, bool oldest_first, uint64_t from,
    size_t limit, struct buf *out)
{
    buf_append_format(out, "/v1/deliveries?limit=%zu", limit);
    append_parameter(out, "order", oldest_first ? "oldest" : "newest");
    if (from > 0)
        buf_append_format(out, "&from=%" PRIu64, from);
    append_parameter(out, "job", filter->job);
    append_parameter(out, "request_id", filter->request_id);
    append_parameter(out, "status", filter->status);
    append_parameter(out, "type", filter->type);
    append_parameter(out, "endpoint", filter->endpoint);
    append_parameter(out, "since", filter->since);
    append_parameter(out, "until", filter->until);
    append_parameter(out, "stale", filter->stale);
    if (filter->state) {
        append_parameter(out, "sink", filter->sink);
        append_parameter(out, "state", filter->state);
    }
    return out->failed ? -ENOMEM : 0;
}

/* Eighteen digits always fit, and are more than a store will ever count. */
static bool read_number(const char *text, uint64_t *ret_number)
{
    uint64_t number = 0;
    size_t n = 0;

    for (; text[n] >= '0' && text[n] <= '9' && n < 18; n++)
        number = 10 * number + (uint64_t)(text[n] - '0');
    *ret_number = number;
    return text[n] == '\0' && number > 0;
}

int select_parse_seq(const char *text, uint64_t *ret_seq, struct error *error)
{
    char escaped[ESCAPE_SIZE];

    if (read_number(text, ret_seq))
        return EX_OK;
    error_set(error, EINVAL, "\"%s\" is not the number of a delivery; see list",
        escape_field(text, strlen(text), escaped, sizeof(escaped)));
    return EX_USAGE;
}

int select_parse_limit(const char *text, uint64_t *ret_limit, struct error *error)
{
    if (read_number(text, ret_limit))
        return EX_OK;
    error_set(error, EINVAL, "--limit is a number from 1");
    return EX_USAGE;
}
