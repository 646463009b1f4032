/*
 * The parser behind options.h. Not getopt_long(3): that one takes abbreviations, which would make
 * every new option a possible break of somebody's script.
 */

#include "ctl/options.h"

#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

/* The column at which --help explains. */
#define HELP_COLUMN 26

static const char **text_value(const struct option_row *row, void *values)
{
    return (const char **)(void *)((char *)values + row->offset);
}

static bool *switch_value(const struct option_row *row, void *values)
{
    return (bool *)(void *)((char *)values + row->offset);
}

static const struct option_row *find_row(
    const struct option_row *rows, const char *name, size_t length)
{
    for (; rows->name; rows++) {
        if (strlen(rows->name) == length && strncmp(rows->name, name, length) == 0)
            return rows;
    }
    return NULL;
}

static const struct option_row *find_letter(const struct option_row *rows, char letter)
{
    for (; rows->name; rows++) {
        if (rows->letter == letter)
            return rows;
    }
    return NULL;
}

/* Takes one option at argv[*at], and its value, and moves *at behind them. */
static int parse_one(const struct option_set *sets, size_t n_sets, int argc, char **argv, int *at,
    struct error *error)
{
    bool is_letter = argv[*at][1] != '-';
    const char *name = argv[*at] + strlen("--");
    size_t length = is_letter ? 0 : strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const struct option_row *row = NULL;
    void *values = NULL;

    if (is_letter && argv[*at][2] != '\0')
        return error_set(
            error, EINVAL, "no such option: %s; options begin with two dashes", argv[*at]);
    for (size_t i = 0; i < n_sets && !row; i++) {
        row = is_letter ? find_letter(sets[i].rows, argv[*at][1])
                        : find_row(sets[i].rows, name, length);
        values = sets[i].values;
    }
    if (!row && is_letter)
        return error_set(
            error, EINVAL, "no such option: %s; options begin with two dashes", argv[*at]);
    if (!row)
        return error_set(error, EINVAL, "no such option: --%.*s", (int)length, name);

    *at += 1;
    if (!row->argument) {
        if (value)
            return error_set(error, EINVAL, "--%s takes no value", row->name);
        *switch_value(row, values) = true;
        return 0;
    }
    if (!value) {
        if (*at == argc)
            return error_set(error, EINVAL, "--%s needs a value: %s", row->name, row->argument);
        value = argv[*at];
        *at += 1;
    }
    *text_value(row, values) = value;
    return 0;
}

int options_parse(const struct option_set *sets, size_t n_sets, int argc, char **argv,
    int *ret_next, struct error *error)
{
    int at = 1;

    while (at < argc && argv[at][0] == '-' && argv[at][1] != '\0') {
        int result;

        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        result = parse_one(sets, n_sets, argc, argv, &at, error);
        if (result < 0)
            return result;
    }
    *ret_next = at;
    return 0;
}

bool options_has(const struct option_set *set, const char *name)
{
    const struct option_row *row = find_row(set->rows, name, strlen(name));

    ASSERT(row);
    return row->argument ? *text_value(row, set->values) != NULL : *switch_value(row, set->values);
}

void options_print(FILE *file, const struct option_row *rows)
{
    for (; rows->name; rows++) {
        int width = fprintf(file, "  --%s%s%s", rows->name, rows->argument ? " " : "",
            rows->argument ? rows->argument : "");

        if (rows->letter)
            width += fprintf(file, ", -%c", rows->letter);

        fprintf(file, "%*s%s\n", width < HELP_COLUMN ? HELP_COLUMN - width : 1, "", rows->help);
    }
}
