/*
 * Buffers: they grow, they latch a failure, and their JSON strings are one line of valid JSON.
 */

#include "failing_malloc.h"
#include "util/buf.h"
#include "util/cleanup.h"

#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void assert_content(const struct buf *buf, const char *want)
{
    ck_assert_uint_eq(buf->length, strlen(want));
    ck_assert_mem_eq(buf->data, want, buf->length);
}

START_TEST(test_append)
{
    struct buf buf = BUF_INIT;

    ck_assert_int_eq(buf_append_text(&buf, "abc"), 0);
    ck_assert_int_eq(buf_append(&buf, "d\0e", 3), 0);
    ck_assert_int_eq(buf_append(&buf, NULL, 0), 0);
    ck_assert_int_eq(buf_append_format(&buf, "<%d %s>", 42, "x"), 0);
    ck_assert_uint_eq(buf.length, 12);
    ck_assert_mem_eq(buf.data, "abcd\0e<42 x>", 12);
    buf_clear(&buf);
    ck_assert_uint_eq(buf.length, 0);
    ck_assert_ptr_nonnull(buf.data);
    buf_append_text(&buf, "again");
    assert_content(&buf, "again");
    buf_done(&buf);
    ck_assert_ptr_null(buf.data);
    ck_assert_uint_eq(buf.capacity, 0);
    buf_done(&buf);
}
END_TEST

START_TEST(test_growth)
{
    struct buf buf = BUF_INIT;

    for (unsigned i = 0; i < 100000; i++) {
        unsigned char byte = (unsigned char)(i % 251);

        ck_assert_int_eq(buf_append(&buf, &byte, 1), 0);
        ck_assert_uint_le(buf.length, buf.capacity);
    }
    ck_assert_uint_eq(buf.length, 100000);
    for (unsigned i = 0; i < 100000; i++)
        ck_assert_uint_eq(buf.data[i], i % 251);
    ck_assert_uint_le(buf.capacity, 200000);
    buf_done(&buf);
}
END_TEST

START_TEST(test_format_exact)
{
    /* Lengths around the smallest capacity, where the NUL of vsnprintf needs room too. */
    for (int length = 60; length < 70; length++) {
        struct buf buf = BUF_INIT;

        ck_assert_int_eq(buf_append_format(&buf, "%0*d", length, 7), 0);
        ck_assert_uint_eq(buf.length, (size_t)length);
        ck_assert_uint_lt(buf.length, buf.capacity);
        ck_assert_int_eq(buf.data[length - 1], '7');
        buf_done(&buf);
    }
}
END_TEST

static const struct {
    const char *text;
    size_t length;
    const char *want;
} json_strings[] = {
    {"", 0, "\"\""},
    {"plain", 5, "\"plain\""},
    {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
    {"\n\r\t\b\f", 5, "\"\\n\\r\\t\\u0008\\u000c\""},
    {"\0\x01\x1F\x7F", 4, "\"\\u0000\\u0001\\u001f\\u007f\""},
    {"caf\xC3\xA9 \xF0\x9F\x98\x80", 10, "\"caf\xC3\xA9 \xF0\x9F\x98\x80\""},
    {"\xC2\x85", 2, "\"\\u0085\""},
    {"\xE2\x80\xA8\xE2\x80\xA9", 6, "\"\\u2028\\u2029\""},
    {"\xE2\x80\xAE", 3, "\"\\u202e\""},
    {"\xFF", 1, "\"\xEF\xBF\xBD\""},
    {"a\xC3", 2, "\"a\xEF\xBF\xBD\""},
    {"\xC3\xA9", 1, "\"\xEF\xBF\xBD\""}, /* the rest lies beyond the length */
    {"\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
};

START_TEST(test_json)
{
    struct buf buf = BUF_INIT;

    ck_assert_int_eq(buf_append_json(&buf, json_strings[_i].text, json_strings[_i].length), 0);
    assert_content(&buf, json_strings[_i].want);
    buf_done(&buf);
}
END_TEST

/* After a failure nothing is added, whatever is tried, until the content is forgotten. */
START_TEST(test_failure_latches)
{
    struct buf buf = BUF_INIT;

    buf_append_text(&buf, "kept");
    ck_assert_int_eq(buf_reserve(&buf, SIZE_MAX), -ENOMEM);
    ck_assert(buf.failed);
    ck_assert_int_eq(buf_append_text(&buf, "x"), -ENOMEM);
    ck_assert_int_eq(buf_append_format(&buf, "x"), -ENOMEM);
    ck_assert_int_eq(buf_append_json(&buf, "x", 1), -ENOMEM);
    ck_assert_int_eq(buf_reserve(&buf, 0), -ENOMEM);
    assert_content(&buf, "kept");
    buf_clear(&buf);
    ck_assert(!buf.failed);
    ck_assert_int_eq(buf_append_text(&buf, "new"), 0);
    assert_content(&buf, "new");
    buf_done(&buf);
}
END_TEST

START_TEST(test_memory)
{
    struct buf buf = BUF_INIT;

    if (!failing_malloc_works())
        return;
    failing_malloc_in = 1;
    ck_assert_int_eq(buf_append_text(&buf, "x"), -ENOMEM);
    ck_assert(buf.failed);
    ck_assert_ptr_null(buf.data);
    ck_assert_int_eq(buf_append_text(&buf, "x"), -ENOMEM);
    buf_done(&buf);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_buf");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_test(core, test_append);
    tcase_add_loop_test(core, test_json, 0, ARRAY_SIZE(json_strings));
    tcase_add_test(limits, test_growth);
    tcase_add_test(limits, test_format_exact);
    tcase_add_test(errors, test_failure_latches);
    tcase_add_test(errors, test_memory);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
