/*
 * Step two: libconfuse reads what the outline left over, and gives the values.
 *
 * Its option tables are made from ours. Every value is a string or a list of strings to it: what a
 * number or a duration is, and what is wrong with one, is said in fill.c with our own words. All
 * sections are MULTI without titles, so that the n-th of a name here is the n-th there.
 *
 * The outline let through only what libconfuse accepts, so a failure here is a difference between
 * the two; it is reported as a fault, for a conf that is read in two ways must not be used.
 *
 * Libconfuse's scanner is global and not thread-safe: main thread only. The strings it holds are
 * overwritten before they are given back, for a value may be a secret; what its scanner buffered
 * is not within reach.
 */

#include "config/raw.h"

#include "config/list.h"
#include "util/cleanup.h"

#include <confuse.h>
#include <errno.h>
#include <string.h>

#define OPTIONS_MAX 48

struct tables {
    cfg_opt_t options[SECTION_COUNT][OPTIONS_MAX];
    size_t n[SECTION_COUNT];
};

static void table_add(struct tables *tables, enum section_id id, cfg_opt_t option)
{
    ASSERT(tables->n[id] + 1 < OPTIONS_MAX);
    tables->options[id][tables->n[id]++] = option;
}

static bool key_is_first(const struct key_section *section, const struct key *key)
{
    return key_find(section, key->name, 0) == key;
}

/* Leaves the tail of each table zeroed, which is libconfuse's end mark. */
static void tables_make(struct tables *tables)
{
    memset(tables, 0, sizeof(*tables));
    for (size_t i = 0; i < ARRAY_SIZE(key_sections); i++) {
        const struct key_section *section = &key_sections[i];

        for (const struct key *key = section->keys; key->name; key++) {
            if (!key_is_first(section, key))
                continue;
            if (key->kind == KEY_LIST || key->kind == KEY_TOKENS)
                table_add(
                    tables, section->id, (cfg_opt_t)CFG_STR_LIST(key->name, NULL, CFGF_NODEFAULT));
            else
                table_add(tables, section->id, (cfg_opt_t)CFG_STR(key->name, NULL, CFGF_NODEFAULT));
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(key_sections); i++)
        table_add(tables, key_sections[i].parent,
            (cfg_opt_t)CFG_SEC(key_sections[i].name, tables->options[key_sections[i].id],
                CFGF_MULTI | CFGF_NODEFAULT));
}

/* Its own texts quote the file, which may hold secrets. */
__attribute__((format(printf, 2, 0))) static void stay_silent(
    cfg_t *cfg, const char *format, va_list args)
{
}

/* How many sections of the same name and parent stand before this one. */
static unsigned int count_before(const struct raw *raw, size_t index)
{
    const struct raw_section *section = raw->sections[index];
    unsigned int n = 0;

    for (size_t i = 0; i < index; i++)
        n += raw->sections[i]->keys == section->keys && raw->sections[i]->parent == section->parent;
    return n;
}

static cfg_t *find_section(const struct raw *raw, cfg_t *const *found, cfg_t *root, size_t index)
{
    const struct raw_section *section = raw->sections[index];
    cfg_t *parent = root;

    for (size_t i = 0; i < index; i++)
        if (raw->sections[i] == section->parent)
            parent = found[i];
    return parent ? cfg_getnsec(parent, section->keys->name, count_before(raw, index)) : NULL;
}

static int take_values(struct raw_statement *statement, cfg_t *cfg, bool *ret_differs)
{
    unsigned int n = cfg_size(cfg, statement->name);

    if (n != statement->n)
        *ret_differs = true;
    for (unsigned int i = 0; i < n; i++) {
        char *text = cfg_getnstr(cfg, statement->name, i);
        int r = list_append(&statement->values, text);

        secret_wipe(text, strlen(text));
        if (r < 0)
            return r;
    }
    return 0;
}

static int take_all(struct raw *raw, cfg_t *root, struct fault_list *faults)
{
    CLEANUP(free) cfg_t **found = calloc(raw->n_sections + 1, sizeof(*found));
    int r = 0;

    if (!found)
        return -ENOMEM;
    for (size_t i = 0; i < raw->n_sections; i++) {
        struct raw_section *section = raw->sections[i];
        bool differs = false;

        found[i] = find_section(raw, found, root, i);
        for (size_t j = 0; found[i] && j < section->n_statements; j++)
            if (!section->statements[j].skipped &&
                take_values(&section->statements[j], found[i], &differs) < 0)
                return -ENOMEM;
        if (!found[i] || differs) {
            raw_fault(faults, section, NULL,
                "libconfuse reads this section in another way; write one key a line, in quotes");
            r = -EINVAL;
        }
    }
    return r;
}

int parse_text(char *text, size_t length, struct raw *raw, struct fault_list *faults)
{
    struct tables tables;
    cfg_t *cfg;
    int r = outline_read(text, length, raw, faults);

    if (r < 0)
        return r;

    tables_make(&tables);
    cfg = cfg_init(tables.options[SECTION_ROOT], CFGF_NONE);
    if (!cfg)
        return -ENOMEM;
    cfg_set_error_function(cfg, stay_silent);
    errno = 0;
    if (cfg_parse_buf(cfg, text) == CFG_SUCCESS) {
        r = take_all(raw, cfg, faults);
    } else if (errno == ENOMEM) {
        /* cfg_free of 3.3 reads what could not be allocated: better to lose the rest as well. */
        return -ENOMEM;
    } else {
        fault_add(faults, cfg->line > 0 ? cfg->line : 1,
            "libconfuse cannot read the file from here on; write one key a line, in quotes");
        r = -EINVAL;
    }
    cfg_free(cfg);
    return r;
}
