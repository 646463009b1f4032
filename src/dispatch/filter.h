#pragma once

/*
 * Which deliveries a sink wants, by its own conf. Pure.
 */

#include "dispatch/dispatch.h"

/* False: left out by `statuses`, `types`, `endpoints` or stale = "skip". Compared byte by byte. */
bool filter_passes(const struct dispatch_sink_options *options, const struct delivery *delivery);
