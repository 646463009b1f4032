/*
 * What every backend judges alike, by tables.
 */

#include "store/rules.h"

#include "store/checksum.h"
#include "util/cleanup.h"

#include <check.h>

static const struct floor_row {
    bool was_below;
    uint64_t free_bytes, floor;
    bool want;
} floor_rows[] = {
    {false, 0, 0, false}, /* no floor */
    {true, 0, 0, false},
    {false, 1000, 1000, false},
    {false, 999, 1000, true},
    {true, 999, 1000, true},
    {true, 1000, 1000, true}, /* it must rise an eighth above */
    {true, 1124, 1000, true},
    {true, 1125, 1000, false},
    {false, 1124, 1000, false},
    {false, 5, UINT64_MAX, true},
    {true, UINT64_MAX, UINT64_MAX, true},
};

START_TEST(test_floor)
{
    const struct floor_row *row = &floor_rows[_i];

    ck_assert(rule_is_below_floor(row->was_below, row->free_bytes, row->floor) == row->want);
}
END_TEST

/* The sink's frontier goes from 10 to 20. */
static const struct outcome_row {
    enum rule_row row;
    uint64_t seq;
    enum store_state state;
    enum rule_change want;
    uint64_t want_opened, want_closed, want_requeued;
} outcome_rows[] = {
    {RULE_ROW_NONE, 15, STORE_STATE_PENDING, RULE_CHANGE_WRITE, 1, 0, 0},
    {RULE_ROW_NONE, 20, STORE_STATE_DEAD, RULE_CHANGE_WRITE, 1, 0, 0},
    {RULE_ROW_NONE, 15, STORE_STATE_DONE, RULE_CHANGE_NOTHING, 0, 0, 0},
    {RULE_ROW_NONE, 10, STORE_STATE_PENDING, RULE_CHANGE_WRITE, 0, 0, 1},
    {RULE_ROW_DONE, 10, STORE_STATE_DEAD, RULE_CHANGE_WRITE, 0, 0, 1},
    {RULE_ROW_DONE, 5, STORE_STATE_DONE, RULE_CHANGE_NOTHING, 0, 0, 0},
    {RULE_ROW_PENDING, 5, STORE_STATE_DONE, RULE_CHANGE_CLOSE, 0, 1, 0},
    {RULE_ROW_DEAD, 5, STORE_STATE_DONE, RULE_CHANGE_CLOSE, 0, 1, 0},
    {RULE_ROW_PENDING, 5, STORE_STATE_DEAD, RULE_CHANGE_WRITE, 0, 0, 0},
    {RULE_ROW_DEAD, 5, STORE_STATE_PENDING, RULE_CHANGE_WRITE, 0, 0, 0},
    {RULE_ROW_NONE, 21, STORE_STATE_PENDING, RULE_CHANGE_NOTHING, 0, 0, 0},
    {RULE_ROW_NONE, 21, STORE_STATE_DEAD, RULE_CHANGE_NOTHING, 0, 0, 0},
};

START_TEST(test_outcome)
{
    const struct outcome_row *row = &outcome_rows[_i];
    const struct store_outcome outcome = {.seq = row->seq, .state = row->state};
    struct rule_tally got = {.old_frontier = 10, .new_frontier = 20};

    ck_assert_int_eq(rule_settle_outcome(&got, row->row, &outcome), row->want);
    ck_assert_uint_eq(got.opened, row->want_opened);
    ck_assert_uint_eq(got.closed, row->want_closed);
    ck_assert_uint_eq(got.requeued, row->want_requeued);
}
END_TEST

/* Looks one after another, at hours of real and of monotonic time since the last of before. */
static const struct belief_row {
    int64_t before; /* hours; 0: nothing is known from before */
    struct {
        int64_t real, monotonic;
        enum rule_belief want;
    } looks[5];
    size_t n;
} belief_rows[] = {
    {0, {{9000, 1, RULE_BELIEVED}, {9001, 2, RULE_BELIEVED}}, 2},
    {1000, {{1000, 1, RULE_BELIEVED}, {1003, 1, RULE_BELIEVED}, {1007, 1, RULE_DOUBTED_NEWLY}}, 3},
    {1000, {{1024, 1, RULE_BELIEVED}}, 1}, /* the daemon was off for a day */
    {1000, {{1025, 1, RULE_DOUBTED_NEWLY}, {1025, 1, RULE_DOUBTED}, {1026, 2, RULE_BELIEVED}}, 3},
    {1000, {{2000, 5, RULE_DOUBTED_NEWLY}, {1001, 6, RULE_BELIEVED}, {1002, 7, RULE_BELIEVED}}, 3},
    {1000, {{200, 1, RULE_BELIEVED}, {201, 2, RULE_BELIEVED}, {1001, 2, RULE_DOUBTED_NEWLY}}, 3},
    /* A step within the doubt begins the hour anew. */
    {1000,
        {{2000, 5, RULE_DOUBTED_NEWLY}, {9001, 6, RULE_DOUBTED}, {9001, 6, RULE_DOUBTED},
            {9002, 7, RULE_BELIEVED}},
        4},
    /* Long without a look. */
    {1000, {{1000, 1, RULE_BELIEVED}, {9000, 8001, RULE_BELIEVED}}, 2},
};

