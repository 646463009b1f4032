#pragma once

/*
 * Which deliveries a sink wants, by its own conf. Pure.
 */

#include "dispatch/dispatch.h"

/* The key of the conf that leaves it out: "statuses", "types", "endpoints" or "stale" (static);
 * NULL: it passes. Compared byte by byte. */
const char *filter_leaves_out(
    const struct dispatch_sink_options *options, const struct delivery *delivery);

bool filter_passes(const struct dispatch_sink_options *options, const struct delivery *delivery);
