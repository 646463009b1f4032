/*
 * Dispatch when what it stands on fails: a store that is unavailable or has failed, bodies that are
 * gone or damaged, sinks that do not start, memory that runs out.
 */

#include "dispatch_rig.h"

#include "failing_malloc.h"

static struct fake *a, *b;
static struct dispatch_sink_options sinks[FAKES];

static void setup(void)
{
    a = fake_init(0, "a");
    b = fake_init(1, "b");
    rig_open();
    sinks[0] = rig_sink(a);
    sinks[1] = rig_sink(b);
}

static void teardown(void)
{
    rig_close();
    for (size_t i = 0; i < FAKES; i++)
        ck_assert_uint_eq(fakes[i].makes, fakes[i].frees);
}

static enum sink_result fail_first(struct fake *fake, const struct sink_item *item)
{
    return item->attempt == 1 && item->delivery->seq % 3 == 0 ? SINK_RETRY : SINK_DELIVERED;
}

START_TEST(test_unavailable_store_loses_no_outcome)
{
    a->decide = fail_first;
    rig_start(sinks, 2);
    atomic_store(&rig_commit_result, STORE_UNAVAILABLE);
    for (int i = 0; i < 60; i++)
        rig_send(i % 2 ? "one" : "two");
    RIG_WAIT(atomic_load(&rig_commits_refused) >= 4);
    atomic_store(&rig_commit_result, STORE_OK);
    RIG_WAIT(rig_state(a).delivered == 60 && rig_state(b).delivered == 60);
    ck_assert_uint_eq(rig_pending(a), 0);
    for (uint64_t seq = 1; seq <= 60; seq++) {
        ck_assert_uint_eq(fake_times(a, seq), seq % 3 == 0 ? 2 : 1);
        ck_assert_uint_eq(fake_times(b, seq), 1);
    }
}
END_TEST

START_TEST(test_unwritten_outcomes_are_bounded)
{
    rig_start(sinks, 1);
    rig_stop(0);
    rig_send_many("job", 3000);
    atomic_store(&rig_commit_result, STORE_UNAVAILABLE);
    rig_start(sinks, 1);
    RIG_WAIT(atomic_load(&rig_commits_refused) >= 4);
    ck_assert_uint_le(fake_seen(a), 512);
    atomic_store(&rig_commit_result, STORE_OK);
    RIG_WAIT(rig_state(a).delivered == 3000);
    ck_assert_uint_eq(a->n_records, 3000);
}
END_TEST

START_TEST(test_stop_while_unavailable)
{
    rig_start(sinks, 1);
    atomic_store(&rig_commit_result, STORE_UNAVAILABLE);
    uint64_t seq = rig_send("one");
    RIG_WAIT(atomic_load(&rig_commits_refused) >= 1);
    int64_t begun = clock_monotonic(clock_system());
    rig_stop(0);
    ck_assert_int_le(clock_monotonic(clock_system()) - begun, 10 * USEC_PER_SEC);
    atomic_store(&rig_commit_result, STORE_OK);
    ck_assert_uint_eq(rig_pending(a), 1);
    /* At least once: it comes again. */
    rig_start(sinks, 1);
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(fake_times(a, seq), 2);
}
END_TEST

START_TEST(test_failed_store_ends_quickly)
{
    rig_start(sinks, 2);
    atomic_store(&rig_commit_result, STORE_FAILED);
    rig_send("one");
    RIG_WAIT(atomic_load(&rig_commits_refused) >= 1);
    RIG_WAIT(fake_seen(a) == 1 && fake_seen(b) == 1);
    int64_t begun = clock_monotonic(clock_system());
    rig_stop(5 * USEC_PER_SEC);
    ck_assert_int_le(clock_monotonic(clock_system()) - begun, 2 * USEC_PER_SEC);
}
END_TEST

START_TEST(test_lost_body_is_dead)
{
    rig_start(sinks, 1);
    atomic_store(&rig_fetch_result, -EBADMSG);
    rig_send("one");
    RIG_WAIT(rig_state(a).dead == 1);
    atomic_store(&rig_fetch_result, -ENOENT);
    rig_send("one");
    RIG_WAIT(rig_state(a).dead == 2);
    atomic_store(&rig_fetch_result, 0);
    rig_send("one");
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(a->n_records, 1);
}
END_TEST

static int take_result(uint32_t sink, const struct store_attempt *attempt, void *context)
{
    snprintf(context, 64, "%s", attempt->result);
    return 0;
}

