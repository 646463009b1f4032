/*
 * Deadlines: order, moving between classes, and what is due.
 */

#include "intake/deadline.h"

#include <check.h>
#include <stdlib.h>

static const int64_t durations[DEADLINE_CLASS_COUNT] = {
    [DEADLINE_HEAD] = 10,
    [DEADLINE_BODY] = 30,
    [DEADLINE_COMMIT] = 5,
    [DEADLINE_ANSWER] = 10,
    [DEADLINE_IDLE] = INT64_MAX,
    [DEADLINE_GRACE] = 1,
    [DEADLINE_LINGER] = 1,
};

static struct deadline_set set;

static void setup(void)
{
    deadline_set_init(&set, durations);
}

START_TEST(test_order)
{
    struct deadline a = {0}, b = {0}, c = {0};

    ck_assert_int_eq(deadline_next(&set), INT64_MAX);
    deadline_start(&set, &a, DEADLINE_BODY, 100);
    ck_assert_int_eq(deadline_next(&set), 130);
    deadline_start(&set, &b, DEADLINE_HEAD, 101);
    ck_assert_int_eq(deadline_next(&set), 111);
    deadline_start(&set, &c, DEADLINE_HEAD, 102);
    ck_assert_ptr_null(deadline_take_due(&set, 110));
    ck_assert_ptr_eq(deadline_take_due(&set, 112), &b);
    ck_assert_int_eq(b.class, DEADLINE_HEAD);
    ck_assert(!b.is_set);
    ck_assert_ptr_eq(deadline_take_due(&set, 112), &c);
    ck_assert_ptr_null(deadline_take_due(&set, 112));
    ck_assert_ptr_eq(deadline_take_due(&set, 130), &a);
    ck_assert_int_eq(deadline_next(&set), INT64_MAX);
}
END_TEST

START_TEST(test_move_and_clear)
{
    struct deadline items[3] = {{0}};

    for (int i = 0; i < 3; i++)
        deadline_start(&set, &items[i], DEADLINE_HEAD, i);
    /* The middle one moves, the first one starts anew, the last one goes. */
    deadline_start(&set, &items[1], DEADLINE_COMMIT, 20);
    deadline_start(&set, &items[0], DEADLINE_HEAD, 30);
    deadline_clear(&set, &items[2]);
    deadline_clear(&set, &items[2]);
    ck_assert_int_eq(deadline_next(&set), 25);
    ck_assert_ptr_eq(deadline_take_due(&set, 40), &items[0]);
    ck_assert_ptr_eq(deadline_take_due(&set, 40), &items[1]);
    ck_assert_ptr_null(deadline_take_due(&set, 1000));
}
END_TEST

/* Clearing at each place of a list of three keeps the other two in order. */
START_TEST(test_clear_each)
{
    struct deadline items[3] = {{0}};
    int64_t before = -1;

    for (int i = 0; i < 3; i++)
        deadline_start(&set, &items[i], DEADLINE_HEAD, i);
    deadline_clear(&set, &items[_i]);
    for (int n = 0; n < 2; n++) {
        struct deadline *got = deadline_take_due(&set, 100);

        ck_assert_ptr_nonnull(got);
        ck_assert_ptr_ne(got, &items[_i]);
        ck_assert_int_gt(got->at_usec, before);
        before = got->at_usec;
    }
    ck_assert_ptr_null(deadline_take_due(&set, 100));
}
END_TEST

START_TEST(test_for_ever)
{
    struct deadline a = {0};

    deadline_start(&set, &a, DEADLINE_IDLE, 5);
    ck_assert_int_eq(deadline_next(&set), INT64_MAX);
    ck_assert_ptr_null(deadline_take_due(&set, INT64_MAX - 1));
    deadline_clear(&set, &a);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("deadline");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits");

    tcase_add_checked_fixture(core, setup, NULL);
    tcase_add_test(core, test_order);
    tcase_add_test(core, test_move_and_clear);
    tcase_add_loop_test(core, test_clear_each, 0, 3);
    suite_add_tcase(s, core);
    tcase_add_checked_fixture(limits, setup, NULL);
    tcase_add_test(limits, test_for_ever);
    suite_add_tcase(s, limits);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    int failed;

    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
