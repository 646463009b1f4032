/*
 * See null_store.h.
 */

#include "null_store.h"

#include "store/backend.h"

#include <errno.h>
#include <stdlib.h>

struct null_store {
    struct store base;
    uint64_t head; /* the writer's */
};

static struct null_store *null_store(struct store *store)
{
    return (struct null_store *)(void *)store;
}

static void null_close(struct store *store, bool failed)
{
    free(null_store(store));
}

static enum store_result null_register_sink(
    struct store *store, const char *name, struct store_sink *ret_sink, struct error *error)
{
    error_set(error, ENOTSUP, "this store has no sinks");
    return STORE_UNAVAILABLE;
}

static enum store_result null_set_active_sinks(
    struct store *store, const uint32_t *ids, size_t n, struct error *error)
{
    return STORE_OK;
}

static enum store_result null_set_paused(
    struct store *store, uint32_t sink, bool paused, struct error *error)
{
    return STORE_OK;
}

static enum store_result null_commit(
    struct store *store, struct store_batch *batch, struct error *error)
{
    for (size_t i = 0; i < batch->n_appends; i++) {
        batch->appends[i]->verdict = STORE_VERDICT_STORED;
        batch->appends[i]->seq = ++null_store(store)->head;
        batch->appends[i]->stale = false;
    }
    return STORE_OK;
}

static enum store_result null_maintain(struct store *store, bool idle, struct error *error)
{
    return STORE_OK;
}

static enum store_result null_prune(struct store *store, const struct store_retention *retention,
    bool *ret_more, struct error *error)
{
    *ret_more = false;
    return STORE_OK;
}

static void null_get_stats(struct store *store, struct store_stats *ret_stats)
{
    *ret_stats = (struct store_stats){.head = null_store(store)->head};
}

static int null_reader_open(
    struct store *store, struct store_reader **ret_reader, struct error *error)
{
    return error_set(error, ENOTSUP, "this store has nothing to read");
}

int null_store_open(struct store **ret_store, struct error *error)
{
    static const struct store_ops ops = {
        .close = null_close,
        .register_sink = null_register_sink,
        .set_active_sinks = null_set_active_sinks,
        .set_paused = null_set_paused,
        .commit = null_commit,
        .maintain = null_maintain,
        .prune = null_prune,
        .get_stats = null_get_stats,
        .reader_open = null_reader_open,
    };
    struct null_store *store = calloc(1, sizeof(*store));

    if (store == NULL)
        return error_set(error, ENOMEM, "out of memory");
    store->base.ops = &ops;
    *ret_store = &store->base;
    return 0;
}
