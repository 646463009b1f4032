/*
 * Report mode: what passes, how it is marked, what does not pass all the same; and what the checks
 * find out about tokens and secrets.
 *
 * Each row runs against the same endpoint twice, with and without report mode. The published
 * example of SASHA's API reference 1.0.0 is what a row changes.
 */

#include "util/cleanup.h"
#include "util/clock.h"
#include "verify/verify.h"

#include <check.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define URL "https://your-app.com/callbacks/sasha-job-update"
#define PATH "/callbacks/sasha-job-update"
#define REQUEST_ID "aa-b-c-d-ee"
#define BODY                                                                          \
    "{\"job_id\":\"1234567890\",\"type\":\"embed-signature\",\"status\":\"pending\"," \
    "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\"}"
#define SIGNATURE "d7137c82af30e6db405ad73b4a0c11442e8e228b4d05fde2e84228b99508ae2c"
#define WRONG "d7137c82af30e6db405ad73b4a0c11442e8e228b4d05fde2e84228b99508ae2d"
#define BEARER "Bearer new-token"

/* 2025-01-01T00:00:00Z: the example's updated_at */
#define UPDATED_AT (INT64_C(1735689600) * USEC_PER_SEC)
#define MAX_AGE USEC_PER_HOUR

CLEANUP_FUNC(struct verifier, verifier_free);

static struct secret_key make_key(const char *text)
{
    struct secret_key key = {.length = strlen(text)};

    memcpy(key.bytes, text, key.length);
    return key;
}

/* Two tokens, and two secrets, of which the second signed the example. Two endpoints: the second
 * enforces. */
static struct verifier *make_verifier(void)
{
    static const char *const tokens[] = {"old-token", "new-token"};
    const struct verify_secret_options secrets[] = {
        {"spare", "ID-1", make_key("abcdefghijklmnopqrstuvwxyzabcdef")},
        {"current", "ID-2", make_key("12345678901234567890123456789012")},
    };
    struct verify_endpoint_options endpoints[2] = {
        {"report", URL, PATH, tokens, 2, secrets, 2, MAX_AGE, true},
        {"enforce", URL, "/enforce", tokens, 2, secrets, 2, MAX_AGE, false},
    };
    const struct verify_options options = {endpoints, 2};
    struct verifier *verifier = NULL;

    ck_assert_int_eq(verifier_new(&options, &verifier, NULL), 0);
    return verifier;
}

#define NONE VERIFY_NO_MATCH

/* "" stands for an absent header. */
static const struct {
    const char *authorization, *request_id, *signature, *secret_id, *body;
    int64_t age_usec;
    enum reason want_enforced, want_reported, want_unverified;
    size_t want_token, want_secret;
} rows[] = {
    {BEARER, REQUEST_ID, SIGNATURE, "", BODY, 0, REASON_ACCEPTED, REASON_ACCEPTED, REASON_ACCEPTED,
        1, 1},
    {"Bearer old-token", REQUEST_ID, SIGNATURE, "ID-2", BODY, 0, REASON_ACCEPTED, REASON_ACCEPTED,
        REASON_ACCEPTED, 0, 1},
    {"", REQUEST_ID, SIGNATURE, "", BODY, 0, REASON_TOKEN_MISSING, REASON_ACCEPTED,
        REASON_TOKEN_MISSING, NONE, 1},
    {"Bearer x", REQUEST_ID, SIGNATURE, "", BODY, 0, REASON_TOKEN_WRONG, REASON_ACCEPTED,
        REASON_TOKEN_WRONG, NONE, 1},
    {BEARER, REQUEST_ID, "", "", BODY, 0, REASON_SIGNATURE_MISSING, REASON_ACCEPTED,
        REASON_SIGNATURE_MISSING, 1, NONE},
    {BEARER, REQUEST_ID, "abc", "", BODY, 0, REASON_SIGNATURE_MALFORMED, REASON_ACCEPTED,
        REASON_SIGNATURE_MALFORMED, 1, NONE},
    {BEARER, REQUEST_ID, WRONG, "", BODY, 0, REASON_SIGNATURE_WRONG, REASON_ACCEPTED,
        REASON_SIGNATURE_WRONG, 1, NONE},
    {BEARER, REQUEST_ID, SIGNATURE, "ID-1", BODY, 0, REASON_SIGNATURE_WRONG, REASON_ACCEPTED,
        REASON_SIGNATURE_WRONG, 1, NONE},
    {BEARER, REQUEST_ID, SIGNATURE, "ID-3", BODY, 0, REASON_SECRET_UNKNOWN, REASON_ACCEPTED,
        REASON_SECRET_UNKNOWN, 1, NONE},
    {BEARER, REQUEST_ID, SIGNATURE, "", BODY, MAX_AGE + 1, REASON_STALE, REASON_ACCEPTED,
        REASON_STALE, 1, 1},
    /* The first that fails is the reason. */
    {"", REQUEST_ID, "", "ID-3", BODY, MAX_AGE + 1, REASON_TOKEN_MISSING, REASON_ACCEPTED,
        REASON_TOKEN_MISSING, NONE, NONE},
    {BEARER, REQUEST_ID, WRONG, "", BODY, MAX_AGE + 1, REASON_SIGNATURE_WRONG, REASON_ACCEPTED,
        REASON_SIGNATURE_WRONG, 1, NONE},
    /* What never passes. */
    {BEARER, "", SIGNATURE, "", BODY, 0, REASON_ID_MISSING, REASON_ID_MISSING, REASON_ACCEPTED, 1,
        NONE},
    {BEARER, "a{b", SIGNATURE, "", BODY, 0, REASON_ID_MALFORMED, REASON_ID_MALFORMED,
        REASON_ACCEPTED, 1, NONE},
    {"", "", "", "", BODY, 0, REASON_TOKEN_MISSING, REASON_ID_MISSING, REASON_TOKEN_MISSING, NONE,
        NONE},
    {BEARER, REQUEST_ID, SIGNATURE, "", "{}", 0, REASON_SIGNATURE_WRONG, REASON_JOB_MALFORMED,
        REASON_SIGNATURE_WRONG, 1, NONE},
    {"", REQUEST_ID, "", "", "no job", 0, REASON_TOKEN_MISSING, REASON_JOB_MALFORMED,
        REASON_TOKEN_MISSING, NONE, NONE},
};

