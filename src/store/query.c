/*
 * The front of looking into the store: walks a query's step over what a backend finds.
 *
 * A backend finds and copies a chunk at a time and lets go of everything; then the copies are
 * handed on. So a callback may take its time and use the same reader.
 */

#include "store/backend.h"

#include "util/cleanup.h"

static void found_done(struct store_found *found)
{
    for (size_t i = 0; i < found->n; i++)
        delivery_free(found->deliveries[i]);
    found->n = 0;
}

/* Where the query starts. Seqs are positive in 63 bits (SQLite has no more). */
static struct store_walk walk_from(const struct store_query *query)
{
    struct store_walk walk = {.at = query->from, .left = STORE_QUERY_STEP};

    if (query->from > INT64_MAX) {
        walk.at = 0;
        walk.ended = query->oldest_first;
    }
    return walk;
}

ssize_t store_query(struct store_reader *reader, const struct store_query *query,
    store_delivery_fn fn, void *context, uint64_t *ret_next, struct error *error)
{
    struct store_walk walk = walk_from(query);
    size_t passed = 0;

    ASSERT(query->limit > 0);
    ASSERT(query->sink == 0 || query->state != STORE_STATE_DONE);

    while (passed < query->limit && walk.left > 0 && !walk.ended) {
        __attribute__((cleanup(found_done))) struct store_found found = {.n = 0};
        size_t left = query->limit - passed;
        int r;

        found.room = left < STORE_FOUND_MAX ? left : STORE_FOUND_MAX;
        r = reader->ops->find(reader, query, &walk, &found, error);
        if (r < 0)
            return r;
        for (size_t i = 0; i < found.n; i++) {
            passed++;
            if (fn(found.deliveries[i], context) != 0) {
                *ret_next = found.deliveries[i]->seq;
                return (ssize_t)passed;
            }
        }
    }
    *ret_next = walk.ended ? 0 : walk.at;
    return (ssize_t)passed;
}

int store_read_sink_row(struct store_reader *reader, uint32_t sink, uint64_t seq,
    struct store_sink_row *ret_row, struct error *error)
{
    return reader->ops->read_sink_row(reader, sink, seq, ret_row, error);
}

int store_read_oldest_pending(
    struct store_reader *reader, uint32_t sink, int64_t *ret_received_at_usec, struct error *error)
{
    return reader->ops->read_oldest_pending(reader, sink, ret_received_at_usec, error);
}

int store_read_stats(
    struct store_reader *reader, struct store_stats *ret_stats, struct error *error)
{
    int r = reader->ops->read_stats(reader, ret_stats, error);

    if (r == 0)
        ret_stats->failed = reader->store->failed;
    return r;
}
