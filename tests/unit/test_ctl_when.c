/*
 * Moments and rates as people write them.
 *
 * In the time zone of Berlin, where the clocks went forward on 2026-03-29 and back on 2026-10-25.
 */

#include "ctl/format.h"
#include "ctl/pace.h"
#include "ctl/when.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/rfc3339.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NOW "2026-11-22T07:15:38Z"

static void berlin(void)
{
    setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
    tzset();
}

static int64_t moment(const char *text)
{
    int64_t usec = 0;

    ck_assert_int_eq(rfc3339_parse(text, strlen(text), &usec), 0);
    return usec;
}

/* ---- core ---- */

static const struct {
    const char *text;
    const char *now;
    const char *want;
} moments[] = {
    {"2026-11-01T00:00:00+02:00", NOW, "2026-10-31T22:00:00Z"},
    {"now", NOW, NOW},
    {"today", NOW, "2026-11-21T23:00:00Z"},
    {"yesterday", NOW, "2026-11-20T23:00:00Z"},
    {"yesterday 07:15", NOW, "2026-11-21T06:15:00Z"},
    {"today 07:15:38", NOW, "2026-11-22T06:15:38Z"},
    {"07:15", NOW, "2026-11-22T06:15:00Z"},
    {"7:15", NOW, "2026-11-22T06:15:00Z"},
    {"23:59:59", NOW, "2026-11-22T22:59:59Z"},
    {"2026-11-22", NOW, "2026-11-21T23:00:00Z"},
    {"2026-07-01", NOW, "2026-06-30T22:00:00Z"},
    {"2026-11-22 07:15", NOW, "2026-11-22T06:15:00Z"},
    {"2026-11-22 07:15:38", NOW, "2026-11-22T06:15:38Z"},
    {"2024-02-29", NOW, "2024-02-28T23:00:00Z"},
    {"-1d", NOW, "2026-11-21T07:15:38Z"},
    {"-90m", NOW, "2026-11-22T05:45:38Z"},
    {"-1d12h", NOW, "2026-11-20T19:15:38Z"},
    {"2h ago", NOW, "2026-11-22T05:15:38Z"},
    {"2hago", NOW, "2026-11-22T05:15:38Z"},
    {"1d 12h ago", NOW, "2026-11-20T19:15:38Z"},
    {"1w ago", NOW, "2026-11-15T07:15:38Z"},
    {"-0s", NOW, NOW},
    /* The local day is another one than UTC's. */
    {"today", "2026-11-22T23:30:00Z", "2026-11-22T23:00:00Z"},
    {"yesterday", "2026-01-01T12:00:00Z", "2025-12-30T23:00:00Z"},
    /* The day before had 23 hours, or 25. */
    {"yesterday", "2026-03-30T10:00:00Z", "2026-03-28T23:00:00Z"},
    {"yesterday", "2026-10-26T10:00:00Z", "2026-10-24T22:00:00Z"},
    {"today", "2026-03-29T22:30:00Z", "2026-03-29T22:00:00Z"},
};

START_TEST(parses_moments)
{
    int64_t got = 0;
    struct error error = ERROR_INIT;

    berlin();
    ck_assert_msg(
        when_parse(moments[_i].text, moment(moments[_i].now), &got, &error) == 0, "%s", error.text);
    ck_assert_msg(got == moment(moments[_i].want), "%s is off by %lld s", moments[_i].text,
        (long long)((got - moment(moments[_i].want)) / USEC_PER_SEC));
}
END_TEST

static const struct {
    int64_t ago_usec;
    const char *want_ago, *want_span;
} spans[] = {
    {0, "0s ago", "0s"},
    {59 * USEC_PER_SEC, "59s ago", "59s"},
    {61 * USEC_PER_SEC, "1m ago", "1m 1s"},
    {2 * USEC_PER_HOUR, "2h ago", "2h"},
    {26 * USEC_PER_HOUR, "1d ago", "1d 2h"},
    {-90 * USEC_PER_SEC, "in 1m", "0s"},
};

START_TEST(formats_spans)
{
    char buffer[FORMAT_SIZE];
    int64_t now = moment(NOW);

    ck_assert_str_eq(format_ago(now - spans[_i].ago_usec, now, buffer), spans[_i].want_ago);
    ck_assert_str_eq(format_span(spans[_i].ago_usec, buffer), spans[_i].want_span);
}
END_TEST

