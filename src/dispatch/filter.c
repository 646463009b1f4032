/*
 * A sink's filter: three lists of names, of which an empty one lets everything pass, and the choice
 * about stale deliveries. Pure.
 */

#include "dispatch/filter.h"

#include <string.h>

static bool list_passes(const char *const *list, const char *value)
{
    if (!list || !list[0])
        return true;
    for (size_t i = 0; list[i]; i++)
        if (strcmp(list[i], value) == 0)
            return true;
    return false;
}

const char *filter_leaves_out(
    const struct dispatch_sink_options *options, const struct delivery *delivery)
{
    if (!list_passes(options->statuses, delivery->status))
        return "statuses";
    if (!list_passes(options->types, delivery->type))
        return "types";
    if (!list_passes(options->endpoints, delivery->endpoint))
        return "endpoints";
    return options->skip_stale && delivery->stale ? "stale" : NULL;
}

bool filter_passes(const struct dispatch_sink_options *options, const struct delivery *delivery)
{
    return !filter_leaves_out(options, delivery);
}
