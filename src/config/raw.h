#pragma once

/*
 * A conf file as it stands: sections and keys with their lines and texts, nothing interpreted.
 *
 * Made in two steps. The outline (outline.c) walks the words, notes where every section and key
 * stands, reports what does not belong (unknown, twice, of the wrong shape), and blanks it out of
 * the text. Libconfuse (parse.c) then reads what is left and gives the values. That division is
 * there because libconfuse 3.3 stops at the first unknown key, merges a section that is given
 * twice, overwrites a key that is given twice, and keeps no line numbers.
 */

#include "config/faults.h"
#include "config/keys.h"

#include <sys/stat.h>

struct raw_statement {
    const char *name; /* borrowed from the key's row */
    int line;
    size_t n;                  /* values in the file */
    bool skipped;              /* a fault is reported; there are no values */
    struct config_list values; /* wiped by raw_done: a value may be a secret */
};

struct raw_section {
    const struct key_section *keys;
    const struct raw_section *parent; /* NULL: in the file itself */
    char *title;                      /* owned; NULL unless the section is titled */
    int line;
    struct raw_statement *statements;
    size_t n_statements;
};

struct raw {
    struct raw_section **sections; /* in the file's order, so a parent is before its children */
    size_t n_sections;
};

#define RAW_INIT \
    {            \
        NULL, 0  \
    }

void raw_done(struct raw *raw);

/* Borrowed; NULL if it is not given. `section` may be NULL. */
const struct raw_statement *raw_find(const struct raw_section *section, const char *name);

/* The line of a key, or of its section where the key is not given, or 1. */
int raw_line(const struct raw_section *section, const char *name);

/* The untitled section `id`, or NULL. */
const struct raw_section *raw_get(const struct raw *raw, enum section_id id);

/* Adds a fault about a key: `endpoint "main": path: text`, at its line. A NULL key: about the
 * section itself; a NULL section: about the file. */
void raw_fault(struct fault_list *faults, const struct raw_section *section, const char *key,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same, at a line of the caller's. */
void raw_fault_at(struct fault_list *faults, const struct raw_section *section, const char *key,
    int line, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Step one. Blanks comments and whatever is reported out of `text`. Returns 0 when the text can go
 * to libconfuse (faults may have been added), -EINVAL after a fault of syntax, or -ENOMEM. */
int outline_read(char *text, size_t length, struct raw *raw, struct fault_list *faults);

/* Both steps on a text that ends in a NUL beyond `length`; the text is changed. Returns are as
 * outline_read's. */
int parse_text(char *text, size_t length, struct raw *raw, struct fault_list *faults);
