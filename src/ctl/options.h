#pragma once

/*
 * Command-line options out of tables: the same table is what is parsed and what --help prints, so
 * the two cannot differ.
 *
 * Long options, never abbreviated: "--name", "--name VALUE", "--name=VALUE"; and a letter for the
 * few that every tool of the kind has: "-f", "-n VALUE". Given twice, the last counts. Values are
 * borrowed from argv. Pure but for options_print.
 */

#include "util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct option_row {
    const char *name;     /* without the dashes; NULL ends a table */
    const char *argument; /* what stands for the value in the help; NULL: a switch */
    const char *help;     /* one line */
    size_t offset;        /* in the struct of values: a const char *, or a bool for a switch */
    char letter;          /* 0: none */
};

/* A table and the struct that takes its values, zeroed before. */
struct option_set {
    const struct option_row *rows;
    void *values;
};

/* Reads options from argv[1] on, up to the first argument that is none, or behind "--".
 * *ret_next is the index of what follows. Returns 0 or -EINVAL. */
int options_parse(const struct option_set *sets, size_t n_sets, int argc, char **argv,
    int *ret_next, struct error *error);

/* Whether an option of this name was given. The name must be in the table. */
bool options_has(const struct option_set *set, const char *name);

/* One line an option. */
void options_print(FILE *file, const struct option_row *rows);
