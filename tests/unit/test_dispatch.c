/*
 * Dispatch, day by day: order per job, jobs in parallel, retry and dead letters, deferral, filters,
 * the breaker, one sink beside another.
 */

#include "dispatch_rig.h"

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

static void send_round(size_t jobs, size_t rounds)
{
    char job[16];

    for (size_t i = 0; i < rounds; i++)
        for (size_t j = 0; j < jobs; j++) {
            snprintf(job, sizeof(job), "job-%zu", j);
            rig_send(job);
        }
}

/* The deliveries of each job must have come in order of arrival. */
static void check_order(const struct fake *fake)
{
    for (size_t i = 0; i < fake->n_records; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(fake->records[i].job, fake->records[j].job) == 0)
                ck_assert_uint_lt(fake->records[j].seq, fake->records[i].seq);
}

START_TEST(test_order_per_job_and_parallel_jobs)
{
    a->mode = FAKE_LATER;
    a->delay_usec = 2 * MSEC;
    rig_start(sinks, 1);
    send_round(8, 10);
    RIG_WAIT(fake_delivered(a) == 80);
    ck_assert(!a->order_broken);
    check_order(a);
    ck_assert_uint_eq(a->running_max, 4);
    RIG_WAIT(rig_state(a).delivered == 80);
    ck_assert_uint_eq(rig_pending(a), 0);
}
END_TEST

START_TEST(test_order_none)
{
    a->mode = FAKE_LATER;
    a->delay_usec = 5 * MSEC;
    sinks[0].order_none = true;
    sinks[0].concurrency = 6;
    rig_start(sinks, 1);
    send_round(1, 30);
    RIG_WAIT(fake_delivered(a) == 30);
    ck_assert_uint_eq(a->running_max, 6);
    ck_assert(a->order_broken);
}
END_TEST

/* ---- failures ---- */

static enum sink_result fail_bad(struct fake *fake, const struct sink_item *item)
{
    return strcmp(item->delivery->job_id, "bad") == 0 ? SINK_RETRY : SINK_DELIVERED;
}

static int count_attempt(uint32_t sink, const struct store_attempt *attempt, void *context)
{
    unsigned int *n = context;

    ck_assert_uint_eq(attempt->number, ++*n);
    ck_assert_str_eq(attempt->result, "told so");
    ck_assert_uint_eq(attempt->output_length, 4);
    ck_assert_mem_eq(attempt->output, "oops", 4);
    ck_assert_int_eq(attempt->duration_usec, 7);
    ck_assert_int_gt(attempt->started_at_usec, 0);
    return 0;
}

static unsigned int attempts_of(uint64_t seq, store_attempt_fn fn)
{
    struct store_reader *reader;
    unsigned int n = 0;

    ck_assert_int_eq(store_reader_open(rig_store, &reader, NULL), 0);
    ck_assert_int_ge(store_scan_attempts(reader, seq, fn, &n, NULL), 0);
    store_reader_close(reader);
    return n;
}

START_TEST(test_retry_then_dead)
{
    a->decide = fail_bad;
    a->output = "oops";
    rig_start(sinks, 1);
    uint64_t bad = rig_send("bad");
    uint64_t good = rig_send("good");
    RIG_WAIT(rig_state(a).dead == 1 && rig_state(a).delivered == 1);
    ck_assert_uint_eq(fake_times(a, bad), 3);
    ck_assert_uint_eq(fake_times(a, good), 1);
    for (unsigned int i = 0, attempt = 0; i < a->n_records; i++)
        if (a->records[i].seq == bad)
            ck_assert_uint_eq(a->records[i].attempt, ++attempt);
    ck_assert_uint_eq(attempts_of(bad, count_attempt), 3);
    ck_assert_uint_eq(attempts_of(good, count_attempt), 0);
    ck_assert_uint_eq(rig_pending(a), 0);
}
END_TEST

static int count_any(uint32_t sink, const struct store_attempt *attempt, void *context)
{
    ++*(unsigned int *)context;
    return 0;
}

START_TEST(test_hooks_record_success)
{
    static const char *const argv[] = {"/bin/true", NULL};

    a->ops.type = "exec";
    sinks[0].sink.type = "exec";
    sinks[0].sink.exec.argv = argv;
    rig_start(sinks, 1);
    uint64_t seq = rig_send("good");
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(attempts_of(seq, count_any), 1);
}
END_TEST

