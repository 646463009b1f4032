#include "util/log_line.h"

/*
 * One event of the log, rendered. See log_line.h for the contract.
 *
 * Everything is put behind the line's end by put_*, which refuse what does not fit. A field is a
 * group of puts: the first that is refused takes the group back (line->length is restored).
 */

#include "util/cleanup.h"
#include "util/log_ids.h"
#include "util/utf8.h"

#include <stdio.h>
#include <string.h>

/* Kept free for what closes a line, so that a line that ran full is still closed. */
#define LINE_TAIL sizeof("}\n")

static const char ellipsis[] = "…";

static bool put_bytes(struct log_line *line, const char *data, size_t length)
{
    if (length > sizeof(line->data) - LINE_TAIL - line->length)
        return false;
    memcpy(line->data + line->length, data, length);
    line->length += length;
    return true;
}

static bool put_text(struct log_line *line, const char *text)
{
    return put_bytes(line, text, strlen(text));
}

/* Closes the line; uses the room that put_bytes leaves. */
static void put_tail(struct log_line *line, const char *tail)
{
    size_t length = strlen(tail);

    ASSERT(length <= LINE_TAIL);
    memcpy(line->data + line->length, tail, length);
    line->length += length;
}

/* Escapes at most `max` bytes of `text`, and puts "…" where the rest would be. */
static bool put_escaped(
    struct log_line *line, enum escape_style style, const char *text, size_t max)
{
    size_t length = strnlen(text, max + 1);
    size_t shown = utf8_cut(text, length, max);
    size_t at = 0;

    while (at < shown) {
        char step[ESCAPE_STEP_MAX];
        size_t count = escape_step(style, text, shown, &at, step);

        if (!put_bytes(line, step, count))
            return false;
    }
    return shown == length || put_text(line, ellipsis);
}

/* A value stands bare when it is one word of printable ASCII that no reader could split. */
static bool value_needs_quotes(const char *value)
{
    if (!*value)
        return true;
    for (; *value; value++)
        if (*value <= ' ' || *value > '~' || strchr("=\"\\", *value))
            return true;
    return false;
}

static bool put_text_field(struct log_line *line, const struct log_field *field)
{
    const char *quote = value_needs_quotes(field->value) ? "\"" : "";

    return put_text(line, " ") && put_text(line, field->name) && put_text(line, "=") &&
           put_text(line, quote) &&
           put_escaped(line, ESCAPE_FIELD, field->value, ESCAPE_FIELD_MAX) && put_text(line, quote);
}

void log_line_text(struct log_line *line, const struct log_record *record)
{
    line->length = 0;
    if (record->date) {
        put_text(line, record->date);
        put_text(line, " ");
    }
    put_text(line, log_level_name(record->level));
    put_text(line, " ");
    put_text(line, record->event);
    put_text(line, ": ");
    put_escaped(line, ESCAPE_SENTENCE, record->sentence, LOG_SENTENCE_MAX);

    for (const struct log_field *field = record->fields; field->name; field++) {
        size_t before = line->length;

        if (field->value && !put_text_field(line, field))
            line->length = before;
    }
    put_tail(line, "\n");
}

/* A member and the comma before it. `name` needs no escaping: it is ours. */
static bool put_json_member(struct log_line *line, const char *name, const char *value, size_t max)
{
    return put_text(line, line->length > 1 ? ",\"" : "\"") && put_text(line, name) &&
           put_text(line, "\":\"") && put_escaped(line, ESCAPE_JSON, value, max) &&
           put_text(line, "\"");
}

void log_line_json(struct log_line *line, const struct log_record *record)
{
    line->length = 0;
    put_text(line, "{");
    if (record->date)
        put_json_member(line, "time", record->date, ESCAPE_FIELD_MAX);
    put_json_member(line, "level", log_level_name(record->level), ESCAPE_FIELD_MAX);
    put_json_member(line, "event", record->event, ESCAPE_FIELD_MAX);
    put_json_member(line, "message", record->sentence, LOG_SENTENCE_MAX);

    for (const struct log_field *field = record->fields; field->name; field++) {
        size_t before = line->length;

        if (field->value && !put_json_member(line, field->name, field->value, ESCAPE_FIELD_MAX))
            line->length = before;
    }
    put_tail(line, "}\n");
}

/* Turns what was put since `start` into an item of the entry. */
static void entry_close_item(struct log_entry *entry, size_t start)
{
    entry->items[entry->count++] = (struct iovec){
        .iov_base = entry->line.data + start,
        .iov_len = entry->line.length - start,
    };
}

/* `prefix` is "PRIORITY=" and the like. */
static void entry_add(struct log_entry *entry, const char *prefix, const char *value, size_t max)
{
    size_t start = entry->line.length;

    put_text(&entry->line, prefix);
    put_escaped(&entry->line, ESCAPE_SENTENCE, value, max);
    entry_close_item(entry, start);
}

static bool put_journal_field(struct log_line *line, const struct log_field *field)
{
    if (!put_text(line, "SASHA_"))
        return false;
    for (const char *at = field->name; *at; at++) {
        char upper = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;

        if (!put_bytes(line, &upper, 1))
            return false;
    }
    return put_text(line, "=") && put_escaped(line, ESCAPE_FIELD, field->value, ESCAPE_FIELD_MAX);
}

void log_entry_journal(
    struct log_entry *entry, const struct log_record *record, const char *identifier)
{
    const char *id = log_id_find(record->event);
    char priority[16];

    entry->line.length = 0;
    entry->count = 0;
    snprintf(priority, sizeof(priority), "%d", (int)record->level);
    entry_add(entry, "PRIORITY=", priority, ESCAPE_FIELD_MAX);
    if (id)
        entry_add(entry, "MESSAGE_ID=", id, LOG_ID_LENGTH);
    entry_add(entry, "SYSLOG_IDENTIFIER=", identifier, ESCAPE_FIELD_MAX);
    entry_add(entry, "SASHA_EVENT=", record->event, ESCAPE_FIELD_MAX);
    entry_add(entry, "MESSAGE=", record->sentence, LOG_SENTENCE_MAX);

    for (const struct log_field *field = record->fields; field->name; field++) {
        size_t start = entry->line.length;

        if (!field->value || entry->count == LOG_ENTRIES_MAX)
            continue;
        if (put_journal_field(&entry->line, field))
            entry_close_item(entry, start);
        else
            entry->line.length = start;
    }
}
