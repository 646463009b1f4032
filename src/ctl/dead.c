/*
 * The command `dead`: the dead letters of a sink, to see, to try again, or to give up.
 */

#include "ctl/action.h"
#include "ctl/commands.h"
#include "ctl/list.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

static const struct option_row rows[] = {
    SELECT_ROWS(action_options, select),
    ACTION_ROWS,
    {NULL, NULL, NULL, 0},
};

/* Lists all unless --limit says else: a list of dead letters that hides some is a trap. */
static int list_dead(const struct command *command, const struct common_options *common,
    const struct action_options *options, int n)
{
    struct list_options list = {.select = options->select, .limit = options->limit};
    struct error error = ERROR_INIT;

    if (n > 0 || options->dry_run || options->rate) {
        error_set(&error, EINVAL, "dead list takes filters and --limit only");
        return command_fail(command, &error, EX_USAGE);
    }
    list.select.state = "dead";
    list.oldest = true;
    list.unbounded = true;
    return list_run(command, common, &list);
}

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    struct action_options options = {.limit = NULL};
    struct error error = ERROR_INIT;
    int n = 0, status;

    if (!command_parse_with(command, common, &options, argc, argv, &n, &status))
        return status;
    if (options.select.state) {
        error_set(&error, EINVAL, "--state is dead here");
        return command_fail(command, &error, EX_USAGE);
    }
    if (n > 0 && strcmp(argv[1], "list") == 0)
        return list_dead(command, common, &options, n - 1);
    if (n > 0 && strcmp(argv[1], "retry") == 0)
        return action_run(command, common, &options, ACTION_RETRY, argv + 2, n - 1);
    if (n > 0 && strcmp(argv[1], "drop") == 0)
        return action_run(command, common, &options, ACTION_DROP, argv + 2, n - 1);
    error_set(&error, EINVAL, "say what to do with the dead: list, retry or drop");
    return command_fail(command, &error, EX_USAGE);
}

const struct command dead_command = {
    .name = "dead",
    .summary = "List, retry or drop dead letters",
    .usage = "{list [FILTER…] | retry {SEQ… | FILTER… | --all} | drop {SEQ… | FILTER… | --all}}",
    .rows = rows,
    .run = run,
};
