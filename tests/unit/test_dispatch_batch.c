/*
 * Dispatch to sinks that take batches in order of arrival, and that keep a position by which they
 * tell after a crash what they had written.
 */

#include "dispatch_rig.h"

static struct fake *a;
static struct dispatch_sink_options sinks[FAKES];

static void setup(void)
{
    a = fake_init(0, "a");
    rig_open();
    sinks[0] = rig_sink(a);
}

static void teardown(void)
{
    rig_close();
    for (size_t i = 0; i < FAKES; i++)
        ck_assert_uint_eq(fakes[i].makes, fakes[i].frees);
}

static enum sink_result fail_bad(struct fake *fake, const struct sink_item *item)
{
    return strcmp(item->delivery->job_id, "bad") == 0 ? SINK_RETRY : SINK_DELIVERED;
}

static void make_batch_sink(struct fake *fake, size_t batch)
{
    fake->ops.order = SINK_ORDER_ARRIVAL;
    fake->ops.batch = batch;
    fake->ops.cancel = NULL;
}

static void check_arrival(const struct fake *fake)
{
    uint64_t last = 0;

    for (size_t i = 0; i < fake->n_records; i++)
        if (fake->records[i].result == SINK_DELIVERED) {
            ck_assert_uint_gt(fake->records[i].seq, last);
            last = fake->records[i].seq;
        }
}

START_TEST(test_batches_in_order_of_arrival)
{
    make_batch_sink(a, 64);
    rig_start(sinks, 1);
    rig_send_many("j", 3000);
    RIG_WAIT(rig_state(a).delivered == 3000);
    check_arrival(a);
    ck_assert_uint_eq(a->n_records, 3000);
    ck_assert_uint_gt(a->batch_max, 1);
    ck_assert_uint_le(a->batch_max, 64);
}
END_TEST

static enum sink_result fail_each_tenth_once(struct fake *fake, const struct sink_item *item)
{
    return item->delivery->seq % 10 == 0 && item->attempt == 1 ? SINK_RETRY : SINK_DELIVERED;
}

START_TEST(test_batch_comes_back_partly)
{
    make_batch_sink(a, 64);
    a->decide = fail_each_tenth_once;
    rig_start(sinks, 1);
    rig_send_many("j", 200);
    RIG_WAIT(rig_state(a).delivered == 200);
    check_arrival(a);
    for (size_t i = 0; i < a->n_records; i++)
        if (a->records[i].attempt > 1)
            ck_assert_uint_eq(a->records[i].seq % 10, 0);
    ck_assert_uint_eq(rig_state(a).dead, 0);
}
END_TEST

static struct store_reader *check_reader;
static _Atomic unsigned int positions_checked, positions_wrong;

/* At each batch, the one before must be in the store along with its position. */
static void check_position(struct fake *fake)
{
    struct store_sink sink;
    uint64_t mark = 0;

    if (!check_reader)
        ck_assert_int_eq(store_reader_open(rig_store, &check_reader, NULL), 0);
    ck_assert_int_eq(store_read_sink(check_reader, 1, &sink, NULL), 0);
    pthread_mutex_lock(&fake->lock);
    memcpy(&mark, fake->mark, fake->mark_length);
    pthread_mutex_unlock(&fake->lock);
    positions_checked++;
    if (sink.position_length != fake->mark_length ||
        memcmp(sink.position, fake->mark, fake->mark_length) != 0 || sink.frontier < mark)
        positions_wrong++;
}

START_TEST(test_position_goes_with_each_batch)
{
    make_batch_sink(a, 16);
    a->ops.has_position = true;
    a->before = check_position;
    rig_start(sinks, 1);
    rig_send_many("j", 500);
    RIG_WAIT(rig_state(a).delivered == 500);
    ck_assert_uint_gt(positions_checked, 20);
    ck_assert_uint_eq(positions_wrong, 0);
    uint64_t want = 500;
    ck_assert_mem_eq(rig_state(a).position, &want, sizeof(want));
    store_reader_close(check_reader);
}
END_TEST

START_TEST(test_what_was_written_before_a_crash)
{
    make_batch_sink(a, 16);
    a->ops.has_position = true;
    rig_start(sinks, 1);
    rig_send_many("j", 10);
    RIG_WAIT(rig_state(a).delivered == 10);
    rig_stop(0);
    /* Meanwhile 11 to 20 come; the sink says that it has 11 to 13 already, and some nonsense. */
    rig_send_many("j", 10);
    static const uint64_t found[] = {13, 11, 12, 12, 3, 999};
    memcpy(a->found, found, sizeof(found));
    a->n_found = 6;
    a->mark[0] = 13;
    rig_start(sinks, 1);
    RIG_WAIT(rig_state(a).delivered == 20);
    uint64_t want = 10;
    ck_assert_uint_eq(a->recovered_length, sizeof(want));
    ck_assert_mem_eq(a->recovered_from, &want, sizeof(want));
    for (uint64_t seq = 1; seq <= 20; seq++)
        ck_assert_uint_eq(fake_times(a, seq), seq >= 11 && seq <= 13 ? 0 : 1);
    ck_assert_uint_eq(a->n_records, 17);
}
END_TEST

static void send_five(void)
{
    for (int i = 0; i < 5; i++)
        rig_send("j");
}

START_TEST(test_lines_of_another_store_are_no_deliveries)
{
    /* A file that outlived its store: no mark, and lines that name seqs yet to come. Some of them
     * come right after it was looked at. */
    make_batch_sink(a, 16);
    a->ops.has_position = true;
    a->mark_length = 4;
    for (size_t i = 0; i < 20; i++)
        a->found[i] = i + 1;
    a->n_found = 20;
    a->recovered = send_five;
    rig_start(sinks, 1);
    RIG_WAIT(rig_state(a).position_length > 0);
    rig_send_many("j", 5);
    RIG_WAIT(rig_state(a).delivered == 10);
    ck_assert_uint_eq(a->n_records, 10);
}
END_TEST

