/*
 * Limits of the log: what is left out is counted, and states that flap make few lines.
 */

#include "util/cleanup.h"
#include "util/log_limit.h"

#include <check.h>
#include <stdlib.h>

START_TEST(test_limit)
{
    struct log_limit limit = {0};
    uint64_t left_out = 42;

    ck_assert(log_limit_pass(&limit, 5, 100, &left_out));
    ck_assert_uint_eq(left_out, 0);
    left_out = 42;
    ck_assert(!log_limit_pass(&limit, 5, 100, &left_out));
    ck_assert(!log_limit_pass(&limit, 104, 100, &left_out));
    ck_assert_uint_eq(left_out, 42);
    ck_assert(log_limit_pass(&limit, 105, 100, &left_out));
    ck_assert_uint_eq(left_out, 2);
    ck_assert(log_limit_pass(&limit, 205, INT64_MAX, &left_out));
    ck_assert_uint_eq(left_out, 0);
    ck_assert(!log_limit_pass(&limit, INT64_MAX - 1, 100, &left_out));
}
END_TEST

START_TEST(test_take_rest)
{
    struct log_limit limit = {0};
    uint64_t left_out;

    ck_assert_uint_eq(log_limit_take_rest(&limit, 5, 100, false), 0);
    ck_assert_uint_eq(log_limit_take_rest(&limit, 5, 100, true), 0);
    ck_assert(log_limit_pass(&limit, 5, 100, &left_out));
    for (int i = 0; i < 3; i++)
        ck_assert(!log_limit_pass(&limit, 6, 100, &left_out));
    ck_assert_uint_eq(log_limit_take_rest(&limit, 104, 100, false), 0);
    ck_assert_uint_eq(log_limit_take_rest(&limit, 105, 100, false), 3);
    /* That was a line as well. */
    ck_assert(!log_limit_pass(&limit, 106, 100, &left_out));
    ck_assert_uint_eq(log_limit_take_rest(&limit, 107, 100, true), 1);
    ck_assert(log_limit_pass(&limit, 207, 100, &left_out));
    ck_assert_uint_eq(left_out, 0);
}
END_TEST

/* One state through its life; the interval is 100. */
static const struct {
    bool is_on;
    int64_t now;
    enum log_state_line want;
    uint64_t want_left_out;
} steps[] = {
    {false, 0, LOG_STATE_NOTHING, 0},
    {true, 10, LOG_STATE_ENTERED, 0},
    {true, 11, LOG_STATE_NOTHING, 0},
    {true, 500, LOG_STATE_NOTHING, 0}, /* still on is no news */
    {false, 501, LOG_STATE_LEFT, 0},
    {false, 502, LOG_STATE_NOTHING, 0},
    {true, 600, LOG_STATE_ENTERED, 0},
    {false, 601, LOG_STATE_LEFT, 0},
    {true, 602, LOG_STATE_NOTHING, 0}, /* flaps: neither line */
    {false, 603, LOG_STATE_NOTHING, 0},
    {true, 604, LOG_STATE_NOTHING, 0},
    {true, 605, LOG_STATE_NOTHING, 0},
    {false, 606, LOG_STATE_NOTHING, 0},
    {true, 607, LOG_STATE_NOTHING, 0}, /* and stays: told of as soon as it may be */
    {true, 699, LOG_STATE_NOTHING, 0},
    {true, 700, LOG_STATE_ENTERED, 2}, /* of 602 and 604; that of 607 is this one */
    {false, 701, LOG_STATE_LEFT, 0},
    {true, 702, LOG_STATE_NOTHING, 0},
    {false, 703, LOG_STATE_NOTHING, 0},
    {true, 800, LOG_STATE_ENTERED, 1},
};

START_TEST(test_state)
{
    struct log_state state = {0};

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        uint64_t got_left_out = 0;
        const enum log_state_line got =
            log_state_step(&state, steps[i].is_on, steps[i].now, 100, &got_left_out);

        ck_assert_msg(got == steps[i].want, "step %zu: got %d", i, (int)got);
        ck_assert_msg(got_left_out == steps[i].want_left_out, "step %zu: got %llu left out", i,
            (unsigned long long)got_left_out);
    }
}
END_TEST

START_TEST(test_rest)
{
    struct log_rest rest;

    log_rest_tell(&rest, 0);
    ck_assert_ptr_null(rest.field);
    ck_assert_str_eq(rest.words, "");
    log_rest_tell(&rest, 3);
    ck_assert_str_eq(rest.field, "3");
    ck_assert_str_eq(rest.words, " (and 3 more like it since the last such line)");
    log_rest_tell(&rest, UINT64_MAX);
    ck_assert_str_eq(rest.field, "18446744073709551615");
    ck_assert_str_eq(
        rest.words, " (and 18446744073709551615 more like it since the last such line)");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_log_limit");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits");
    SRunner *runner;
    int failed;

    tcase_add_test(core, test_limit);
    tcase_add_test(core, test_take_rest);
    tcase_add_test(core, test_state);
    tcase_add_test(limits, test_rest);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
