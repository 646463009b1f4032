/*
 * Tables for people, and the plot: alignment, cutting, escaping, widths.
 */

#include "ctl/plot.h"
#include "ctl/table.h"
#include "util/cleanup.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct table_column columns[] = {
    {"N", true, 0}, {"NAME", false, 4}, {"LAST", false, 3}};

/* Prints rows of three cells. */
static void print(size_t width, bool ascii, const char *const *cells, size_t n, struct buf *out)
{
    struct table table;

    table_init(&table, columns, ARRAY_SIZE(columns), width, ascii);
    for (size_t i = 0; i < n; i++)
        table_add(&table, cells[i]);
    ck_assert_int_eq(table_print(&table, out), 0);
    table_done(&table);
}

#define assert_text(out, want)                              \
    do {                                                    \
        buf_append(&(out), "", 1);                          \
        ck_assert_str_eq((const char *)(out).data, (want)); \
        buf_done(&(out));                                   \
    } while (0)

/* ---- core ---- */

START_TEST(aligns)
{
    static const char *const cells[] = {"1", "a", "x", "100", "abcdefgh", "y"};
    struct buf out = BUF_INIT;

    print(0, false, cells, ARRAY_SIZE(cells), &out);
    assert_text(out, "  N  NAME      LAST\n"
                     "  1  a         x\n"
                     "100  abcdefgh  y\n");
}
END_TEST

START_TEST(cuts_the_widest_column_to_fit)
{
    static const char *const cells[] = {"1", "abcdefghijkl", "xyz"};
    struct buf out = BUF_INIT;

    print(16, false, cells, ARRAY_SIZE(cells), &out);
    assert_text(out, "N  NAME     LAST\n"
                     "1  abcdef…  xyz\n");
    print(16, true, cells, ARRAY_SIZE(cells), &out);
    assert_text(out, "N  NAME     LAST\n"
                     "1  abcdef~  xyz\n");
}
END_TEST

START_TEST(cuts_no_column_below_its_least)
{
    static const char *const cells[] = {"1000000", "abcdefghijkl", "xyzxyz"};
    struct buf out = BUF_INIT;

    print(3, false, cells, ARRAY_SIZE(cells), &out);
    assert_text(out, "      N  NAME  LA…\n"
                     "1000000  abc…  xy…\n");
}
END_TEST

START_TEST(keeps_its_layout_from_page_to_page)
{
    struct table table;
    struct buf out = BUF_INIT;

    table_init(&table, columns, ARRAY_SIZE(columns), 40, false);
    for (size_t page = 0; page < 2; page++) {
        table_add(&table, "1");
        table_add(&table, page == 0 ? "short" : "rather longer");
        table_add(&table, "x");
        ck_assert_int_eq(table_print(&table, &out), 0);
    }
    table_done(&table);
    assert_text(out, "N  NAME   LAST\n"
                     "1  short  x\n"
                     "1  rath…  x\n");
}
END_TEST

static const struct {
    const char *cell;
    size_t length;
    const char *want;
} cells_shown[] = {
    {NULL, 0, "-"},
    {"", 0, "-"},
    {"a\nb", 3, "a\\nb"},
    {"\x1b[2J", 4, "\\x1b[2J"},
    {"a\0b", 3, "a\\x00b"},
    {"\xff", 1, "\\xff"},
    {"\xc2\x85", 2, "\\xc2\\x85"},
    {"\xe2\x80\xae", 3, "\\xe2\\x80\\xae"},
    {"grün", 5, "grün"},
};

START_TEST(escapes_cells)
{
    static const struct table_column one[] = {{"X", false, 0}};
    struct table table;
    struct buf out = BUF_INIT, want = BUF_INIT;

    table_init(&table, one, 1, 0, false);
    if (cells_shown[_i].cell)
        table_add_bytes(&table, cells_shown[_i].cell, cells_shown[_i].length);
    else
        table_add(&table, NULL);
    ck_assert_int_eq(table_print(&table, &out), 0);
    table_done(&table);
    buf_append_format(&want, "X\n%s\n", cells_shown[_i].want);
    buf_append(&want, "", 1);
    assert_text(out, (const char *)want.data);
    buf_done(&want);
}
END_TEST

