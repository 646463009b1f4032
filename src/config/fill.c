/*
 * Keys into fields, by the tables: one function a kind of key.
 */

#include "config/build.h"

#include "config/list.h"
#include "config/values.h"
#include "util/cleanup.h"
#include "util/escape.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One key on its way: where it goes, and where its faults are reported. */
struct place {
    struct build *build;
    const struct raw_section *section;
    const struct key *key;
    void *field;
};

/* Says what is wrong with a value that may be shown. */
__attribute__((format(printf, 3, 4))) static void fault(
    const struct place *place, const char *value, const char *format, ...)
{
    char escaped[ESCAPE_SIZE];
    char *text = NULL;
    va_list args;

    va_start(args, format);
    if (vasprintf(&text, format, args) < 0) {
        text = NULL;
        place->build->faults->failed = true;
    }
    va_end(args);
    if (text)
        raw_fault(place->build->faults, place->section, place->key->name, "\"%s\" %s",
            escape_field(value, strlen(value), escaped, sizeof(escaped)), text);
    free(text);
}

static void fill_number(const struct place *place, const char *text)
{
    const struct key *key = place->key;
    uint64_t number;

    if (values_parse_number(text, &number) < 0)
        fault(place, text, "is not a whole number; write one from %llu to %llu",
            (unsigned long long)key->min, (unsigned long long)key->max);
    else if (number < key->min || number > key->max)
        fault(place, text, "is out of range; write a number from %llu to %llu",
            (unsigned long long)key->min, (unsigned long long)key->max);
    else
        *(unsigned int *)place->field = (unsigned int)number;
}

static void fill_mode(const struct place *place, const char *text)
{
    unsigned int mode;

    if (values_parse_mode(text, &mode) < 0)
        fault(place, text, "is not a file mode; write octal digits, as 0640");
    else if ((mode & 0600) != 0600 || mode & ~0664u)
        fault(place, text,
            "is not fit for a log file; the owner must read and write, others may read at most, as "
            "0640");
    else
        *(unsigned int *)place->field = mode;
}

static void fill_size(const struct place *place, const char *text)
{
    const struct key *key = place->key;
    char least[VALUES_FORMAT_SIZE], most[VALUES_FORMAT_SIZE];
    uint64_t bytes;
    bool valid = config_parse_size(text, &bytes) == 0;

    if (valid && bytes >= key->min && bytes <= key->max) {
        *(uint64_t *)place->field = bytes;
        return;
    }
    fault(place, text, "%s, from %s to %s",
        valid ? "is out of range; write a size"
              : "is not a size; write a whole number of bytes, or one with K, M, G or T",
        values_format_size(key->min, least), values_format_size(key->max, most));
}

static void fill_duration(const struct place *place, const char *text)
{
    const struct key *key = place->key;
    char least[VALUES_FORMAT_SIZE], most[VALUES_FORMAT_SIZE];
    int64_t usec;
    bool valid;

    if (key->word && strcmp(text, key->word) == 0) {
        *(int64_t *)place->field = USEC_INFINITY;
        return;
    }
    valid = config_parse_duration(text, &usec) == 0;
    if (valid && (uint64_t)usec >= key->min && (uint64_t)usec <= key->max) {
        *(int64_t *)place->field = usec;
        return;
    }
    fault(place, text, "%s, from %s to %s%s%s%s",
        valid ? "is out of range; write a duration"
              : "is not a duration; write a whole number with ms, s, m, h or d",
        values_format_duration((int64_t)key->min, least),
        values_format_duration((int64_t)key->max, most), key->word ? ", or \"" : "",
        key->word ? key->word : "", key->word ? "\"" : "");
}

static void append_choices(struct buf *buf, const struct key_choice *choices)
{
    for (const struct key_choice *choice = choices; choice->name; choice++)
        buf_append_format(buf, "%s%s",
            choice == choices ? ""
            : choice[1].name  ? ", "
                              : " or ",
            choice->name);
}

