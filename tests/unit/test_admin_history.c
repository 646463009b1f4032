/*
 * The last 24 hours by the minute.
 */

#include "admin/history.h"

#include "util/cleanup.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define NOW (INT64_C(1767225600) * USEC_PER_SEC + 30 * USEC_PER_SEC)

static struct history *history;

static void setup(void)
{
    history = history_new();
    ck_assert_ptr_nonnull(history);
}

static void teardown(void)
{
    history_free(history);
}

struct walked {
    size_t n;
    int64_t at[HISTORY_MINUTES + 1];
    struct history_counts counts[HISTORY_MINUTES + 1];
};
static struct walked walked;

static void on_minute(void *context, int64_t at_usec, const struct history_counts *minute)
{
    ck_assert_uint_le(walked.n, HISTORY_MINUTES);
    walked.at[walked.n] = at_usec;
    walked.counts[walked.n++] = *minute;
}

static void walk(int64_t now, int64_t since, int64_t until)
{
    walked.n = 0;
    history_walk(history, now, since, until, on_minute, NULL);
}

static void add(int64_t now, uint64_t accepted, uint64_t refused)
{
    const struct history_counts counts = {
        .accepted = accepted, .refused = refused, .latency = {[3] = accepted}};

    history_add(history, now, &counts);
}

START_TEST(test_growth_goes_to_its_minute)
{
    add(NOW, 3, 0);
    add(NOW + 5 * USEC_PER_SEC, 5, 1);
    add(NOW + 30 * USEC_PER_SEC, 9, 1); /* the next minute */
    add(NOW + 150 * USEC_PER_SEC, 9, 1);
    walk(NOW + 150 * USEC_PER_SEC, NOW - USEC_PER_DAY, INT64_MAX);
    ck_assert_uint_eq(walked.n, 3);
    ck_assert_int_eq(walked.at[0], NOW - 30 * USEC_PER_SEC);
    ck_assert_uint_eq(walked.counts[0].accepted, 5);
    ck_assert_uint_eq(walked.counts[0].refused, 1);
    ck_assert_uint_eq(walked.counts[0].latency[3], 5);
    ck_assert_int_eq(walked.at[1], NOW + 30 * USEC_PER_SEC);
    ck_assert_uint_eq(walked.counts[1].accepted, 4);
    struct history_counts sum =
        history_sum(history, NOW + 150 * USEC_PER_SEC, NOW - USEC_PER_DAY, INT64_MAX);
    ck_assert_uint_eq(sum.accepted, 9);
    ck_assert_uint_eq(sum.refused, 1);
    ck_assert_uint_eq(sum.latency[3], 9);
    sum = history_sum(
        history, NOW + 150 * USEC_PER_SEC, NOW + 30 * USEC_PER_SEC, NOW + 90 * USEC_PER_SEC);
    ck_assert_uint_eq(sum.accepted, 4);
    ck_assert_uint_eq(walked.counts[1].refused, 0);
    ck_assert_uint_eq(walked.counts[2].accepted, 0); /* looked at, and nothing was there */
}
END_TEST

START_TEST(test_span)
{
    for (int64_t minute = 0; minute < 10; minute++)
        add(NOW + minute * USEC_PER_MIN, (uint64_t)minute, 0);
    walk(NOW + 9 * USEC_PER_MIN, NOW + 2 * USEC_PER_MIN, NOW + 4 * USEC_PER_MIN);
    ck_assert_uint_eq(walked.n, 3); /* the minutes of both ends */
    ck_assert_int_eq(walked.at[0], NOW - 30 * USEC_PER_SEC + 2 * USEC_PER_MIN);
    /* A whole minute ends before the next. */
    walk(NOW + 9 * USEC_PER_MIN, NOW - 30 * USEC_PER_SEC, NOW + 30 * USEC_PER_SEC);
    ck_assert_uint_eq(walked.n, 1);
    walk(NOW + 9 * USEC_PER_MIN, NOW + USEC_PER_HOUR, INT64_MAX);
    ck_assert_uint_eq(walked.n, 0);
}
END_TEST

START_TEST(test_a_day_and_no_more)
{
    for (int64_t minute = 0; minute < HISTORY_MINUTES + 60; minute++)
        add(NOW + minute * USEC_PER_MIN, (uint64_t)minute, 0);
    walk(NOW + (HISTORY_MINUTES + 59) * USEC_PER_MIN, INT64_MIN, INT64_MAX);
    ck_assert_uint_eq(walked.n, HISTORY_MINUTES);
    ck_assert_int_eq(walked.at[0], NOW - 30 * USEC_PER_SEC + 60 * USEC_PER_MIN);
    for (size_t i = 0; i < walked.n; i++)
        ck_assert_uint_eq(walked.counts[i].accepted, 1);
    /* A day later, without a look meanwhile, what was is too old. */
    walk(NOW + 3 * USEC_PER_DAY, INT64_MIN, INT64_MAX);
    ck_assert_uint_eq(walked.n, 0);
}
END_TEST

