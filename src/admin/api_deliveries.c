/*
 * GET /v1/deliveries: pages of deliveries without their bodies.
 *
 * A page ends at its limit, after one step of the store's walk, or when it has grown to
 * PAGE_BYTES_MAX (fields of a Job may be long), whichever comes first.
 */

#include "admin/api.h"

#include "admin/api_delivery.h"
#include "admin/internal.h"

#include "store/query.h"
#include "util/rfc3339.h"

#include <errno.h>
#include <string.h>

#define PAGE_LIMIT_DEFAULT 100
#define PAGE_LIMIT_MAX 1000
#define PAGE_BYTES_MAX (2u << 20)

struct page {
    struct buf *out;
    uint64_t last; /* seq of the last one written */
    bool is_full;  /* PAGE_BYTES_MAX is reached */
};

static int write_row(const struct delivery *delivery, void *context)
{
    struct page *page = context;

    put_open(page->out, '{');
    delivery_write(page->out, delivery);
    put_close(page->out, '}');
    page->last = delivery->seq;
    page->is_full = page->out->length >= PAGE_BYTES_MAX || page->out->failed;
    return page->is_full;
}

/* ---- the query ---- */

static bool parse_time(struct call *call, const char *name, int64_t *usec)
{
    const char *text = call_param(call, name);

    if (!text || rfc3339_parse(text, strlen(text), usec) == 0)
        return true;
    call_fail(
        call, 400, "%s is not an RFC 3339 date-time; right would be 2026-11-22T07:15:00Z", name);
    return false;
}

static bool parse_number(
    struct call *call, const char *name, uint64_t min, uint64_t max, uint64_t *number)
{
    const char *text = call_param(call, name);

    if (!text || call_parse_number(text, min, max, number) == 0)
        return true;
    call_fail(call, 400, "%s must be a whole number from %llu to %llu", name,
        (unsigned long long)min, (unsigned long long)max);
    return false;
}

/* One of two words; leaves *is_first as it is when the parameter is not given. */
static bool parse_choice(struct call *call, const char *name, const char *first, const char *second,
    bool *ret_given, bool *is_first)
{
    const char *text = call_param(call, name);

    *ret_given = text != NULL;
    if (!text)
        return true;
    *is_first = strcmp(text, first) == 0;
    if (*is_first || strcmp(text, second) == 0)
        return true;
    call_fail(call, 400, "%s must be \"%s\" or \"%s\"", name, first, second);
    return false;
}

static bool parse_sink(struct call *call, struct store_query *query)
{
    const char *name = call_param(call, "sink");
    bool is_given, is_pending = false;

    if (!parse_choice(call, "state", "pending", "dead", &is_given, &is_pending))
        return false;
    if (is_given != (name != NULL)) {
        call_fail(call, 400, "sink and state go together");
        return false;
    }
    if (!name)
        return true;
    query->state = is_pending ? STORE_STATE_PENDING : STORE_STATE_DEAD;
    query->sink = delivery_find_sink(call->admin, name);
    if (query->sink != 0)
        return true;
    call_fail(call, 404, "there is no sink '%.64s'", name);
    return false;
}

static bool parse_query(struct call *call, struct store_query *query)
{
    static const char *const params[] = {"job", "request_id", "status", "type", "endpoint", "since",
        "until", "sink", "state", "stale", "order", "from", "limit", NULL};
    bool is_given, is_stale = false;
    uint64_t limit = PAGE_LIMIT_DEFAULT;

    *query = (struct store_query)STORE_QUERY_INIT;
    if (!call_check_params(call, params) || !parse_time(call, "since", &query->since_usec) ||
        !parse_time(call, "until", &query->until_usec) ||
        !parse_number(call, "from", 1, UINT64_MAX, &query->from) ||
        !parse_number(call, "limit", 1, PAGE_LIMIT_MAX, &limit) ||
        !parse_choice(call, "order", "oldest", "newest", &is_given, &query->oldest_first) ||
        !parse_choice(call, "stale", "true", "false", &is_given, &is_stale) ||
        !parse_sink(call, query))
        return false;
    query->job_id = call_param(call, "job");
    query->request_id = call_param(call, "request_id");
    query->status = call_param(call, "status");
    query->type = call_param(call, "type");
    query->endpoint = call_param(call, "endpoint");
    query->limit = (size_t)limit;
    query->stale = call_param(call, "stale") ? is_stale : -1;
    return true;
}

void api_deliveries(struct call *call)
{
    struct page page = {.out = &call->out};
    struct error error = ERROR_INIT;
    struct store_query query;
    uint64_t next = 0;
    ssize_t n;

    if (!parse_query(call, &query))
        return;
    put_open(&call->out, '{');
    put_key(&call->out, "deliveries");
    put_open(&call->out, '[');
    n = store_query(call->reader, &query, write_row, &page, &next, &error);
    if (n < 0) {
        call_fail_error(call, &error);
        return;
    }
    put_close(&call->out, ']');
    put_key(&call->out, "next");
    if (page.is_full)
        next = page.last;
    if (next == 0)
        put_null(&call->out);
    else
        put_number(&call->out, next);
    put_close(&call->out, '}');
}
