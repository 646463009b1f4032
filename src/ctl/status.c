/*
 * The command `status`: is it well, what comes in, what goes out.
 *
 * Exit status 0 when the daemon is ready, 1 when it is not. Dead letters and full queues do not
 * change it: they are work for a person, not a reason to restart.
 */

#include "ctl/status.h"

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/field.h"
#include "ctl/format.h"
#include "ctl/json_text.h"
#include "ctl/text.h"
#include "util/cleanup.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

CLEANUP_FUNC(struct client, client_close);

static void append_texts(const json_t *texts, struct buf *out)
{
    const json_t *text;
    size_t i;

    json_array_foreach(texts, i, text)
    {
        buf_append_text(out, i > 0 ? ", " : "");
        text_append(out, json_string_value(text));
    }
}

static void append_health(const json_t *status, struct buf *out)
{
    int64_t now = field_time(status, "now");
    int64_t started = field_time(status, "started_at");
    char buffer[FORMAT_SIZE];

    buf_append_text(out, "sasha-callbackd ");
    text_append(out, field_text(status, "version"));
    buf_append_format(out, ", pid %" PRIi64, field_number(status, "pid"));
    if (now != INT64_MIN && started != INT64_MIN)
        buf_append_format(out, ", up %s", format_span(now - started, buffer));
    if (field_is_true(status, "ready")) {
        buf_append_text(out, ": ready\n");
    } else {
        buf_append_text(out, ": NOT READY: ");
        append_texts(field_array(status, "reasons"), out);
        buf_append_text(out, "\n");
    }
}

static void append_intake(const json_t *status, struct buf *out)
{
    const json_t *intake = field_object(status, "intake");
    const json_t *unrouted = field_object(intake, "unrouted"), *count;
    const char *reason;
    const char *gap = "";
    int64_t refused = field_number(intake, "refused_connections");

    text_append_field(out, "conf", field_text(status, "config"));
    buf_append_format(out, "%-12s", "listen");
    append_texts(field_array(intake, "listen"), out);
    buf_append_format(out, "; %" PRIi64 " of %" PRIi64 " connections",
        field_number(intake, "connections"), field_number(intake, "max_connections"));
    if (refused > 0)
        buf_append_format(out, ", %" PRIi64 " refused", refused);
    buf_append_text(out, "\n");

    json_object_foreach((json_t *)(uintptr_t)unrouted, reason, count)
    {
        if (json_integer_value(count) == 0)
            continue;
        buf_append_format(out, "%s", gap[0] == '\0' ? "for nobody  " : gap);
        text_append(out, reason);
        buf_append_format(out, " %" PRIi64, (int64_t)json_integer_value(count));
        gap = ", ";
    }
    buf_append_text(out, gap[0] == '\0' ? "" : "\n");
}

static const char *disk_state(const json_t *store)
{
    if (field_is_true(store, "disk_full"))
        return ", FULL: nothing is accepted";
    return field_is_true(store, "below_floor") ? ", BELOW ITS FLOOR: nothing is accepted" : "";
}

static void append_store(const json_t *status, struct buf *out)
{
    const json_t *store = field_object(status, "store");
    char bytes[FORMAT_SIZE], wal[FORMAT_SIZE], disk[FORMAT_SIZE], commit[FORMAT_SIZE];

    text_append_field(out, "store", field_text(store, "path"));
    text_append_row(out, "", "%" PRIi64 " deliveries, %" PRIi64 " ids, %s, WAL %s; disk free %s%s",
        field_number(store, "deliveries"), field_number(store, "ids"),
        format_bytes((uint64_t)field_number(store, "bytes"), bytes),
        format_bytes((uint64_t)field_number(store, "wal_bytes"), wal),
        format_bytes((uint64_t)field_number(store, "disk_free"), disk), disk_state(store));
    if (field_number(store, "commits") > 0)
        text_append_row(out, "", "%" PRIi64 " commits, %s each", field_number(store, "commits"),
            format_milliseconds(field_real(store, "commit_ms"), commit));
}

/* The last backup since the start; nothing where there was none. */
static void append_backup(const json_t *status, struct buf *out)
{
    const json_t *backup = field_object(status, "backup");
    const char *state = field_text(backup, "state"), *why = field_text(backup, "error");
    char ago[FORMAT_SIZE];

    if (!state || strcmp(state, "none") == 0)
        return;
    text_append_field(out, "backup", field_text(backup, "file"));
    text_append_row(out, "", "%s%s%s", strcmp(state, "failed") == 0 ? "FAILED" : state,
        field_text(backup, "ended_at") ? " " : "",
        field_text(backup, "ended_at")
            ? format_ago(field_time(backup, "ended_at"), field_time(status, "now"), ago)
            : "");
    if (why)
        text_append_field(out, "", why);
}

static void append_recent(const json_t *status, struct buf *out)
{
    const json_t *recent = field_array(status, "recent"), *period;
    char p50[FORMAT_SIZE], p99[FORMAT_SIZE], title[32];
    size_t i;

    json_array_foreach(recent, i, period)
    {
        const int64_t minutes = field_number(period, "minutes");
        const double per = minutes > 0 ? (double)minutes : 1;

        snprintf(title, sizeof(title), "last %" PRIi64 " min", minutes);
        buf_append_format(out,
            "%-12s%" PRIi64 " accepted (%.1f a minute), %" PRIi64 " duplicate, %" PRIi64 " refused",
            title, field_number(period, "accepted"), (double)field_number(period, "accepted") / per,
            field_number(period, "duplicate"), field_number(period, "refused"));
        if (json_is_number(json_object_get(period, "commit_ms_p99")))
            buf_append_format(out, "; commit p50 %s, p99 %s",
                format_milliseconds(field_real(period, "commit_ms_p50"), p50),
                format_milliseconds(field_real(period, "commit_ms_p99"), p99));
        buf_append_text(out, "\n");
    }
}

static void append_all(const json_t *status, struct buf *out)
{
    struct terminal terminal = terminal_look();

    append_health(status, out);
    append_intake(status, out);
    append_store(status, out);
    append_backup(status, out);
    append_recent(status, out);
    status_append_endpoints(status, &terminal, out);
    status_append_sinks(status, &terminal, out);
}

static int run(const struct command *command, struct common_options *common, int argc, char **argv)
{
    CLEANUP(client_close) struct client *client = NULL;
    struct client_answer answer = CLIENT_ANSWER_INIT;
    struct error error = ERROR_INIT;
    struct buf out = BUF_INIT;
    int status;

    if (!command_parse(command, common, NULL, argc, argv, &status))
        return status;
    status = client_open(common, &client, &error);
    if (status == EX_OK)
        status = client_get(client, "/v1/status", &answer, &error);
    if (status != EX_OK) {
        command_fail(command, &error, status);
    } else {
        if (common->json) {
            json_text_append_line(&out, (const char *)answer.text.data, answer.text.length);
            buf_append_text(&out, "\n");
        } else {
            append_all(answer.root, &out);
        }
        status = command_write(command, &out);
        if (status == EX_OK && !field_is_true(answer.root, "ready"))
            status = CTL_REFUSED;
    }
    client_answer_done(&answer);
    buf_done(&out);
    return status;
}

const struct command status_command = {
    .name = "status",
    .summary = "Show whether the daemon is well, and what it did",
    .usage = "[OPTIONS]",
    .rows = no_option_rows,
    .run = run,
};
