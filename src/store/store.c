/*
 * The front of the store: checks what callers promise, latches on the first failure, and hands on
 * to the backend.
 *
 * The latch is here, once for all backends: after an op said STORE_FAILED nothing reaches the
 * backend any more, so no code path can commit, checkpoint or prune over a doubtful disk.
 */

#include "store/backend.h"

#include "util/cleanup.h"

#include <string.h>

static enum store_result say_failed(const struct store *store, struct error *error)
{
    if (error)
        *error = store->failure;
    return STORE_FAILED;
}

/* Passes a result on; the first failure latches. `own` is where the backend described it. */
static enum store_result latch(
    struct store *store, enum store_result result, const struct error *own, struct error *error)
{
    if (result == STORE_FAILED) {
        store->failed = true;
        store->failure = *own;
    }
    if (error && own->code != 0)
        *error = *own;
    return result;
}

bool store_has_failed(const struct store *store)
{
    return store->failed;
}

void store_close(struct store *store)
{
    if (store)
        store->ops->close(store, store->failed);
}

enum store_result store_register_sink(
    struct store *store, const char *name, struct store_sink *ret_sink, struct error *error)
{
    struct error own = ERROR_INIT;
    size_t length = strlen(name);

    ASSERT(length >= 1 && length <= 64);
    if (store->failed)
        return say_failed(store, error);
    return latch(store, store->ops->register_sink(store, name, ret_sink, &own), &own, error);
}

enum store_result store_set_active_sinks(
    struct store *store, const uint32_t *ids, size_t n, struct error *error)
{
    struct error own = ERROR_INIT;

    if (store->failed)
        return say_failed(store, error);
    return latch(store, store->ops->set_active_sinks(store, ids, n, &own), &own, error);
}

enum store_result store_set_paused(
    struct store *store, uint32_t sink, bool paused, struct error *error)
{
    struct error own = ERROR_INIT;

    if (store->failed)
        return say_failed(store, error);
    return latch(store, store->ops->set_paused(store, sink, paused, &own), &own, error);
}

static void refuse_all(struct store_batch *batch)
{
    for (size_t i = 0; i < batch->n_appends; i++)
        batch->appends[i]->verdict = STORE_VERDICT_REFUSED;
}

static void check_settle(const struct store_settle *settle)
{
    ASSERT(!settle->position || settle->position_length <= STORE_POSITION_MAX);
    ASSERT(settle->n_outcomes == 0 || settle->outcomes);
    ASSERT(settle->delivered >= 0 && settle->filtered >= 0);
}

enum store_result store_commit(struct store *store, struct store_batch *batch, struct error *error)
{
    struct error own = ERROR_INIT;
    enum store_result result;

    for (size_t i = 0; i < batch->n_settles; i++)
        check_settle(batch->settles[i]);
    if (store->failed) {
        refuse_all(batch);
        return say_failed(store, error);
    }
    result = store->ops->commit(store, batch, &own);
    if (result != STORE_OK)
        refuse_all(batch);
    return latch(store, result, &own, error);
}

void store_stage(struct store *store, struct store_batch *batch, struct error *error)
{
    struct error own = ERROR_INIT;

    if (!store->failed && store->ops->stage)
        (void)latch(store, store->ops->stage(store, batch, &own), &own, error);
}

enum store_result store_maintain(struct store *store, bool idle, struct error *error)
{
    struct error own = ERROR_INIT;

    if (store->failed)
        return say_failed(store, error);
    return latch(store, store->ops->maintain(store, idle, &own), &own, error);
}

enum store_result store_prune(struct store *store, const struct store_retention *retention,
    bool *ret_more, struct error *error)
{
    struct error own = ERROR_INIT;

    if (store->failed)
        return say_failed(store, error);
    return latch(store, store->ops->prune(store, retention, ret_more, &own), &own, error);
}

void store_get_stats(struct store *store, struct store_stats *ret_stats)
{
    store->ops->get_stats(store, ret_stats);
    ret_stats->failed = store->failed;
}

/* ---- reading ---- */

int store_reader_open(struct store *store, struct store_reader **ret_reader, struct error *error)
{
    int r = store->ops->reader_open(store, ret_reader, error);

    if (r == 0)
        (*ret_reader)->store = store;
    return r;
}

void store_reader_close(struct store_reader *reader)
{
    if (reader)
        reader->ops->close(reader);
}

ssize_t store_scan(struct store_reader *reader, uint64_t after, size_t limit, store_delivery_fn fn,
    void *context, struct error *error)
{
    return reader->ops->scan(reader, after, limit, fn, context, error);
}

int store_fetch(
    struct store_reader *reader, uint64_t seq, struct delivery **ret_delivery, struct error *error)
{
    return reader->ops->fetch(reader, seq, ret_delivery, error);
}

ssize_t store_scan_rows(struct store_reader *reader, uint32_t sink, enum store_state state,
    uint64_t after, size_t limit, store_row_fn fn, void *context, struct error *error)
{
    ASSERT(state != STORE_STATE_DONE);
    return reader->ops->scan_rows(reader, sink, state, after, limit, fn, context, error);
}

int store_read_sink(
    struct store_reader *reader, uint32_t sink, struct store_sink *ret_sink, struct error *error)
{
    return reader->ops->read_sink(reader, sink, ret_sink, error);
}

int store_read_head(struct store_reader *reader, uint64_t *ret_head, struct error *error)
{
    return reader->ops->read_head(reader, ret_head, error);
}

ssize_t store_scan_attempts(struct store_reader *reader, uint64_t seq, store_attempt_fn fn,
    void *context, struct error *error)
{
    return reader->ops->scan_attempts(reader, seq, fn, context, error);
}

ssize_t store_scan_conflicts(struct store_reader *reader, uint64_t seq, store_conflict_fn fn,
    void *context, struct error *error)
{
    return reader->ops->scan_conflicts(reader, seq, fn, context, error);
}