START_TEST(test_without_a_mark_rows_are_no_lines)
{
    make_batch_sink(a, 16);
    a->decide = fail_bad;
    sinks[0].retry = (struct dispatch_retry){50 * MSEC, 50 * MSEC, 1000};
    rig_start(sinks, 1);
    uint64_t seq = rig_send("bad");
    RIG_WAIT(rig_state(a).pending_rows == 1);
    rig_stop(0);
    /* From now on the sink keeps a position, and finds old lines that look like the row. */
    size_t before = a->n_records;
    a->ops.has_position = true;
    a->found[0] = seq;
    a->n_found = 1;
    a->decide = NULL;
    rig_start(sinks, 1);
    RIG_WAIT(rig_state(a).delivered == 1);
    ck_assert_uint_eq(a->n_records, before + 1);
}
END_TEST

enum { FLOOD = 200000 };

/* The position is lost and the file is long: more lines of long ago than can be remembered. */
static int recover_flood(struct sink *base, const void *mark, size_t length, sink_found_fn found,
    void *context, struct error *error)
{
    for (size_t i = 0; i < FLOOD; i++)
        found(context, i % 10 + 1, false);
    found(context, 11, false);
    found(context, 12, false);
    return 0;
}

START_TEST(test_the_newest_of_a_long_file_count)
{
    make_batch_sink(a, 16);
    a->ops.has_position = true;
    rig_start(sinks, 1);
    rig_send_many("j", 10);
    RIG_WAIT(rig_state(a).delivered == 10);
    rig_stop(0);
    rig_send_many("j", 10);
    a->ops.recover = recover_flood;
    rig_start(sinks, 1);
    RIG_WAIT(rig_state(a).delivered == 20);
    for (uint64_t seq = 1; seq <= 20; seq++)
        ck_assert_uint_eq(fake_times(a, seq), seq == 11 || seq == 12 ? 0 : 1);
}
END_TEST

static _Atomic bool reading_fails;

/* Beyond the first chunk. */
static ssize_t scan(struct store_reader *reader, uint64_t after, size_t limit, store_delivery_fn fn,
    void *context, struct error *error)
{
    if (reading_fails && after >= 512)
        return error_set(error, EIO, "cannot be read for now");
    return rig_real_reader_ops->scan(reader, after, limit, fn, context, error);
}

/* While a line that was found is not in the queue yet, the old position still covers it: a crash
 * would lose the knowledge of it with the new one. */
START_TEST(test_the_position_waits_for_what_was_found)
{
    make_batch_sink(a, 16);
    a->ops.has_position = true;
    rig_start(sinks, 1);
    rig_stop(0);
    rig_send_many("j", 600);
    a->mark_length = 4;
    a->found[0] = 599;
    a->n_found = 1;
    reading_fails = true;
    rig_reader_ops.scan = scan;
    rig_start(sinks, 1);
    RIG_WAIT(rig_state(a).delivered == 512);
    ck_assert_uint_eq(rig_state(a).position_length, 0);
    reading_fails = false;
    RIG_WAIT(rig_state(a).delivered == 600);
    RIG_WAIT(rig_state(a).position_length > 0);
    ck_assert_uint_eq(fake_times(a, 598), 1);
    ck_assert_uint_eq(fake_times(a, 599), 0);
}
END_TEST

/* Whether a found line is that of a replay can be told beyond the mark only. */
START_TEST(test_a_replay_is_found_beyond_the_mark_only)
{
    const uint64_t seq = 3;
    struct dispatch_request_result result;

    make_batch_sink(a, 16);
    a->ops.has_position = true;
    rig_start(sinks, 1);
    rig_send_many("j", 5);
    RIG_WAIT(rig_state(a).delivered == 5);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", true, NULL), 0);
    ck_assert_int_eq(
        dispatch_request(rig_dispatch, "a", DISPATCH_REPLAY, &seq, 1, &result, NULL), 0);
    ck_assert_uint_eq(result.done, 1);
    rig_stop(0);
    for (size_t i = 0; i < 5; i++)
        a->found[i] = i + 1;
    a->n_found = 5;
    a->found_after_mark = _i == 1;
    rig_start(sinks, 1);
    ck_assert_int_eq(dispatch_set_paused(rig_dispatch, "a", false, NULL), 0);
    RIG_WAIT(rig_state(a).delivered == 6);
    ck_assert_uint_eq(fake_times(a, seq), _i == 1 ? 1 : 2);
    ck_assert_uint_eq(rig_pending(a), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dispatch-batch");
    TCase *batches = tcase_create("core");

    tcase_set_timeout(batches, 60);
    tcase_add_checked_fixture(batches, setup, teardown);
    tcase_add_test(batches, test_batches_in_order_of_arrival);
    tcase_add_test(batches, test_batch_comes_back_partly);
    tcase_add_test(batches, test_position_goes_with_each_batch);
    tcase_add_test(batches, test_what_was_written_before_a_crash);
    tcase_add_test(batches, test_lines_of_another_store_are_no_deliveries);
    tcase_add_test(batches, test_the_newest_of_a_long_file_count);
    tcase_add_test(batches, test_the_position_waits_for_what_was_found);
    tcase_add_loop_test(batches, test_a_replay_is_found_beyond_the_mark_only, 0, 2);
    tcase_add_test(batches, test_without_a_mark_rows_are_no_lines);
    suite_add_tcase(suite, batches);

    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