/* ---- limits ---- */

static const struct {
    const char *text;
    size_t want;
} widths[] = {
    {"", 0}, {"abc", 3}, {"grün", 4}, {"界界", 4}, {"e\xcc\x81", 1}, /* e and a combining acute */
    {"\xf0\x9f\x98\x80", 2},                                         /* an emoji */
};

START_TEST(knows_widths)
{
    ck_assert_uint_eq(table_text_width(widths[_i].text, strlen(widths[_i].text)), widths[_i].want);
}
END_TEST

START_TEST(never_cuts_a_wide_character_in_two)
{
    static const char *const cells[] = {"1", "界界界界", "x"};
    struct buf out = BUF_INIT;

    /* Seven columns for the name: three wide ones and the mark. */
    print(16, false, cells, ARRAY_SIZE(cells), &out);
    assert_text(out, "N  NAME     LAST\n"
                     "1  界界界…  x\n");
}
END_TEST

START_TEST(looks_at_the_beginning_of_a_long_cell_only)
{
    static const struct table_column one[] = {{"X", false, 0}};
    char *text = malloc(TABLE_CELL_MAX + 2);
    struct table table;
    struct buf out = BUF_INIT;

    ck_assert_ptr_nonnull(text);
    memset(text, 'a', TABLE_CELL_MAX + 1);
    text[TABLE_CELL_MAX + 1] = '\0';
    table_init(&table, one, 1, 0, false);
    table_add(&table, text);
    ck_assert_int_eq(table_print(&table, &out), 0);
    ck_assert_uint_eq(out.length, strlen("X\n") + TABLE_CELL_MAX + strlen("…\n"));
    table_done(&table);
    buf_done(&out);
    free(text);
}
END_TEST

START_TEST(prints_full_rows_only)
{
    struct table table;
    struct buf out = BUF_INIT;

    table_init(&table, columns, ARRAY_SIZE(columns), 0, false);
    table_add(&table, "1");
    table_add(&table, "half");
    ck_assert_int_eq(table_print(&table, &out), 0);
    table_add(&table, "now");
    ck_assert_int_eq(table_print(&table, &out), 0);
    table_done(&table);
    assert_text(out, "N  NAME  LAST\n"
                     "1  half  now\n");
}
END_TEST

static const struct {
    double values[4];
    const char *want, *want_ascii;
} plots[] = {
    {{0, 0, 0, 0}, "    ", "    "},
    {{0, 4, 8, 2}, " ▄█▂", " =#:"},
    {{1000, 1, 0, 1000}, "█▁ █", "#. #"},
};

START_TEST(plots_rows)
{
    struct buf out = BUF_INIT;

    ck_assert_int_eq(plot_append(&out, plots[_i].values, 4, false), 0);
    assert_text(out, plots[_i].want);
    ck_assert_int_eq(plot_append(&out, plots[_i].values, 4, true), 0);
    assert_text(out, plots[_i].want_ascii);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_table");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    SRunner *runner;
    int failed;

    tcase_add_test(core, aligns);
    tcase_add_test(core, cuts_the_widest_column_to_fit);
    tcase_add_test(core, cuts_no_column_below_its_least);
    tcase_add_test(core, keeps_its_layout_from_page_to_page);
    tcase_add_loop_test(core, escapes_cells, 0, ARRAY_SIZE(cells_shown));
    tcase_add_loop_test(core, plots_rows, 0, ARRAY_SIZE(plots));
    tcase_add_loop_test(limits, knows_widths, 0, ARRAY_SIZE(widths));
    tcase_add_test(limits, never_cuts_a_wide_character_in_two);
    tcase_add_test(limits, looks_at_the_beginning_of_a_long_cell_only);
    tcase_add_test(limits, prints_full_rows_only);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
