/*
 * The command `stats`: counts and latencies over a period, with a small plot.
 *
 * The daemon tells them by the minute, for the last 24 hours, and of the whole period.
 */

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/field.h"
#include "ctl/format.h"
#include "ctl/json_text.h"
#include "ctl/plot.h"
#include "ctl/table.h"
#include "ctl/terminal.h"
#include "ctl/when.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/rfc3339.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

CLEANUP_FUNC(struct client, client_close);

#define PLOT_WIDTH 60

struct stats_options {
    const char *since, *until;
};

static const struct option_row rows[] = {
    {"since", "TIME", "from then on; default: an hour ago", offsetof(struct stats_options, since)},
    {"until", "TIME", "up to then; default: now", offsetof(struct stats_options, until)},
    {NULL, NULL, NULL, 0},
};

/* ---- the request ---- */

static int append_bound(
    const char *name, const char *text, int64_t now_usec, struct buf *target, struct error *error)
{
    char formatted[RFC3339_SIZE];
    int64_t usec;

    if (when_parse(text, now_usec, &usec, error) < 0) {
        error_prefix(error, "--%s", name);
        return EX_USAGE;
    }
    /* Digits, "-", ":", ".", "T" and "Z": nothing to encode in a query. */
    buf_append_format(target, "&%s=%s", name, rfc3339_format(usec, formatted));
    return EX_OK;
}

static int make_target(const struct stats_options *options, struct buf *target, struct error *error)
{
    int64_t now = clock_realtime(clock_system());
    int status = append_bound("since", options->since ? options->since : "-1h", now, target, error);

    if (status == EX_OK && options->until)
        status = append_bound("until", options->until, now, target, error);
    if (status == EX_OK && buf_append(target, "", 1) < 0) {
        error_errno(error, ENOMEM, "cannot ask the daemon");
        return EX_SOFTWARE;
    }
    /* What was appended begins with "&". */
    if (status == EX_OK)
        target->data[strlen("/v1/stats")] = '?';
    return status;
}

/* ---- the answer ---- */

/* One plotted row; counts of a bar's minutes are added up, latencies keep the worst. */
static double append_plot(const json_t *stats, const char *name, bool add,
    const struct terminal *terminal, struct buf *out)
{
    const json_t *buckets = field_array(stats, "buckets"), *bucket;
    int64_t since = field_time(stats, "since"), until = field_time(stats, "until");
    double values[PLOT_WIDTH] = {0}, sum = 0;
    int64_t minutes = (until - since) / USEC_PER_MIN;
    size_t width = minutes < 1 ? 1 : minutes < PLOT_WIDTH ? (size_t)minutes : PLOT_WIDTH;
    size_t i;

    json_array_foreach(buckets, i, bucket)
    {
        int64_t at = field_time(bucket, "at");
        double value = field_real(bucket, name);
        size_t bar;

        if (at == INT64_MIN || value < 0)
            continue;
        /* A minute may begin before the period does. */
        at = at < since ? since : at >= until ? until - 1 : at;
        bar = (size_t)((double)(at - since) / (double)(until - since) * (double)width);
        bar = bar < width ? bar : width - 1;
        if (add)
            values[bar] += value;
        else if (value > values[bar])
            values[bar] = value;
        sum += value;
    }
    buf_append_text(out, terminal->ascii ? "|" : "▕");
    plot_append(out, values, width, terminal->ascii);
    buf_append_text(out, terminal->ascii ? "|" : "▏");
    return sum;
}

static void append_counts(const json_t *stats, const struct terminal *terminal, struct buf *out)
{
    static const char *const names[] = {"accepted", "duplicate", "refused"};
    int64_t minutes =
        (field_time(stats, "until") - field_time(stats, "since") + USEC_PER_MIN - 1) / USEC_PER_MIN;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        double sum;

        buf_append_format(out, "%-12s", names[i]);
        sum = append_plot(stats, names[i], true, terminal, out);
        buf_append_format(
            out, " %.0f, %.1f a minute\n", sum, minutes > 0 ? sum / (double)minutes : sum);
    }
}

