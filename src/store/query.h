#pragma once

/*
 * Looking into the store: for operators, not for the way of a delivery.
 *
 * Threads: as the readers of store.h. A query is one bounded step of a walk, so that a filter which
 * fits nothing never holds a reader for long: it looks at no more than STORE_QUERY_STEP deliveries,
 * and says where to go on. As with the walks of store.h the reader holds nothing while a callback
 * runs.
 *
 * A walk is no snapshot. Each delivery is judged as of a moment during the query that comes by it;
 * one that fits for as long as the walk lasts is met once, also when a sink's frontier passes it
 * meanwhile.
 */

#include "store/store.h"

#define STORE_QUERY_STEP 200000

struct store_query {
    /* NULL: any. */
    const char *endpoint;
    const char *job_id;
    const char *request_id;
    const char *type;
    const char *status;
    int64_t since_usec;     /* received at or after; INT64_MIN: no bound */
    int64_t until_usec;     /* received before; INT64_MAX: no bound */
    int stale;              /* 0, 1, or -1 for any */
    uint32_t sink;          /* 0: by no sink; else only those with a row of it in `state` */
    enum store_state state; /* PENDING (rows, and what is above the frontier) or DEAD */
    bool oldest_first;
    uint64_t from; /* go on after this seq in the direction of the walk; 0: from the start */
    size_t limit;  /* at least 1 */
};

#define STORE_QUERY_INIT                                              \
    {                                                                 \
        .since_usec = INT64_MIN, .until_usec = INT64_MAX, .stale = -1 \
    }

/* Passes on what fits, in order, without bodies, until `limit`, the bound of a step, the end, or a
 * callback that returns non-zero. *ret_next is the `from` of the next step, 0 at the end of the
 * walk; the last page may be found out to be the last only by an empty one after it. Returns how
 * many were passed on (the one that stopped it included), or -errno. -ENOENT: the sink was never
 * registered. */
ssize_t store_query(struct store_reader *reader, const struct store_query *query,
    store_delivery_fn fn, void *context, uint64_t *ret_next, struct error *error);

/* What a sink has to do with one delivery. */
enum store_sink_state {
    STORE_SINK_UNSEEN,  /* above the sink's frontier, or before its start */
    STORE_SINK_SETTLED, /* delivered or filtered */
    STORE_SINK_PENDING,
    STORE_SINK_DEAD,
};
struct store_sink_row {
    enum store_sink_state state;
    unsigned int attempts; /* this and the following: of PENDING and DEAD, else 0 */
    int64_t next_at_usec;  /* PENDING */
    bool replay;
};

/* -ENOENT: the sink was never registered. Whether there is such a delivery (any more) does not
 * matter: what was pruned is below the frontier, what did not come yet above it. */
int store_read_sink_row(struct store_reader *reader, uint32_t sink, uint64_t seq,
    struct store_sink_row *ret_row, struct error *error);

/* When the oldest delivery that is pending for the sink was received: the first to arrive of its
 * rows and of what is above the frontier. -ENOENT: none is. */
int store_read_oldest_pending(
    struct store_reader *reader, uint32_t sink, int64_t *ret_received_at_usec, struct error *error);

/* Numbers of the store as of the last commit, and its files and disk as they are now, from a
 * reader's thread. */
int store_read_stats(
    struct store_reader *reader, struct store_stats *ret_stats, struct error *error);
