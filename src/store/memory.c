/*
 * The store in memory: opening, closing, sinks, numbers. See memory_store.h.
 */

#include "store/memory_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void memory_close(struct store *base, bool failed)
{
    struct memory_store *store = memory_store(base);

    for (uint64_t seq = 1; seq <= store->head; seq++)
        memory_clear_slot(memory_slot(store, seq));
    while (store->conflicts) {
        struct memory_conflict *conflict = store->conflicts;
        store->conflicts = conflict->next;
        delivery_free(conflict->evidence);
        free(conflict);
    }
    free(store->slots);
    free(store->ids);
    free(store->jobs);
    free(store->sinks);
    free(store->marks);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

static struct memory_sink *find_sink(struct memory_store *store, const char *name)
{
    for (size_t i = 0; i < store->n_sinks; i++)
        if (strcmp(store->sinks[i].name, name) == 0)
            return &store->sinks[i];
    return NULL;
}

static struct memory_sink *make_sink(struct memory_store *store, const char *name)
{
    struct memory_sink *sinks = realloc(store->sinks, (store->n_sinks + 1) * sizeof(*sinks));
    struct memory_sink *sink;

    if (!sinks)
        return NULL;
    store->sinks = sinks;
    sink = &sinks[store->n_sinks++];
    *sink = (struct memory_sink){
        .sink = {.id = (uint32_t)store->n_sinks, .start = store->head, .frontier = store->head},
    };
    snprintf(sink->name, sizeof(sink->name), "%s", name);
    return sink;
}

static enum store_result memory_register_sink(
    struct store *base, const char *name, struct store_sink *ret_sink, struct error *error)
{
    struct memory_store *store = memory_store(base);
    struct memory_sink *sink;

    pthread_mutex_lock(&store->lock);
    sink = find_sink(store, name);
    if (!sink)
        sink = make_sink(store, name);
    if (sink) {
        sink->active = true;
        *ret_sink = sink->sink;
        /* Marks taken while the sink was away say "settled" of what it still has to get. */
        while (store->n_marks > 0 && store->marks[store->n_marks - 1].settled > sink->sink.frontier)
            store->n_marks--;
    }
    pthread_mutex_unlock(&store->lock);
    if (!sink) {
        error_set(error, ENOMEM, "out of memory");
        return STORE_UNAVAILABLE;
    }
    return STORE_OK;
}

static enum store_result memory_set_active_sinks(
    struct store *base, const uint32_t *ids, size_t n, struct error *error)
{
    struct memory_store *store = memory_store(base);

    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->n_sinks; i++)
        store->sinks[i].active = false;
    for (size_t i = 0; i < n; i++)
        if (ids[i] >= 1 && ids[i] <= store->n_sinks)
            store->sinks[ids[i] - 1].active = true;
    pthread_mutex_unlock(&store->lock);
    store->active_known = true;
    return STORE_OK;
}

static enum store_result memory_set_paused(
    struct store *base, uint32_t sink, bool paused, struct error *error)
{
    struct memory_store *store = memory_store(base);

    ASSERT(sink >= 1 && sink <= store->n_sinks);
    pthread_mutex_lock(&store->lock);
    store->sinks[sink - 1].sink.paused = paused;
    pthread_mutex_unlock(&store->lock);
    return STORE_OK;
}

static enum store_result memory_maintain(struct store *store, bool idle, struct error *error)
{
    return STORE_OK;
}

void memory_get_stats(struct store *base, struct store_stats *ret_stats)
{
    struct memory_store *store = memory_store(base);

    pthread_mutex_lock(&store->lock);
    *ret_stats = (struct store_stats){
        .head = store->head,
        .deliveries = store->head - store->pruned_deliveries,
        .ids = store->n_ids,
    };
    pthread_mutex_unlock(&store->lock);
}

static const struct store_ops memory_ops = {
    .close = memory_close,
    .register_sink = memory_register_sink,
    .set_active_sinks = memory_set_active_sinks,
    .set_paused = memory_set_paused,
    .commit = memory_commit,
    .maintain = memory_maintain,
    .prune = memory_prune,
    .get_stats = memory_get_stats,
    .reader_open = memory_reader_open,
};

int store_open_memory(
    const struct store_options *options, struct store **ret_store, struct error *error)
{
    struct memory_store *store = calloc(1, sizeof(*store));

    if (!store)
        return error_set(error, ENOMEM, "out of memory");
    store->base.ops = &memory_ops;
    store->clock = options->clock;
    pthread_mutex_init(&store->lock, NULL);
    if (memory_reserve(store, 1) < 0) {
        memory_close(&store->base, false);
        return error_set(error, ENOMEM, "out of memory");
    }
    *ret_store = &store->base;
    return 0;
}
