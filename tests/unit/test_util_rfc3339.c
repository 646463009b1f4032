/*
 * Date-times: the examples of RFC 3339 §5.8, the borders, and what only looks like one.
 */

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/rfc3339.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct {
    const char *text;
    int64_t want_usec;
} accepted[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"1969-12-31T23:59:59.999999Z", -1},
    {"2025-01-01T00:00:00Z", INT64_C(1735689600000000)},
    {"2026-11-22T07:15:38.123456Z", INT64_C(1795331738123456)},
    /* RFC 3339 §5.8 */
    {"1985-04-12T23:20:50.52Z", INT64_C(482196050520000)},
    {"1996-12-19T16:39:57-08:00", INT64_C(851042397000000)},
    {"1996-12-20T00:39:57Z", INT64_C(851042397000000)},
    {"1990-12-31T23:59:60Z", INT64_C(662688000000000)},
    {"1990-12-31T15:59:60-08:00", INT64_C(662688000000000)},
    {"1937-01-01T12:00:27.87+00:20", INT64_C(-1041337172130000)},
    /* fractions: six digits count, the rest is read over */
    {"1970-01-01T00:00:00.1Z", 100000},
    {"1970-01-01T00:00:00.000001Z", 1},
    {"1970-01-01T00:00:00.0000019Z", 1},
    {"1970-01-01T00:00:00.123456789Z", 123456},
    {"1970-01-01T00:00:00.12345678901234567890123456789012345678901234567890Z", 123456},
    /* case and offsets */
    {"1970-01-01t00:00:00z", 0},
    {"1970-01-01T00:00:00-00:00", 0},
    {"1970-01-01T23:59:00+23:59", 0},
    {"1969-12-31T00:01:00-23:59", 0},
    /* leap years */
    {"2000-02-29T00:00:00Z", INT64_C(951782400000000)},
    {"2024-02-29T12:00:00Z", INT64_C(1709208000000000)},
    {"2024-12-31T00:00:00Z", INT64_C(1735603200000000)},
    /* the ends */
    {"0000-01-01T00:00:00Z", INT64_C(-62167219200000000)},
    {"0000-02-29T00:00:00Z", INT64_C(-62162121600000000)},
    {"0000-01-01T00:00:00+23:59", INT64_C(-62167305540000000)},
    {"9999-12-31T23:59:59.999999Z", INT64_C(253402300799999999)},
    {"9999-12-31T23:59:60-23:59", INT64_C(253402387140000000)},
};

START_TEST(test_accepted)
{
    int64_t got = 42;

    ck_assert_int_eq(rfc3339_parse(accepted[_i].text, strlen(accepted[_i].text), &got), 0);
    ck_assert_int_eq(got, accepted[_i].want_usec);
}
END_TEST

static const char *const refused[] = {
    "",
    "2025-01-01",
    "2025-01-01T00:00:00",
    "2025-01-01 00:00:00Z",
    "2025-01-01T00:00Z",
    " 2025-01-01T00:00:00Z",
    "2025-01-01T00:00:00Z ",
    "2025-01-01T00:00:00Z\n",
    "2025-01-01T00:00:00ZZ",
    "2025-01-01T00:00:00.Z",
    "2025-01-01T00:00:00,5Z",
    "2025-01-01T00:00:00.5",
    "2025-01-01T00:00:00.-5Z",
    "2025-01-01T00:00:00+",
    "2025-01-01T00:00:00+1:00",
    "2025-01-01T00:00:00+0100",
    "2025-01-01T00:00:00+01",
    "2025-01-01T00:00:00+24:00",
    "2025-01-01T00:00:00+00:60",
    "2025-01-01T00:00:00+-1:00",
    "2025-00-01T00:00:00Z",
    "2025-13-01T00:00:00Z",
    "2025-01-00T00:00:00Z",
    "2025-01-32T00:00:00Z",
    "2025-04-31T00:00:00Z",
    "2025-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2024-02-30T00:00:00Z",
    "2025-01-01T24:00:00Z",
    "2025-01-01T00:60:00Z",
    "2025-01-01T00:00:61Z",
    "25-01-01T00:00:00Z",
    "+025-01-01T00:00:00Z",
    "-025-01-01T00:00:00Z",
    "20250-01-01T00:00:00Z",
    "2025-1-01T00:00:00Z",
    "2025/01/01T00:00:00Z",
    "2025-01-01T00-00-00Z",
    "20250101T000000Z",
    "2025-W01-1T00:00:00Z",
    "1735689600",
    "２０２５-01-01T00:00:00Z",
};

