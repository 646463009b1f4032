/*
 * The command `prune`: now what the daemon does by itself every minute or so.
 *
 * The daemon prunes for some seconds a request, so it is asked until nothing is left to do.
 */

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/field.h"
#include "ctl/interrupt.h"
#include "ctl/terminal.h"
#include "util/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

CLEANUP_FUNC(struct client, client_close);

struct pruned {
    int64_t deliveries, ids;
    bool more;
};

static int prune(struct client *client, struct pruned *pruned, struct error *error)
{
    struct client_answer answer = CLIENT_ANSWER_INIT;
    struct buf body = BUF_INIT;
    int status;

    buf_append_text(&body, "{}");
    do {
        status = client_post(client, "/v1/prune", &body, &answer, error);
        if (status != EX_OK)
            break;
        pruned->deliveries += field_number(answer.root, "deliveries");
        pruned->ids += field_number(answer.root, "ids");
        pruned->more = field_is_true(answer.root, "more");
        if (pruned->more && terminal_shows_progress())
            fprintf(stderr, "\r%" PRIi64 " deliveries removed\033[K", pruned->deliveries);
    } while (pruned->more && !interrupt_came());
    if (terminal_shows_progress())
        fprintf(stderr, "\r\033[K");
    client_answer_done(&answer);
    buf_done(&body);
    return status;
}

static int write_pruned(const struct command *command, const struct pruned *pruned, bool json)
{
    struct buf out = BUF_INIT;
    int status;

    if (json)
        buf_append_format(&out, "{\"deliveries\":%" PRIi64 ",\"ids\":%" PRIi64 ",\"more\":%s}\n",
            pruned->deliveries, pruned->ids, pruned->more ? "true" : "false");
    else
        buf_append_format(&out, "removed %" PRIi64 " deliveries and %" PRIi64 " ids%s\n",
            pruned->deliveries, pruned->ids,
            pruned->more ? "; the daemon goes on with the rest by itself" : "");
    status = command_write(command, &out);
    buf_done(&out);
    return status;
}

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    CLEANUP(client_close) struct client *client = NULL;
    struct pruned pruned = {.deliveries = 0};
    struct error error = ERROR_INIT;
    int status;

    if (!command_parse(command, common, NULL, argc, argv, &status))
        return status;
    status = client_open(common, &client, &error);
    interrupt_catch();
    if (status == EX_OK)
        status = prune(client, &pruned, &error);
    interrupt_release();
    if (status != EX_OK)
        return command_fail(command, &error, status);
    status = write_pruned(command, &pruned, common->json);
    return status == EX_OK && pruned.more ? CTL_REFUSED : status;
}

const struct command prune_command = {
    .name = "prune",
    .summary = "Remove now what is due to be removed",
    .usage = "[OPTIONS]",
    .rows = no_option_rows,
    .run = run,
};
