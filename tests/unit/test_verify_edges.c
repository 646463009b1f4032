/*
 * What verification's parts do with what verify.c never gives them, because it has looked before:
 * each holds by itself.
 */

#include "util/cleanup.h"
#include "util/clock.h"
#include "verify/crypto.h"
#include "verify/endpoint.h"
#include "verify/headers.h"
#include "verify/secret.h"
#include "verify/verify.h"

#include <check.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

static const struct verify_secret_options secrets[] = {
    {"first", "an-id", {"12345678901234567890123456789012", 32}},
};
static const struct verify_endpoint_options endpoint_options = {
    .name = "main",
    .public_url = "https://your-app.com/x",
    .path = "/x",
    .secrets = secrets,
    .n_secrets = 1,
    .max_age_usec = USEC_INFINITY,
};
static const struct verify_options options = {&endpoint_options, 1};

START_TEST(test_bearer)
{
    static const struct {
        const char *value, *want; /* NULL: none */
    } rows[] = {
        {"Bearer a", "a"},
        {"bearer   ~", "~"},
        {"Bearer ", NULL},
        {"Bearer   ", NULL},
        {"Bearer\ta", NULL},
        {"Bearer a\x7f", NULL},
        {"Bearer a b", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct header_text got = {NULL, 0};
        const struct header_text value = {rows[i].value, strlen(rows[i].value)};

        ck_assert_int_eq(header_parse_bearer(value, &got), rows[i].want != NULL);
        if (rows[i].want) {
            ck_assert_uint_eq(got.length, strlen(rows[i].want));
            ck_assert_int_eq(memcmp(got.data, rows[i].want, got.length), 0);
        }
    }
}
END_TEST

START_TEST(test_secrets)
{
    static const char *const rows[] = {
        "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz", /* 64, not hex */
        "{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{=",
        "====",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct secret_key key;
        struct error error = ERROR_INIT;

        ck_assert_int_eq(
            secret_decode(rows[i], strlen(rows[i]), SECRET_AUTO, &key, &error), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error.text, "is neither 64 hex digits nor base64"));
    }
}
END_TEST

START_TEST(test_bounds_of_crypto)
{
    struct secret_key key = {.length = SECRET_KEY_MAX + 1};
    struct crypto *crypto = NULL;
    struct crypto_mac *mac = NULL;
    struct error error = ERROR_INIT;
    unsigned char byte;

    ck_assert_int_eq(crypto_new(&crypto, &error), 0);
    ck_assert_int_eq(crypto_mac_new(crypto, &key, &mac, &error), -EINVAL);
    ck_assert_ptr_null(mac);
    ck_assert_int_eq(crypto_random(&byte, (size_t)INT_MAX + 1), -EIO);
    crypto_free(crypto);
}
END_TEST

/* Without a candidate nothing is computed, and nothing matches. */
START_TEST(test_no_candidate)
{
    static const struct header_text unknown = {"other", 5};
    const unsigned char sum[CRYPTO_SUM_SIZE] = {0};
    const struct verify_secret *secret = NULL;
    struct verifier *verifier = NULL;
    struct error error = ERROR_INIT;

    ck_assert_int_eq(verifier_new(&options, &verifier, &error), 0);
    ck_assert_int_eq(
        verify_endpoint_match_secret(verifier_get(verifier, 0), &unknown, NULL, 0, sum, &secret),
        0);
    ck_assert_ptr_null(secret);
    verifier_free(verifier);
}
END_TEST

/* Every byte, alone and among others: visible ASCII but '{' and '"'. */
START_TEST(test_bytes_of_ids)
{
    for (int byte = 0; byte < 256; byte++) {
        const bool want = byte > ' ' && byte < 0x7f && byte != '{' && byte != '"';
        const char text[] = {'a', (char)byte, 'b'};

        ck_assert_msg(header_is_request_id(text, 3) == want, "byte %d", byte);
        ck_assert_msg(header_is_request_id(text + 1, 1) == want, "byte %d", byte);
    }
}
END_TEST

/* The body's check does not rely on the head's having been made. */
START_TEST(test_body_without_id)
{
    const struct verify_head head = {.request_id = {"", 0, 0}};
    struct verify_finding finding = {REASON_ACCEPTED, VERIFY_NO_MATCH, VERIFY_NO_MATCH};
    struct verifier *verifier = NULL;
    struct delivery *delivery = NULL;
    struct error error = ERROR_INIT;
    const char *detail;

    ck_assert_int_eq(verifier_new(&options, &verifier, &error), 0);
    ck_assert_int_eq(verify_check_body(verifier, verifier_get(verifier, 0), &head,
                         (const unsigned char *)"{}", 2, 0, &finding, &delivery, &detail),
        REASON_ID_MISSING);
    ck_assert_ptr_null(delivery);
    verifier_free(verifier);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verify_edges");
    TCase *limits = tcase_create("limits");
    SRunner *runner;
    int n_failed;

    tcase_add_test(limits, test_bearer);
    tcase_add_test(limits, test_secrets);
    tcase_add_test(limits, test_bounds_of_crypto);
    tcase_add_test(limits, test_no_candidate);
    tcase_add_test(limits, test_bytes_of_ids);
    tcase_add_test(limits, test_body_without_id);
    suite_add_tcase(suite, limits);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
