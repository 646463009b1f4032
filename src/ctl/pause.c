/*
 * The commands `pause` and `resume`: whether a sink starts anything new. Across restarts.
 */

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/text.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

CLEANUP_FUNC(struct client, client_close);

static void append_body(const char *sink, struct buf *body)
{
    buf_append_text(body, "{\"sink\":");
    buf_append_json(body, sink, strlen(sink));
    buf_append_text(body, "}");
}

static int set_paused(const struct command *command, const struct common_options *common,
    const char *target, const char *done, const char *sink)
{
    CLEANUP(client_close) struct client *client = NULL;
    struct client_answer answer = CLIENT_ANSWER_INIT;
    struct error error = ERROR_INIT;
    struct buf body = BUF_INIT, out = BUF_INIT;
    int status = client_open(common, &client, &error);

    append_body(sink, &body);
    if (status == EX_OK)
        status = client_post(client, target, &body, &answer, &error);
    if (status != EX_OK) {
        command_fail(command, &error, status);
    } else {
        if (common->json) {
            append_body(sink, &out);
            buf_append_text(&out, "\n");
        } else {
            text_append(&out, sink);
            buf_append_format(&out, " is %s\n", done);
        }
        status = command_write(command, &out);
    }
    client_answer_done(&answer);
    buf_done(&body);
    buf_done(&out);
    return status;
}

/* Reads the one argument that both take. */
static bool parse(const struct command *command, struct common_options *common, int argc,
    char **argv, int *ret_status)
{
    struct error error = ERROR_INIT;
    int n = 0;

    if (!command_parse_with(command, common, NULL, argc, argv, &n, ret_status))
        return false;
    if (n == 1)
        return true;
    error_set(&error, EINVAL, "name one sink");
    *ret_status = command_fail(command, &error, EX_USAGE);
    return false;
}

static int run_pause(
    const struct command *command, struct common_options *common, int argc, char **argv)
{
    int status;

    if (!parse(command, common, argc, argv, &status))
        return status;
    return set_paused(
        command, common, "/v1/pause", "paused: what runs ends, nothing new starts", argv[1]);
}

static int run_resume(
    const struct command *command, struct common_options *common, int argc, char **argv)
{
    int status;

    if (!parse(command, common, argc, argv, &status))
        return status;
    return set_paused(command, common, "/v1/resume", "no longer paused", argv[1]);
}

const struct command pause_command = {
    .name = "pause",
    .summary = "Let a sink start nothing new, until resumed",
    .usage = "SINK",
    .rows = no_option_rows,
    .run = run_pause,
};

const struct command resume_command = {
    .name = "resume",
    .summary = "Let a paused sink go on",
    .usage = "SINK",
    .rows = no_option_rows,
    .run = run_resume,
};
