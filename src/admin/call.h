#pragma once

/*
 * One request of the admin API as its handler sees it, and the answer it writes.
 *
 * A handler runs on the listener's thread, once the whole request is there. It reads what it needs,
 * appends its answer to `out` and returns; call_fail replaces whatever was written. It knows
 * nothing of HTTP but statuses.
 */

#include "admin/json.h"
#include "admin/peer.h"
#include "store/store.h"

#define CALL_PARAMS_MAX 32

struct admin;

/* A parameter of the query, decoded; borrowed from the connection. */
struct call_param {
    const char *name;
    const char *value;
};

struct call {
    struct admin *admin;
    struct store_reader *reader; /* of the listener's thread */
    struct peer peer;
    struct call_param params[CALL_PARAMS_MAX];
    size_t n_params;
    const char *tail; /* of the path, behind the route's prefix */
    const char *body;
    size_t body_length;

    unsigned int status; /* 200 until something fails */
    bool is_metrics;     /* Prometheus text, not JSON */
    struct buf out;
};

/* Makes the answer {"message":…} with this status. */
void call_fail(struct call *call, unsigned int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* For what a stage below could not do: 503, or 404 for -ENOENT. */
void call_fail_error(struct call *call, const struct error *error);

/* Whether the query holds only these names (ending with NULL), each once; else it answers 400 and
 * says which there are. */
bool call_check_params(struct call *call, const char *const *names);

/* NULL: not given. */
const char *call_param(const struct call *call, const char *name);

/* A whole number from `min` to `max` in decimal digits and nothing else. 0 or -EINVAL. */
int call_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_number);
