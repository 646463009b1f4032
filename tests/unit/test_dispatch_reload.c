/* Dispatch over its life: stop and start again, reload with sinks changed, removed, added. */

#include "dispatch_rig.h"

static struct fake *a, *b, *c;
static struct dispatch_sink_options sinks[FAKES];

static void setup(void)
{
    a = fake_init(0, "a");
    b = fake_init(1, "b");
    c = fake_init(2, "c");
    rig_open();
    sinks[0] = rig_sink(a);
    sinks[1] = rig_sink(b);
    sinks[2] = rig_sink(c);
}

static void teardown(void)
{
    rig_close();
    for (size_t i = 0; i < FAKES; i++)
        ck_assert_uint_eq(fakes[i].makes, fakes[i].frees);
}

static void reload(const struct dispatch_sink_options *options, size_t n)
{
    struct dispatch_change *change;
    struct error error = ERROR_INIT;

    ck_assert_msg(
        dispatch_prepare(rig_dispatch, options, n, &change, &error) == 0, "%s", error.text);
    dispatch_commit(rig_dispatch, change);
}

static unsigned int makes_of(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    unsigned int n = fake->makes;
    pthread_mutex_unlock(&fake->lock);
    return n;
}

static unsigned int frees_of(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    unsigned int n = fake->frees;
    pthread_mutex_unlock(&fake->lock);
    return n;
}

/* ---- stop and start ---- */

static enum sink_result retry_all(struct fake *fake, const struct sink_item *item)
{
    return SINK_RETRY;
}

START_TEST(test_restart_resumes)
{
    a->decide = retry_all;
    sinks[0].retry = (struct dispatch_retry){300 * MSEC, 300 * MSEC, 24};
    rig_start(sinks, 1);
    uint64_t first = rig_send("one");
    uint64_t second = rig_send("one");
    RIG_WAIT(rig_state(a).pending_rows >= 1);
    rig_stop(USEC_PER_SEC);
    uint64_t third = rig_send("two");

    a->decide = NULL;
    rig_start(sinks, 1);
    RIG_WAIT(rig_state(a).delivered == 3);
    ck_assert_uint_eq(rig_pending(a), 0);
    ck_assert_uint_eq(fake_times(a, first), 2);
    ck_assert_uint_eq(fake_times(a, second), 1);
    ck_assert_uint_eq(fake_times(a, third), 1);
    /* It goes on counting where it was. */
    for (size_t i = 1; i < a->n_records; i++)
        ck_assert_uint_eq(a->records[i].attempt, a->records[i].seq == first ? 2 : 1);

    rig_stop(USEC_PER_SEC);
    rig_start(sinks, 1);
    rig_send("three");
    RIG_WAIT(rig_state(a).delivered == 4);
    ck_assert_uint_eq(a->n_records, 5);
}
END_TEST

START_TEST(test_stop_cancels)
{
    a->mode = FAKE_HOLDS;
    rig_start(sinks, 1);
    for (int i = 0; i < 10; i++)
        rig_send(i % 2 ? "one" : "two");
    RIG_WAIT(fake_seen(a) == 2);
    int64_t begun = clock_monotonic(clock_system());
    rig_stop(100 * MSEC);
    int64_t took = clock_monotonic(clock_system()) - begun;
    ck_assert_int_ge(took, 100 * MSEC);
    ck_assert_uint_eq(a->cancels, 1);
    ck_assert_uint_eq(rig_pending(a), 10);

    a->mode = FAKE_AT_ONCE;
    rig_start(sinks, 1);
    RIG_WAIT(rig_state(a).delivered == 10);
    for (size_t i = 0; i < a->n_records; i++)
        ck_assert_uint_eq(a->records[i].attempt, 1);
    ck_assert_uint_eq(a->n_records, 12);
}
END_TEST

START_TEST(test_stop_waits_for_what_runs)
{
    a->mode = FAKE_LATER;
    a->delay_usec = 200 * MSEC;
    rig_start(sinks, 1);
    rig_send("one");
    rig_send("one");
    RIG_WAIT(fake_seen(a) == 1);
    rig_stop(10 * USEC_PER_SEC);
    ck_assert_uint_eq(a->cancels, 0);
    struct store_sink state = rig_state(a);
    ck_assert_uint_eq(state.delivered, 1);
    ck_assert_uint_eq(rig_pending(a), 1);
    ck_assert_uint_eq(a->n_records, 1);
}
END_TEST

START_TEST(test_rows_keep_order_after_a_restart)
{
    a->mode = FAKE_HOLDS;
    rig_start(sinks, 1);
    rig_send("slow");
    RIG_WAIT(fake_seen(a) == 1);
    /* The first two of "slow" get rows, because a later one of another job is delivered. */
    rig_send("slow");
    pthread_mutex_lock(&a->lock);
    a->mode = FAKE_AT_ONCE;
    pthread_mutex_unlock(&a->lock);
    rig_send("other");
    RIG_WAIT(rig_state(a).pending_rows == 2);
    rig_stop(0);
    rig_send("slow");
    rig_start(sinks, 1);
    RIG_WAIT(rig_state(a).delivered == 4);
    uint64_t last = 0;
    for (size_t i = 0; i < a->n_records; i++)
        if (strcmp(a->records[i].job, "slow") == 0 && a->records[i].result == SINK_DELIVERED) {
            ck_assert_uint_gt(a->records[i].seq, last);
            last = a->records[i].seq;
        }
    ck_assert_uint_eq(last, 4);
}
END_TEST