START_TEST(formats_the_rest)
{
    char buffer[FORMAT_SIZE];

    berlin();
    ck_assert_str_eq(format_time(moment(NOW), buffer), "2026-11-22 08:15:38");
    ck_assert_str_eq(format_time(-1, buffer), "1970-01-01 00:59:59");
    ck_assert_str_eq(format_time(INT64_MIN, buffer), "-");
    ck_assert_str_eq(format_ago(INT64_MIN, 0, buffer), "never");
    ck_assert_str_eq(format_bytes(0, buffer), "0 B");
    ck_assert_str_eq(format_bytes(999, buffer), "999 B");
    ck_assert_str_eq(format_bytes(1536, buffer), "1.5 KB");
    ck_assert_str_eq(format_bytes(12 << 20, buffer), "12 MB");
    ck_assert_str_eq(format_bytes(UINT64_MAX, buffer), "16 EB");
    ck_assert_str_eq(format_milliseconds(0.92, buffer), "0.92 ms");
    ck_assert_str_eq(format_milliseconds(12.34, buffer), "12.3 ms");
    ck_assert_str_eq(format_milliseconds(1200, buffer), "1.20 s");
}
END_TEST

static const struct {
    const char *text;
    uint64_t done;
    int64_t want_due_usec;
    size_t want_chunk;
} paces[] = {
    {"4/s", 4, USEC_PER_SEC, 4},
    {"4", 6, 3 * USEC_PER_SEC / 2, 4},
    {"100/m", 150, 90 * USEC_PER_SEC, 1},
    {"1000/h", 500, 30 * USEC_PER_MIN, 1},
    {"999999999/s", 999999999, USEC_PER_SEC, 500},
    {"1/h", 1000000, 1000000 * USEC_PER_HOUR, 1},
};

START_TEST(keeps_a_pace)
{
    struct pace got = {0, 0};
    struct error error = ERROR_INIT;

    ck_assert_int_eq(pace_parse(paces[_i].text, &got, &error), 0);
    ck_assert_int_eq(pace_due_usec(&got, paces[_i].done), paces[_i].want_due_usec);
    ck_assert_uint_eq(pace_chunk(&got, 500), paces[_i].want_chunk);
}
END_TEST

START_TEST(without_a_rate_nothing_waits)
{
    const struct pace pace = {0, 0};

    ck_assert_int_eq(pace_due_usec(&pace, 1000000), 0);
    ck_assert_uint_eq(pace_chunk(&pace, 500), 500);
}
END_TEST

/* ---- errors ---- */

static const char *const no_moments[] = {"", " ", "soon", "-", "-1", "-1x", "1d", "ago", "1d agon",
    "d ago", "--1d", "-1d ", "-1.5h", "12345678w ago", "-9999999w9999999w9999999w9999999w9999999w",
    "2026-11", "2026-11-31", "2026-13-01", "2026-02-29", "2026-11-22 ", "2026-11-22 24:00",
    "2026-11-22 07", "26-11-22", "1969-01-01", "yesterdays", "yesterday noon", "today 7", "7:60",
    "07:15:60", "07:15:38x", "2026-11-22T07:15:38", "\x1b[2J"};

START_TEST(refuses_what_is_no_moment)
{
    int64_t got = 42;
    struct error error = ERROR_INIT;

    berlin();
    ck_assert_msg(
        when_parse(no_moments[_i], moment(NOW), &got, &error) == -EINVAL, "%s", no_moments[_i]);
    ck_assert_int_eq(got, 42);
    ck_assert_ptr_nonnull(strstr(error.text, "is no time; write it like "));
    ck_assert_ptr_null(strchr(error.text, '\x1b'));
}
END_TEST

static const char *const no_paces[] = {
    "", "0", "0/s", "/s", "x", "1/d", "1s", "-1/s", "1.5/s", "9999999999/s", "4/s "};

START_TEST(refuses_what_is_no_pace)
{
    struct pace got = {7, 7};
    struct error error = ERROR_INIT;

    ck_assert_int_eq(pace_parse(no_paces[_i], &got, &error), -EINVAL);
    ck_assert_uint_eq(got.count, 7);
    ck_assert_ptr_nonnull(strstr(error.text, "write it like 20/s"));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ctl_when");
    TCase *core = tcase_create("core");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(core, parses_moments, 0, ARRAY_SIZE(moments));
    tcase_add_loop_test(core, formats_spans, 0, ARRAY_SIZE(spans));
    tcase_add_test(core, formats_the_rest);
    tcase_add_loop_test(core, keeps_a_pace, 0, ARRAY_SIZE(paces));
    tcase_add_test(core, without_a_rate_nothing_waits);
    tcase_add_loop_test(errors, refuses_what_is_no_moment, 0, ARRAY_SIZE(no_moments));
    tcase_add_loop_test(errors, refuses_what_is_no_pace, 0, ARRAY_SIZE(no_paces));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);

    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
