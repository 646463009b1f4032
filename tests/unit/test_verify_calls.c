/*
 * Whatever verification asks of OpenSSL and of the heap is refused once. For n = 1, 2, … until
 * nothing is refused any more, the n-th call of a kind fails while a verifier is made and judges a
 * request that is genuine. Whatever happens: nothing passes that was not proven, a failure is told
 * as one of ours and never as one of the request's, and nothing is lost.
 */

#include "job/job.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "verify/sign.h"
#include "verify/verify.h"

#include "failing_crypto.h"
#include "failing_malloc.h"

#include <check.h>
#include <string.h>

#define URL "https://your-app.com/callbacks/sasha-job-update"
#define REQUEST_ID "aa-b-c-d-ee"
#define BODY                                                                          \
    "{\"job_id\":\"1234567890\",\"type\":\"embed-signature\",\"status\":\"pending\"," \
    "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\"}"

CLEANUP_FUNC(struct verifier, verifier_free);

/* ---- a life ---- */

enum outcome {
    OUTCOME_NOT_MADE, /* the verifier, and the error says why */
    OUTCOME_INTERNAL,
    OUTCOME_OVERLOAD,
    OUTCOME_ACCEPTED,
};

/* What cannot be allocated or computed must not look like a verdict. Nothing here may allocate but
 * the code under test. */
static enum outcome outcome_of(enum reason reason)
{
    unsigned int in = failing_malloc_in;

    failing_malloc_in = 0;
    ck_assert_msg(
        reason == REASON_ACCEPTED || reason == REASON_INTERNAL || reason == REASON_OVERLOAD, "%s",
        reason_name(reason));
    failing_malloc_in = in;
    return reason == REASON_ACCEPTED   ? OUTCOME_ACCEPTED
           : reason == REASON_OVERLOAD ? OUTCOME_OVERLOAD
                                       : OUTCOME_INTERNAL;
}

static struct verify_header header(const char *text)
{
    return (struct verify_header){.value = text, .length = strlen(text), .count = 1};
}

static enum outcome judge_one(const char *signature, struct error *error)
{
    static const char *const tokens[] = {"first-token", "the-partner-token"};
    static const struct verify_secret_options secrets[] = {
        {"other", "an-id", {"abcdefghijklmnopqrstuvwxyz012345", 32}},
        {"first", NULL, {"12345678901234567890123456789012", 32}},
    };
    static const struct verify_endpoint_options endpoint = {
        .name = "main",
        .public_url = URL,
        .path = "/callbacks/sasha-job-update",
        .tokens = tokens,
        .n_tokens = ARRAY_SIZE(tokens),
        .secrets = secrets,
        .n_secrets = ARRAY_SIZE(secrets),
        .max_age_usec = USEC_INFINITY,
    };
    static const struct verify_options options = {&endpoint, 1};
    const struct verify_head head = {
        .authorization = header("Bearer the-partner-token"),
        .request_id = header(REQUEST_ID),
        .signature = header(signature),
    };
    CLEANUP(verifier_free) struct verifier *verifier = NULL;
    CLEANUP(delivery_free) struct delivery *delivery = NULL;
    struct verify_finding finding;
    const char *detail;
    enum outcome outcome;

    if (verifier_new(&options, &verifier, error) < 0)
        return OUTCOME_NOT_MADE;
    outcome = outcome_of(verify_check_head(verifier, verifier_get(verifier, 0), &head, &finding));
    if (outcome == OUTCOME_ACCEPTED)
        outcome = outcome_of(verify_check_body(verifier, verifier_get(verifier, 0), &head,
            (const unsigned char *)BODY, strlen(BODY), 0, &finding, &delivery, &detail));
    return outcome;
}

static void sign(char signature[static SIGNATURE_SIZE])
{
    const struct secret_key key = {"12345678901234567890123456789012", 32};
    struct error error = ERROR_INIT;

    ck_assert_int_eq(
        sign_callback(&key, "POST", URL, REQUEST_ID, BODY, strlen(BODY), signature, &error), 0);
}

START_TEST(test_the_nth_call_is_refused)
{
    char signature[SIGNATURE_SIZE];
    unsigned int n = 1, seen[OUTCOME_ACCEPTED + 1] = {0};

    ck_assert(caller_init("libcrypto"));
    sign(signature);
    for (bool hit = true; hit; n++) {
        struct error error = ERROR_INIT;
        enum outcome outcome;

        refusal = (struct refusal){.at = n};
        outcome = judge_one(signature, &error);
        hit = refusal.hit;
        refusal.at = 0;
        ck_assert(hit == (outcome != OUTCOME_ACCEPTED));
        ck_assert(outcome != OUTCOME_NOT_MADE || *error.text != '\0');
        seen[outcome]++;
    }
    ck_assert_uint_ge(seen[OUTCOME_NOT_MADE], 9);
    ck_assert_uint_ge(seen[OUTCOME_INTERNAL], 9);
    ck_assert_uint_eq(judge_one(signature, NULL), OUTCOME_ACCEPTED);
}
END_TEST

START_TEST(test_the_nth_call_of_signing_is_refused)
{
    const struct secret_key key = {"12345678901234567890123456789012", 32};
    char signature[SIGNATURE_SIZE], id[REQUEST_ID_SIZE];
    unsigned int n = 1;

    ck_assert(caller_init("libcrypto"));
    for (bool hit = true; hit; n++) {
        struct error error = ERROR_INIT;
        int r;

        refusal = (struct refusal){.at = n};
        r = sign_callback(&key, "POST", URL, REQUEST_ID, BODY, strlen(BODY), signature, &error);
        if (r == 0)
            r = sign_new_request_id(id, &error);
        hit = refusal.hit;
        refusal.at = 0;
        ck_assert_int_eq(hit, r < 0);
        ck_assert_int_eq(hit, *error.text != '\0');
    }
    ck_assert_uint_gt(n, 10);
}
END_TEST

/* OpenSSL keeps what it allocates at first for good, so it is used once before. */
START_TEST(test_the_nth_allocation_is_refused)
{
    char signature[SIGNATURE_SIZE];
    unsigned int n = 1, seen[OUTCOME_ACCEPTED + 1] = {0};

    if (!failing_malloc_works())
        return;
    sign(signature);
    ck_assert_uint_eq(judge_one(signature, NULL), OUTCOME_ACCEPTED);
    for (bool hit = true; hit; n++) {
        struct error error = ERROR_INIT;
        enum outcome outcome;

        failing_malloc_in = n;
        outcome = judge_one(signature, &error);
        hit = failing_malloc_in == 0;
        failing_malloc_in = 0;
        ck_assert(hit || outcome == OUTCOME_ACCEPTED);
        ck_assert(outcome != OUTCOME_NOT_MADE || *error.text != '\0');
        seen[outcome]++;
    }
    ck_assert_uint_ge(seen[OUTCOME_NOT_MADE], 9);
    ck_assert_uint_ge(seen[OUTCOME_OVERLOAD], 2);
    ck_assert_uint_eq(judge_one(signature, NULL), OUTCOME_ACCEPTED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verify_calls");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    job_init_library();
    tcase_add_test(errors, test_the_nth_call_is_refused);
    tcase_add_test(errors, test_the_nth_call_of_signing_is_refused);
    tcase_add_test(errors, test_the_nth_allocation_is_refused);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
