/*
 * The command `retry`: dead and waiting deliveries are tried at once, attempts counted anew.
 */

#include "ctl/action.h"
#include "ctl/commands.h"

static const struct option_row rows[] = {
    SELECT_ROWS(action_options, select),
    ACTION_ROWS,
    {NULL, NULL, NULL, 0},
};

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    struct action_options options = {.limit = NULL};
    int n = 0, status;

    if (!command_parse_with(command, common, &options, argc, argv, &n, &status))
        return status;
    return action_run(command, common, &options, ACTION_RETRY, argv + 1, n);
}

const struct command retry_command = {
    .name = "retry",
    .summary = "Try dead and waiting deliveries now",
    .usage = "{SEQ… | FILTER… | --all} [OPTIONS]",
    .rows = rows,
    .run = run,
};
