/*
 * The command `show`: one delivery, its Job, what each sink made of it, every attempt.
 */

#include "ctl/commands.h"
#include "ctl/field.h"
#include "ctl/format.h"
#include "ctl/json_text.h"
#include "ctl/select.h"
#include "ctl/text.h"
#include "util/cleanup.h"
#include "util/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

CLEANUP_FUNC(struct client, client_close);

static void append_head(const json_t *delivery, struct buf *out)
{
    const char *unverified = field_text(delivery, "unverified");
    char buffer[FORMAT_SIZE];

    text_append_row(out, "delivery", "%" PRIi64 "%s", field_number(delivery, "seq"),
        field_is_true(delivery, "stale") ? "  (stale: a newer one came before it)" : "");
    if (unverified) {
        buf_append_text(out, "UNVERIFIED  passed on by verify = \"report\": ");
        text_append(out, unverified);
        buf_append_text(out, "\n");
    }
    text_append_row(
        out, "received", "%s", format_time(field_time(delivery, "received_at"), buffer));
    text_append_row(out, "updated", "%s", format_time(field_time(delivery, "updated_at"), buffer));
    text_append_field(out, "endpoint", field_text(delivery, "endpoint"));
    text_append_field(out, "request id", field_text(delivery, "request_id"));
    text_append_field(out, "secret", field_text(delivery, "secret"));
    text_append_field(out, "job", field_text(delivery, "job_id"));
    text_append_field(out, "type", field_text(delivery, "type"));
    text_append_field(out, "status", field_text(delivery, "status"));
}

static void append_try(const json_t *try, struct buf *out)
{
    const json_t *output = json_object_get(try, "output");
    char at[FORMAT_SIZE], lasted[FORMAT_SIZE];

    buf_append_format(out, "    #%" PRIi64 "  %s  %s  ", field_number(try, "number"),
        format_time(field_time(try, "at"), at),
        format_milliseconds(field_real(try, "duration_ms"), lasted));
    text_append(out, field_text(try, "result"));
    buf_append_text(out, "\n");
    if (json_is_string(output))
        text_append_lines(out, "        | ", json_string_value(output), json_string_length(output));
}

/* What is settled was delivered or left out; which, the sink's conf of now tells. */
static void append_state(const json_t *sink, struct buf *out)
{
    const char *state = field_text(sink, "state"), *left_out = field_text(sink, "left_out");

    text_append(out, state);
    if (!state || strcmp(state, "settled") != 0)
        return;
    buf_append_text(out, left_out ? " (left out by the sink's " : " (delivered)");
    if (left_out) {
        text_append(out, left_out);
        buf_append_text(out, ")");
    }
}

static void append_sink(const json_t *sink, const json_t *tries, struct buf *out)
{
    const char *name = field_text(sink, "sink");
    int64_t attempts = field_number(sink, "attempts");
    int64_t next_at = field_time(sink, "next_at");
    int64_t now = clock_realtime(clock_system());
    char buffer[FORMAT_SIZE];
    const json_t *try;
    size_t i;

    buf_append_text(out, "\nsink ");
    text_append(out, name);
    buf_append_text(out, ": ");
    append_state(sink, out);
    if (attempts > 0)
        buf_append_format(
            out, ", %" PRIi64 " %s", attempts, attempts == 1 ? "attempt" : "attempts");
    if (field_is_true(sink, "replay"))
        buf_append_text(out, ", a replay");
    if (next_at != INT64_MIN)
        buf_append_format(out, ", next %s", format_ago(next_at, now, buffer));
    buf_append_text(out, "\n");

    json_array_foreach(tries, i, try)
    {
        const char *of = field_text(try, "sink");

        if (name && of && strcmp(name, of) == 0)
            append_try(try, out);
    }
}

