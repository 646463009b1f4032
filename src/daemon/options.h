#pragma once

/*
 * The daemon's command line.
 */

#include <stdbool.h>

struct options {
    const char *config_file; /* borrowed from argv, or the default */
    bool check;
    bool dump_config;
};

enum options_result {
    OPTIONS_RUN,   /* go on */
    OPTIONS_SHOWN, /* --help or --version: everything is done */
    OPTIONS_WRONG, /* told on stderr */
};

enum options_result options_parse(int argc, char **argv, struct options *ret_options);
