/*
 * Retry, replay and drop: which ones, whether really, and what became of it. See action.h.
 */

#include "ctl/action.h"

#include "ctl/field.h"
#include "ctl/listing.h"
#include "ctl/sink_name.h"
#include "ctl/terminal.h"
#include "util/cleanup.h"
#include "util/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

CLEANUP_FUNC(struct client, client_close);

/* From so many on somebody at a terminal is asked. */
#define ASK_ABOVE 100

/* How many a dry run shows. */
#define SHOWN 10

static const struct {
    const char *target;
    const char *name;  /* "replay 5 deliveries to …" */
    const char *done;  /* "replayed" */
    const char *state; /* of what a filter chooses, unless --state; NULL: any */
} actions[] = {
    [ACTION_RETRY] = {"/v1/retry", "retry", "retried", "dead"},
    [ACTION_REPLAY] = {"/v1/replay", "replay", "replayed", NULL},
    [ACTION_DROP] = {"/v1/drop", "drop", "dropped", "dead"},
};

/* Everything that was decided before something is done. */
struct plan {
    enum action action;
    struct client *client; /* borrowed */
    char *sink;            /* owned */
    struct select_filter filter;
    uint64_t *given; /* owned; NULL: by filter */
    size_t n_given;
    uint64_t limit; /* UINT64_MAX: none */
    struct pace pace;
};

static void plan_donep(struct plan *plan)
{
    free(plan->sink);
    free(plan->given);
}

static struct select_seqs make_seqs(const struct plan *plan)
{
    return (struct select_seqs){
        .given = plan->given,
        .n_given = plan->n_given,
        .walk = {.filter = &plan->filter,
            .oldest_first = true,
            .fetch = select_fetch,
            .context = plan->client},
        .left = plan->limit,
        .answer = CLIENT_ANSWER_INIT,
    };
}

/* ---- planning ---- */

static int plan_given(struct plan *plan, char **texts, int n_texts, struct error *error)
{
    if (n_texts == 0)
        return EX_OK;
    plan->given = calloc((size_t)n_texts, sizeof(*plan->given));
    if (!plan->given) {
        error_errno(error, ENOMEM, "cannot take the numbers");
        return EX_SOFTWARE;
    }
    for (int i = 0; i < n_texts; i++) {
        int status = select_parse_seq(texts[i], &plan->given[i], error);

        if (status != EX_OK)
            return status;
    }
    plan->n_given = (size_t)n_texts;
    return EX_OK;
}

/* Everything that needs no daemon. */
static int plan_options(struct plan *plan, const struct action_options *options, char **texts,
    int n_texts, struct error *error)
{
    int64_t now = clock_realtime(clock_system());
    int status = select_filter_parse(&options->select, now, &plan->filter, error);
    bool filtered;

    if (status == EX_OK)
        status = plan_given(plan, texts, n_texts, error);
    if (status == EX_OK && options->limit)
        status = select_parse_limit(options->limit, &plan->limit, error);
    if (status == EX_OK && options->rate && pace_parse(options->rate, &plan->pace, error) < 0)
        status = EX_USAGE;
    if (status != EX_OK)
        return status;

    filtered = !select_filter_is_all(&plan->filter) || plan->filter.state || options->all;
    if (plan->given && filtered) {
        error_set(error, EINVAL, "give either the numbers of deliveries or a filter, not both");
        return EX_USAGE;
    }
    if (!plan->given && select_filter_is_all(&plan->filter) && !options->all) {
        error_set(error, EINVAL,
            "say which: numbers of deliveries, a filter such as --since yesterday, or --all");
        return EX_USAGE;
    }
    if (plan->filter.state && plan->action == ACTION_DROP &&
        strcmp(plan->filter.state, "dead") != 0) {
        error_set(error, EINVAL, "only dead ones can be dropped");
        return EX_USAGE;
    }
    if (!plan->filter.state)
        plan->filter.state = actions[plan->action].state;
    /* The end is fixed now, or the walk would run after what arrives. */
    if (plan->filter.until[0] == '\0')
        rfc3339_format(now, plan->filter.until);
    return EX_OK;
}

/* ---- before ---- */

static int count(const struct plan *plan, uint64_t *ret_n, struct error *error)
{
    struct select_seqs seqs = make_seqs(plan);
    uint64_t page[SELECT_CHUNK];
    uint64_t sum = 0;
    size_t n = 0;
    int status;

    do {
        status = select_seqs_next(&seqs, SELECT_CHUNK, page, &n, error);
        sum += status == EX_OK ? n : 0;
    } while (status == EX_OK && n > 0);
    select_seqs_done(&seqs);
    *ret_n = sum;
    return status;
}

/* The first ones, each asked for by its number. */
static int show_first(const struct plan *plan, struct buf *out, struct error *error)
{
    struct select_seqs seqs = make_seqs(plan);
    struct client_answer answer = CLIENT_ANSWER_INIT;
    struct listing listing;
    uint64_t first[SHOWN];
    size_t n = 0;
    int status = select_seqs_next(&seqs, SHOWN, first, &n, error);

    listing_init(&listing, false);
    for (size_t i = 0; i < n && status == EX_OK; i++) {
        char target[64];

        snprintf(target, sizeof(target), "/v1/deliveries/%" PRIu64, first[i]);
        status = client_get(plan->client, target, &answer, error);
        if (status == EX_OK)
            listing_append_one(&listing, &answer, out);
    }
    listing_done(&listing);
    client_answer_done(&answer);
    select_seqs_done(&seqs);
    return status;
}

