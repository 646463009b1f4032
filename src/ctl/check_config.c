/*
 * The command `check-config`: every fault of a conf, as sasha-callbackd --check finds them. Needs
 * no daemon. Run it as the daemon's user: what that one cannot read is a fault.
 */

#include "config/config.h"
#include "ctl/commands.h"
#include "util/cleanup.h"
#include "util/fd.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

CLEANUP_FUNC(struct config, config_free);

static void append_json(const char *file, const struct config_faults *faults, struct buf *out)
{
    const char *text = (const char *)faults->text.data;
    size_t left = faults->text.length;

    buf_append_text(out, "{\"file\":");
    buf_append_json(out, file, strlen(file));
    buf_append_format(out, ",\"ok\":%s,\"faults\":[", faults->n == 0 ? "true" : "false");
    for (size_t i = 0; left > 0; i++) {
        const char *end = memchr(text, '\n', left);
        size_t line = end ? (size_t)(end - text) : left;

        buf_append_text(out, i > 0 ? "," : "");
        buf_append_json(out, text, line);
        line += end ? 1 : 0;
        text += line;
        left -= line;
    }
    buf_append_text(out, "]}\n");
}

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    CLEANUP(config_free) struct config *config = NULL;
    struct config_faults faults = CONFIG_FAULTS_INIT;
    struct buf out = BUF_INIT;
    const char *file;
    int status, written, result;

    if (!command_parse(command, common, NULL, argc, argv, &status))
        return status;
    file = common->config ? common->config : CONFIG_DEFAULT_FILE;
    result = config_load(file, CONFIG_FOR_DAEMON, &config, &faults);
    if (common->json)
        append_json(file, &faults, &out);
    else if (result == 0)
        buf_append_format(&out, "%s: ok\n", file);
    else
        (void)fd_write_all(STDERR_FILENO, faults.text.data, faults.text.length);
    written = command_write(command, &out);
    config_faults_done(&faults);
    buf_done(&out);
    return result < 0 ? EX_CONFIG : written;
}

const struct command check_config_command = {
    .name = "check-config",
    .summary = "Check the conf and report every fault",
    .usage = "[OPTIONS]",
    .rows = no_option_rows,
    .run = run,
};
