/*
 * Signatures as SASHA makes them, held against its published example.
 */

#include "util/cleanup.h"
#include "verify/sign.h"

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define KEY_32 "12345678901234567890123456789012"
#define URL "https://your-app.com/callbacks/sasha-job-update"
#define BODY                                                                          \
    "{\"job_id\":\"1234567890\",\"type\":\"embed-signature\",\"status\":\"pending\"," \
    "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\"}"

static struct secret_key make_key(const char *text)
{
    struct secret_key key = {.length = strlen(text)};

    memcpy(key.bytes, text, key.length);
    return key;
}

static const struct {
    const char *key;
    const char *method;
    const char *url;
    const char *request_id;
    const char *body;
    const char *want;
} signatures[] = {
    /* SASHA API reference 1.0.0 */
    {KEY_32, "POST", URL, "aa-b-c-d-ee", BODY,
        "d7137c82af30e6db405ad73b4a0c11442e8e228b4d05fde2e84228b99508ae2c"},
    /* the parts are joined with nothing between them */
    {KEY_32, "", "", "", "POST" URL "aa-b-c-d-ee" BODY,
        "d7137c82af30e6db405ad73b4a0c11442e8e228b4d05fde2e84228b99508ae2c"},
    /* RFC 4231 test case 1 */
    {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", "Hi", " ",
        "There", "", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
};

START_TEST(signs)
{
    struct secret_key key = make_key(signatures[_i].key);
    struct error error = ERROR_INIT;
    char got[SIGNATURE_SIZE];

    ck_assert_int_eq(
        sign_callback(&key, signatures[_i].method, signatures[_i].url, signatures[_i].request_id,
            signatures[_i].body, strlen(signatures[_i].body), got, &error),
        0);
    ck_assert_str_eq(got, signatures[_i].want);
}
END_TEST

START_TEST(signs_any_bytes)
{
    struct secret_key key = make_key(KEY_32);
    char got_whole[SIGNATURE_SIZE], got_cut[SIGNATURE_SIZE], got_none[SIGNATURE_SIZE];

    ck_assert_int_eq(sign_callback(&key, "POST", URL, "a", "{\0}", 3, got_whole, NULL), 0);
    ck_assert_int_eq(sign_callback(&key, "POST", URL, "a", "{", 1, got_cut, NULL), 0);
    ck_assert_int_eq(sign_callback(&key, "POST", URL, "a", NULL, 0, got_none, NULL), 0);
    ck_assert_str_ne(got_whole, got_cut);
    ck_assert_str_ne(got_cut, got_none);
}
END_TEST

START_TEST(makes_request_ids)
{
    char got_first[REQUEST_ID_SIZE], got_second[REQUEST_ID_SIZE];

    ck_assert_int_eq(sign_new_request_id(got_first, NULL), 0);
    ck_assert_int_eq(sign_new_request_id(got_second, NULL), 0);
    ck_assert_str_ne(got_first, got_second);
    ck_assert_uint_eq(strlen(got_first), REQUEST_ID_SIZE - 1);
    for (size_t i = 0; i < REQUEST_ID_SIZE - 1; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

        ck_assert_msg(is_dash ? got_first[i] == '-' : !!strchr("0123456789abcdef", got_first[i]),
            "%s", got_first);
    }
    ck_assert_int_eq(got_first[14], '4');
    ck_assert_ptr_nonnull(strchr("89ab", got_first[19]));
}
END_TEST

START_TEST(refuses_a_short_key)
{
    static const char *const keys[] = {"", "fifteen bytes !"};
    char got[SIGNATURE_SIZE] = "untouched";

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        struct secret_key key = make_key(keys[i]);
        struct error error = ERROR_INIT;

        ck_assert_int_eq(sign_callback(&key, "POST", URL, "a", "", 0, got, &error), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error.text, "16 to 256 are possible"));
        ck_assert_str_eq(got, "untouched");
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sign");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(core, signs, 0, ARRAY_SIZE(signatures));
    tcase_add_test(core, makes_request_ids);
    tcase_add_test(limits, signs_any_bytes);
    tcase_add_test(errors, refuses_a_short_key);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
