#pragma once

/*
 * Dispatch: brings every stored delivery to every sink, in order per job, with retries.
 *
 * One runner a sink, each with its own thread, event loop and store reader. Nothing is shared
 * between runners, so a sink that hangs in a sync or a connect holds up no other sink (G6). A
 * runner reads the store from its frontier on; wake-ups are hints, the store is the truth.
 * Outcomes go back through the store's writer, which commits them along with what arrives.
 *
 * Filters, order per job, retry with backoff and jitter, breaker, dead letters and the marking of
 * attempts live here; how a delivery is delivered lives in sink/.
 *
 * Threads: dispatch_* are called from the daemon's main thread, dispatch_wake from any.
 */

#include "sink/sink.h"
#include "store/store.h"
#include "store/writer.h"

struct dispatch_retry {
    int64_t first_usec; /* delay after the first failure; doubles */
    int64_t max_usec;
    unsigned int attempts; /* in all, the first included; then dead */
};

struct dispatch_sink_options {
    struct sink_options sink;
    const char *const *statuses; /* NULL-terminated; NULL or empty: all */
    const char *const *types;
    const char *const *endpoints;
    struct dispatch_retry retry;
    unsigned int concurrency; /* deliveries at a time; 1 for sinks that are not exec */
    bool order_none;          /* order = "none" */
    bool skip_stale;          /* stale = "skip" */
    unsigned int breaker;     /* failures in a row, over as many deliveries, that open it; 0: off */
};

/* Makes a sink; as sink_new. */
typedef int (*dispatch_new_sink_fn)(
    const struct sink_options *options, struct sink **ret_sink, struct error *error);

struct dispatch_options {
    struct store *store; /* borrowed: for opening readers only */
    struct store_writer *writer;
    const struct clock *clock;
    dispatch_new_sink_fn new_sink; /* NULL: sink_new; tests bring their own */
    const struct dispatch_sink_options *sinks;
    size_t n_sinks;
};

struct dispatch;

/* Registers the sinks with the store and starts a runner for each. */
int dispatch_start(
    const struct dispatch_options *options, struct dispatch **ret_dispatch, struct error *error);

/* From any thread, cheap: there may be something new. */
void dispatch_wake(struct dispatch *dispatch);

/* Reload in two steps, so that it is all or nothing. Prepare makes what the new conf needs and
 * changes nothing; commit cannot fail. A sink whose options did not change goes on untouched; a
 * changed one finishes what runs, then goes on with the new options; one that is gone finishes what
 * runs and stops. */
struct dispatch_change;
int dispatch_prepare(struct dispatch *dispatch, const struct dispatch_sink_options *sinks,
    size_t n_sinks, struct dispatch_change **ret_change, struct error *error);
void dispatch_commit(struct dispatch *dispatch, struct dispatch_change *change);
void dispatch_abandon(struct dispatch_change *change); /* NULL is legal */

/* Asks every sink to open its files anew. */
void dispatch_reopen(struct dispatch *dispatch);

/* Starts nothing new, waits up to `limit_usec` for what runs, cancels the rest, records it, and
 * ends the threads, and frees it all; NULL is legal. The writer must still run, but store nothing
 * new that would have it call dispatch_wake. */
void dispatch_stop(struct dispatch *dispatch, int64_t limit_usec);

/* Numbers of one sink, for status and metrics. */
struct dispatch_sink_stats {
    const char *name; /* borrowed until the next commit or stop */
    unsigned int running;
    bool breaker_open;
};
size_t dispatch_get_stats(struct dispatch *dispatch, struct dispatch_sink_stats *stats, size_t max);
