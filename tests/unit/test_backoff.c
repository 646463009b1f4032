/* Backoff: doubling, the bound, and where jitter may fall. */

#include "dispatch/backoff.h"
#include "util/cleanup.h"

#include <check.h>
#include <limits.h>
#include <stdlib.h>

static const struct {
    int64_t first, max;
    unsigned int failures;
    int64_t want;
} bases[] = {
    {1000, 3600000, 1, 1000},
    {1000, 3600000, 2, 2000},
    {1000, 3600000, 5, 16000},
    {1000, 3600000, 12, 2048000},
    {1000, 3600000, 13, 3600000},
    {1000, 3600000, UINT_MAX, 3600000},
    {1000, 3600000, 0, 1000},
    {5000, 3000, 1, 3000},
    {3, 10, 3, 10},
    {0, 10, 1, 1},
    {-5, 10, 2, 2},
    {1, INT64_MAX, UINT_MAX, INT64_MAX},
    {INT64_MAX / 2 + 1, INT64_MAX, 2, INT64_MAX},
};

START_TEST(test_base)
{
    int64_t got = backoff_base(bases[_i].first, bases[_i].max, bases[_i].failures);

    ck_assert_int_eq(got, bases[_i].want);
}
END_TEST

START_TEST(test_jitter_reaches_both_ends)
{
    ck_assert_int_eq(backoff_delay(1000, 60000, 1, 0), 1000);
    ck_assert_int_eq(backoff_delay(1000, 60000, 1, 500), 500);
    ck_assert_int_eq(backoff_delay(1000, 60000, 1, 501), 1000);
    ck_assert_int_eq(backoff_delay(1000, 60000, 3, 1000), 3000);
    ck_assert_int_eq(backoff_delay(1, 1, 1, 77), 1);
}
END_TEST

START_TEST(test_jitter_stays_within)
{
    uint64_t random = 88172645463325252u;

    for (unsigned int i = 0; i < 10000; i++) {
        unsigned int failures = i % 20 + 1;
        int64_t base = backoff_base(1000000, INT64_C(3600000000), failures);

        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        int64_t got = backoff_delay(1000000, INT64_C(3600000000), failures, random);
        ck_assert_int_ge(got, base / 2);
        ck_assert_int_le(got, base);
    }
}
END_TEST

START_TEST(test_largest)
{
    int64_t got = backoff_delay(1, INT64_MAX, UINT_MAX, UINT64_MAX);

    ck_assert_int_ge(got, INT64_MAX / 2);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backoff");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");

    tcase_add_loop_test(core, test_base, 0, (int)ARRAY_SIZE(bases));
    tcase_add_test(core, test_jitter_reaches_both_ends);
    tcase_add_test(core, test_jitter_stays_within);
    tcase_add_test(limits, test_largest);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
