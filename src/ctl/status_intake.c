/*
 * What came in, in `status`: endpoints, refusals by reason, last use of tokens and secrets.
 */

#include "ctl/status.h"

#include "ctl/field.h"
#include "ctl/format.h"
#include "ctl/table.h"
#include "ctl/text.h"
#include "util/cleanup.h"

#include <inttypes.h>
#include <string.h>

/* Outcomes with a column of their own; what remains was refused. */
static const char *const received[] = {"accepted", "duplicate", "conflict"};

static bool is_received(const char *outcome)
{
    for (size_t i = 0; i < ARRAY_SIZE(received); i++) {
        if (strcmp(outcome, received[i]) == 0)
            return true;
    }
    return false;
}

static int64_t count_refused(const json_t *outcomes)
{
    const json_t *count;
    const char *outcome;
    int64_t sum = 0;

    json_object_foreach((json_t *)(uintptr_t)outcomes, outcome, count)
    {
        if (!is_received(outcome))
            sum += json_integer_value(count);
    }
    return sum;
}

static bool is_report(const json_t *endpoint)
{
    const char *verify = field_text(endpoint, "verify");

    return verify && strcmp(verify, "report") == 0;
}

static void append_table(const json_t *status, const struct terminal *terminal, struct buf *out)
{
    static const struct table_column columns[] = {{"ENDPOINT", false, 8}, {"VERIFY", false, 0},
        {"ACCEPTED", true, 0}, {"DUPLICATE", true, 0}, {"CONFLICT", true, 0}, {"REFUSED", true, 0},
        {"LAST VALID", false, 0}};
    const json_t *endpoints = field_array(status, "endpoints"), *endpoint;
    int64_t now = field_time(status, "now");
    char buffer[FORMAT_SIZE];
    struct table table;
    size_t i;

    table_init(&table, columns, ARRAY_SIZE(columns), terminal->width, terminal->ascii);
    json_array_foreach(endpoints, i, endpoint)
    {
        const json_t *outcomes = field_object(endpoint, "outcomes");

        table_add(&table, field_text(endpoint, "name"));
        table_add(&table, is_report(endpoint) ? "REPORT" : field_text(endpoint, "verify"));
        for (size_t j = 0; j < ARRAY_SIZE(received); j++)
            table_add_format(&table, "%" PRIi64, field_number(outcomes, received[j]));
        table_add_format(&table, "%" PRIi64, count_refused(outcomes));
        table_add(&table, format_ago(field_time(endpoint, "last_valid_at"), now, buffer));
    }
    table_print(&table, out);
    table_done(&table);
}

/* What there is to say of an endpoint below the table. */
static void append_notes(const json_t *endpoint, struct buf *out)
{
    const json_t *count;
    const char *outcome;
    bool any = false;

    if (is_report(endpoint)) {
        buf_append_text(out, "  !! ");
        text_append(out, field_text(endpoint, "name"));
        buf_append_format(out,
            " PASSES ON WHAT IS NOT GENUINE (verify = \"report\"): %" PRIi64 " unverified so far\n",
            field_number(endpoint, "unverified"));
    }
    json_object_foreach((json_t *)(uintptr_t)field_object(endpoint, "outcomes"), outcome, count)
    {
        if (is_received(outcome) || json_integer_value(count) == 0)
            continue;
        if (!any) {
            buf_append_text(out, "  refused at ");
            text_append(out, field_text(endpoint, "name"));
        }
        buf_append_text(out, any ? ", " : ": ");
        text_append(out, outcome);
        buf_append_format(out, " %" PRIi64, (int64_t)json_integer_value(count));
        any = true;
    }
    buf_append_text(out, any ? "\n" : "");
}

static void add_key(struct table *table, const json_t *endpoint, const char *kind, const char *name,
    const json_t *use, int64_t now)
{
    char buffer[FORMAT_SIZE];

    table_add(table, field_text(endpoint, "name"));
    table_add(table, kind);
    table_add(table, name);
    table_add_format(table, "%" PRIi64, field_number(use, "used"));
    table_add(table, format_ago(field_time(use, "last_used_at"), now, buffer));
}

/* Who may be dropped: tokens and secrets, and when each was last of use. */
static void append_keys(const json_t *status, const struct terminal *terminal, struct buf *out)
{
    static const struct table_column columns[] = {{"ENDPOINT", false, 8}, {"KEY", false, 0},
        {"NAME", false, 8}, {"USED", true, 0}, {"LAST USED", false, 0}};
    const json_t *endpoints = field_array(status, "endpoints"), *endpoint, *use;
    int64_t now = field_time(status, "now");
    struct table table;
    size_t i, j;

    table_init(&table, columns, ARRAY_SIZE(columns), terminal->width, terminal->ascii);
    json_array_foreach(endpoints, i, endpoint)
    {
        const json_t *tokens = field_array(endpoint, "tokens");
        const json_t *secrets = field_array(endpoint, "secrets");

        json_array_foreach(tokens, j, use)
            add_key(&table, endpoint, "token", field_text(use, "source"), use, now);
        json_array_foreach(secrets, j, use)
            add_key(&table, endpoint, "secret", field_text(use, "name"), use, now);
    }
    table_print(&table, out);
    table_done(&table);
}

void status_append_endpoints(const json_t *status, const struct terminal *terminal, struct buf *out)
{
    const json_t *endpoints = field_array(status, "endpoints"), *endpoint;
    size_t i;

    buf_append_text(out, "\n");
    append_table(status, terminal, out);
    json_array_foreach(endpoints, i, endpoint) append_notes(endpoint, out);
    buf_append_text(out, "\n");
    append_keys(status, terminal, out);
}
