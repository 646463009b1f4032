/*
 * The command `replay`: deliveries that are done or dead are delivered once more, marked as
 * replays.
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
    return action_run(command, common, &options, ACTION_REPLAY, argv + 1, n);
}

const struct command replay_command = {
    .name = "replay",
    .summary = "Deliver again what is done or dead",
    .usage = "{SEQ… | FILTER… | --all} [OPTIONS]",
    .rows = rows,
    .run = run,
};
