/*
 * Tables for people. See table.h.
 */

#include "ctl/table.h"

#include "util/cleanup.h"
#include "util/escape.h"
#include "util/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2

/* ---- widths ---- */

struct range {
    uint32_t first, last;
};

static bool is_in(const struct range *ranges, size_t n, uint32_t character)
{
    for (size_t i = 0; i < n; i++) {
        if (character >= ranges[i].first && character <= ranges[i].last)
            return true;
    }
    return false;
}

/* The blocks that matter, not each character: a wrong guess costs the alignment of one line. */
static size_t character_width(uint32_t character)
{
    static const struct range none[] = {
        {0x0300, 0x036F}, {0x1AB0, 0x1AFF}, {0x200B, 0x200D}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}};
    static const struct range two[] = {{0x1100, 0x115F}, {0x2E80, 0xA4CF}, {0xAC00, 0xD7A3},
        {0xF900, 0xFAFF}, {0xFE30, 0xFE6F}, {0xFF00, 0xFF60}, {0xFFE0, 0xFFE6}, {0x1F300, 0x1FAFF},
        {0x20000, 0x3FFFD}};

    if (character < 0x300)
        return 1;
    if (is_in(none, ARRAY_SIZE(none), character))
        return 0;
    return is_in(two, ARRAY_SIZE(two), character) ? 2 : 1;
}

/* How many bytes fit into `width` columns; *ret_width is what they take. */
static size_t fit(const char *text, size_t length, size_t width, size_t *ret_width)
{
    size_t at = 0, used = 0;

    while (at < length) {
        uint32_t character = '?';
        size_t size = utf8_decode(text + at, length - at, &character);
        size_t wide = character_width(character);

        if (used + wide > width)
            break;
        used += wide;
        at += size > 0 ? size : 1;
    }
    *ret_width = used;
    return at;
}

size_t table_text_width(const char *text, size_t length)
{
    size_t width = 0;

    fit(text, length, SIZE_MAX, &width);
    return width;
}

/* ---- cells ---- */

void table_init(struct table *table, const struct table_column *columns, size_t n_columns,
    size_t width, bool ascii)
{
    ASSERT(n_columns > 0 && n_columns <= TABLE_COLUMNS_MAX);
    *table =
        (struct table){.columns = columns, .n_columns = n_columns, .width = width, .ascii = ascii};
}

static void forget(struct table *table, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(table->cells[i]);
    table->n_cells -= n;
    if (table->n_cells > 0)
        memmove(table->cells, table->cells + n, table->n_cells * sizeof(*table->cells));
}

void table_done(struct table *table)
{
    forget(table, table->n_cells);
    free(table->cells);
    table->cells = NULL;
    table->capacity = 0;
}

/* NULL when out of memory. */
static char *escape(const char *text, size_t length)
{
    size_t shown = utf8_cut(text, length, TABLE_CELL_MAX);
    struct buf buf = BUF_INIT;

    for (size_t at = 0; at < shown;) {
        char step[ESCAPE_STEP_MAX];

        buf_append(&buf, step, escape_step(ESCAPE_SENTENCE, text, shown, &at, step));
    }
    if (shown < length)
        buf_append_text(&buf, "…");
    if (buf_append(&buf, "", 1) < 0) {
        buf_done(&buf);
        return NULL;
    }
    return (char *)buf.data;
}

void table_add_bytes(struct table *table, const char *text, size_t length)
{
    char *cell;

    if (table->n_cells == table->capacity) {
        size_t capacity = table->capacity > 0 ? 2 * table->capacity : 64;
        char **cells = reallocarray(table->cells, capacity, sizeof(*cells));

        if (!cells) {
            table->failed = true;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    cell = length > 0 ? escape(text, length) : strdup("-");
    if (!cell) {
        table->failed = true;
        return;
    }
    table->cells[table->n_cells++] = cell;
}

void table_add(struct table *table, const char *text)
{
    table_add_bytes(table, text ? text : "", text ? strlen(text) : 0);
}

void table_add_format(struct table *table, const char *format, ...)
{
    va_list arguments;
    char *text = NULL;
    int length;

    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        table->failed = true;
        return;
    }
    table_add_bytes(table, text, (size_t)length);
    free(text);
}

/* ---- layout ---- */

static size_t total_width(const struct table *table)
{
    size_t total = (table->n_columns - 1) * GAP;

    for (size_t i = 0; i < table->n_columns; i++)
        total += table->widths[i];
    return total;
}

/* Takes one from the widest column that may still give. False: none may. */
static bool shrink(struct table *table)
{
    size_t widest = table->n_columns;

    for (size_t i = 0; i < table->n_columns; i++) {
        size_t least = table->columns[i].least;

        if (least > 0 && table->widths[i] > least &&
            (widest == table->n_columns || table->widths[i] > table->widths[widest]))
            widest = i;
    }
    if (widest == table->n_columns)
        return false;
    table->widths[widest]--;
    return true;
}

static void lay_out(struct table *table, size_t n_cells)
{
    for (size_t i = 0; i < table->n_columns; i++)
        table->widths[i] =
            table_text_width(table->columns[i].title, strlen(table->columns[i].title));
    for (size_t i = 0; i < n_cells; i++) {
        size_t width = table_text_width(table->cells[i], strlen(table->cells[i]));
        size_t *column = &table->widths[i % table->n_columns];

        if (width > *column)
            *column = width;
    }
    while (table->width > 0 && total_width(table) > table->width && shrink(table))
        continue;
    table->laid_out = true;
}

static void pad(struct buf *out, size_t n)
{
    buf_append_format(out, "%*s", (int)n, "");
}

/* `last`: nothing follows on the line, so no blanks do. */
static void print_cell(
    const struct table *table, size_t column, const char *text, bool last, struct buf *out)
{
    const char *mark = table->ascii ? "~" : "…";
    size_t length = strlen(text), width = table->widths[column], used = 0, shown;
    bool cut;

    /* Without a bound a long cell shifts its line rather than being cut. */
    shown = fit(text, length, table->width > 0 ? width : SIZE_MAX, &used);
    cut = shown < length;
    if (cut) {
        shown = fit(text, length, width > 0 ? width - 1 : 0, &used);
        used++;
    }
    if (table->columns[column].right && used < width)
        pad(out, width - used);
    buf_append(out, text, shown);
    if (cut)
        buf_append_text(out, mark);
    if (!last) {
        if (!table->columns[column].right && used < width)
            pad(out, width - used);
        pad(out, GAP);
    }
}

int table_print(struct table *table, struct buf *out)
{
    size_t n_cells = table->n_cells - table->n_cells % table->n_columns;

    if (!table->laid_out) {
        lay_out(table, n_cells);
        for (size_t i = 0; i < table->n_columns; i++)
            print_cell(table, i, table->columns[i].title, i + 1 == table->n_columns, out);
        buf_append_text(out, "\n");
    }
    for (size_t i = 0; i < n_cells; i++) {
        bool last = i % table->n_columns + 1 == table->n_columns;

        print_cell(table, i % table->n_columns, table->cells[i], last, out);
        if (last)
            buf_append_text(out, "\n");
    }
    forget(table, n_cells);
    return table->failed || out->failed ? -ENOMEM : 0;
}
