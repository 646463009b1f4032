/*
 * What operators ask of the sinks, and the numbers they look at.
 *
 * Callable from any thread at any time, also during a reload: a runner is looked up and spoken to
 * under the lock of the tables, and the answer comes through the request, which belongs to the
 * asker as well, so the runner may be gone by then.
 *
 * Whether a sink is paused is written by the store's writer, who also tells the runner; so runner
 * and store cannot come to differ, however many ask at once.
 */

#include "dispatch/dispatch_private.h"

#include "dispatch/filter.h"
#include "dispatch/request.h"

#include <errno.h>

/* How long an operator waits. */
#define PATIENCE_USEC (5 * USEC_PER_SEC)

static int no_such_sink(const char *sink, struct error *error)
{
    return error_set(error, ENOENT, "there is no sink %s", sink);
}

int dispatch_request(struct dispatch *dispatch, const char *sink, enum dispatch_request request,
    const uint64_t *seqs, size_t n, struct dispatch_request_result *ret_result, struct error *error)
{
    CLEANUP(request_release) struct request *asked = request_new(request, seqs, n);

    if (!asked)
        return error_set(error, EAGAIN, "out of memory");
    pthread_mutex_lock(&dispatch->lock);
    const struct slot *slot = dispatch_find(dispatch, sink);
    if (slot)
        runner_ask(slot->runner, asked);
    pthread_mutex_unlock(&dispatch->lock);
    if (!slot) {
        request_release(asked); /* the runner's hold */
        return no_such_sink(sink, error);
    }
    return request_wait(asked, PATIENCE_USEC, ret_result, error);
}

/* ---- pause ---- */

struct pause {
    struct dispatch *dispatch;
    const char *sink;
    bool paused;
    int r;
    struct error error;
};

/* It may have begun to leave meanwhile. If it is gone, one that is made anew is told what the store
 * says when it is registered, which is after this. */
static void tell_paused(struct dispatch *dispatch, uint32_t id, bool paused)
{
    pthread_mutex_lock(&dispatch->lock);
    for (size_t i = 0; i < dispatch->n_slots; i++)
        if (runner_id(dispatch->slots[i].runner) == id)
            runner_set_paused(dispatch->slots[i].runner, paused);
    for (size_t i = 0; i < dispatch->n_leaving; i++)
        if (runner_id(dispatch->leaving[i]) == id)
            runner_set_paused(dispatch->leaving[i], paused);
    pthread_mutex_unlock(&dispatch->lock);
}

/* On the writer's thread. */
static void set_paused(struct store *store, void *context)
{
    struct pause *pause = context;
    struct dispatch *dispatch = pause->dispatch;
    uint32_t id = 0;

    pthread_mutex_lock(&dispatch->lock);
    const struct slot *slot = dispatch_find(dispatch, pause->sink);
    if (slot)
        id = runner_id(slot->runner);
    pthread_mutex_unlock(&dispatch->lock);
    if (id == 0) {
        pause->r = no_such_sink(pause->sink, &pause->error);
        return;
    }
    if (store_set_paused(store, id, pause->paused, &pause->error) != STORE_OK) {
        pause->r = -EAGAIN;
        return;
    }
    tell_paused(dispatch, id, pause->paused);
}

int dispatch_set_paused(
    struct dispatch *dispatch, const char *sink, bool paused, struct error *error)
{
    struct pause pause = {
        .dispatch = dispatch, .sink = sink, .paused = paused, .error = ERROR_INIT};

    if (store_writer_call(dispatch->writer, set_paused, &pause) != STORE_OK)
        return error_set(error, EAGAIN, "the store has failed");
    if (pause.r < 0)
        return error_set(error, -pause.r, "%s", pause.error.text);
    return 0;
}

/* ---- looking ---- */

const char *dispatch_leaves_out(
    struct dispatch *dispatch, const char *sink, const struct delivery *delivery)
{
    const char *key = NULL;

    pthread_mutex_lock(&dispatch->lock);
    const struct slot *slot = dispatch_find(dispatch, sink);
    if (slot)
        key = filter_leaves_out(slot->options, delivery);
    pthread_mutex_unlock(&dispatch->lock);
    return key;
}

size_t dispatch_get_stats(struct dispatch *dispatch, struct dispatch_sink_stats *stats, size_t max)
{
    pthread_mutex_lock(&dispatch->lock);
    size_t n = dispatch->n_slots;
    for (size_t i = 0; i < n && i < max; i++)
        runner_get_stats(dispatch->slots[i].runner, &stats[i]);
    pthread_mutex_unlock(&dispatch->lock);
    return n;
}
