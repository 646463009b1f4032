/*
 * Deliveries, one a line. See listing.h.
 */

#include "ctl/listing.h"

#include "ctl/field.h"
#include "ctl/format.h"
#include "ctl/json_text.h"
#include "ctl/terminal.h"
#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>

static const struct table_column columns[] = {
    {"SEQ", true, 0},
    {"RECEIVED", false, 0},
    {"ENDPOINT", false, 8},
    {"JOB", false, 10},
    {"TYPE", false, 8},
    {"STATUS", false, 9},
    {"NOTE", false, 5},
    {"REQUEST ID", false, 10},
};

void listing_init(struct listing *listing, bool json)
{
    struct terminal terminal = terminal_look();

    listing->json = json;
    table_init(&listing->table, columns, ARRAY_SIZE(columns), terminal.width, terminal.ascii);
}

void listing_done(struct listing *listing)
{
    table_done(&listing->table);
}

static void add_row(struct table *table, const json_t *delivery)
{
    const char *unverified = field_text(delivery, "unverified");
    bool stale = field_is_true(delivery, "stale");
    char buffer[FORMAT_SIZE];

    table_add_format(table, "%" PRIi64, field_number(delivery, "seq"));
    table_add(table, format_time(field_time(delivery, "received_at"), buffer));
    table_add(table, field_text(delivery, "endpoint"));
    table_add(table, field_text(delivery, "job_id"));
    table_add(table, field_text(delivery, "type"));
    table_add(table, field_text(delivery, "status"));
    if (unverified)
        table_add_format(table, "%sUNVERIFIED: %s", stale ? "stale, " : "", unverified);
    else
        table_add(table, stale ? "stale" : NULL);
    table_add(table, field_text(delivery, "request_id"));
}

static void append_json(const struct client_answer *answer, struct buf *out)
{
    struct json_span list, element;
    size_t at = 0;

    if (!json_text_get((const char *)answer->text.data, answer->text.length, "deliveries", &list))
        return;
    while (json_text_next(list.text, list.length, &at, &element)) {
        json_text_append_line(out, element.text, element.length);
        buf_append_text(out, "\n");
    }
}

int listing_append(struct listing *listing, const struct client_answer *answer,
    const json_t *deliveries, struct buf *out)
{
    const json_t *delivery;
    size_t i;

    if (json_array_size(deliveries) == 0)
        return 0;
    if (listing->json) {
        append_json(answer, out);
        return out->failed ? -ENOMEM : 0;
    }
    json_array_foreach(deliveries, i, delivery) add_row(&listing->table, delivery);
    return table_print(&listing->table, out);
}

int listing_append_one(struct listing *listing, const struct client_answer *answer, struct buf *out)
{
    if (listing->json) {
        json_text_append_line(out, (const char *)answer->text.data, answer->text.length);
        return buf_append_text(out, "\n");
    }
    add_row(&listing->table, answer->root);
    return table_print(&listing->table, out);
}
