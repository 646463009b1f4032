/*
 * What goes out, in `status`: for each sink the sum that must hold, and what is in its way.
 */

#include "ctl/status.h"

#include "ctl/field.h"
#include "ctl/format.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "util/cleanup.h"

#include <inttypes.h>

/* accepted = delivered + dead + pending + running */
static const char *const parts[] = {"delivered", "dead", "pending", "running"};

/* What was accepted and is in no part. */
static int64_t find_missing(const json_t *sink)
{
    int64_t sum = 0;

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        sum += field_number(sink, parts[i]);
    return field_number(sink, "accepted") - sum;
}

static void add_row(struct table *table, const json_t *sink, bool ascii)
{
    table_add(table, field_text(sink, "name"));
    table_add(table, field_text(sink, "type"));
    table_add_format(table, "%" PRIi64, field_number(sink, "accepted"));
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        table_add(table, i == 0 ? "=" : "+");
        table_add_format(table, "%" PRIi64, field_number(sink, parts[i]));
    }
    if (find_missing(sink) == 0)
        table_add(table, ascii ? "ok" : "✓");
    else
        table_add(table, ascii ? "WRONG" : "⚠ WRONG");
}

static void begin_note(const json_t *sink, struct buf *out)
{
    buf_append_text(out, "  ");
    text_append(out, field_text(sink, "name"));
    buf_append_text(out, ": ");
}

static void append_notes(const json_t *sink, int64_t now, struct buf *out)
{
    const json_t *fault = field_object(sink, "last_error");
    int64_t oldest = field_time(sink, "oldest_pending_at");
    int64_t missing = find_missing(sink);
    char buffer[FORMAT_SIZE];

    if (missing != 0) {
        begin_note(sink, out);
        buf_append_format(out,
            "the sum is off by %" PRIi64 "; if it still is in a minute, report it as a bug\n",
            missing);
    }
    if (field_is_true(sink, "paused")) {
        begin_note(sink, out);
        buf_append_text(out, "PAUSED; go on with: sasha-callbackctl resume ");
        text_append(out, field_text(sink, "name"));
        buf_append_text(out, "\n");
    }
    if (field_is_true(sink, "breaker_open")) {
        begin_note(sink, out);
        buf_append_text(out, "fails over and over, so it is tried only now and then\n");
    }
    if (oldest != INT64_MIN) {
        begin_note(sink, out);
        buf_append_format(out, "oldest pending received %s\n", format_ago(oldest, now, buffer));
    }
    if (fault) {
        begin_note(sink, out);
        buf_append_format(out, "last error %s at delivery %" PRIi64 ": ",
            format_ago(field_time(fault, "at"), now, buffer), field_number(fault, "seq"));
        text_append(out, field_text(fault, "result"));
        buf_append_text(out, "\n");
    }
    if (field_number(sink, "dead") > 0) {
        begin_note(sink, out);
        buf_append_text(out, "dead letters; see: sasha-callbackctl dead list --sink ");
        text_append(out, field_text(sink, "name"));
        buf_append_text(out, "\n");
    }
}

void status_append_sinks(const json_t *status, const struct terminal *terminal, struct buf *out)
{
    static const struct table_column columns[] = {{"SINK", false, 8}, {"TYPE", false, 0},
        {"ACCEPTED", true, 0}, {"=", false, 0}, {"DELIVERED", true, 0}, {"+", false, 0},
        {"DEAD", true, 0}, {"+", false, 0}, {"PENDING", true, 0}, {"+", false, 0},
        {"RUNNING", true, 0}, {"SUM", false, 0}};
    const json_t *sinks = field_array(status, "sinks"), *sink;
    int64_t now = field_time(status, "now");
    struct table table;
    size_t i;

    if (json_array_size(sinks) == 0)
        return;
    buf_append_text(out, "\n");
    table_init(&table, columns, ARRAY_SIZE(columns), terminal->width, terminal->ascii);
    json_array_foreach(sinks, i, sink) add_row(&table, sink, terminal->ascii);
    table_print(&table, out);
    table_done(&table);
    json_array_foreach(sinks, i, sink) append_notes(sink, now, out);
}
