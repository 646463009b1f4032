/*
 * sasha-callbackctl: common options → command → one exit.
 *
 * A command is one row here and one file; see command.h. Exit status: 0, 1 for an answer that says
 * no, else one of <sysexits.h>.
 */

#include "ctl/command.h"
#include "ctl/commands.h"
#include "ctl/explain.h"
#include "ctl/send.h"

#include "build_config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const struct command *const commands[] = {
    &status_command,
    &list_command,
    &show_command,
    &tail_command,
    &stats_command,
    &dead_command,
    &retry_command,
    &replay_command,
    &pause_command,
    &resume_command,
    &prune_command,
    &backup_command,
    &check_config_command,
    &explain_command,
    &send_command,
    NULL,
};

static void print_usage(FILE *file)
{
    fprintf(file, "usage: sasha-callbackctl [--config FILE | --socket PATH] [--json] COMMAND …\n"
                  "       sasha-callbackctl COMMAND --help\n"
                  "\n"
                  "commands:\n");
    for (const struct command *const *command = commands; *command; command++)
        fprintf(file, "  %-14s%s\n", (*command)->name, (*command)->summary);
    fprintf(file, "\noptions:\n");
    options_print(file, common_option_rows);
}

static int fail_usage(const struct error *error)
{
    fprintf(stderr, "sasha-callbackctl: %s\nTry: sasha-callbackctl --help\n", error->text);
    return EX_USAGE;
}

static const struct command *find_command(const char *name)
{
    for (const struct command *const *command = commands; *command; command++) {
        if (strcmp((*command)->name, name) == 0)
            return *command;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct common_options common = {.config = NULL};
    const struct option_set set = {common_option_rows, &common};
    const struct command *command;
    struct error error = ERROR_INIT;
    int next = 0;

    if (options_parse(&set, 1, argc, argv, &next, &error) < 0)
        return fail_usage(&error);
    if (common.help) {
        print_usage(stdout);
        return EX_OK;
    }
    if (common.version) {
        printf("sasha-callbackctl %s\n", PROJECT_VERSION);
        return EX_OK;
    }
    if (next >= argc) {
        error_set(&error, EINVAL, "no command given");
        return fail_usage(&error);
    }
    command = find_command(argv[next]);
    if (!command) {
        error_set(&error, EINVAL, "no such command: %s", argv[next]);
        return fail_usage(&error);
    }
    return command->run(command, &common, argc - next, argv + next);
}
