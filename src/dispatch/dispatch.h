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
 * Threads: dispatch_* are called from the daemon's main thread; dispatch_wake, requests and numbers
 * from any, until dispatch_stop is called: what calls them must have been stopped before.
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
 * ends the threads. The writer must still run, but store nothing new that would have it call
 * dispatch_wake. Requests are refused from here on, numbers may be looked at until dispatch_stop,
 * which does the same if it was not done yet, and frees it all; NULL is legal for that. */
void dispatch_end(struct dispatch *dispatch, int64_t limit_usec);
void dispatch_stop(struct dispatch *dispatch, int64_t limit_usec);

/* ---- requests of an operator ---- */

enum dispatch_request {
    DISPATCH_RETRY,  /* dead or waiting ones: now, attempts counted anew */
    DISPATCH_REPLAY, /* settled or dead ones: again, marked as replay */
    DISPATCH_DROP,   /* dead ones: given up, counted as dropped */
};

struct dispatch_request_result {
    size_t done;    /* on disk */
    size_t skipped; /* not in a state for it, or gone */
    size_t busy;    /* the last so many of the list: no room in the queue now; ask again */
};

/* Asks the sink's runner and waits until it is on disk, at most some seconds. From any thread but a
 * runner's or the writer's. -ENOENT: no such sink; -EAGAIN: it cannot be done now (the sink does
 * not start or is busy, the store is unavailable, the daemon stops). Asking again does no harm: a
 * second request finds what the first one did and skips it.
 *
 * What is asked for goes behind what waits for the same job. What failed and waits for its next
 * attempt can be retried; what only waits in line, or runs, is skipped. A retried one must pass the
 * sink's filter of now, a replayed one need not. */
int dispatch_request(struct dispatch *dispatch, const char *sink, enum dispatch_request request,
    const uint64_t *seqs, size_t n, struct dispatch_request_result *ret_result,
    struct error *error);

/* A paused sink finishes what runs and starts nothing new; kept in the store, so across restarts.
 * As dispatch_request otherwise. */
int dispatch_set_paused(
    struct dispatch *dispatch, const char *sink, bool paused, struct error *error);

/* ---- numbers ---- */

/* Upper bounds of the histogram of attempts' durations, in microseconds; the last has none. */
#define DISPATCH_BUCKETS 14
extern const int64_t dispatch_bucket_usec[DISPATCH_BUCKETS - 1];

/* Of one sink; since its start but for what the store keeps (struct store_sink). */
struct dispatch_sink_stats {
    char name[65];
    const char *type; /* static */
    uint32_t id;      /* in the store */
    unsigned int running;
    bool paused;
    bool breaker_open;
    uint64_t attempts[4];                 /* by enum sink_result */
    uint64_t durations[DISPATCH_BUCKETS]; /* of attempts that were not deferred */
    int64_t duration_sum_usec;
    /* The last attempt that failed; seq 0: none since the start. */
    uint64_t error_seq;
    int64_t error_at_usec; /* real time */
    char error_result[64];
};

/* The key of the sink's conf, as it is now, that leaves the delivery out: "statuses", "types",
 * "endpoints" or "stale" (static). NULL: none does, or there is no such sink. From any thread. */
const char *dispatch_leaves_out(
    struct dispatch *dispatch, const char *sink, const struct delivery *delivery);

/* From any thread. Returns how many there are; fills in at most `max`. */
size_t dispatch_get_stats(struct dispatch *dispatch, struct dispatch_sink_stats *stats, size_t max);