static void append_latency(const json_t *stats, const struct terminal *terminal, struct buf *out)
{
    const json_t *total = field_object(stats, "total"), *buckets, *bucket;
    char p50[FORMAT_SIZE], p99[FORMAT_SIZE], worst[FORMAT_SIZE];
    double longest = 0;
    size_t i;

    buckets = field_array(stats, "buckets");
    json_array_foreach(buckets, i, bucket)
    {
        double of_minute = field_real(bucket, "commit_ms_p99");

        longest = of_minute > longest ? of_minute : longest;
    }
    buf_append_format(out, "%-12s", "commit p99");
    append_plot(stats, "commit_ms_p99", false, terminal, out);
    if (json_is_number(json_object_get(total, "commit_ms_p99")))
        buf_append_format(out, " p50 %s, p99 %s; in the worst minute %s\n",
            format_milliseconds(field_real(total, "commit_ms_p50"), p50),
            format_milliseconds(field_real(total, "commit_ms_p99"), p99),
            format_milliseconds(longest, worst));
    else
        buf_append_text(out, " no commit\n");
}

static void add_milliseconds(struct table *table, const json_t *sink, const char *name)
{
    char buffer[FORMAT_SIZE];

    table_add(table, json_is_number(json_object_get(sink, name))
                         ? format_milliseconds(field_real(sink, name), buffer)
                         : NULL);
}

static void append_sinks(const json_t *sinks, const struct terminal *terminal, struct buf *out)
{
    static const struct table_column columns[] = {{"SINK", false, 8}, {"DELIVERED", true, 0},
        {"FAILED", true, 0}, {"DIED", true, 0}, {"P50", true, 0}, {"P99", true, 0}};
    static const char *const counts[] = {"delivered", "failed", "dead"};
    struct table table;
    const json_t *sink;
    size_t i;

    if (json_array_size(sinks) == 0)
        return;
    buf_append_text(out, "\n");
    table_init(&table, columns, ARRAY_SIZE(columns), terminal->width, terminal->ascii);
    json_array_foreach(sinks, i, sink)
    {
        table_add(&table, field_text(sink, "name"));
        for (size_t j = 0; j < ARRAY_SIZE(counts); j++)
            table_add_format(&table, "%" PRIi64, field_number(sink, counts[j]));
        add_milliseconds(&table, sink, "duration_ms_p50");
        add_milliseconds(&table, sink, "duration_ms_p99");
    }
    table_print(&table, out);
    table_done(&table);
}

static int append_all(const json_t *stats, struct buf *out, struct error *error)
{
    struct terminal terminal = terminal_look();
    char since[FORMAT_SIZE], until[FORMAT_SIZE];

    if (field_time(stats, "since") == INT64_MIN ||
        field_time(stats, "until") <= field_time(stats, "since")) {
        error_set(error, EPROTO, "the daemon's answer names no period");
        return EX_PROTOCOL;
    }
    buf_append_format(out, "%s to %s\n\n", format_time(field_time(stats, "since"), since),
        format_time(field_time(stats, "until"), until));
    append_counts(stats, &terminal, out);
    append_latency(stats, &terminal, out);
    append_sinks(field_array(stats, "sinks"), &terminal, out);
    return EX_OK;
}

static int run_stats(const struct command *command, const struct common_options *common,
    const struct stats_options *options, struct buf *out, struct error *error)
{
    CLEANUP(client_close) struct client *client = NULL;
    struct client_answer answer = CLIENT_ANSWER_INIT;
    struct buf target = BUF_INIT;
    int status;

    buf_append_text(&target, "/v1/stats");
    status = make_target(options, &target, error);
    if (status == EX_OK)
        status = client_open(common, &client, error);
    if (status == EX_OK)
        status = client_get(client, (const char *)target.data, &answer, error);
    if (status == EX_OK && common->json) {
        json_text_append_line(out, (const char *)answer.text.data, answer.text.length);
        buf_append_text(out, "\n");
    } else if (status == EX_OK) {
        status = append_all(answer.root, out, error);
    }
    client_answer_done(&answer);
    buf_done(&target);
    return status == EX_OK ? command_write(command, out) : command_fail(command, error, status);
}

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    struct stats_options options = {.since = NULL};
    struct error error = ERROR_INIT;
    struct buf out = BUF_INIT;
    int status;

    if (!command_parse(command, common, &options, argc, argv, &status))
        return status;
    status = run_stats(command, common, &options, &out, &error);
    buf_done(&out);
    return status;
}

const struct command stats_command = {
    .name = "stats",
    .summary = "Show counts and latencies over a period",
    .usage = "[OPTIONS]",
    .rows = rows,
    .run = run,
};