static enum sink_result all_dead(struct fake *fake, const struct sink_item *item)
{
    return SINK_DEAD;
}

START_TEST(test_dead_at_once)
{
    a->decide = all_dead;
    rig_start(sinks, 1);
    uint64_t seq = rig_send("job");
    RIG_WAIT(rig_state(a).dead == 1);
    ck_assert_uint_eq(fake_times(a, seq), 1);
    ck_assert_uint_eq(attempts_of(seq, count_any), 1);
}
END_TEST

START_TEST(test_failing_job_holds_up_itself_only)
{
    a->decide = fail_bad;
    sinks[0].retry = (struct dispatch_retry){USEC_PER_HOUR, USEC_PER_HOUR, 24};
    rig_start(sinks, 1);
    uint64_t first = rig_send("bad");
    uint64_t second = rig_send("bad");
    send_round(5, 4);
    RIG_WAIT(rig_state(a).delivered == 20);
    ck_assert_uint_eq(fake_times(a, first), 1);
    ck_assert_uint_eq(fake_times(a, second), 0);
    ck_assert_uint_eq(rig_pending(a), 2);
}
END_TEST

START_TEST(test_what_waits_does_not_fill_the_window)
{
    a->decide = fail_bad;
    sinks[0].retry = (struct dispatch_retry){USEC_PER_HOUR, USEC_PER_HOUR, 24};
    rig_start(sinks, 1);
    rig_send_many("bad", 4600);
    uint64_t good = rig_send("good");
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(fake_times(a, good), 1);
    ck_assert_uint_eq(rig_state(a).pending_rows, 4600);
}
END_TEST

static enum sink_result defer_twice(struct fake *fake, const struct sink_item *item)
{
    return fake->n_records <= 2 ? SINK_DEFERRED : SINK_DELIVERED;
}

