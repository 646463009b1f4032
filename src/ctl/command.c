/*
 * What all commands share.
 */

#include "ctl/command.h"

#include "util/fd.h"

#include "build_config.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

const struct option_row no_option_rows[] = {{NULL, NULL, NULL, 0}};

const struct option_row common_option_rows[] = {
    {"config", "FILE", "conf file to read endpoints from", offsetof(struct common_options, config)},
    {"socket", "PATH", "admin socket to talk to, instead of the conf's",
        offsetof(struct common_options, socket)},
    {"json", NULL, "print answers as JSON", offsetof(struct common_options, json)},
    {"help", NULL, "show this and end", offsetof(struct common_options, help), 'h'},
    {"version", NULL, "show the version and end", offsetof(struct common_options, version)},
    {NULL, NULL, NULL, 0},
};

static void print_help(const struct command *command)
{
    printf("usage: sasha-callbackctl [OPTIONS] %s %s\n\n%s.\n", command->name, command->usage,
        command->summary);
    if (command->rows->name) {
        printf("\noptions:\n");
        options_print(stdout, command->rows);
    }
    printf("\ncommon options:\n");
    options_print(stdout, common_option_rows);
}

/* Moves what is no option to argv[1] on. */
static int gather(const struct option_set *sets, size_t n_sets, int argc, char **argv, int *ret_n,
    struct error *error)
{
    int at = 0, n = 0;
    bool ended = false;

    while (at + 1 < argc) {
        int next = 1;

        if (!ended && options_parse(sets, n_sets, argc - at, argv + at, &next, error) < 0)
            return -EINVAL;
        ended = ended || (next > 1 && strcmp(argv[at + next - 1], "--") == 0);
        at += next;
        if (at < argc) {
            n++;
            argv[n] = argv[at];
        }
    }
    *ret_n = n;
    return 0;
}

bool command_parse_with(const struct command *command, struct common_options *common, void *values,
    int argc, char **argv, int *ret_n, int *ret_status)
{
    const struct option_set sets[] = {{command->rows, values}, {common_option_rows, common}};
    struct error error = ERROR_INIT;

    if (gather(sets, 2, argc, argv, ret_n, &error) < 0) {
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
    return true;
}

bool command_parse(const struct command *command, struct common_options *common, void *values,
    int argc, char **argv, int *ret_status)
{
    struct error error = ERROR_INIT;
    int n = 0;

    if (!command_parse_with(command, common, values, argc, argv, &n, ret_status))
        return false;
    if (n > 0) {
        error_set(&error, EINVAL, "\"%s\" is one argument too many", argv[1]);
        *ret_status = command_fail(command, &error, EX_USAGE);
        return false;
    }
    return true;
}

int command_write(const struct command *command, const struct buf *text)
{
    struct error error = ERROR_INIT;
    int result;

    if (text->failed) {
        error_errno(&error, ENOMEM, "cannot print the answer");
        return command_fail(command, &error, EX_OSERR);
    }
    result = fd_write_all(STDOUT_FILENO, text->data, text->length);
    if (result < 0) {
        error_errno(&error, -result, "cannot write to stdout");
        return command_fail(command, &error, EX_IOERR);
    }
    return EX_OK;
}

int command_fail(const struct command *command, const struct error *error, int status)
{
    fprintf(stderr, "sasha-callbackctl %s: %s\n", command->name, error->text);
    if (status == EX_USAGE)
        fprintf(stderr, "Try: sasha-callbackctl %s --help\n", command->name);
    return status;
}
