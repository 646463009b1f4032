#pragma once

/*
 * What a command of sasha-callbackctl is, and what all commands share: the common options, help,
 * and how they end.
 *
 * A command is one table row in main.c and one file. It parses its own arguments with
 * command_parse, prints its answer to stdout and its faults to stderr, and returns the exit status:
 * 0, 1 (CTL_REFUSED), or one of <sysexits.h>.
 */

#include "ctl/options.h"
#include "util/buf.h"
#include "util/error.h"

#include <stdbool.h>

/* There was an answer, and it says no. */
#define CTL_REFUSED 1

/* The options that may stand before the command and after it. Values are borrowed from argv. */
struct common_options {
    const char *config; /* NULL: CONFIG_DEFAULT_FILE */
    const char *socket;
    bool json;
    bool help;
    bool version;
};

extern const struct option_row common_option_rows[];

/* For a command that has no options of its own. */
extern const struct option_row no_option_rows[];

struct command {
    const char *name;
    const char *summary;
    const char *usage; /* what follows the name, several lines if need be */
    const struct option_row *rows;
    int (*run)(const struct command *command, struct common_options *common, int argc, char **argv);
};

/* Reads a command's arguments: common options and its own, and nothing else. Returns true to go on;
 * else help was shown or a fault was printed, and *ret_status is how to end. `values` is what the
 * command's rows point into. */
bool command_parse(const struct command *command, struct common_options *common, void *values,
    int argc, char **argv, int *ret_status);

/* The same for a command that takes other arguments as well; options may stand before, between and
 * after them, and "--" ends the options. They are gathered at argv[1] on, in order; *ret_n says how
 * many. */
bool command_parse_with(const struct command *command, struct common_options *common, void *values,
    int argc, char **argv, int *ret_n, int *ret_status);

/* Prints to stdout what was put together. Returns an exit status; a fault was printed. */
int command_write(const struct command *command, const struct buf *text);

/* Prints a fault to stderr. Returns `status`. A fault of usage points to --help. */
int command_fail(const struct command *command, const struct error *error, int status);
