#pragma once

/*
 * A sink's options as dispatch keeps them: own copies, compared on reload.
 */

#include "dispatch/dispatch.h"

/* A deep copy, freed with options_free. NULL when out of memory. */
struct dispatch_sink_options *options_copy(const struct dispatch_sink_options *from);
void options_free(struct dispatch_sink_options *options);
CLEANUP_FUNC(struct dispatch_sink_options, options_free);

/* Whether a sink may go on untouched when its options change from one to the other. */
bool options_equal(const struct dispatch_sink_options *a, const struct dispatch_sink_options *b);
