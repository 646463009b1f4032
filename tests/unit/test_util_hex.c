/*
 * Hexadecimal: both cases in, lower case out, nothing else accepted.
 */

#include "util/cleanup.h"
#include "util/hex.h"

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_both_ways)
{
    static const unsigned char bytes[] = {0x00, 0x01, 0x7F, 0x80, 0xAB, 0xCD, 0xEF, 0xFF};
    unsigned char got_bytes[sizeof(bytes)];
    char got_text[2 * sizeof(bytes) + 1];

    ck_assert_ptr_eq(hex_encode(bytes, sizeof(bytes), got_text), got_text);
    ck_assert_str_eq(got_text, "00017f80abcdefff");
    ck_assert_int_eq(hex_decode("00017F80abCDeFff", 16, got_bytes, sizeof(got_bytes)), 0);
    ck_assert_mem_eq(got_bytes, bytes, sizeof(bytes));
}
END_TEST

START_TEST(test_empty)
{
    unsigned char bytes[1];
    char text[1] = {'x'};

    ck_assert_int_eq(hex_decode("", 0, bytes, 0), 0);
    ck_assert_str_eq(hex_encode(bytes, 0, text), "");
}
END_TEST

/* Every byte that is no digit is refused, in both places. */
START_TEST(test_digits)
{
    for (int byte = 0; byte < 256; byte++) {
        char high[2] = {(char)byte, '0'};
        char low[2] = {'0', (char)byte};
        bool is_digit = byte && strchr("0123456789abcdefABCDEF", byte);
        int want = is_digit ? 0 : -EINVAL;
        unsigned char got;

        ck_assert_int_eq(hex_decode(high, 2, &got, 1), want);
        ck_assert_int_eq(hex_decode(low, 2, &got, 1), want);
    }
}
END_TEST

START_TEST(test_lengths)
{
    static const size_t lengths[] = {0, 1, 2, 3, 5, 6, 7, 8};
    unsigned char bytes[4];

    for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
        ck_assert_int_eq(hex_decode("00000000", lengths[i], bytes, 2), -EINVAL);
    ck_assert_int_eq(hex_decode("00000000", 4, bytes, 2), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_hex");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_test(core, test_both_ways);
    tcase_add_test(limits, test_empty);
    tcase_add_test(errors, test_digits);
    tcase_add_test(errors, test_lengths);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
