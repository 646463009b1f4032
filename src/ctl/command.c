/*
 * What all commands share.
 */

#include "ctl/command.h"

#include "build_config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <sysexits.h>

const struct option_row common_option_rows[] = {
    {"config", "FILE", "conf file to read endpoints from", offsetof(struct common_options, config)},
    {"socket", "PATH", "admin socket to talk to, instead of the conf's",
        offsetof(struct common_options, socket)},
    {"json", NULL, "print answers as JSON", offsetof(struct common_options, json)},
    {"help", NULL, "show this and end", offsetof(struct common_options, help)},
    {"version", NULL, "show the version and end", offsetof(struct common_options, version)},
    {NULL, NULL, NULL, 0},
};

static void print_help(const struct command *command)
{
    printf("usage: sasha-callbackctl [OPTIONS] %s %s\n\n%s.\n\noptions:\n", command->name,
        command->usage, command->summary);
    options_print(stdout, command->rows);
    printf("\ncommon options:\n");
    options_print(stdout, common_option_rows);
}

bool command_parse(const struct command *command, struct common_options *common, void *values,
    int argc, char **argv, int *ret_status)
{
    const struct option_set sets[] = {{command->rows, values}, {common_option_rows, common}};
    struct error error = ERROR_INIT;
    int next = 0;

    if (options_parse(sets, 2, argc, argv, &next, &error) < 0) {
        *ret_status = command_fail(command, &error, EX_USAGE);
        return false;
    }
    if (common->help) {
        print_help(command);
        *ret_status = EX_OK;
        return false;
    }
    if (common->version) {
        printf("sasha-callbackctl %s\n", PROJECT_VERSION);
        *ret_status = EX_OK;
        return false;
    }
    if (next < argc) {
        error_set(&error, EINVAL, "\"%s\" is one argument too many", argv[next]);
        *ret_status = command_fail(command, &error, EX_USAGE);
        return false;
    }
    return true;
}

int command_fail(const struct command *command, const struct error *error, int status)
{
    fprintf(stderr, "sasha-callbackctl %s: %s\n", command->name, error->text);
    if (status == EX_USAGE)
        fprintf(stderr, "Try: sasha-callbackctl %s --help\n", command->name);
    return status;
}
