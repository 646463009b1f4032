/*
 * Durations, sizes, modes and urls of the conf: what is read, what is refused, and that what is
 * written again reads the same.
 */

#include "config/values.h"

#include "util/cleanup.h"

#include <check.h>
#include <errno.h>
#include <string.h>

static const struct {
    const char *text;
    int64_t want_usec; /* 0: refused */
} durations[] = {
    {"1ms", 1000},
    {"250ms", 250000},
    {"1s", 1000000},
    {"90s", 90000000},
    {"15m", INT64_C(900000000)},
    {"12h", INT64_C(43200000000)},
    {"30d", INT64_C(2592000000000)},
    {"007s", 7000000},
    {"106751991d", INT64_C(9223372022400000000)},
    {"106751992d", 0},
    {"9223372036854775807ms", 0},
    {"99999999999999999999s", 0},
    {"0s", 0},
    {"0", 0},
    {"10", 0},
    {"", 0},
    {"s", 0},
    {"-1s", 0},
    {"+1s", 0},
    {" 1s", 0},
    {"1s ", 0},
    {"1 s", 0},
    {"1.5s", 0},
    {"1S", 0},
    {"1us", 0},
    {"1h30m", 0},
    {"30 days", 0},
    {"forever", 0},
    {"0x10s", 0},
};

START_TEST(reads_durations)
{
    int64_t got = -1;
    int r = config_parse_duration(durations[_i].text, &got);

    if (durations[_i].want_usec) {
        ck_assert_int_eq(r, 0);
        ck_assert_int_eq(got, durations[_i].want_usec);
    } else {
        ck_assert_int_eq(r, -EINVAL);
        ck_assert_int_eq(got, -1);
    }
}
END_TEST

static const struct {
    const char *text;
    int want_result;
    uint64_t want_bytes;
} sizes[] = {
    {"0", 0, 0},
    {"4096", 0, 4096},
    {"256K", 0, 262144},
    {"1M", 0, 1048576},
    {"2G", 0, UINT64_C(2147483648)},
    {"1T", 0, UINT64_C(1099511627776)},
    {"18446744073709551615", 0, UINT64_MAX},
    {"18446744073709551616", -EINVAL, 0},
    {"16777216T", -EINVAL, 0},
    {"", -EINVAL, 0},
    {"K", -EINVAL, 0},
    {"1k", -EINVAL, 0},
    {"1KB", -EINVAL, 0},
    {"1 K", -EINVAL, 0},
    {"-1", -EINVAL, 0},
    {"1.5M", -EINVAL, 0},
};

START_TEST(reads_sizes)
{
    uint64_t got = 77;
    int r = config_parse_size(sizes[_i].text, &got);

    ck_assert_int_eq(r, sizes[_i].want_result);
    ck_assert_uint_eq(got, r == 0 ? sizes[_i].want_bytes : 77);
}
END_TEST

START_TEST(reads_numbers_and_modes)
{
    uint64_t number = 77;
    unsigned int mode = 77;

    ck_assert_int_eq(values_parse_number("0", &number), 0);
    ck_assert_uint_eq(number, 0);
    ck_assert_int_eq(values_parse_number("65536", &number), 0);
    ck_assert_uint_eq(number, 65536);
    ck_assert_int_eq(values_parse_number("2K", &number), -EINVAL);
    ck_assert_int_eq(values_parse_number("two", &number), -EINVAL);
    ck_assert_int_eq(values_parse_number("", &number), -EINVAL);
    ck_assert_int_eq(values_parse_number("-1", &number), -EINVAL);
    ck_assert_uint_eq(number, 65536);

    ck_assert_int_eq(values_parse_mode("0640", &mode), 0);
    ck_assert_uint_eq(mode, 0640);
    ck_assert_int_eq(values_parse_mode("600", &mode), 0);
    ck_assert_uint_eq(mode, 0600);
    ck_assert_int_eq(values_parse_mode("0680", &mode), -EINVAL);
    ck_assert_int_eq(values_parse_mode("64", &mode), -EINVAL);
    ck_assert_int_eq(values_parse_mode("00640", &mode), -EINVAL);
    ck_assert_int_eq(values_parse_mode("", &mode), -EINVAL);
    ck_assert_uint_eq(mode, 0600);
}
END_TEST

