/*
 * Whatever explaining a request asks of OpenSSL and of the heap is refused once. Whatever happens:
 * a refusal is told as an error of ours, and never makes a report that says something else than
 * the one without it; a report that was not made leaves the caller's as it was; nothing is lost.
 *
 * The search makes far too many calls to refuse each: of the later ones a few are.
 */

#include "job/job.h"
#include "util/buf.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "verify/explain.h"
#include "verify/explain_json.h"
#include "verify/sign.h"

#include "failing_crypto.h"
#include "failing_malloc.h"

#include <check.h>
#include <errno.h>
#include <string.h>

#define URL "https://a.b/cb"
#define BODY                                                                          \
    "{\"job_id\":\"1234567890\",\"type\":\"embed-signature\",\"status\":\"pending\"," \
    "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\"}"

/* ---- what is explained ---- */

static struct verify_secret_options secrets[] = {
    {"current", "an-id", {"12345678901234567890123456789012", 32}}};
static const char *const tokens[] = {"the-partner-token"};
static const char *const other_tokens[] = {"the-token-of-the-other"};
static struct verify_endpoint_options endpoints[] = {
    {"main", URL, "/cb", tokens, 1, secrets, 1, USEC_INFINITY, false},
    {"other", "https://a.b/other", "/other", other_tokens, 1, NULL, 0, USEC_INFINITY, false},
};
static const struct verify_options options = {endpoints, 2};

static char signature[SIGNATURE_SIZE];
static struct explain_header headers[] = {
    {"Authorization", NULL},
    {"SASHA-Request-ID", "an-id"},
    {"SASHA-Request-Signature", signature},
};

/* A row each: what Authorization holds, the url that is signed, and the target, where it is not
 * right. Of the first rows the search finds out quickly. */
#define ROWS_FOUND 5
static const struct row {
    const char *authorization, *url, *target;
} rows[] = {
    {"Bearer the-partner-token", URL},
    {"Bearer \"quoted\"", "https://a.b/cb/"},
    {"Bearer the-token-of-the-other", "http://a.b/cb"},
    {"Basic YTpi", URL},
    {"Bearer the-partner-token", URL, "/cb/"},
    {"Bearer the-partner-token", "https://elsewhere/"},
};

static struct explain_request prepare(const struct row *row)
{
    const struct secret_key *key = &secrets[0].key;

    ck_assert_int_eq(
        sign_callback(key, "POST", row->url, "an-id", BODY, strlen(BODY), signature, NULL), 0);
    headers[0].value = row->authorization;
    return (struct explain_request){
        .method = "POST",
        .target = row->target ? row->target : "/cb",
        .headers = headers,
        .n_headers = ARRAY_SIZE(headers),
        .body = (const unsigned char *)BODY,
        .body_length = strlen(BODY),
    };
}

/* ---- that it is told, and that nothing changes by it ---- */

static void append_report(const struct explain_report *report, struct buf *text)
{
    ck_assert_int_eq(explain_append_json(report, text), 0);
    ck_assert_int_eq(buf_append(text, "", 1), 0);
}

/* Gives back what was made. */
static void check(int r, struct explain_report *report, const struct error *error,
    const struct buf *want, int want_error)
{
    struct buf got = BUF_INIT;

    if (r < 0) {
        ck_assert_msg(r == want_error || r == -EIO, "%d: %s", r, error->text);
        ck_assert_str_ne(error->text, "");
        ck_assert_uint_eq(report->n_checks, 77);
        return;
    }
    append_report(report, &got);
    ck_assert_str_eq((const char *)got.data, (const char *)want->data);
    buf_done(&got);
    explain_report_done(report);
}

static void explain_right(const struct explain_request *request, struct buf *ret_want)
{
    struct explain_report report;

    ck_assert_int_eq(explain_request(&options, NULL, request, 0, &report, NULL), 0);
    append_report(&report, ret_want);
    explain_report_done(&report);
}

START_TEST(test_the_nth_call_is_refused)
{
    const struct explain_request request = prepare(&rows[_i]);
    struct buf want = BUF_INIT;

    ck_assert(caller_init("libcrypto"));
    explain_right(&request, &want);
    for (unsigned int n = 1; n == 1 || refusal.hit; n += 1 + n / 16) {
        struct explain_report report = {.n_checks = 77};
        struct error error = ERROR_INIT;
        int r;

        refusal = (struct refusal){.at = n};
        r = explain_request(&options, NULL, &request, 0, &report, &error);
        refusal.at = 0;
        ck_assert_int_eq(r, refusal.hit ? -EIO : 0);
        check(r, &report, &error, &want, -EIO);
    }
    buf_done(&want);
}
END_TEST

/* jansson's own allocations are not refused: after one it may read beyond its text. */
START_TEST(test_the_nth_allocation_is_refused)
{
    const struct explain_request request = prepare(&rows[_i]);
    struct buf want = BUF_INIT;
    unsigned int n_told = 0;
    bool hit = true;

    if (!failing_malloc_works())
        return;
    ck_assert(caller_init("libjansson"));
    failing_malloc_counts = caller_is_ours;
    explain_right(&request, &want);
    for (unsigned int n = 1; hit; n++) {
        struct explain_report report = {.n_checks = 77};
        struct error error = ERROR_INIT;
        long before = failing_malloc_live;
        int r;

        failing_malloc_in = n;
        r = explain_request(&options, NULL, &request, 0, &report, &error);
        hit = failing_malloc_in == 0;
        failing_malloc_in = 0;
        n_told += r < 0;
        check(r, &report, &error, &want, -ENOMEM);
        ck_assert_int_eq(failing_malloc_live, before);
    }
    ck_assert_uint_gt(n_told, 100);
    buf_done(&want);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("explain_calls");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    job_init_library();
    tcase_set_timeout(errors, 60);
    tcase_add_loop_test(errors, test_the_nth_call_is_refused, 0, ARRAY_SIZE(rows));
    tcase_add_loop_test(errors, test_the_nth_allocation_is_refused, 0, ROWS_FOUND);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
