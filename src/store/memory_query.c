/*
 * The store in memory: looking into it. A walk goes over all slots, under the lock, a chunk at a
 * time.
 */

#include "store/memory_store.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

static bool is_text(const char *want, const char *text)
{
    return !want || strcmp(want, text) == 0;
}

static bool fits(const struct store_query *query, const struct delivery *delivery)
{
    return is_text(query->endpoint, delivery->endpoint) &&
           is_text(query->job_id, delivery->job_id) &&
           is_text(query->request_id, delivery->request_id) &&
           is_text(query->type, delivery->type) && is_text(query->status, delivery->status) &&
           (query->since_usec == INT64_MIN || delivery->received_at_usec >= query->since_usec) &&
           (query->until_usec == INT64_MAX || delivery->received_at_usec < query->until_usec) &&
           (query->stale < 0 || delivery->stale == (query->stale != 0));
}

/* Without a sink in the query every delivery counts. */
static bool is_in_state(struct memory_store *store, const struct store_query *query, uint64_t seq)
{
    const struct memory_row *row;

    if (query->sink == 0)
        return true;
    row = *memory_find_row(memory_slot(store, seq), query->sink);
    if (row)
        return row->state == query->state;
    return query->state == STORE_STATE_PENDING && seq > store->sinks[query->sink - 1].sink.frontier;
}

/* The next seq of the walk; 0: there is none. */
static uint64_t next_seq(
    const struct memory_store *store, const struct store_query *query, uint64_t at)
{
    if (query->oldest_first)
        return at < store->head ? at + 1 : 0;
    return at == 0 || at > store->head ? store->head : at - 1;
}

/* Looks at the next delivery of the walk. */
static int look(struct memory_store *store, const struct store_query *query,
    struct store_walk *walk, struct store_found *found)
{
    uint64_t seq = next_seq(store, query, walk->at);
    const struct delivery *delivery;

    if (seq == 0) {
        walk->ended = true;
        return 0;
    }
    walk->at = seq;
    delivery = memory_slot(store, seq)->delivery;
    if (!delivery)
        return 0;
    walk->left--;
    if (!fits(query, delivery) || !is_in_state(store, query, seq))
        return 0;
    found->deliveries[found->n] = memory_copy_head(delivery);
    if (!found->deliveries[found->n])
        return -ENOMEM;
    found->n++;
    return 0;
}

int memory_find(struct store_reader *reader, const struct store_query *query,
    struct store_walk *walk, struct store_found *found, struct error *error)
{
    struct memory_store *store = memory_reader_store(reader);
    int r = 0;

    pthread_mutex_lock(&store->lock);
    if (query->sink > store->n_sinks)
        r = -ENOENT;
    while (r == 0 && walk->left > 0 && found->n < found->room && !walk->ended)
        r = look(store, query, walk, found);
    pthread_mutex_unlock(&store->lock);
    if (r == -ENOENT)
        error_set(error, ENOENT, "sink %" PRIu32 " was never registered", query->sink);
    else if (r < 0)
        error_set(error, ENOMEM, "out of memory");
    return r;
}

/* Without a row. */
static enum store_sink_state state_by_position(const struct store_sink *sink, uint64_t seq)
{
    return seq <= sink->start || seq > sink->frontier ? STORE_SINK_UNSEEN : STORE_SINK_SETTLED;
}

static struct store_sink_row sink_row_of(const struct memory_row *row)
{
    if (row->state == STORE_STATE_DONE)
        return (struct store_sink_row){.state = STORE_SINK_SETTLED};
    return (struct store_sink_row){
        .state = row->state == STORE_STATE_DEAD ? STORE_SINK_DEAD : STORE_SINK_PENDING,
        .attempts = row->attempts,
        .next_at_usec = row->next_at_usec,
        .replay = row->replay,
    };
}

int memory_read_sink_row(struct store_reader *reader, uint32_t sink, uint64_t seq,
    struct store_sink_row *ret_row, struct error *error)
{
    struct memory_store *store = memory_reader_store(reader);
    const struct memory_row *row = NULL;
    bool is_there;

    pthread_mutex_lock(&store->lock);
    is_there = sink >= 1 && sink <= store->n_sinks;
    if (is_there && seq >= 1 && seq <= store->head)
        row = *memory_find_row(memory_slot(store, seq), sink);
    if (row)
        *ret_row = sink_row_of(row);
    else if (is_there)
        *ret_row =
            (struct store_sink_row){.state = state_by_position(&store->sinks[sink - 1].sink, seq)};
    pthread_mutex_unlock(&store->lock);
    if (!is_there)
        return error_set(error, ENOENT, "sink %" PRIu32 " was never registered", sink);
    return 0;
}

int memory_read_oldest_pending(
    struct store_reader *reader, uint32_t sink, int64_t *ret_received_at_usec, struct error *error)
{
    const struct store_query query = {.sink = sink, .state = STORE_STATE_PENDING};
    struct memory_store *store = memory_reader_store(reader);
    bool is_there = false;

    pthread_mutex_lock(&store->lock);
    if (sink >= 1 && sink <= store->n_sinks)
        for (uint64_t seq = 1; !is_there && seq <= store->head; seq++) {
            const struct delivery *delivery = memory_slot(store, seq)->delivery;

            is_there = delivery && is_in_state(store, &query, seq);
            if (is_there)
                *ret_received_at_usec = delivery->received_at_usec;
        }
    pthread_mutex_unlock(&store->lock);
    if (!is_there)
        return error_set(error, ENOENT, "nothing is pending for sink %" PRIu32, sink);
    return 0;
}

int memory_read_stats(
    struct store_reader *reader, struct store_stats *ret_stats, struct error *error)
{
    memory_get_stats(&memory_reader_store(reader)->base, ret_stats);
    return 0;
}