START_TEST(test_refused)
{
    int64_t got = 42;

    ck_assert_msg(
        rfc3339_parse(refused[_i], strlen(refused[_i]), &got) == -EINVAL, "%s", refused[_i]);
    ck_assert_int_eq(got, 42);
}
END_TEST

/* No prefix of a date-time is one, and no byte behind the length is looked at. */
START_TEST(test_length)
{
    static const char text[] = "2026-11-22T07:15:38.123456+01:30";

    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        char *cut = malloc(length ? length : 1); /* exact, for the sanitizer */
        int64_t got = 42;

        ck_assert_ptr_nonnull(cut);
        memcpy(cut, text, length);
        ck_assert_int_eq(rfc3339_parse(cut, length, &got), -EINVAL);
        free(cut);
    }
}
END_TEST

static const struct {
    int64_t usec;
    const char *want;
} formatted[] = {
    {0, "1970-01-01T00:00:00.000000Z"},
    {-1, "1969-12-31T23:59:59.999999Z"},
    {INT64_C(1795331738123456), "2026-11-22T07:15:38.123456Z"},
    {INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
    {INT64_C(-62167219200000000), "0000-01-01T00:00:00.000000Z"},
    {INT64_C(-62167219200000001), "0000-01-01T00:00:00.000000Z"},
    {INT64_MIN, "0000-01-01T00:00:00.000000Z"},
    {INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
    {INT64_C(253402300800000000), "9999-12-31T23:59:59.999999Z"},
    {USEC_INFINITY, "9999-12-31T23:59:59.999999Z"},
};

START_TEST(test_format)
{
    char got[RFC3339_SIZE];

    ck_assert_ptr_eq(rfc3339_format(formatted[_i].usec, got), got);
    ck_assert_str_eq(got, formatted[_i].want);
}
END_TEST

/* Every fifth day of ten thousand years, against the C library and back again. Five does not divide
 * the 146,097 days after which the calendar repeats, so no day of it is left out. */
START_TEST(test_calendar)
{
    for (int64_t day = -719528; day < 2932897; day += 5) {
        int64_t of_day = (day + 719528) % 86400;
        time_t seconds = (time_t)(day * 86400 + of_day);
        int64_t usec = seconds * USEC_PER_SEC + 7;
        char want[RFC3339_SIZE];
        char got[RFC3339_SIZE];
        struct tm tm;
        int64_t back;

        if (!gmtime_r(&seconds, &tm))
            ck_abort_msg("the C library does not know day %lld", (long long)day);
        snprintf(want, sizeof(want), "%04u-%02u-%02uT%02u:%02u:%02u.000007Z",
            (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
            (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
            (unsigned)tm.tm_sec % 100);
        rfc3339_format(usec, got);
        if (strcmp(got, want) != 0)
            ck_abort_msg("%s, should be %s", got, want);
        if (rfc3339_parse(got, RFC3339_SIZE - 1, &back) < 0 || back != usec)
            ck_abort_msg("%s does not come back", got);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("util_rfc3339");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(core, test_accepted, 0, ARRAY_SIZE(accepted));
    tcase_add_loop_test(core, test_format, 0, ARRAY_SIZE(formatted));
    tcase_add_test(limits, test_length);
    tcase_add_test(limits, test_calendar);
    tcase_set_timeout(limits, 60);
    tcase_add_loop_test(errors, test_refused, 0, ARRAY_SIZE(refused));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