START_TEST(test_wait_survives_a_restart)
{
    a->decide = retry_all;
    sinks[0].retry = (struct dispatch_retry){USEC_PER_HOUR, USEC_PER_HOUR, 24};
    rig_start(sinks, 1);
    uint64_t waits = rig_send("one");
    RIG_WAIT(rig_state(a).pending_rows == 1);
    rig_stop(0);
    a->decide = NULL;
    rig_start(sinks, 1);
    rig_send("two");
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(fake_times(a, waits), 1);
    ck_assert_uint_eq(rig_pending(a), 1);
}
END_TEST

START_TEST(test_wait_is_clamped_at_load)
{
    /* A row from a time when the clock was a year ahead. */
    a->decide = retry_all;
    sinks[0].retry = (struct dispatch_retry){365 * USEC_PER_DAY, 365 * USEC_PER_DAY, 24};
    rig_start(sinks, 1);
    rig_send("one");
    RIG_WAIT(rig_state(a).pending_rows == 1);
    rig_stop(0);
    a->decide = NULL;
    sinks[0].retry = (struct dispatch_retry){MSEC, 50 * MSEC, 24};
    rig_start(sinks, 1);
    RIG_WAIT(rig_state(a).delivered == 1);
}
END_TEST

/* ---- reload ---- */

START_TEST(test_unchanged_goes_on_untouched)
{
    a->mode = FAKE_LATER;
    a->delay_usec = 50 * MSEC;
    rig_start(sinks, 2);
    rig_send("one");
    RIG_WAIT(fake_seen(a) == 1);
    reload(sinks, 2);
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(makes_of(a), 1);
    ck_assert_uint_eq(frees_of(a), 0);
    ck_assert_uint_eq(fake_seen(a), 1);
}
END_TEST

START_TEST(test_changed_finishes_and_goes_on)
{
    static const char *const completed[] = {"completed", NULL};

    a->mode = FAKE_LATER;
    a->delay_usec = 100 * MSEC;
    sinks[0].concurrency = 2;
    rig_start(sinks, 1);
    rig_send("one");
    rig_send("two");
    for (int i = 0; i < 6; i++)
        rig_send("three");
    RIG_WAIT(fake_seen(a) == 2);
    sinks[0].statuses = completed;
    reload(sinks, 1);
    uint64_t done = rig_send_as("three", "completed", 99);
    /* The two that ran are finished; what was not yet begun falls under the new filter. */
    RIG_WAIT(rig_state(a).delivered == 3 && rig_state(a).filtered == 6);
    ck_assert_uint_eq(fake_seen(a), 3);
    ck_assert_uint_eq(fake_times(a, done), 1);
    ck_assert_uint_eq(a->records[0].maker, 1);
    ck_assert_uint_eq(a->records[2].maker, 2);
    ck_assert_uint_eq(a->cancels, 0);
    ck_assert_uint_eq(frees_of(a), 1);
    ck_assert_uint_eq(rig_pending(a), 0);
}
END_TEST

START_TEST(test_changed_filter_reaches_rows)
{
    static const char *const other[] = {"other", NULL};

    a->decide = retry_all;
    sinks[0].retry = (struct dispatch_retry){USEC_PER_HOUR, USEC_PER_HOUR, 24};
    rig_start(sinks, 1);
    rig_send("one");
    RIG_WAIT(rig_state(a).pending_rows == 1);
    sinks[0].types = other;
    reload(sinks, 1);
    RIG_WAIT(rig_state(a).filtered == 1);
    ck_assert_uint_eq(rig_pending(a), 0);
}
END_TEST

START_TEST(test_changed_many_times_quickly)
{
    a->mode = FAKE_LATER;
    a->delay_usec = 1 * MSEC;
    rig_start(sinks, 1);
    for (unsigned int i = 0; i < 100; i++) {
        rig_send("one");
        rig_send("two");
        sinks[0].concurrency = i % 4 + 1;
        reload(sinks, 1);
    }
    RIG_WAIT(rig_state(a).delivered == 200);
    for (uint64_t seq = 1; seq <= 200; seq++)
        ck_assert_uint_eq(fake_times(a, seq), 1);
    ck_assert(!a->order_broken);
}
END_TEST