static void fill_choice(const struct place *place, const char *text)
{
    struct buf names = BUF_INIT;

    for (const struct key_choice *choice = place->key->choices; choice->name; choice++) {
        if (strcmp(choice->name, text) != 0)
            continue;
        if (place->key->kind == KEY_FLAG)
            *(bool *)place->field = choice->value;
        else
            *(int *)place->field = choice->value;
        return;
    }
    append_choices(&names, place->key->choices);
    fault(place, text, "is not known; write %.*s", (int)names.length, (const char *)names.data);
    buf_done(&names);
}

/* Returns whether the text passes the key's own check. */
static bool passes(const struct place *place, const char *text)
{
    struct error error = ERROR_INIT;

    if (!place->key->check || place->key->check(text, &error) == 0)
        return true;
    if (place->key->hide)
        raw_fault(place->build->faults, place->section, place->key->name, "%s", error.text);
    else
        fault(place, text, "%s", error.text);
    return false;
}

static int fill_text(const struct place *place, const char *text)
{
    char *copy;

    if (!passes(place, text))
        return 0;
    copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    *(char **)place->field = copy;
    return 0;
}

static int fill_value(const struct place *place, const char *text)
{
    switch (place->key->kind) {
    case KEY_TEXT:
        return fill_text(place, text);
    case KEY_NUMBER:
        fill_number(place, text);
        return 0;
    case KEY_MODE:
        fill_mode(place, text);
        return 0;
    case KEY_SIZE:
        fill_size(place, text);
        return 0;
    case KEY_DURATION:
        fill_duration(place, text);
        return 0;
    case KEY_CHOICE:
    case KEY_FLAG:
        fill_choice(place, text);
        return 0;
    case KEY_LIST:
        return passes(place, text) ? list_append(place->field, text) : 0;
    case KEY_TOKENS:
    case KEY_SOURCE:
        return 0;
    }
    ASSERT(false);
}

static int fill_key(const struct place *place)
{
    const struct key *key = place->key;
    const struct raw_statement *statement = raw_find(place->section, key->name);
    struct fault_list *faults = place->build->faults;
    int r = 0;

    if (statement && statement->skipped)
        return 0;
    if (!statement && key->required && !key->def)
        raw_fault(faults, place->section, key->name, "is missing; this %s needs it",
            place->section->keys->name);
    if (!statement && key->def)
        return fill_value(place, key->def);
    if (!statement)
        return 0;

    if (statement->n == 0 && key->required)
        raw_fault(faults, place->section, key->name, "is empty; write at least one value");
    if ((key->kind == KEY_LIST || key->kind == KEY_TOKENS) && statement->n > key->max)
        raw_fault(faults, place->section, key->name, "has %zu values; at most %llu are possible",
            statement->n, (unsigned long long)key->max);
    for (size_t i = 0; i < statement->values.n && r == 0; i++)
        r = fill_value(place, statement->values.texts[i]);
    return r;
}

/* Keys that stand in a sink of a type that they have no effect for. */
static void report_misplaced(
    struct build *build, const struct raw_section *section, unsigned int sinks)
{
    for (size_t i = 0; i < section->n_statements; i++) {
        const char *name = section->statements[i].name;
        const char *separator = "";
        struct buf types = BUF_INIT;

        if (key_find(section->keys, name, sinks))
            continue;
        for (unsigned int type = 1; key_sink_name(type); type <<= 1) {
            if (!key_find(section->keys, name, type))
                continue;
            buf_append_format(&types, "%s%s", separator, key_sink_name(type));
            separator = " and ";
        }
        raw_fault(build->faults, section, name, "is for %.*s sinks; this one is %s %s sink",
            (int)types.length, (const char *)types.data, sinks == KEY_SINK_EXEC ? "an" : "a",
            key_sink_name(sinks));
        buf_done(&types);
    }
}

int fill_section(struct build *build, const struct key_section *keys,
    const struct raw_section *section, unsigned int sinks, void *target)
{
    int r = 0;

    if (section && sinks)
        report_misplaced(build, section, sinks);
    for (const struct key *key = keys->keys; key->name && r == 0; key++) {
        struct place place = {build, section, key, (char *)target + key->offset};

        if (key->sinks && !(key->sinks & sinks))
            continue;
        r = fill_key(&place);
        if (r == 0 && key->kind == KEY_LIST)
            r = list_finish(place.field);
    }
    return r;
}
