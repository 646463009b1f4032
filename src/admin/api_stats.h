#pragma once

/*
 * What status and stats tell alike. As api.h.
 */

#include "admin/history.h"

#include "util/buf.h"

/* The members that say what came in, and the percentiles of how long it took. */
void stats_write_counts(struct buf *out, const struct history_counts *counts);