START_TEST(test_removed_and_added)
{
    rig_start(sinks, 2);
    rig_send("one");
    RIG_WAIT(rig_state(a).delivered == 1 && rig_state(b).delivered == 1);
    const struct dispatch_sink_options now[] = {sinks[1], sinks[2]};
    reload(now, 2);
    RIG_WAIT(frees_of(a) == 1);
    rig_send("two");
    RIG_WAIT(rig_state(b).delivered == 2 && rig_state(c).delivered == 1);
    ck_assert_uint_eq(rig_state(c).start, 1);
    ck_assert_uint_eq(fake_seen(a), 1);
    ck_assert_uint_eq(makes_of(b), 1);
    struct dispatch_sink_stats stats[FAKES];
    ck_assert_uint_eq(dispatch_get_stats(rig_dispatch, stats, FAKES), 2);
    ck_assert_str_eq(stats[0].name, "b");
    ck_assert_str_eq(stats[1].name, "c");

    /* It comes back and gets what it missed. */
    reload(sinks, 3);
    RIG_WAIT(rig_state(a).delivered == 2);
}
END_TEST

START_TEST(test_back_before_it_has_left)
{
    a->mode = FAKE_LATER;
    a->delay_usec = 200 * MSEC;
    rig_start(sinks, 2);
    uint64_t first = rig_send("one");
    uint64_t second = rig_send("one");
    RIG_WAIT(fake_seen(a) == 1);
    reload(&sinks[1], 1);
    reload(sinks, 2);
    RIG_WAIT(rig_state(a).delivered == 2);
    ck_assert_uint_eq(fake_times(a, first), 1);
    ck_assert_uint_eq(fake_times(a, second), 1);
    ck_assert(!a->order_broken);
}
END_TEST

START_TEST(test_stop_while_leaving)
{
    a->mode = FAKE_HOLDS;
    rig_start(sinks, 2);
    rig_send("one");
    RIG_WAIT(fake_seen(a) == 1);
    reload(&sinks[1], 1);
    rig_stop(20 * MSEC);
    ck_assert_uint_eq(a->cancels, 1);
    ck_assert_uint_eq(rig_pending(a), 1);
}
END_TEST

START_TEST(test_reopen)
{
    rig_start(sinks, 1);
    dispatch_reopen(rig_dispatch);
    pthread_mutex_lock(&a->lock);
    unsigned int starts = a->starts;
    pthread_mutex_unlock(&a->lock);
    ck_assert_uint_le(starts, 1);
    rig_send("one");
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(a->reopens, 1);
}
END_TEST

/* ---- what goes wrong ---- */

START_TEST(test_abandoned)
{
    struct dispatch_change *change;
    struct error error = ERROR_INIT;

    rig_start(sinks, 1);
    sinks[0].concurrency = 9;
    ck_assert_int_eq(dispatch_prepare(rig_dispatch, sinks, 3, &change, &error), 0);
    dispatch_abandon(change);
    dispatch_abandon(NULL);
    rig_send("one");
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(a->records[0].maker, 1);
    ck_assert_uint_eq(fake_seen(b), 0);
    ck_assert_uint_eq(makes_of(b), 1);
    ck_assert_uint_eq(frees_of(b), 1);
}
END_TEST

START_TEST(test_refused)
{
    struct dispatch_change *change = NULL;
    struct error error = ERROR_INIT;

    rig_start(sinks, 1);
    sinks[1].sink.name = "nobody";
    ck_assert_int_lt(dispatch_prepare(rig_dispatch, sinks, 2, &change, &error), 0);
    ck_assert_str_eq(error.text, "sink nobody: no fake named nobody");
    ck_assert_ptr_null(change);
    sinks[1].sink.name = "a";
    ck_assert_int_eq(dispatch_prepare(rig_dispatch, sinks, 2, &change, &error), -EINVAL);
    ck_assert_str_eq(error.text, "two sinks are named a");
    rig_send("one");
    RIG_WAIT(rig_state(a).delivered == 1);
}
END_TEST

START_TEST(test_no_sinks)
{
    rig_start(NULL, 0);
    rig_send("one");
    reload(sinks, 1);
    uint64_t second = rig_send("two");
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(fake_times(a, second), 1);
    reload(NULL, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dispatch-reload");
    TCase *life = tcase_create("life");
    TCase *core = tcase_create("core");
    TCase *errors = tcase_create("errors");

    tcase_set_timeout(life, 60);
    tcase_add_checked_fixture(life, setup, teardown);
    tcase_add_test(life, test_restart_resumes);
    tcase_add_test(life, test_stop_cancels);
    tcase_add_test(life, test_stop_waits_for_what_runs);
    tcase_add_test(life, test_rows_keep_order_after_a_restart);
    tcase_add_test(life, test_wait_survives_a_restart);
    tcase_add_test(life, test_wait_is_clamped_at_load);
    tcase_set_timeout(core, 60);
    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_test(core, test_unchanged_goes_on_untouched);
    tcase_add_test(core, test_changed_finishes_and_goes_on);
    tcase_add_test(core, test_changed_filter_reaches_rows);
    tcase_add_test(core, test_changed_many_times_quickly);
    tcase_add_test(core, test_removed_and_added);
    tcase_add_test(core, test_back_before_it_has_left);
    tcase_add_test(core, test_stop_while_leaving);
    tcase_add_test(core, test_reopen);
    tcase_set_timeout(errors, 60);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_test(errors, test_abandoned);
    tcase_add_test(errors, test_refused);
    tcase_add_test(errors, test_no_sinks);
    suite_add_tcase(suite, life);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
