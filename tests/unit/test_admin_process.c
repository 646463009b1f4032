/*
 * What the kernel says of a process: the text of /proc/PID/stat, whatever the program's name, and
 * the real one of this process.
 */

#include "admin/process.h"

#include "util/cleanup.h"
#include "util/clock.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* Fields 3 to 24 with 14, 15, 20, 23 and 24 to be told from the others. */
#define REST " S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 7 18 19 4096000 25 22 23"

static const struct {
    const char *text;
    bool want;
} texts[] = {
    {"42 (sasha-callbackd)" REST, true},
    {"42 (a b) c (d)" REST, true}, /* the name ends with the last parenthesis */
    {"42 ()" REST "\n", true},
    {"", false},
    {"42 (sasha-callbackd", false},
    {"42 (sasha-callbackd) S 1 2 3 4 5 6 7 8 9 10 150", false},
    {"42 (sasha-callbackd) S 1 2 3 4 5 6 7 8 9 10 x 50 13 14 15 16 7 18 19 4096000 25", false},
};

START_TEST(test_parse)
{
    struct process_stats got = {.open_fds = 9};

    ck_assert_int_eq(process_parse(texts[_i].text, 100, 4096, &got), texts[_i].want);
    ck_assert_uint_eq(got.open_fds, 9);
    if (!texts[_i].want) {
        ck_assert_uint_eq(got.threads, 0);
        return;
    }
    ck_assert_int_eq(got.cpu_usec, 2 * USEC_PER_SEC);
    ck_assert_uint_eq(got.threads, 7);
    ck_assert_uint_eq(got.virtual_bytes, 4096000);
    ck_assert_uint_eq(got.resident_bytes, 25 * 4096);
}
END_TEST

START_TEST(test_read)
{
    struct process_stats before, after;
    int fds[2];

    ck_assert(process_read(&before));
    ck_assert_uint_ge(before.threads, 1);
    ck_assert_uint_gt(before.resident_bytes, 0);
    ck_assert_uint_ge(before.virtual_bytes, before.resident_bytes);
    ck_assert_uint_ge(before.max_fds, before.open_fds);
    ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
    ck_assert(process_read(&after));
    ck_assert_uint_eq(after.open_fds, before.open_fds + 2);
    ck_assert_int_ge(after.cpu_usec, before.cpu_usec);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("admin_process");
    TCase *core = tcase_create("core");
    SRunner *runner;
    int failed;

    tcase_add_loop_test(core, test_parse, 0, (int)ARRAY_SIZE(texts));
    tcase_add_test(core, test_read);
    suite_add_tcase(suite, core);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
