/*
 * The raw tree: lookups, faults with their place, and giving it back.
 */

#include "config/raw.h"

#include "config/list.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void section_free(struct raw_section *section)
{
    if (!section)
        return;
    for (size_t i = 0; i < section->n_statements; i++)
        list_wipe(&section->statements[i].values);
    free(section->statements);
    free(section->title);
    free(section);
}

void raw_done(struct raw *raw)
{
    for (size_t i = 0; i < raw->n_sections; i++)
        section_free(raw->sections[i]);
    free(raw->sections);
    *raw = (struct raw)RAW_INIT;
}

const struct raw_statement *raw_find(const struct raw_section *section, const char *name)
{
    for (size_t i = 0; section && i < section->n_statements; i++)
        if (strcmp(section->statements[i].name, name) == 0)
            return &section->statements[i];
    return NULL;
}

int raw_line(const struct raw_section *section, const char *name)
{
    const struct raw_statement *statement = name ? raw_find(section, name) : NULL;

    if (statement)
        return statement->line;
    return section ? section->line : 1;
}

const struct raw_section *raw_get(const struct raw *raw, enum section_id id)
{
    for (size_t i = 0; i < raw->n_sections; i++)
        if (raw->sections[i]->keys->id == id)
            return raw->sections[i];
    return NULL;
}

static void append_place(struct buf *text, const struct raw_section *section)
{
    if (!section)
        return;
    append_place(text, section->parent);
    if (section->title)
        buf_append_format(text, "%s \"%s\": ", section->keys->name, section->title);
    else
        buf_append_format(text, "%s: ", section->keys->name);
}

__attribute__((format(printf, 5, 0))) static void add(struct fault_list *faults,
    const struct raw_section *section, const char *key, int line, const char *format, va_list args)
{
    struct buf place = BUF_INIT;
    char *text = NULL;

    append_place(&place, section);
    if (key)
        buf_append_format(&place, "%s: ", key);
    if (place.failed || vasprintf(&text, format, args) < 0)
        faults->failed = true;
    else
        fault_add(faults, line, "%.*s%s", (int)place.length,
            place.data ? (const char *)place.data : "", text);
    free(text);
    buf_done(&place);
}

void raw_fault(struct fault_list *faults, const struct raw_section *section, const char *key,
    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(faults, section, key, raw_line(section, key), format, args);
    va_end(args);
}

void raw_fault_at(struct fault_list *faults, const struct raw_section *section, const char *key,
    int line, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(faults, section, key, line, format, args);
    va_end(args);
}
