/* The breaker: what opens it, what it lets through while open, what closes it. */

#include "dispatch/breaker.h"

#include <check.h>
#include <stdlib.h>

enum { FIRST = 1000, MAX = 8000 };

static struct breaker breaker;
static uint32_t marks[8];

static void setup(void)
{
    breaker_init(&breaker, 3, FIRST, MAX);
    for (size_t i = 0; i < 8; i++)
        marks[i] = 0;
}

static void open_it(int64_t now)
{
    ck_assert_int_eq(breaker_failed(&breaker, &marks[0], now), BREAKER_UNCHANGED);
    ck_assert_int_eq(breaker_failed(&breaker, &marks[1], now), BREAKER_UNCHANGED);
    ck_assert_int_eq(breaker_failed(&breaker, &marks[2], now), BREAKER_OPENED);
}

START_TEST(test_opens_after_distinct_failures)
{
    open_it(0);
    ck_assert(breaker.open);
    ck_assert(!breaker_may_start(&breaker, FIRST - 1, 0));
    ck_assert(breaker_may_start(&breaker, FIRST, 0));
}
END_TEST

START_TEST(test_one_delivery_does_not_open)
{
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(breaker_failed(&breaker, &marks[0], i), BREAKER_UNCHANGED);
    ck_assert(breaker_may_start(&breaker, 100, 50));
}
END_TEST

START_TEST(test_success_starts_anew)
{
    breaker_failed(&breaker, &marks[0], 0);
    breaker_failed(&breaker, &marks[1], 0);
    ck_assert_int_eq(breaker_succeeded(&breaker), BREAKER_UNCHANGED);
    /* The same two fail again, and count again: two, not four. */
    breaker_failed(&breaker, &marks[0], 0);
    breaker_failed(&breaker, &marks[1], 0);
    ck_assert(!breaker.open);
    ck_assert_int_eq(breaker_failed(&breaker, &marks[3], 0), BREAKER_OPENED);
}
END_TEST

START_TEST(test_one_probe_at_a_time)
{
    open_it(0);
    ck_assert(!breaker_may_start(&breaker, FIRST, 1));
    ck_assert(breaker_may_start(&breaker, FIRST, 0));
    breaker_started(&breaker);
    ck_assert(!breaker_may_start(&breaker, FIRST, 1));
}
END_TEST

START_TEST(test_probes_get_rarer)
{
    static const int64_t want[] = {1000, 2000, 4000, 8000, 8000, 8000};
    int64_t now = 0;

    open_it(now);
    for (size_t i = 0; i < 6; i++) {
        ck_assert(!breaker_may_start(&breaker, now + want[i] - 1, 0));
        now += want[i];
        ck_assert(breaker_may_start(&breaker, now, 0));
        breaker_started(&breaker);
        ck_assert_int_eq(breaker_failed(&breaker, &marks[4], now), BREAKER_UNCHANGED);
    }
}
END_TEST

START_TEST(test_late_failure_is_no_probe)
{
    open_it(0);
    /* It had been running since before the opening. */
    breaker_failed(&breaker, &marks[5], 500);
    ck_assert(breaker_may_start(&breaker, FIRST, 0));
}
END_TEST

START_TEST(test_success_closes)
{
    open_it(0);
    breaker_started(&breaker);
    ck_assert_int_eq(breaker_succeeded(&breaker), BREAKER_CLOSED);
    ck_assert(breaker_may_start(&breaker, 0, 100));
    /* It opens again after as many, and begins with the first delay. */
    marks[0] = marks[1] = marks[2] = 0;
    open_it(5000);
    ck_assert(breaker_may_start(&breaker, 5000 + FIRST, 0));
}
END_TEST

START_TEST(test_no_verdict)
{
    open_it(0);
    breaker_started(&breaker);
    breaker_passed(&breaker);
    ck_assert(breaker.open);
    /* The next one is a probe of its own. */
    ck_assert(breaker_may_start(&breaker, FIRST, 0));
}
END_TEST

START_TEST(test_off)
{
    uint32_t mark;

    breaker_init(&breaker, 0, FIRST, MAX);
    for (int i = 0; i < 1000; i++) {
        mark = 0;
        ck_assert_int_eq(breaker_failed(&breaker, &mark, 0), BREAKER_UNCHANGED);
    }
    ck_assert(breaker_may_start(&breaker, 0, 1000));
}
END_TEST

START_TEST(test_delay_has_a_bound)
{
    breaker_init(&breaker, 1, INT64_C(3600000000), INT64_C(3600000000));
    ck_assert_int_eq(breaker_failed(&breaker, &marks[0], 0), BREAKER_OPENED);
    ck_assert(breaker_may_start(&breaker, BREAKER_DELAY_MAX_USEC, 0));
}
END_TEST

START_TEST(test_epoch_skips_zero)
{
    breaker.epoch = UINT32_MAX;
    breaker_failed(&breaker, &marks[0], 0);
    breaker_succeeded(&breaker);
    ck_assert_uint_eq(breaker.epoch, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("breaker");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");

    tcase_add_checked_fixture(core, setup, NULL);
    tcase_add_test(core, test_opens_after_distinct_failures);
    tcase_add_test(core, test_one_delivery_does_not_open);
    tcase_add_test(core, test_success_starts_anew);
    tcase_add_test(core, test_one_probe_at_a_time);
    tcase_add_test(core, test_probes_get_rarer);
    tcase_add_test(core, test_late_failure_is_no_probe);
    tcase_add_test(core, test_success_closes);
    tcase_add_test(core, test_no_verdict);
    tcase_add_checked_fixture(limits, setup, NULL);
    tcase_add_test(limits, test_off);
    tcase_add_test(limits, test_delay_has_a_bound);
    tcase_add_test(limits, test_epoch_skips_zero);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