/* ---- sinks ---- */

static struct history_sink_counts sum;
static char names[256];

static void on_sink(void *context, const char *name, const struct history_sink_counts *counts)
{
    if (strlen(names) + strlen(name) + 2 < sizeof(names))
        strcat(strcat(names, name), " ");
    sum = *counts;
}

static void walk_sinks(int64_t now)
{
    names[0] = '\0';
    history_walk_sinks(history, now, INT64_MIN, INT64_MAX, on_sink, NULL);
}

START_TEST(test_sinks_are_summed)
{
    struct history_sink_counts counts = {.delivered = 4, .failed = 1, .dead = 7, .durations = {4}};

    history_add_sink(history, NOW, "publish", &counts);
    walk_sinks(NOW);
    ck_assert_str_eq(names, "publish ");
    ck_assert_uint_eq(sum.delivered, 4);
    ck_assert_uint_eq(sum.dead, 0); /* they were dead when we came */
    counts = (struct history_sink_counts){.delivered = 6, .failed = 1, .dead = 9, .durations = {6}};
    history_add_sink(history, NOW + USEC_PER_MIN, "publish", &counts);
    counts.dead = 2; /* an operator retried them */
    history_add_sink(history, NOW + 2 * USEC_PER_MIN, "publish", &counts);
    counts.dead = 3;
    history_add_sink(history, NOW + 3 * USEC_PER_MIN, "publish", &counts);
    walk_sinks(NOW + 3 * USEC_PER_MIN);
    ck_assert_uint_eq(sum.delivered, 6);
    ck_assert_uint_eq(sum.failed, 1);
    ck_assert_uint_eq(sum.dead, 3);
    ck_assert_uint_eq(sum.durations[0], 6);
}
END_TEST

START_TEST(test_counters_that_start_anew)
{
    struct history_sink_counts counts = {.delivered = 100};

    history_add_sink(history, NOW, "publish", &counts);
    counts.delivered = 3; /* the sink left the conf and came back */
    history_add_sink(history, NOW, "publish", &counts);
    walk_sinks(NOW);
    ck_assert_uint_eq(sum.delivered, 103);
}
END_TEST

START_TEST(test_sinks_are_bounded_and_forgotten)
{
    const struct history_sink_counts counts = {.delivered = 1};
    char name[65];

    for (int i = 0; i < HISTORY_SINKS_MAX; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        history_add_sink(history, NOW, name, &counts);
    }
    history_add_sink(history, NOW, "extra", &counts);
    walk_sinks(NOW);
    ck_assert_ptr_null(strstr(names, "extra"));
    /* A day later the others have not been seen for a day. */
    history_add_sink(history, NOW + USEC_PER_DAY, "extra", &counts);
    walk_sinks(NOW + USEC_PER_DAY);
    ck_assert_str_eq(names, "extra ");
}
END_TEST

/* ---- percentiles ---- */

static const int64_t bounds[] = {10, 20, 40};
static const struct {
    uint64_t buckets[4];
    unsigned int percent;
    int64_t want;
} percentiles[] = {
    {{0, 0, 0, 0}, 50, -1},
    {{10, 0, 0, 0}, 50, 5},
    {{10, 0, 0, 0}, 100, 10},
    {{1, 0, 0, 0}, 50, 10},
    {{0, 10, 0, 0}, 50, 15},
    {{50, 40, 10, 0}, 90, 20},
    {{50, 40, 10, 0}, 99, 38},
    {{0, 0, 0, 5}, 50, 40},
    {{1, 0, 0, 99}, 99, 40},
    {{1, 0, 1, 0}, 50, 10},
};

START_TEST(test_percentile)
{
    ck_assert_int_eq(
        history_percentile(percentiles[_i].buckets, 4, bounds, percentiles[_i].percent),
        percentiles[_i].want);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("admin_history");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits");
    SRunner *runner = srunner_create(s);
    int failed;

    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_test(core, test_growth_goes_to_its_minute);
    tcase_add_test(core, test_span);
    tcase_add_test(core, test_sinks_are_summed);
    tcase_add_loop_test(core, test_percentile, 0, (int)ARRAY_SIZE(percentiles));
    suite_add_tcase(s, core);
    tcase_add_checked_fixture(limits, setup, teardown);
    tcase_add_test(limits, test_a_day_and_no_more);
    tcase_add_test(limits, test_counters_that_start_anew);
    tcase_add_test(limits, test_sinks_are_bounded_and_forgotten);
    suite_add_tcase(s, limits);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
