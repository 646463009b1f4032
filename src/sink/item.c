#include "sink/item.h"

/*
 * Ending an item the same way in every sink. See item.h for the contract.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int64_t item_begin(struct sink_item *item, const struct sink_host *host)
{
    item->started_at_usec = clock_realtime(host->clock);
    return clock_monotonic(host->clock);
}

void item_end(struct sink_item *item, const struct sink_host *host, int64_t begun_usec,
    enum sink_result result, const char *format, ...)
{
    va_list arguments;

    item->duration_usec = clock_monotonic(host->clock) - begun_usec;
    va_start(arguments, format);
    vsnprintf(item->result, sizeof(item->result), format, arguments);
    va_end(arguments);
    host->done(host->context, item, result);
}

enum sink_result item_judge_error(int code)
{
    switch (code) {
    case EAGAIN:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return SINK_DEFERRED;
    default:
        return SINK_RETRY;
    }
}

void item_end_failed_batch(struct sink_item **items, size_t n, const struct sink_host *host,
    int64_t begun_usec, const struct error *error)
{
    for (size_t i = 0; i < n; i++)
        if (i == 0)
            item_end(items[i], host, begun_usec, item_judge_error(error->code), "%s", error->text);
        else
            item_end(items[i], host, begun_usec, SINK_DEFERRED, "behind one that failed");
}
