#pragma once

/*
 * Tables for people: aligned, cut to a width, one row a line whatever the cells hold.
 *
 * Cells are escaped (a control character never reaches the terminal) and cut between characters,
 * with "…" where something was left out. The layout is made of the first rows that are printed and
 * kept from then on, so that a long list can be printed page by page. Titles come first, once.
 *
 * Pure; one thread.
 */

#include "util/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS_MAX 16

/* The most bytes of a cell that are looked at. */
#define TABLE_CELL_MAX 1024

struct table_column {
    const char *title;
    bool right;   /* aligned to the right */
    size_t least; /* is not cut below this many columns of the terminal; 0: not at all */
};

struct table {
    const struct table_column *columns; /* borrowed */
    size_t n_columns;
    size_t width;    /* of the terminal; 0: without bound */
    bool ascii;      /* "~" for "…" */
    char **cells;    /* owned, escaped; row by row */
    size_t n_cells;  /* a row may be half full */
    size_t capacity; /* of cells */
    size_t widths[TABLE_COLUMNS_MAX];
    bool laid_out;
    bool failed; /* out of memory once */
};

void table_init(struct table *table, const struct table_column *columns, size_t n_columns,
    size_t width, bool ascii);
void table_done(struct table *table);

/* Adds the next cell of the row. NULL and "" show as "-". */
void table_add(struct table *table, const char *text);
void table_add_bytes(struct table *table, const char *text, size_t length);
void table_add_format(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Appends all full rows, after the titles the first time, and forgets them. 0 or -ENOMEM. */
int table_print(struct table *table, struct buf *out);

/* How many columns of a terminal a text takes: none for combining characters, two for the wide ones
 * of East Asia and for emoji. The text is escaped already. */
size_t table_text_width(const char *text, size_t length);