START_TEST(test_deferral_burns_no_attempt)
{
    a->decide = defer_twice;
    rig_start(sinks, 1);
    int64_t begun = clock_monotonic(clock_system());
    uint64_t seq = rig_send("job");
    RIG_WAIT(rig_state(a).delivered == 1);
    /* 250 ms, then 500 ms. */
    ck_assert_int_ge(clock_monotonic(clock_system()) - begun, 750 * MSEC);
    ck_assert_uint_eq(fake_times(a, seq), 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(a->records[i].attempt, 1);
    ck_assert_uint_eq(attempts_of(seq, count_any), 0);
}
END_TEST

static enum sink_result defer_first_four(struct fake *fake, const struct sink_item *item)
{
    return fake->n_records <= 4 ? SINK_DEFERRED : SINK_DELIVERED;
}

/* Four that are under way when the sink cannot try make one pause: 250 ms, and not 2 s. */
START_TEST(test_deferrals_at_a_time_are_one_pause)
{
    a->mode = FAKE_LATER;
    a->delay_usec = 100 * MSEC;
    a->decide = defer_first_four;
    sinks[0].concurrency = 4;
    rig_start(sinks, 1);
    send_round(4, 1);
    RIG_WAIT(fake_seen(a) == 4);
    int64_t begun = clock_monotonic(clock_system());
    RIG_WAIT(rig_state(a).delivered == 4);
    ck_assert_int_lt(clock_monotonic(clock_system()) - begun, 2000 * MSEC);
    ck_assert_uint_eq(fake_seen(a), 8);
}
END_TEST

START_TEST(test_hanging_sink_holds_up_no_other)
{
    sem_t gate;

    sem_init(&gate, 0, 0);
    a->gate = &gate;
    rig_start(sinks, 2);
    send_round(5, 20);
    RIG_WAIT(rig_state(b).delivered == 100);
    ck_assert_uint_eq(fake_delivered(a), 0);
    ck_assert_uint_eq(rig_pending(a), 100);
    for (size_t i = 0; i < 100; i++)
        sem_post(&gate);
    RIG_WAIT(rig_state(a).delivered == 100);
}
END_TEST

/* ---- the breaker ---- */

static enum sink_result fail_while_told(struct fake *fake, const struct sink_item *item)
{
    return fake->delay_usec != 0 ? SINK_RETRY : SINK_DELIVERED;
}

static struct dispatch_sink_stats stats_of_first(void)
{
    struct dispatch_sink_stats stats[FAKES];

    ck_assert_uint_ge(dispatch_get_stats(rig_dispatch, stats, FAKES), 1);
    return stats[0];
}

START_TEST(test_breaker)
{
    a->mode = FAKE_LATER;
    a->delay_usec = 1;
    a->decide = fail_while_told;
    sinks[0].breaker = 5;
    sinks[0].retry = (struct dispatch_retry){20 * MSEC, 40 * MSEC, 1000};
    rig_start(sinks, 1);
    send_round(50, 2);
    RIG_WAIT(stats_of_first().breaker_open);
    RIG_WAIT(fake_seen(a) >= 15);
    /* Of 50 jobs that are due at most every 40 ms, only probes get through. */
    size_t before = fake_seen(a);
    int64_t begun = clock_monotonic(clock_system());
    RIG_WAIT(clock_monotonic(clock_system()) - begun > 400 * MSEC);
    ck_assert_uint_le(fake_seen(a) - before, 21);
    ck_assert_uint_ge(fake_seen(a) - before, 2);

    pthread_mutex_lock(&a->lock);
    a->delay_usec = 0;
    pthread_mutex_unlock(&a->lock);
    RIG_WAIT(rig_state(a).delivered == 100);
    ck_assert(!stats_of_first().breaker_open);
    ck_assert_uint_eq(rig_state(a).dead, 0);
}
END_TEST

/* ---- filters ---- */

START_TEST(test_filters)
{
    static const char *const completed[] = {"completed", NULL};

    sinks[0].statuses = completed;
    rig_start(sinks, 2);
    for (int i = 0; i < 10; i++) {
        rig_send_as("j", "pending", i);
        rig_send_as("j", "completed", i);
    }
    RIG_WAIT(rig_state(a).delivered == 10 && rig_state(a).filtered == 10);
    RIG_WAIT(rig_state(b).delivered == 20);
    ck_assert_uint_eq(fake_seen(a), 10);
    ck_assert_uint_eq(rig_pending(a), 0);
}
END_TEST

START_TEST(test_skips_stale)
{
    sinks[0].skip_stale = true;
    rig_start(sinks, 2);
    rig_send_as("j", "completed", 100);
    uint64_t stale = rig_send_as("j", "pending", 50);
    RIG_WAIT(rig_state(a).filtered == 1 && rig_state(b).delivered == 2);
    ck_assert_uint_eq(fake_times(a, stale), 0);
    ck_assert_uint_eq(fake_times(b, stale), 1);
}
END_TEST

START_TEST(test_filtered_are_counted_on_stop)
{
    static const char *const other[] = {"other", NULL};

    sinks[0].types = other;
    for (int i = 0; i < 3; i++) {
        rig_start(sinks, 1);
        rig_send("j");
        int64_t begun = clock_monotonic(clock_system());
        rig_stop(USEC_PER_SEC);
        /* Not after the second that counting may wait otherwise. */
        ck_assert_int_lt(clock_monotonic(clock_system()) - begun, 800 * MSEC);
        struct store_sink state = rig_state(a);
        ck_assert_uint_eq(state.frontier, state.filtered);
    }
    rig_start(sinks, 1);
    RIG_WAIT(rig_state(a).filtered == 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dispatch");
    TCase *core = tcase_create("core");
    TCase *errors = tcase_create("errors");

    tcase_set_timeout(core, 60);
    tcase_add_checked_fixture(core, setup, teardown);
    tcase_add_test(core, test_order_per_job_and_parallel_jobs);
    tcase_add_test(core, test_order_none);
    tcase_add_test(core, test_filters);
    tcase_add_test(core, test_skips_stale);
    tcase_add_test(core, test_filtered_are_counted_on_stop);
    tcase_add_test(core, test_hooks_record_success);
    tcase_set_timeout(errors, 60);
    tcase_add_checked_fixture(errors, setup, teardown);
    tcase_add_test(errors, test_retry_then_dead);
    tcase_add_test(errors, test_dead_at_once);
    tcase_add_test(errors, test_failing_job_holds_up_itself_only);
    tcase_add_test(errors, test_what_waits_does_not_fill_the_window);
    tcase_add_test(errors, test_deferral_burns_no_attempt);
    tcase_add_test(errors, test_deferrals_at_a_time_are_one_pause);
    tcase_add_test(errors, test_hanging_sink_holds_up_no_other);
    tcase_add_test(errors, test_breaker);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
