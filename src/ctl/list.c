/*
 * The command `list`: deliveries by filter, the newest first.
 */

#include "ctl/list.h"

#include "ctl/commands.h"
#include "ctl/listing.h"
#include "ctl/sink_name.h"
#include "util/cleanup.h"
#include "util/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>

CLEANUP_FUNC(struct client, client_close);

#define LIMIT_DEFAULT 50
/* Of a page: what the API allows. */
#define PAGE_MAX 1000

static const struct option_row rows[] = {
    SELECT_ROWS(list_options, select),
    {"oldest", NULL, "the oldest first", offsetof(struct list_options, oldest)},
    {"from", "SEQ", "go on behind this one", offsetof(struct list_options, from)},
    {"limit", "N", "at most so many; default: 50", offsetof(struct list_options, limit)},
    {NULL, NULL, NULL, 0},
};

static int print_pages(const struct command *command, const struct common_options *common,
    struct select_walk *walk, uint64_t left, struct error *error)
{
    struct client_answer answer = CLIENT_ANSWER_INIT;
    struct listing listing;
    struct buf out = BUF_INIT;
    uint64_t printed = 0;
    int status = EX_OK;

    listing_init(&listing, common->json);
    while (status == EX_OK && left > 0 && !walk->ended) {
        const json_t *deliveries = NULL;

        status = select_walk_next(
            walk, left < PAGE_MAX ? (size_t)left : PAGE_MAX, &answer, &deliveries, error);
        if (status != EX_OK) {
            command_fail(command, error, status);
            break;
        }
        printed += json_array_size(deliveries);
        if (left != UINT64_MAX)
            left -= json_array_size(deliveries);
        listing_append(&listing, &answer, deliveries, &out);
        status = command_write(command, &out);
        buf_clear(&out);
    }
    if (status == EX_OK && !common->json && !walk->ended && printed > 0)
        fprintf(stderr, "There may be more: --from %" PRIu64 " goes on, --limit N shows more.\n",
            walk->from);
    listing_done(&listing);
    client_answer_done(&answer);
    buf_done(&out);
    return status;
}

int list_run(const struct command *command, const struct common_options *common,
    const struct list_options *options)
{
    CLEANUP(client_close) struct client *client = NULL;
    CLEANUP(free) char *sink = NULL;
    struct select_filter filter;
    struct select_walk walk = {
        .filter = &filter, .oldest_first = options->oldest, .fetch = select_fetch};
    struct error error = ERROR_INIT;
    uint64_t limit = options->unbounded ? UINT64_MAX : LIMIT_DEFAULT;
    int status =
        select_filter_parse(&options->select, clock_realtime(clock_system()), &filter, &error);

    if (status == EX_OK && filter.sink && !filter.state) {
        error_set(&error, EINVAL, "--sink needs --state dead or --state pending as well");
        status = EX_USAGE;
    }
    if (status == EX_OK && options->limit)
        status = select_parse_limit(options->limit, &limit, &error);
    if (status == EX_OK && options->from)
        status = select_parse_seq(options->from, &walk.from, &error);
    if (status == EX_OK)
        status = client_open(common, &client, &error);
    if (status == EX_OK && filter.state) {
        status = sink_name_find(client, filter.sink, filter.state, &sink, &error);
        filter.sink = sink;
        if (status == CTL_REFUSED) /* nothing is dead: a list of nothing */
            return EX_OK;
    }
    if (status != EX_OK)
        return command_fail(command, &error, status);
    walk.context = client;
    return print_pages(command, common, &walk, limit, &error);
}

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    struct list_options options = {.limit = NULL};
    int status;

    if (!command_parse(command, common, &options, argc, argv, &status))
        return status;
    return list_run(command, common, &options);
}

const struct command list_command = {
    .name = "list",
    .summary = "List deliveries, newest first",
    .usage = "[FILTER…] [OPTIONS]",
    .rows = rows,
    .run = run,
};