static int dry_run(const struct command *command, const struct common_options *common,
    const struct plan *plan, struct error *error)
{
    struct buf out = BUF_INIT;
    uint64_t n = 0;
    int status = count(plan, &n, error);

    if (status == EX_OK && common->json) {
        buf_append_text(&out, "{\"dry_run\":true,\"sink\":");
        buf_append_json(&out, plan->sink, strlen(plan->sink));
        buf_append_format(&out, ",\"count\":%" PRIu64 "}\n", n);
    } else if (status == EX_OK) {
        buf_append_format(&out, "would %s %" PRIu64 " of sink %s%s\n", actions[plan->action].name,
            n, plan->sink,
            n > SHOWN ? "; the oldest:"
            : n > 0   ? ":"
                      : "");
        status = show_first(plan, &out, error);
    }
    if (status == EX_OK)
        status = command_write(command, &out);
    else
        command_fail(command, error, status);
    buf_done(&out);
    return status;
}

/* *ret_go: whether to do it. *ret_total: how many, if they were counted. */
static int confirm(const struct plan *plan, const struct action_options *options, bool *ret_go,
    uint64_t *ret_total, struct error *error)
{
    bool ask = !options->yes && terminal_can_ask();
    bool progress = terminal_shows_progress();
    char question[160];
    int status;

    *ret_go = true;
    *ret_total = 0;
    if (!ask && !progress)
        return EX_OK;
    status = count(plan, ret_total, error);
    if (status == EX_OK && ask && *ret_total > ASK_ABOVE) {
        snprintf(question, sizeof(question), "%s %" PRIu64 " deliveries of sink %s?",
            actions[plan->action].name, *ret_total, plan->sink);
        *ret_go = terminal_ask(question);
    }
    if (!progress)
        *ret_total = 0;
    return status;
}

/* ---- doing it ---- */

static void append_sums(
    const struct plan *plan, const struct action_sums *sums, bool json, struct buf *out)
{
    if (json) {
        buf_append_text(out, "{\"sink\":");
        buf_append_json(out, plan->sink, strlen(plan->sink));
        buf_append_format(out,
            ",\"done\":%" PRIu64 ",\"skipped\":%" PRIu64 ",\"interrupted\":%s}\n", sums->done,
            sums->skipped, sums->interrupted ? "true" : "false");
        return;
    }
    buf_append_format(
        out, "%s %" PRIu64 " of sink %s", actions[plan->action].done, sums->done, plan->sink);
    if (sums->skipped > 0)
        buf_append_format(out, "; skipped %" PRIu64 ", which %s not in a state for it",
            sums->skipped, sums->skipped == 1 ? "was" : "were");
    buf_append_text(out, "\n");
}

static int execute(const struct command *command, const struct common_options *common,
    const struct plan *plan, uint64_t total)
{
    const struct action_post post = {
        .client = plan->client,
        .target = actions[plan->action].target,
        .verb = actions[plan->action].done,
        .sink = plan->sink,
        .pace = plan->pace,
        .total = total,
    };
    struct select_seqs seqs = make_seqs(plan);
    struct action_sums sums = {.done = 0};
    struct error error = ERROR_INIT;
    struct buf out = BUF_INIT;
    int status = action_post_all(&post, &seqs, &sums, &error);
    int written;

    if (status == EX_OK || common->json || sums.done + sums.skipped > 0)
        append_sums(plan, &sums, common->json, &out);
    written = command_write(command, &out);
    if (status != EX_OK) {
        command_fail(command, &error, status);
    } else if (sums.interrupted) {
        fprintf(stderr, "sasha-callbackctl %s: interrupted; the rest was left as it is\n",
            command->name);
        status = CTL_REFUSED;
    } else if (plan->given && sums.skipped > 0) {
        status = CTL_REFUSED;
    }
    buf_done(&out);
    select_seqs_done(&seqs);
    return status == EX_OK ? written : status;
}

/* By filter, and no sink has dead letters. */
static int nothing_dead(const struct command *command, const struct common_options *common,
    const struct plan *plan, bool dry_run)
{
    struct buf out = BUF_INIT;
    int status;

    if (!common->json)
        buf_append_format(
            &out, "nothing to %s: no sink has dead letters\n", actions[plan->action].name);
    else if (dry_run)
        buf_append_text(&out, "{\"dry_run\":true,\"sink\":null,\"count\":0}\n");
    else
        buf_append_text(&out, "{\"sink\":null,\"done\":0,\"skipped\":0,\"interrupted\":false}\n");
    status = command_write(command, &out);
    buf_done(&out);
    return status;
}

int action_run(const struct command *command, const struct common_options *common,
    const struct action_options *options, enum action action, char **texts, int n_texts)
{
    CLEANUP(client_close) struct client *client = NULL;
    CLEANUP(plan_done) struct plan plan = {.action = action, .limit = UINT64_MAX};
    struct error error = ERROR_INIT;
    uint64_t total = 0;
    bool go = true;
    int status = plan_options(&plan, options, texts, n_texts, &error);

    if (status == EX_OK)
        status = client_open(common, &client, &error);
    if (status == EX_OK) {
        plan.client = client;
        status =
            sink_name_find(client, options->select.sink, plan.filter.state, &plan.sink, &error);
    }
    if (status == CTL_REFUSED && !plan.given)
        return nothing_dead(command, common, &plan, options->dry_run);
    if (status != EX_OK)
        return command_fail(command, &error, status);
    plan.filter.sink = plan.sink;

    if (options->dry_run)
        return dry_run(command, common, &plan, &error);
    status = confirm(&plan, options, &go, &total, &error);
    if (status != EX_OK)
        return command_fail(command, &error, status);
    return go ? execute(command, common, &plan, total) : CTL_REFUSED;
}