static struct verify_header make_header(const char *text)
{
    return (struct verify_header){text, strlen(text), *text ? 1 : 0};
}

static enum reason check(struct verifier *verifier, const char *path, int row,
    struct verify_finding *finding, struct delivery **ret_delivery)
{
    const struct verify_endpoint *endpoint = verifier_route(verifier, path, strlen(path));
    const struct verify_head head = {
        make_header(rows[row].authorization),
        make_header(rows[row].request_id),
        make_header(rows[row].signature),
        make_header(rows[row].secret_id),
    };
    const char *body = rows[row].body, *detail;
    enum reason reason = verify_check_head(verifier, endpoint, &head, finding);

    if (reason != REASON_ACCEPTED)
        return reason;
    reason = verify_check_body(verifier, endpoint, &head, (const unsigned char *)body, strlen(body),
        UPDATED_AT + rows[row].age_usec, finding, ret_delivery, &detail);
    if (reason == REASON_ACCEPTED)
        ck_assert_ptr_null(detail);
    return reason;
}

START_TEST(report_passes_and_marks)
{
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier();
    CLEANUP(delivery_free) struct delivery *got = NULL;
    struct verify_finding finding;

    ck_assert_int_eq(check(verifier, PATH, _i, &finding, &got), rows[_i].want_reported);
    ck_assert_int_eq(finding.unverified, rows[_i].want_unverified);
    ck_assert_uint_eq(finding.token, rows[_i].want_token);
    ck_assert_uint_eq(finding.secret, rows[_i].want_secret);
    ck_assert_int_eq(got != NULL, rows[_i].want_reported == REASON_ACCEPTED);
    if (got) {
        ck_assert_str_eq(got->unverified, rows[_i].want_unverified == REASON_ACCEPTED
                                              ? ""
                                              : reason_name(rows[_i].want_unverified));
        ck_assert_str_eq(got->secret, rows[_i].want_secret == NONE ? "" : "current");
        ck_assert_str_eq(got->request_id, REQUEST_ID);
        ck_assert_str_eq(got->job_id, "1234567890");
    }
}
END_TEST

START_TEST(enforce_is_as_strict_as_ever)
{
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier();
    CLEANUP(delivery_free) struct delivery *got = NULL;
    struct verify_finding finding;

    ck_assert_int_eq(check(verifier, "/enforce", _i, &finding, &got), rows[_i].want_enforced);
    ck_assert_int_eq(finding.unverified, REASON_ACCEPTED);
    ck_assert_int_eq(got != NULL, rows[_i].want_enforced == REASON_ACCEPTED);
    if (got)
        ck_assert_str_eq(got->unverified, "");
}
END_TEST

