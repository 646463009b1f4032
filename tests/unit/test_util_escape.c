/*
 * Escaping: nothing foreign ends a line, steers a terminal or overruns a buffer.
 */

#include "util/cleanup.h"
#include "util/escape.h"
#include "util/utf8.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    size_t length;
    const char *want;
} fields[] = {
    {"", 0, ""},
    {"plain text = {}", 15, "plain text = {}"},
    {"a\nb\rc\td", 7, "a\\nb\\rc\\td"},
    {"\"q\" \\", 5, "\\\"q\\\" \\\\"},
    {"\0\x01\x1B[31m\x7F", 8, "\\x00\\x01\\x1b[31m\\x7f"},
    {"caf\xC3\xA9 \xF0\x9F\x98\x80", 10, "caf\xC3\xA9 \xF0\x9F\x98\x80"},
    {"\xC2\x9B"
     "31m",
        5, "\\xc2\\x9b31m"},
    {"\xE2\x80\xA8|\xE2\x80\xA9", 7, "\\xe2\\x80\\xa8|\\xe2\\x80\\xa9"},
    {"\xE2\x80\xAE|\xE2\x81\xA6|\xD8\x9C", 10, "\\xe2\\x80\\xae|\\xe2\\x81\\xa6|\\xd8\\x9c"},
    {"\xFF\xC3", 2, "\\xff\\xc3"},
    {"\xC0\xAF", 2, "\\xc0\\xaf"},
    {"\xED\xA0\x80", 3, "\\xed\\xa0\\x80"},
    {"\xC3\xA9", 1, "\\xc3"},
};

START_TEST(test_field)
{
    char got[ESCAPE_SIZE];

    ck_assert_ptr_eq(escape_field(fields[_i].text, fields[_i].length, got, sizeof(got)), got);
    ck_assert_str_eq(got, fields[_i].want);
}
END_TEST

START_TEST(test_styles)
{
    static const char text[] = "\\\"\n\x01\xFF\xE2\x80\xAE";
    static const struct {
        enum escape_style style;
        const char *want;
    } styles[] = {
        {ESCAPE_FIELD, "\\\\|\\\"|\\n|\\x01|\\xff|\\xe2\\x80\\xae|"},
        {ESCAPE_SENTENCE, "\\|\"|\\n|\\x01|\\xff|\\xe2\\x80\\xae|"},
        {ESCAPE_JSON, "\\\\|\\\"|\\n|\\u0001|\xEF\xBF\xBD|\\u202e|"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(styles); i++) {
        char got[128];
        size_t used = 0;
        size_t at = 0;

        while (at < sizeof(text) - 1) {
            used += escape_step(styles[i].style, text, sizeof(text) - 1, &at, got + used);
            got[used++] = '|';
        }
        got[used] = '\0';
        ck_assert_str_eq(got, styles[i].want);
    }
}
END_TEST

/* Cut at 256 bytes, between two characters, and said so. */
START_TEST(test_cut)
{
    char text[2 * ESCAPE_FIELD_MAX];
    char got[ESCAPE_SIZE];

    memset(text, 'x', sizeof(text));
    escape_field(text, ESCAPE_FIELD_MAX, got, sizeof(got));
    ck_assert_uint_eq(strlen(got), ESCAPE_FIELD_MAX);
    escape_field(text, ESCAPE_FIELD_MAX + 1, got, sizeof(got));
    ck_assert_uint_eq(strlen(got), ESCAPE_FIELD_MAX + 3);
    ck_assert_str_eq(got + ESCAPE_FIELD_MAX, "…");

    memcpy(text + ESCAPE_FIELD_MAX - 2, "\xE2\x82\xAC", 3); /* € over the border */
    escape_field(text, sizeof(text), got, sizeof(got));
    ck_assert_str_eq(got + ESCAPE_FIELD_MAX - 2, "…");

    /* The worst there is fits ESCAPE_SIZE to the byte. */
    memset(text, '\xFF', sizeof(text));
    escape_field(text, sizeof(text), got, sizeof(got));
    ck_assert_uint_eq(strlen(got), ESCAPE_SIZE - 1);
    ck_assert_str_eq(got + 4 * ESCAPE_FIELD_MAX, "…");
}
END_TEST

/* Into every smaller buffer: never beyond it, never half an escape, always a NUL. */
START_TEST(test_small_buffer)
{
    static const char text[] = "a\n\xC3\xA9\x01\xE2\x80\xAE\\z";
    char whole[64];

    escape_field(text, sizeof(text) - 1, whole, sizeof(whole));
    ck_assert_str_eq(whole, "a\\n\xC3\xA9\\x01\\xe2\\x80\\xae\\\\z");
    for (size_t size = 1; size <= strlen(whole) + 1; size++) {
        char *got = malloc(size); /* exact, for the sanitizer */
        size_t length;
        char *ellipsis;

        ck_assert_ptr_nonnull(got);
        escape_field(text, sizeof(text) - 1, got, size);
        length = strlen(got);
        ck_assert_uint_lt(length, size);
        ellipsis = strstr(got, "…");
        if (size == strlen(whole) + 1) {
            ck_assert_str_eq(got, whole);
        } else {
            if (ellipsis)
                length = (size_t)(ellipsis - got);
            ck_assert_mem_eq(got, whole, length);
        }
        free(got);
    }
}
END_TEST

/* Whatever bytes go in, what comes out is UTF-8 without controls. */
START_TEST(test_any_bytes)
{
    static const enum escape_style styles[] = {ESCAPE_FIELD, ESCAPE_SENTENCE, ESCAPE_JSON};
    unsigned seed = 1;

    for (unsigned round = 0; round < 20000; round++) {
        enum escape_style style = styles[round % ARRAY_SIZE(styles)];
        char text[12];
        size_t at = 0;

        for (size_t i = 0; i < sizeof(text); i++)
            text[i] = (char)(rand_r(&seed) >> 7 | (i % 3 ? 0x80 : 0));
        while (at < sizeof(text)) {
            char out[ESCAPE_STEP_MAX];
            size_t before = at;
            size_t count = escape_step(style, text, sizeof(text), &at, out);
            size_t size;

            if (at <= before || at > sizeof(text) || count > ESCAPE_STEP_MAX)
                ck_abort_msg("from %zu to %zu, %zu bytes", before, at, count);
            for (size_t i = 0; i < count; i += size) {
                uint32_t character = 0;

                size = utf8_decode(out + i, count - i, &character);
                if (size == 0 || utf8_is_control(character))
                    ck_abort_msg("style %d lets U+%04X pass", (int)style, character);
            }
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_escape");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(core, test_field, 0, ARRAY_SIZE(fields));
    tcase_add_test(core, test_styles);
    tcase_add_test(limits, test_cut);
    tcase_add_test(limits, test_small_buffer);
    tcase_add_test(errors, test_any_bytes);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
