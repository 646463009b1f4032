#pragma once

/*
 * Ending an item the same way in every sink: its times, its result text, then done.
 */

#include "sink/sink.h"

/* Notes the moment at which the sink began with the item. Returns the monotonic time of it. */
int64_t item_begin(struct sink_item *item, const struct sink_host *host);

/* Fills in duration and result text (cut to fit) and hands the item back. The item must not be
 * touched afterwards. `begun_usec` is what item_begin returned. */
void item_end(struct sink_item *item, const struct sink_host *host, int64_t begun_usec,
    enum sink_result result, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* What an error means for the item it hit: SINK_DEFERRED when the machine has no process, memory or
 * descriptor to spare (`code` is a positive errno), else SINK_RETRY. */
enum sink_result item_judge_error(int code);

/* A batch of which the first failed: the first is retried, the rest is deferred, so that an outage
 * costs attempts of one item only and order is kept. */
void item_end_failed_batch(struct sink_item **items, size_t n, const struct sink_host *host,
    int64_t begun_usec, const struct error *error);
