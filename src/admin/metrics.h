#pragma once

/*
 * The numbers in Prometheus's text format, version 0.0.4. Pure.
 *
 * Names follow its conventions: base units (seconds, bytes), _total for counters. A time that is
 * not known (never yet) is left out rather than given as 0, as are the store's numbers while it
 * cannot be read.
 */

#include "admin/overview.h"
#include "admin/process.h"
#include "util/buf.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* The overview is all but this: `process` is NULL where the kernel does not tell, `log_counts` is
 * by level in the order err, warning, info, debug. */
struct metrics_more {
    const struct process_stats *process;
    uint64_t log_counts[4];
};

/* Appends. Running out of memory shows in out->failed. */
void metrics_write(
    const struct overview *overview, const struct metrics_more *more, struct buf *out);
