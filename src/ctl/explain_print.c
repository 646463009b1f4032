/*
 * What `explain` shows to a person. Everything is escaped: it may come from a peer, by way of the
 * daemon.
 */

#include "ctl/explain.h"

#include "ctl/field.h"
#include "ctl/format.h"
#include "ctl/table.h"
#include "ctl/terminal.h"
#include "util/cleanup.h"
#include "util/escape.h"

#include <string.h>

static void append_escaped(struct buf *out, const char *text)
{
    size_t length = text ? strlen(text) : 0;

    for (size_t at = 0; at < length;) {
        char step[ESCAPE_STEP_MAX];

        buf_append(out, step, escape_step(ESCAPE_SENTENCE, text, length, &at, step));
    }
}

static const char *mark(const json_t *ok)
{
    if (json_is_true(ok))
        return "ok";
    return json_is_false(ok) ? "FAIL" : "-";
}

void explain_print_report(const json_t *report, struct buf *out)
{
    const json_t *checks = field_array(report, "checks");
    const json_t *findings = field_array(report, "findings");
    const char *endpoint = field_text(report, "endpoint");
    const char *verdict = field_text(report, "verdict");

    buf_append_text(out, "endpoint  ");
    append_escaped(out, endpoint ? endpoint : "none");
    buf_append_text(out, "\nverdict   ");
    append_escaped(out, verdict ? verdict : "none: not all of the request was kept");
    buf_append_text(out, "\n\n");
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *check = json_array_get(checks, i);
        const char *step = field_text(check, "step");

        buf_append_format(
            out, "  %-5s %-11s ", mark(json_object_get(check, "ok")), step ? step : "");
        append_escaped(out, field_text(check, "text"));
        buf_append_text(out, "\n");
    }
    if (json_array_size(findings) > 0)
        buf_append_text(out, "\nWhat would match, or is the likely cause, likeliest first:\n");
    for (size_t i = 0; i < json_array_size(findings); i++) {
        buf_append_format(out, "  %zu. ", i + 1);
        append_escaped(out, json_string_value(json_array_get(findings, i)));
        buf_append_text(out, "\n");
    }
}

void explain_print_list(const json_t *answer, struct buf *out)
{
    static const struct table_column columns[] = {
        {"ID", false, 0},
        {"AT", false, 0},
        {"ENDPOINT", false, 6},
        {"REASON", false, 0},
        {"PEER", false, 6},
        {"METHOD", false, 4},
        {"TARGET", false, 12},
        {"DETAIL", false, 8},
    };
    static const char *const texts[] = {"endpoint", "reason", "peer", "method", "target", "detail"};
    const json_t *rows = field_array(answer, "refused");
    const struct terminal terminal = terminal_look();
    struct table table;

    table_init(&table, columns, ARRAY_SIZE(columns), terminal.width, terminal.ascii);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        char at[FORMAT_SIZE];

        table_add(&table, field_text(row, "id"));
        table_add(&table, format_time(field_time(row, "at"), at));
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++)
            table_add(&table, field_text(row, texts[j]));
    }
    if (json_array_size(rows) == 0)
        buf_append_text(out, "no refused request is kept\n");
    else if (table_print(&table, out) < 0)
        out->failed = true;
    table_done(&table);
}
