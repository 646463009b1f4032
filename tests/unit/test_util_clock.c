/*
 * The clock: the machine's own, and one that a test owns.
 */

#include "util/cleanup.h"
#include "util/clock.h"

#include <check.h>
#include <stdlib.h>
#include <time.h>

START_TEST(test_system)
{
    const struct clock *clock = clock_system();
    int64_t before = (int64_t)time(NULL) * USEC_PER_SEC;
    int64_t now = clock_realtime(clock);
    int64_t after = ((int64_t)time(NULL) + 1) * USEC_PER_SEC;
    int64_t start = clock_monotonic(clock);
    const struct timespec two_msec = {0, 2000000};

    ck_assert_int_ge(now, before - USEC_PER_SEC / 10); /* time(2) may lag by a tick */
    ck_assert_int_le(now, after + USEC_PER_SEC);
    nanosleep(&two_msec, NULL);
    ck_assert_int_ge(clock_monotonic(clock) - start, 2 * USEC_PER_MSEC);
    ck_assert_int_lt(clock_monotonic(clock) - start, 10 * USEC_PER_SEC);
}
END_TEST

static int64_t fixed(void *context)
{
    return *(const int64_t *)context;
}

static int64_t doubled(void *context)
{
    return 2 * *(const int64_t *)context;
}

START_TEST(test_own)
{
    int64_t now = 21;
    const struct clock clock = {fixed, doubled, &now};

    ck_assert_int_eq(clock_realtime(&clock), 21);
    ck_assert_int_eq(clock_monotonic(&clock), 42);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_clock");
    TCase *core = tcase_create("core");
    SRunner *runner;
    int failed;

    tcase_add_test(core, test_system);
    tcase_add_test(core, test_own);
    suite_add_tcase(suite, core);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