/* Doubled headers, which no row above can have: not proven either. */
START_TEST(repeated_headers)
{
    static const struct {
        size_t offset;
        enum reason want_enforced, want_reported;
    } headers[] = {
        {offsetof(struct verify_head, authorization), REASON_TOKEN_WRONG, REASON_ACCEPTED},
        {offsetof(struct verify_head, request_id), REASON_ID_MALFORMED, REASON_ID_MALFORMED},
        {offsetof(struct verify_head, signature), REASON_SIGNATURE_MALFORMED, REASON_ACCEPTED},
        {offsetof(struct verify_head, secret_id), REASON_SECRET_UNKNOWN, REASON_ACCEPTED},
    };
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier();
    CLEANUP(delivery_free) struct delivery *got = NULL;
    struct verify_head head = {
        make_header(BEARER), make_header(REQUEST_ID), make_header(SIGNATURE), make_header("ID-2")};
    struct verify_finding finding;
    const char *detail;
    enum reason reason;

    ((struct verify_header *)(void *)((char *)&head + headers[_i].offset))->count = 2;
    ck_assert_int_eq(verify_check_head(verifier, verifier_get(verifier, 1), &head, &finding),
        headers[_i].want_enforced);
    reason = verify_check_head(verifier, verifier_get(verifier, 0), &head, &finding);
    ck_assert_int_eq(reason, headers[_i].want_reported);
    if (reason != REASON_ACCEPTED)
        return;
    ck_assert_int_eq(finding.unverified, headers[_i].want_enforced);
    ck_assert_int_eq(
        verify_check_body(verifier, verifier_get(verifier, 0), &head, (const unsigned char *)BODY,
            strlen(BODY), UPDATED_AT, &finding, &got, &detail),
        REASON_ACCEPTED);
    ck_assert_str_eq(got->unverified, reason_name(headers[_i].want_enforced));
}
END_TEST

/* OpenSSL's memory, with a call that fails. Counts down; 0 fails that one, below 0 none does. */
static long calls_until_failure = -1;

static void *failing_malloc(size_t size, const char *file, int line)
{
    return calls_until_failure >= 0 && calls_until_failure-- == 0 ? NULL : malloc(size);
}

static void *failing_realloc(void *pointer, size_t size, const char *file, int line)
{
    return calls_until_failure >= 0 && calls_until_failure-- == 0 ? NULL : realloc(pointer, size);
}

static void plain_free(void *pointer, const char *file, int line)
{
    free(pointer);
}

/* A library that fails is no verdict about the callback: nothing passes because of it. */
START_TEST(failure_is_never_passed)
{
    CLEANUP(verifier_free) struct verifier *verifier = NULL;
    long n = 0;
    bool failed;

    ck_assert_int_eq(CRYPTO_set_mem_functions(failing_malloc, failing_realloc, plain_free), 1);
    verifier = make_verifier();
    do {
        CLEANUP(delivery_free) struct delivery *got = NULL;
        struct verify_finding finding;
        enum reason reason;

        calls_until_failure = n++;
        reason = check(verifier, PATH, 0, &finding, &got);
        failed = calls_until_failure < 0;
        calls_until_failure = -1;
        ck_assert_int_eq(reason, failed ? REASON_INTERNAL : REASON_ACCEPTED);
        ck_assert_int_eq(finding.unverified, REASON_ACCEPTED);
    } while (failed);
    ck_assert_int_gt(n, 1);
}
END_TEST

START_TEST(tells_about_endpoints)
{
    CLEANUP(verifier_free) struct verifier *verifier = make_verifier();
    const struct verify_endpoint *first = verifier_get(verifier, 0);
    const struct verify_endpoint *second = verifier_get(verifier, 1);
    struct digest tokens[2];

    ck_assert_uint_eq(verifier_count(verifier), 2);
    ck_assert_ptr_eq(second, verifier_route(verifier, "/enforce", 8));
    ck_assert_uint_eq(verify_endpoint_index(second), 1);
    ck_assert(verify_endpoint_reports(first));
    ck_assert(!verify_endpoint_reports(second));
    ck_assert_uint_eq(verify_endpoint_count_tokens(first), 2);
    ck_assert_uint_eq(verify_endpoint_count_secrets(first), 2);
    ck_assert_str_eq(verify_endpoint_get_secret(first, 1), "current");
    tokens[0] = verify_endpoint_get_token(first, 0);
    tokens[1] = verify_endpoint_get_token(first, 1);
    ck_assert_mem_ne(&tokens[0], &tokens[1], sizeof(tokens[0]));
    tokens[0] = verify_endpoint_get_token(second, 1);
    ck_assert_mem_eq(&tokens[0], &tokens[1], sizeof(tokens[0]));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verify-report");
    TCase *core = tcase_create("core"), *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(core, report_passes_and_marks, 0, (int)ARRAY_SIZE(rows));
    tcase_add_test(core, tells_about_endpoints);
    suite_add_tcase(suite, core);
    tcase_add_loop_test(errors, enforce_is_as_strict_as_ever, 0, (int)ARRAY_SIZE(rows));
    tcase_add_loop_test(errors, repeated_headers, 0, 4);
    tcase_add_test(errors, failure_is_never_passed);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
