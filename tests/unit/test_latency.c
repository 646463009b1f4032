/*
 * Buckets of latencies: right to one part in sixteen, whatever the size; and what the self-test
 * says about answers.
 */

#include "ctl/latency.h"
#include "ctl/send.h"
#include "util/cleanup.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* ---- core ---- */

START_TEST(percentiles_of_a_thousand)
{
    struct latency latency = {.n = 0};

    for (int64_t usec = 1; usec <= 1000; usec++)
        latency_add(&latency, usec);
    ck_assert_int_ge(latency_get(&latency, 50), 500);
    ck_assert_int_le(latency_get(&latency, 50), 532);
    ck_assert_int_ge(latency_get(&latency, 99), 990);
    ck_assert_int_eq(latency_get(&latency, 100), 1000);
}
END_TEST

/* ---- limits ---- */

static const int64_t sizes[] = {
    0, 1, 15, 31, 32, 33, 63, 64, 1000, 123456, 1000000, 86400000000, INT64_C(1) << 42};

START_TEST(one_alone_is_told_exactly)
{
    struct latency latency = {.n = 0};

    latency_add(&latency, sizes[_i]);
    ck_assert_int_eq(latency_get(&latency, 50), sizes[_i]);
    ck_assert_int_eq(latency_get(&latency, 100), sizes[_i]);
}
END_TEST

START_TEST(error_is_bounded)
{
    struct latency latency = {.n = 0};
    int64_t got;

    latency_add(&latency, sizes[_i]);
    latency_add(&latency, INT64_C(1) << 50);
    got = latency_get(&latency, 50);
    ck_assert_int_ge(got, sizes[_i]);
    ck_assert_int_le(got, sizes[_i] + sizes[_i] / 16 + 1);
}
END_TEST

START_TEST(none)
{
    struct latency latency = {.n = 0};

    ck_assert_int_eq(latency_get(&latency, 50), 0);
    latency_add(&latency, INT64_MAX);
    latency_add(&latency, -5);
    ck_assert_int_eq(latency_get(&latency, 50), 0);
    ck_assert_int_eq(latency_get(&latency, 100), INT64_MAX);
}
END_TEST

/* ---- the self-test's words ---- */

static const struct {
    enum send_failure failure;
    long status;
    const char *body;
    bool want_ok;
    const char *want;
} answers[] = {
    {SEND_ANSWERED, 202, "{\"status\":\"accepted\"}", true, "callbacks reach the daemon"},
    {SEND_ANSWERED, 200, "{\"status\":\"duplicate\"}", true, "callbacks reach the daemon"},
    {SEND_ANSWERED, 200, "<html>", false, "something else than the daemon"},
    {SEND_ANSWERED, 308, "", false, "redirects"},
    {SEND_ANSWERED, 401, "{\"message\":\"Unauthorized\"}", false, "another conf"},
    {SEND_ANSWERED, 401, "<html>", false, "a password of its own"},
    {SEND_ANSWERED, 404, "{\"message\":\"Not found\"}", false, "another path than the endpoint's"},
    {SEND_ANSWERED, 404, "<html>", false, "nothing at this path"},
    {SEND_ANSWERED, 413, "<html>", false, "client_max_body_size"},
    {SEND_ANSWERED, 413, "{\"message\":\"\"}", false, "over max_body"},
    {SEND_ANSWERED, 418, "", false, "something before the daemon"},
    {SEND_ANSWERED, 418, "{\"message\":\"\"}", false, "the daemon refuses it"},
    {SEND_ANSWERED, 502, "<html>", false, "does not reach the daemon"},
    {SEND_NO_HOST, 0, "", false, "has no address"},
    {SEND_NO_CONNECTION, 0, "", false, "nobody takes the connection"},
    {SEND_TIMED_OUT, 0, "", false, "no answer in time"},
    {SEND_BAD_CERTIFICATE, 0, "", false, "the certificate does not hold"},
    {SEND_NO_TLS, 0, "", false, "TLS does not come about"},
    {SEND_CUT, 0, "", false, "before the answer was whole"},
    {SEND_FAILED, 0, "", false, "there was no answer (why)"},
};

START_TEST(self_test_says)
{
    const struct send_request request = {.url = "https://h/"};
    const struct error error = {5, "why"};
    struct send_answer answer = SEND_ANSWER_INIT;
    struct buf got = BUF_INIT;
    bool got_ok;

    answer.failure = answers[_i].failure;
    answer.status = answers[_i].status;
    buf_append_text(&answer.body, answers[_i].body);
    got_ok = send_self_test_judge(
        &request, &answer, answer.failure == SEND_ANSWERED ? NULL : &error, &got);
    buf_append(&got, "", 1);
    ck_assert_int_eq(got_ok, answers[_i].want_ok);
    ck_assert_msg(strstr((const char *)got.data, answers[_i].want), "%s", (const char *)got.data);
    buf_done(&got);
    buf_done(&answer.body);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("latency");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    SRunner *runner;
    int failed;

    tcase_add_test(core, percentiles_of_a_thousand);
    tcase_add_loop_test(core, self_test_says, 0, ARRAY_SIZE(answers));
    tcase_add_loop_test(limits, one_alone_is_told_exactly, 0, ARRAY_SIZE(sizes));
    tcase_add_loop_test(limits, error_is_bounded, 0, ARRAY_SIZE(sizes));
    tcase_add_test(limits, none);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
