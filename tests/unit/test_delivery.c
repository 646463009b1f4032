/*
 * Deliveries: a deep copy in one allocation.
 */

#include "failing_malloc.h"
#include "job/delivery.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(test_copy)
{
    char endpoint[] = "main", request_id[] = "aa-b-c-d-ee", secret[] = "current";
    char job_id[] = "1234567890", type[] = "embed-signature", status[] = "completed";
    char unverified[] = "token-wrong";
    unsigned char body[] = {'{', 0, '}', 0xFF};
    struct delivery from = {
        .seq = 7,
        .received_at_usec = 8,
        .updated_at_usec = -9,
        .terminal = true,
        .stale = true,
        .id_digest = {{1, 2, 3}},
        .body_digest = {{4, 5, 6}},
        .endpoint = endpoint,
        .request_id = request_id,
        .secret = secret,
        .job_id = job_id,
        .type = type,
        .status = status,
        .unverified = unverified,
        .body = body,
        .body_length = sizeof(body),
    };
    CLEANUP(delivery_free) struct delivery *got = delivery_new(&from);

    ck_assert_ptr_nonnull(got);
    memset(endpoint, 'x', sizeof(endpoint) - 1);
    memset(request_id, 'x', sizeof(request_id) - 1);
    memset(secret, 'x', sizeof(secret) - 1);
    memset(job_id, 'x', sizeof(job_id) - 1);
    memset(type, 'x', sizeof(type) - 1);
    memset(status, 'x', sizeof(status) - 1);
    memset(unverified, 'x', sizeof(unverified) - 1);
    memset(body, 'x', sizeof(body));

    ck_assert_uint_eq(got->seq, 7);
    ck_assert_int_eq(got->received_at_usec, 8);
    ck_assert_int_eq(got->updated_at_usec, -9);
    ck_assert(got->terminal);
    ck_assert(got->stale);
    ck_assert_mem_eq(&got->id_digest, &from.id_digest, DIGEST_SIZE);
    ck_assert_mem_eq(&got->body_digest, &from.body_digest, DIGEST_SIZE);
    ck_assert_str_eq(got->endpoint, "main");
    ck_assert_str_eq(got->request_id, "aa-b-c-d-ee");
    ck_assert_str_eq(got->secret, "current");
    ck_assert_str_eq(got->job_id, "1234567890");
    ck_assert_str_eq(got->type, "embed-signature");
    ck_assert_str_eq(got->status, "completed");
    ck_assert_str_eq(got->unverified, "token-wrong");
    ck_assert_uint_eq(got->body_length, 4);
    ck_assert_mem_eq(got->body, "{\0}\xFF", 4);
}
END_TEST

START_TEST(test_null_strings)
{
    const struct delivery from = {.job_id = "j"};
    CLEANUP(delivery_free) struct delivery *got = delivery_new(&from);

    ck_assert_ptr_nonnull(got);
    ck_assert_str_eq(got->endpoint, "");
    ck_assert_str_eq(got->request_id, "");
    ck_assert_str_eq(got->secret, "");
    ck_assert_str_eq(got->job_id, "j");
    ck_assert_str_eq(got->type, "");
    ck_assert_str_eq(got->status, "");
    ck_assert_str_eq(got->unverified, "");
}
END_TEST

/* Read without its body, a delivery still knows how long it is. */
START_TEST(test_no_body)
{
    const struct delivery from = {.body_length = 1000000};
    CLEANUP(delivery_free) struct delivery *got = delivery_new(&from);

    ck_assert_ptr_nonnull(got);
    ck_assert_ptr_null(got->body);
    ck_assert_uint_eq(got->body_length, 1000000);
}
END_TEST

START_TEST(test_empty_body)
{
    const struct delivery from = {.body = (const unsigned char *)"", .body_length = 0};
    CLEANUP(delivery_free) struct delivery *got = delivery_new(&from);

    ck_assert_ptr_nonnull(got);
    ck_assert_ptr_nonnull(got->body);
    ck_assert_uint_eq(got->body_length, 0);
}
END_TEST

START_TEST(test_memory)
{
    const struct delivery huge = {.body = (const unsigned char *)"", .body_length = SIZE_MAX};
    const struct delivery from = {.job_id = "j"};

    ck_assert_ptr_null(delivery_new(&huge));
    if (failing_malloc_works()) {
        failing_malloc_in = 1;
        ck_assert_ptr_null(delivery_new(&from));
    }
    delivery_free(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("delivery");
    TCase *core = tcase_create("core");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_test(core, test_copy);
    tcase_add_test(core, test_null_strings);
    tcase_add_test(core, test_no_body);
    tcase_add_test(core, test_empty_body);
    tcase_add_test(errors, test_memory);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
