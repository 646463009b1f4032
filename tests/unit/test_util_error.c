/*
 * Errors: code and text together, cut rather than overrun, and never a success by accident.
 */

#include "util/cleanup.h"
#include "util/error.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_set)
{
    struct error error = ERROR_INIT;

    ck_assert_int_eq(error_set(&error, EINVAL, "%s: no such %d", "key", 7), -EINVAL);
    ck_assert_int_eq(error.code, EINVAL);
    ck_assert_str_eq(error.text, "key: no such 7");
    ck_assert_int_eq(error_set(&error, EIO, "other"), -EIO);
    ck_assert_str_eq(error.text, "other");
}
END_TEST

START_TEST(test_errno)
{
    struct error error = ERROR_INIT;

    ck_assert_int_eq(error_errno(&error, ENOENT, "%s: cannot open", "/x"), -ENOENT);
    ck_assert_int_eq(error.code, ENOENT);
    ck_assert_str_eq(error.text, "/x: cannot open: No such file or directory");
    ck_assert_int_eq(error_errno(&error, 99999, "x"), -99999);
    ck_assert_str_eq(error.text, "x: error 99999");
}
END_TEST

START_TEST(test_prefix)
{
    struct error error = ERROR_INIT;

    error_set(&error, EFBIG, "too big");
    ck_assert_int_eq(error_prefix(&error, "endpoint %s", "main"), -EFBIG);
    ck_assert_int_eq(error.code, EFBIG);
    ck_assert_str_eq(error.text, "endpoint main: too big");
}
END_TEST

/* The old text may be an argument of the new one. */
START_TEST(test_own_text)
{
    struct error error = ERROR_INIT;

    error_set(&error, EINVAL, "inner");
    error_set(&error, EIO, "outer (%s)", error.text);
    ck_assert_str_eq(error.text, "outer (inner)");
    error_errno(&error, EIO, "again (%s)", error.text);
    ck_assert_str_eq(error.text, "again (outer (inner)): Input/output error");
}
END_TEST

START_TEST(test_cut)
{
    struct error error = ERROR_INIT;
    char want[ERROR_TEXT_MAX];
    char text[1000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    memset(want, 'x', sizeof(want) - 1);
    want[sizeof(want) - 1] = '\0';

    ck_assert_int_eq(error_set(&error, EINVAL, "%s", text), -EINVAL);
    ck_assert_str_eq(error.text, want);
    ck_assert_int_eq(error_errno(&error, EIO, "%s", text), -EIO);
    ck_assert_str_eq(error.text, want);
    ck_assert_int_eq(error_prefix(&error, "y"), -EIO);
    ck_assert_uint_eq(strlen(error.text), ERROR_TEXT_MAX - 1);
    ck_assert_int_eq(strncmp(error.text, "y: xxx", 6), 0);
}
END_TEST

START_TEST(test_null)
{
    ck_assert_int_eq(error_set(NULL, EINVAL, "x"), -EINVAL);
    ck_assert_int_eq(error_errno(NULL, ENOENT, "x"), -ENOENT);
    ck_assert_int_eq(error_prefix(NULL, "x"), -EIO);
}
END_TEST

/* errno left at 0 by a library, or a code negated twice, must still be a failure. */
START_TEST(test_no_code)
{
    static const int codes[] = {0, -1, -EINVAL};
    struct error error = ERROR_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        ck_assert_int_eq(error_set(NULL, codes[i], "x"), -EIO);
        ck_assert_int_eq(error_set(&error, codes[i], "x"), -EIO);
        ck_assert_int_eq(error_errno(&error, codes[i], "x"), -EIO);
        ck_assert_str_eq(error.text, "x: Input/output error");
    }
    error = (struct error)ERROR_INIT;
    ck_assert_int_eq(error_prefix(&error, "x"), -EIO);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_error");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_test(core, test_set);
    tcase_add_test(core, test_errno);
    tcase_add_test(core, test_prefix);
    tcase_add_test(core, test_own_text);
    tcase_add_test(limits, test_cut);
    tcase_add_test(errors, test_null);
    tcase_add_test(errors, test_no_code);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
