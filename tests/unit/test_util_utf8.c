/*
 * UTF-8: what is a character, where text may be cut, what a terminal obeys.
 */

#include "util/cleanup.h"
#include "util/utf8.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    size_t length;
    size_t want_size;
    uint32_t want_character;
} characters[] = {
    {"a", 1, 1, 'a'},
    {"\0", 1, 1, 0},
    {"\x7F", 1, 1, 0x7F},
    {"\xC2\x80", 2, 2, 0x80},
    {"\xDF\xBF", 2, 2, 0x7FF},
    {"\xE0\xA0\x80", 3, 3, 0x800},
    {"\xED\x9F\xBF", 3, 3, 0xD7FF},
    {"\xEE\x80\x80", 3, 3, 0xE000},
    {"\xEF\xBF\xBF", 3, 3, 0xFFFF},
    {"\xF0\x90\x80\x80", 4, 4, 0x10000},
    {"\xF4\x8F\xBF\xBF", 4, 4, 0x10FFFF},
    /* nothing, a continuation first, bytes that never occur */
    {"", 0, 0, 0},
    {"\x80", 1, 0, 0},
    {"\xBF", 1, 0, 0},
    {"\xFE", 1, 0, 0},
    {"\xFF", 1, 0, 0},
    {"\xF8\x88\x80\x80\x80", 5, 0, 0},
    /* overlong */
    {"\xC0\x80", 2, 0, 0},
    {"\xC1\xBF", 2, 0, 0},
    {"\xE0\x9F\xBF", 3, 0, 0},
    {"\xF0\x8F\xBF\xBF", 4, 0, 0},
    /* surrogates, too big */
    {"\xED\xA0\x80", 3, 0, 0},
    {"\xED\xBF\xBF", 3, 0, 0},
    {"\xF4\x90\x80\x80", 4, 0, 0},
    {"\xF7\xBF\xBF\xBF", 4, 0, 0},
    /* cut short, by the length or by another byte */
    {"\xC3\xA9", 1, 0, 0},
    {"\xE2\x82\xAC", 2, 0, 0},
    {"\xF0\x9F\x98\x80", 3, 0, 0},
    {"\xE2\x82"
     "a",
        3, 0, 0},
    {"\xC3\xC3", 2, 0, 0},
};

START_TEST(test_decode)
{
    uint32_t got = 0xDEAD;

    ck_assert_uint_eq(
        utf8_decode(characters[_i].text, characters[_i].length, &got), characters[_i].want_size);
    ck_assert_uint_eq(got, characters[_i].want_size ? characters[_i].want_character : 0xDEAD);
}
END_TEST

static const struct {
    const char *text;
    size_t max;
    size_t want;
} cuts[] = {
    {"abc", 5, 3},
    {"abc", 3, 3},
    {"abc", 2, 2},
    {"abc", 0, 0},
    {"", 0, 0},
    {"a\xC3\xA9", 3, 3},
    {"a\xC3\xA9", 2, 1},
    {"\xC3\xA9", 1, 0},
    {"a\xF0\x9F\x98\x80", 4, 1},
    {"a\xF0\x9F\x98\x80", 3, 1},
    {"a\xF0\x9F\x98\x80", 2, 1},
    {"a\xF0\x9F\x98\x80", 1, 1},
    {"a\xF0\x9F\x98\x80z", 5, 5},
    /* not UTF-8: there is no border to look for */
    {"\x80\x80\x80\x80\x80\x80\x80\x80", 6, 6},
    {"\x80\x80\x80\x80", 2, 2},
};

START_TEST(test_cut)
{
    ck_assert_uint_eq(utf8_cut(cuts[_i].text, strlen(cuts[_i].text), cuts[_i].max), cuts[_i].want);
}
END_TEST

/* The list in Unicode 15 of what is Cc, Zl, Zp or has Bidi_Control. */
START_TEST(test_control)
{
    for (uint32_t c = 0; c <= 0x10FFFF; c++) {
        bool want = c <= 0x1F || (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029 ||
                    c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
                    (c >= 0x2066 && c <= 0x2069);

        if (utf8_is_control(c) != want)
            ck_abort_msg("U+%04X", c);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_utf8");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(core, test_decode, 0, ARRAY_SIZE(characters));
    tcase_add_test(core, test_control);
    tcase_add_loop_test(limits, test_cut, 0, ARRAY_SIZE(cuts));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
