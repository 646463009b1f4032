#pragma once

/*
 * Listing deliveries, for the commands `list` and `dead list`.
 */

#include "ctl/select.h"

struct list_options {
    struct select_options select;
    const char *limit, *from;
    bool oldest;
    bool unbounded; /* no default for the limit; not an option */
};

/* Prints them page by page. Returns an exit status. */
int list_run(const struct command *command, const struct common_options *common,
    const struct list_options *options);