START_TEST(writes_the_largest_unit)
{
    char text[VALUES_FORMAT_SIZE];

    ck_assert_str_eq(values_format_duration(90 * USEC_PER_SEC, text), "90s");
    ck_assert_str_eq(values_format_duration(120 * USEC_PER_SEC, text), "2m");
    ck_assert_str_eq(values_format_duration(1500 * USEC_PER_MSEC, text), "1500ms");
    ck_assert_str_eq(values_format_duration(30 * USEC_PER_DAY, text), "30d");
    ck_assert_str_eq(values_format_size(0, text), "0");
    ck_assert_str_eq(values_format_size(262144, text), "256K");
    ck_assert_str_eq(values_format_size(262145, text), "262145");
    ck_assert_str_eq(values_format_size(UINT64_C(3) << 30, text), "3G");
}
END_TEST

START_TEST(reads_what_it_writes)
{
    for (uint64_t value = 1; value < UINT64_C(1) << 50; value = value * 3 + 1) {
        char text[VALUES_FORMAT_SIZE];
        int64_t usec = (int64_t)value * USEC_PER_MSEC;
        int64_t got_usec;
        uint64_t got_bytes;

        ck_assert_int_eq(config_parse_duration(values_format_duration(usec, text), &got_usec), 0);
        ck_assert_int_eq(got_usec, usec);
        ck_assert_int_eq(config_parse_size(values_format_size(value, text), &got_bytes), 0);
        ck_assert_uint_eq(got_bytes, value);
    }
}
END_TEST

static const struct {
    const char *text;
    size_t want_path; /* 0: refused */
    const char *want_error;
} urls[] = {
    {"https://your-app.com/callbacks/sasha-job-update", 20, NULL},
    {"http://localhost:8480/cb", 21, NULL},
    {"https://h/", 9, NULL},
    {"https://[::1]:8443/cb", 18, NULL},
    {"https://[2001:db8::1]/cb", 21, NULL},
    {"https://Your_App.com/a%20b/../c", 20, NULL},
    {"https://h/a@b:c", 9, NULL},
    {"https://h", 0, "has no path"},
    {"https:///x", 0, "no valid host"},
    {"https://h:/x", 0, "no valid host"},
    {"https://h:0/x", 0, "no valid host"},
    {"https://h:65536/x", 0, "no valid host"},
    {"https://h:80:80/x", 0, "no valid host"},
    {"https://[::1/x", 0, "no valid host"},
    {"https://[]/x", 0, "no valid host"},
    {"https://::1/x", 0, "no valid host"},
    {"https://h/x?a=b", 0, "query"},
    {"https://h/x#y", 0, "fragment"},
    {"https://user:hush@h/x", 0, "user or password"},
    {"https://h/a b", 0, "blank"},
    {"https://h/x\n", 0, "blank"},
    {"https://h\xc3\xa9/x", 0, "not ASCII"},
    {"ftp://h/x", 0, "https://host/path"},
    {"HTTPS://h/x", 0, "https://host/path"},
    {"h/x", 0, "https://host/path"},
    {"", 0, "https://host/path"},
};

START_TEST(splits_urls)
{
    struct config_url got = {77};
    struct error error = ERROR_INIT;
    int r = config_parse_url(urls[_i].text, &got, &error);

    if (urls[_i].want_path) {
        ck_assert_msg(r == 0, "%s: %s", urls[_i].text, error.text);
        ck_assert_uint_eq(got.path_offset, urls[_i].want_path);
        ck_assert_int_eq(urls[_i].text[got.path_offset], '/');
        return;
    }
    ck_assert_int_eq(r, -EINVAL);
    ck_assert_uint_eq(got.path_offset, 77);
    ck_assert_msg(strstr(error.text, urls[_i].want_error) && strstr(error.text, "; "), "%s: %s",
        urls[_i].text, error.text);
    ck_assert_ptr_null(strstr(error.text, "hush"));
}
END_TEST

static Suite *values_suite(void)
{
    Suite *suite = suite_create("values");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");

    tcase_add_test(core, reads_numbers_and_modes);
    tcase_add_test(core, writes_the_largest_unit);
    tcase_add_test(core, reads_what_it_writes);
    suite_add_tcase(suite, core);

    tcase_add_loop_test(limits, reads_durations, 0, (int)ARRAY_SIZE(durations));
    tcase_add_loop_test(limits, reads_sizes, 0, (int)ARRAY_SIZE(sizes));
    tcase_add_loop_test(limits, splits_urls, 0, (int)ARRAY_SIZE(urls));
    suite_add_tcase(suite, limits);
    return suite;
}

int main(void)
{
    SRunner *runner = srunner_create(values_suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
