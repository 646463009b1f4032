#pragma once

/*
 * The numbers in Prometheus's text format, version 0.0.4. Pure.
 *
 * Names follow its conventions: base units (seconds, bytes), _total for counters. A time that is
 * not known (never yet) is left out rather than given as 0, as are the store's numbers while it
 * cannot be read.
 */

#include "admin/overview.h"
#include "util/buf.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Appends. Running out of memory shows in out->failed. */
void metrics_write(const struct overview *overview, struct buf *out);