/* Attempts of sinks that are no longer in the conf. */
static void append_other_tries(const json_t *delivery, struct buf *out)
{
    const json_t *sinks = field_array(delivery, "sinks"), *sink;
    const json_t *tries = field_array(delivery, "tries"), *try;
    size_t i, j;

    json_array_foreach(tries, i, try)
    {
        const char *name = field_text(try, "sink");
        bool known = false;

        json_array_foreach(sinks, j, sink)
        {
            const char *other = field_text(sink, "sink");

            known = known || (name && other && strcmp(name, other) == 0);
        }
        if (known)
            continue;
        buf_append_text(out, "\nsink ");
        text_append(out, name);
        buf_append_text(out, ": no longer in the conf\n");
        append_try(try, out);
    }
}

static void append_conflicts(const json_t *delivery, struct buf *out)
{
    const json_t *conflicts = field_array(delivery, "conflicts"), *conflict;
    char buffer[FORMAT_SIZE];
    size_t i;

    json_array_foreach(conflicts, i, conflict)
    {
        const json_t *body = json_object_get(conflict, "body");

        buf_append_format(out, "\nconflict: the same request id came again at %s, ",
            format_time(field_time(conflict, "at"), buffer));
        buf_append_format(out, "signed with ");
        text_append(out, field_text(conflict, "secret"));
        buf_append_format(
            out, ", with another body of %" PRIi64 " bytes\n", field_number(conflict, "bytes"));
        if (json_is_string(body))
            text_append_lines(out, "    ", json_string_value(body), json_string_length(body));
        else
            buf_append_text(out, "    damaged on the disk\n");
    }
}

/* As it came, only with line breaks. */
static void append_job(const struct client_answer *answer, struct buf *out)
{
    const json_t *job = json_object_get(answer->root, "job");
    struct json_span span;

    buf_append_format(
        out, "\njob as received, %" PRIi64 " bytes:\n", field_number(answer->root, "bytes"));
    if (json_is_string(job))
        text_append_lines(out, "    ", json_string_value(job), json_string_length(job));
    else if (json_text_get((const char *)answer->text.data, answer->text.length, "job", &span))
        json_text_append_pretty(out, span.text, span.length, "    ");
}

static void append_all(const struct client_answer *answer, struct buf *out)
{
    const json_t *sinks = field_array(answer->root, "sinks"), *sink;
    size_t i;

    append_head(answer->root, out);
    json_array_foreach(sinks, i, sink) append_sink(sink, field_array(answer->root, "tries"), out);
    append_other_tries(answer->root, out);
    append_conflicts(answer->root, out);
    append_job(answer, out);
}

static int show(const struct command *command, const struct common_options *common, uint64_t seq)
{
    CLEANUP(client_close) struct client *client = NULL;
    struct client_answer answer = CLIENT_ANSWER_INIT;
    struct error error = ERROR_INIT;
    struct buf out = BUF_INIT;
    char target[64];
    int status = client_open(common, &client, &error);

    snprintf(target, sizeof(target), "/v1/deliveries/%" PRIu64, seq);
    if (status == EX_OK)
        status = client_get(client, target, &answer, &error);
    if (status != EX_OK) {
        command_fail(command, &error, status);
    } else {
        if (common->json) {
            json_text_append_line(&out, (const char *)answer.text.data, answer.text.length);
            buf_append_text(&out, "\n");
        } else {
            append_all(&answer, &out);
        }
        status = command_write(command, &out);
    }
    client_answer_done(&answer);
    buf_done(&out);
    return status;
}

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    struct error error = ERROR_INIT;
    uint64_t seq = 0;
    int n = 0, status;

    if (!command_parse_with(command, common, NULL, argc, argv, &n, &status))
        return status;
    if (n != 1) {
        error_set(&error, EINVAL, "say which: the number of one delivery");
        return command_fail(command, &error, EX_USAGE);
    }
    status = select_parse_seq(argv[1], &seq, &error);
    if (status != EX_OK)
        return command_fail(command, &error, status);
    return show(command, common, seq);
}

const struct command show_command = {
    .name = "show",
    .summary = "Show a delivery, its Job, and every attempt of each sink",
    .usage = "SEQ",
    .rows = no_option_rows,
    .run = run,
};