START_TEST(test_lost_body_says_so)
{
    struct store_reader *reader;
    char got[64] = "";

    rig_start(sinks, 1);
    atomic_store(&rig_fetch_result, -ENOENT);
    uint64_t seq = rig_send("one");
    RIG_WAIT(rig_state(a).dead == 1);
    ck_assert_int_eq(store_reader_open(rig_store, &reader, NULL), 0);
    ck_assert_int_eq(store_scan_attempts(reader, seq, take_result, got, NULL), 1);
    store_reader_close(reader);
    ck_assert_str_eq(got, "body is gone");
}
END_TEST

START_TEST(test_trouble_with_reading_passes)
{
    rig_start(sinks, 1);
    atomic_store(&rig_fetch_result, -EIO);
    rig_send("one");
    RIG_WAIT(atomic_load(&rig_fetches) >= 2);
    /* It is asked again with pauses, not in a spin. */
    ck_assert_uint_le(atomic_load(&rig_fetches), 10);
    atomic_store(&rig_fetch_result, 0);
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(a->records[0].attempt, 1);
}
END_TEST

START_TEST(test_sink_that_does_not_start)
{
    a->start_failures = 2;
    rig_start(sinks, 2);
    rig_send("one");
    RIG_WAIT(rig_state(b).delivered == 1);
    ck_assert_uint_eq(fake_seen(a), 0);
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(a->makes, 3);
    ck_assert_uint_eq(a->starts, 3);
}
END_TEST

START_TEST(test_stop_before_it_has_started)
{
    a->start_failures = 1000;
    rig_start(sinks, 1);
    rig_send("one");
    RIG_WAIT(fake_seen(a) == 0);
    rig_stop(5 * USEC_PER_SEC);
    ck_assert_uint_eq(rig_pending(a), 1);
}
END_TEST

/* A clock by which every look takes a while, as on a machine under load. */
static int64_t slow_monotonic(void *context)
{
    static _Atomic int64_t looks;

    return clock_monotonic(clock_system()) + ++looks * MSEC;
}

static int64_t slow_realtime(void *context)
{
    return clock_realtime(clock_system());
}

static enum sink_result fail_five_times(struct fake *fake, const struct sink_item *item)
{
    return item->attempt <= 5 ? SINK_RETRY : SINK_DELIVERED;
}

/* It happened that a lane came due after the look for what can start and before the look for when
 * to wake: nobody woke. */
START_TEST(test_lane_comes_due_between_two_looks)
{
    static const struct clock slow = {.realtime = slow_realtime, .monotonic = slow_monotonic};

    rig_clock = &slow;
    a->decide = fail_five_times;
    sinks[0].retry = (struct dispatch_retry){10 * MSEC, 20 * MSEC, 6};
    rig_start(sinks, 1);
    for (uint64_t i = 1; i <= 40; i++) {
        rig_send("one");
        RIG_WAIT(rig_state(a).delivered == i);
    }
}
END_TEST

static unsigned int malloc_turn;

/* Lets another of the runner's next allocations fail after each delivery; not the fake's own. */
static void break_memory(struct fake *fake)
{
    failing_malloc_in = malloc_turn++ % 12 + 1;
}

static void mend_memory(struct fake *fake)
{
    failing_malloc_in = 0;
}

START_TEST(test_memory_runs_out)
{
    if (!failing_malloc_works())
        return;
    a->decide = fail_first;
    a->before = mend_memory;
    a->after = break_memory;
    sinks[0].retry.attempts = 10;
    rig_start(sinks, 1);
    /* One by one, so that what fails is the writing; then many, so that it is the loading. */
    for (uint64_t i = 1; i <= 13; i++) {
        rig_send("one");
        RIG_WAIT(rig_state(a).delivered == i);
    }
    for (int i = 0; i < 13; i++)
        rig_send(i % 2 ? "one" : "two");
    RIG_WAIT(rig_state(a).delivered == 26);
    ck_assert_uint_eq(rig_pending(a), 0);
    ck_assert_uint_ge(malloc_turn, 26);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dispatch-faults");
    TCase *errors = tcase_create("errors");

    tcase_set_timeout(errors, 60);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_test(errors, test_unavailable_store_loses_no_outcome);
    tcase_add_test(errors, test_unwritten_outcomes_are_bounded);
    tcase_add_test(errors, test_stop_while_unavailable);
    tcase_add_test(errors, test_failed_store_ends_quickly);
    tcase_add_test(errors, test_lost_body_is_dead);
    tcase_add_test(errors, test_lost_body_says_so);
    tcase_add_test(errors, test_trouble_with_reading_passes);
    tcase_add_test(errors, test_sink_that_does_not_start);
    tcase_add_test(errors, test_stop_before_it_has_started);
    tcase_add_test(errors, test_lane_comes_due_between_two_looks);
    tcase_add_test(errors, test_memory_runs_out);
    suite_add_tcase(suite, errors);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
