/*
 * The command `tail`: the last deliveries in order of arrival, and with -f those that come.
 *
 * Following asks once a second for what is behind the last number seen; a daemon that restarts
 * meanwhile is waited for, and nothing is missed.
 */

#include "ctl/commands.h"
#include "ctl/field.h"
#include "ctl/listing.h"
#include "ctl/select.h"
#include "ctl/sink_name.h"
#include "util/cleanup.h"
#include "util/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

CLEANUP_FUNC(struct client, client_close);

#define LINES_DEFAULT 10
#define PAGE_MAX 500

struct tail_options {
    struct select_options select;
    const char *lines;
    bool follow;
};

static const struct option_row rows[] = {
    SELECT_ROWS(tail_options, select),
    {"lines", "N", "begin with the last N; default: 10", offsetof(struct tail_options, lines), 'n'},
    {"follow", NULL, "go on with those that come", offsetof(struct tail_options, follow), 'f'},
    {NULL, NULL, NULL, 0},
};

struct tail {
    const struct command *command;
    struct client *client;
    struct select_filter filter;
    struct listing listing;
    struct client_answer answer;
    struct buf out;
    uint64_t seen; /* everything up to here was printed or does not fit */
};

/* The newest delivery there is. */
static int find_head(struct tail *tail, uint64_t *ret_head, struct error *error)
{
    int status = client_get(tail->client, "/v1/status", &tail->answer, error);

    if (status == EX_OK)
        *ret_head = (uint64_t)field_number(field_object(tail->answer.root, "store"), "head");
    return status;
}

/* Sets `seen` just before the last `lines` that fit. */
static int find_start(struct tail *tail, uint64_t lines, struct error *error)
{
    struct select_walk walk = {
        .filter = &tail->filter, .fetch = select_fetch, .context = tail->client};
    uint64_t head = 0;
    int status = find_head(tail, &head, error);

    tail->seen = head;
    while (status == EX_OK && lines > 0 && !walk.ended) {
        const json_t *deliveries = NULL;
        size_t n;

        status = select_walk_next(
            &walk, lines < PAGE_MAX ? (size_t)lines : PAGE_MAX, &tail->answer, &deliveries, error);
        n = status == EX_OK ? json_array_size(deliveries) : 0;
        if (n > 0)
            tail->seen = (uint64_t)field_number(json_array_get(deliveries, n - 1), "seq") - 1;
        lines -= n;
    }
    return status;
}

/* Prints what fits behind `seen`, and moves it. */
static int print_rest(struct tail *tail, struct error *error)
{
    struct select_walk walk = {.filter = &tail->filter,
        .oldest_first = true,
        .from = tail->seen,
        .fetch = select_fetch,
        .context = tail->client};
    int status = EX_OK;

    while (status == EX_OK && !walk.ended) {
        const json_t *deliveries = NULL;
        size_t n;

        status = select_walk_next(&walk, PAGE_MAX, &tail->answer, &deliveries, error);
        if (status != EX_OK)
            break;
        listing_append(&tail->listing, &tail->answer, deliveries, &tail->out);
        status = command_write(tail->command, &tail->out);
        buf_clear(&tail->out);
        n = json_array_size(deliveries);
        if (n > 0)
            tail->seen = (uint64_t)field_number(json_array_get(deliveries, n - 1), "seq");
        if (!walk.ended && walk.from > tail->seen)
            tail->seen = walk.from;
    }
    return status;
}

/* Ends with a fault, or when the program is ended. */
static int follow(struct tail *tail, struct error *error)
{
    bool away = false;
    int status;

    for (;;) {
        sleep(1);
        status = print_rest(tail, error);
        if (status == EX_UNAVAILABLE || status == EX_TEMPFAIL) {
            if (!away)
                fprintf(stderr, "sasha-callbackctl tail: %s\nWaiting for it.\n", error->text);
            away = true;
        } else if (status != EX_OK) {
            return status;
        } else {
            away = false;
        }
    }
}

static int run_tail(const struct command *command, const struct common_options *common,
    const struct tail_options *options, struct error *error)
{
    CLEANUP(client_close) struct client *client = NULL;
    CLEANUP(free) char *sink = NULL;
    struct tail tail = {.command = command, .answer = CLIENT_ANSWER_INIT, .out = BUF_INIT};
    uint64_t lines = LINES_DEFAULT;
    int status =
        select_filter_parse(&options->select, clock_realtime(clock_system()), &tail.filter, error);

    if (status == EX_OK && options->lines && select_parse_limit(options->lines, &lines, error)) {
        error_set(error, EINVAL, "--lines is a number from 1");
        status = EX_USAGE;
    }
    if (status == EX_OK && tail.filter.sink && !tail.filter.state) {
        error_set(error, EINVAL, "--sink needs --state dead or --state pending as well");
        status = EX_USAGE;
    }
    if (status == EX_OK)
        status = client_open(common, &client, error);
    if (status == EX_OK && tail.filter.state) {
        status = sink_name_find(client, tail.filter.sink, NULL, &sink, error);
        tail.filter.sink = sink;
    }
    if (status != EX_OK)
        return status;

    tail.client = client;
    listing_init(&tail.listing, common->json);
    status = find_start(&tail, lines, error);
    if (status == EX_OK)
        status = print_rest(&tail, error);
    if (status == EX_OK && options->follow)
        status = follow(&tail, error);
    listing_done(&tail.listing);
    client_answer_done(&tail.answer);
    buf_done(&tail.out);
    return status;
}

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    struct tail_options options = {.lines = NULL};
    struct error error = ERROR_INIT;
    int status;

    if (!command_parse(command, common, &options, argc, argv, &status))
        return status;
    status = run_tail(command, common, &options, &error);
    /* A fault of writing was told already. */
    if (status != EX_OK && error.code != 0)
        command_fail(command, &error, status);
    return status;
}

const struct command tail_command = {
    .name = "tail",
    .summary = "Show the last deliveries, and follow",
    .usage = "[FILTER…] [OPTIONS]",
    .rows = rows,
    .run = run,
};