START_TEST(test_a_step_of_the_clock)
{
    const struct belief_row *row = &belief_rows[_i];
    struct rule_time time = {.real_usec = row->before * USEC_PER_HOUR};

    for (size_t i = 0; i < row->n; i++)
        ck_assert_int_eq(rule_time_look(&time, row->looks[i].real * USEC_PER_HOUR,
                             row->looks[i].monotonic * USEC_PER_HOUR),
            row->looks[i].want);
}
END_TEST

static const struct sum_row {
    struct rule_tally tally;
    int64_t delivered, filtered;
    bool want;
    int64_t dropped;
} sum_rows[] = {
    {{.old_frontier = 10, .new_frontier = 20}, 10, 0, true},
    {{.old_frontier = 10, .new_frontier = 20}, 4, 6, true},
    {{.old_frontier = 10, .new_frontier = 20, .opened = 3}, 4, 3, true},
    {{.old_frontier = 10, .new_frontier = 20, .opened = 3, .closed = 2}, 5, 4, true},
    {{.old_frontier = 10, .new_frontier = 10, .requeued = 7}, 0, 0, true},
    {{.old_frontier = 10, .new_frontier = 20}, 9, 0, false},
    {{.old_frontier = 10, .new_frontier = 20}, 11, -1, false},
    {{.old_frontier = 10, .new_frontier = 20}, -1, 11, false},
    {{.old_frontier = 10, .new_frontier = 20}, 11, 0, false, .dropped = -1},
    {{.old_frontier = 10, .new_frontier = 20}, 9, 0, true, .dropped = 1},
    {{.old_frontier = 10, .new_frontier = 10}, 1, 0, false},
    {{.old_frontier = 10, .new_frontier = 10, .closed = 1}, 0, 0, false},
};

START_TEST(test_sum)
{
    const struct sum_row *row = &sum_rows[_i];
    const struct store_settle settle = {
        .delivered = row->delivered, .filtered = row->filtered, .dropped = row->dropped};

    ck_assert(rule_settle_adds_up(&row->tally, &settle) == row->want);
}
END_TEST

START_TEST(test_what_is_kept_for_ever)
{
    static const struct {
        struct store_retention retention;
        bool want;
    } rows[] = {
        {{USEC_INFINITY, USEC_INFINITY}, false},
        {{USEC_PER_DAY, USEC_INFINITY}, true},
        {{USEC_INFINITY, USEC_PER_DAY}, true},
        {{USEC_PER_DAY, USEC_PER_DAY}, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        ck_assert(rule_retention_is_finite(&rows[i].retention) == rows[i].want);
}
END_TEST

static struct delivery sample(const char *text)
{
    return (struct delivery){
        .endpoint = "e",
        .request_id = "r",
        .secret = "s",
        .job_id = "j",
        .type = "t",
        .status = "x",
        .body = (const unsigned char *)text,
        .body_length = 40,
    };
}

/* It is on disk: another value would make every stored delivery look damaged. */
START_TEST(test_checksum_is_what_it_always_was)
{
    const struct delivery delivery = sample("{\"0123456789\":\"0123456789012345678901234\"}");

    ck_assert_uint_eq(checksum_delivery(&delivery, 7, true), UINT64_C(15853791121459342064));
}
END_TEST

START_TEST(test_checksum_sees_every_bit)
{
    char text[48] = "{\"0123456789\":\"012345678901234567890123\"}";
    struct delivery delivery = sample(text);
    uint64_t want = checksum_delivery(&delivery, 7, true);

    for (size_t bit = 0; bit < 8 * delivery.body_length; bit++) {
        text[bit / 8] ^= (char)(1 << bit % 8);
        ck_assert_uint_ne(checksum_delivery(&delivery, 7, true), want);
        text[bit / 8] ^= (char)(1 << bit % 8);
    }
    ck_assert_uint_ne(checksum_delivery(&delivery, 8, true), want);
    ck_assert_uint_ne(checksum_delivery(&delivery, 7, false), want);
    delivery.body_length--;
    ck_assert_uint_ne(checksum_delivery(&delivery, 7, true), want);
    delivery.body_length++;
    delivery.endpoint = "er"; /* a byte that moved to the field before */
    delivery.request_id = "";
    ck_assert_uint_ne(checksum_delivery(&delivery, 7, true), want);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_rules");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits");
    SRunner *runner;
    int n_failed;

    tcase_add_loop_test(core, test_outcome, 0, (int)ARRAY_SIZE(outcome_rows));
    tcase_add_loop_test(core, test_a_step_of_the_clock, 0, (int)ARRAY_SIZE(belief_rows));
    tcase_add_loop_test(core, test_sum, 0, (int)ARRAY_SIZE(sum_rows));
    tcase_add_test(core, test_what_is_kept_for_ever);
    tcase_add_test(core, test_checksum_is_what_it_always_was);
    tcase_add_test(core, test_checksum_sees_every_bit);
    tcase_add_loop_test(limits, test_floor, 0, (int)ARRAY_SIZE(floor_rows));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
