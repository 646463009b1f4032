/*
 * The command `prune`: now what the daemon does by itself every minute or so.
 */

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/field.h"
#include "ctl/json_text.h"
#include "util/cleanup.h"

#include <sysexits.h>

CLEANUP_FUNC(struct client, client_close);

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    CLEANUP(client_close) struct client *client = NULL;
    struct client_answer answer = CLIENT_ANSWER_INIT;
    struct error error = ERROR_INIT;
    struct buf body = BUF_INIT, out = BUF_INIT;
    int status;

    if (!command_parse(command, common, NULL, argc, argv, &status))
        return status;
    buf_append_text(&body, "{}");
    status = client_open(common, &client, &error);
    if (status == EX_OK)
        status = client_post(client, "/v1/prune", &body, &answer, &error);
    if (status != EX_OK) {
        command_fail(command, &error, status);
    } else {
        if (common->json) {
            json_text_append_line(&out, (const char *)answer.text.data, answer.text.length);
            buf_append_text(&out, "\n");
        } else {
            buf_append_text(&out, field_is_true(answer.root, "more")
                                      ? "pruned; there is more, which the daemon goes on with\n"
                                      : "pruned\n");
        }
        status = command_write(command, &out);
    }
    client_answer_done(&answer);
    buf_done(&body);
    buf_done(&out);
    return status;
}

const struct command prune_command = {
    .name = "prune",
    .summary = "Remove now what is due to be removed",
    .usage = "[OPTIONS]",
    .rows = no_option_rows,
    .run = run,
};
