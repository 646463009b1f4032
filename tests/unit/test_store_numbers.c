/*
 * Single answers of the store and its numbers, from a reader's thread, the same for every backend.
 */

#include "query_rig.h"
#include "store/sqlite_store.h"

#include <pthread.h>

#define RECEIVED INT64_C(1767225600000000) /* what rig.realtime is at the start */

/* ---- sinks ---- */

static void want_sink_row(uint32_t sink, uint64_t seq, struct store_sink_row want)
{
    struct store_sink_row got;

    ck_assert_int_eq(store_read_sink_row(rig.reader, sink, seq, &got, &rig.error), 0);
    ck_assert_int_eq(got.state, want.state);
    ck_assert_uint_eq(got.attempts, want.attempts);
    ck_assert_int_eq(got.next_at_usec, want.next_at_usec);
    ck_assert_int_eq(got.replay, want.replay);
}

START_TEST(test_sink_rows)
{
    const struct store_outcome outcomes[] = {
        {.seq = 2, .state = STORE_STATE_PENDING, .attempts = 3, .next_at_usec = 77, .replay = true},
        {.seq = 3, .state = STORE_STATE_DEAD, .attempts = 24},
    };
    struct store_settle settle = {
        .frontier = 4, .delivered = 1, .outcomes = outcomes, .n_outcomes = 2};
    struct store_sink sink;
    bool more;

    rig_start((enum rig_backend)_i);
    rig_append_many(1); /* from before the sink */
    sink = rig_register("sink");
    rig_set_active(&sink);
    rig_append_many(5);
    settle.sink = sink.id;
    RIG_OK(rig_settle(&settle));

    want_sink_row(sink.id, 1, (struct store_sink_row){STORE_SINK_UNSEEN});
    want_sink_row(sink.id, 2, (struct store_sink_row){STORE_SINK_PENDING, 3, 77, true});
    want_sink_row(sink.id, 3, (struct store_sink_row){STORE_SINK_DEAD, 24, 0, false});
    want_sink_row(sink.id, 4, (struct store_sink_row){STORE_SINK_SETTLED});
    want_sink_row(sink.id, 5, (struct store_sink_row){STORE_SINK_UNSEEN});
    want_sink_row(sink.id, 99, (struct store_sink_row){STORE_SINK_UNSEEN});
    want_sink_row(sink.id, UINT64_MAX, (struct store_sink_row){STORE_SINK_UNSEEN});

    /* A mark after which 2 leaves a DONE row, which is never shown. */
    RIG_OK(store_prune(
        rig.store, &(struct store_retention){USEC_INFINITY, USEC_INFINITY}, &more, &rig.error));
    rig_outcome(sink.id, 0, 1, 2, STORE_STATE_DONE);
    want_sink_row(sink.id, 2, (struct store_sink_row){STORE_SINK_SETTLED});
    rig_stop();
}
END_TEST

static void want_oldest(uint32_t sink, int64_t want)
{
    int64_t got = -7;
    int r = store_read_oldest_pending(rig.reader, sink, &got, &rig.error);

    ck_assert_int_eq(r, want < 0 ? -ENOENT : 0);
    ck_assert_int_eq(got, want < 0 ? -7 : RECEIVED + want * USEC_PER_SEC);
}

START_TEST(test_oldest_pending)
{
    struct store_sink sink;

    rig_start((enum rig_backend)_i);
    for (int i = 0; i < 6; i++) { /* from before the sink: 1 to 6, received at 0 to 5 */
        rig_append_new();
        rig_advance(USEC_PER_SEC);
    }
    sink = rig_register("sink");
    want_oldest(sink.id, -1);
    for (int i = 0; i < 4; i++) {
        rig_append_new(); /* 7 to 10, received at 6 to 9 */
        rig_advance(USEC_PER_SEC);
    }
    want_oldest(sink.id, 6);
    rig_outcome(sink.id, 7, 0, 7, STORE_STATE_DEAD);
    want_oldest(sink.id, 7); /* a dead one does not count */
    rig_outcome(sink.id, 8, 0, 8, STORE_STATE_PENDING);
    want_oldest(sink.id, 7);
    rig_outcome(sink.id, 10, 3, 8, STORE_STATE_DONE);
    want_oldest(sink.id, -1);
    rig_outcome(sink.id, 0, 0, 3, STORE_STATE_PENDING);
    want_oldest(sink.id, 2);
    rig_stop();
}
END_TEST

/* ---- numbers ---- */

static struct store_stats read_stats(void)
{
    struct store_stats stats;

    ck_assert_msg(store_read_stats(rig.reader, &stats, &rig.error) == 0, "%s", rig.error.text);
    return stats;
}

/* Lets so much time pass that everything settled is pruned, its ids too. */
static void prune_all(void)
{
    static const struct store_retention keep = {USEC_PER_DAY, USEC_PER_DAY};

    for (int hours = 0; hours < 60; hours++) {
        bool more = true;

        rig_advance(USEC_PER_HOUR);
        while (more)
            RIG_OK(store_prune(rig.store, &keep, &more, &rig.error));
    }
}

START_TEST(test_numbers)
{
    struct store_stats got, want;
    struct store_sink sink;
    struct store_query query = STORE_QUERY_INIT;

    rig_start((enum rig_backend)_i);
    got = read_stats();
    ck_assert_uint_eq(got.head, 0);
    ck_assert_uint_eq(got.deliveries, 0);
    sink = rig_register("sink");
    rig_set_active(&sink);
    rig_append_many(9);
    rig_outcome(sink.id, 8, 7, 5, STORE_STATE_DEAD);
    prune_all();
    got = read_stats();
    ck_assert_uint_eq(got.head, 9);
    ck_assert_uint_eq(got.deliveries, 2); /* 5 is dead, 9 pending */
    ck_assert_uint_eq(got.ids, 0);
    ck_assert(!got.failed);
    ck_assert(!got.below_floor);
    store_get_stats(rig.store, &want);
    ck_assert_uint_eq(got.head, want.head);
    ck_assert_uint_eq(got.deliveries, want.deliveries);
    ck_assert_uint_eq(got.ids, want.ids);
    ck_assert_uint_eq(got.bytes, want.bytes);
    ck_assert_uint_eq(got.wal_bytes, want.wal_bytes);
    if (rig.backend == RIG_SQLITE) {
        ck_assert_uint_gt(got.bytes + got.wal_bytes, 4096);
        ck_assert_uint_gt(got.disk_free, 0);
    }

    /* What was pruned is no hole in a walk. */
    query_want(&query, "95");
    query.oldest_first = true;
    query_want(&query, "59");
    rig_stop();
}
END_TEST

/* Nobody commits, and yet it is noticed: an idle store must be able to become ready again. */
START_TEST(test_a_reader_looks_at_the_disk_itself)
{
    rig_prepare(RIG_SQLITE);
    ck_assert_int_eq(rig_open_error(UINT64_MAX / 4, &rig.store), 0);
    ck_assert_int_eq(store_reader_open(rig.store, &rig.reader, &rig.error), 0);
    ck_assert(read_stats().below_floor);
    sqlite_store(rig.store)->disk.floor = 1; /* as if room came back */
    ck_assert(!read_stats().below_floor);
    rig_stop();
}
END_TEST

static void *look_along(void *context)
{
    struct store_reader *reader;
    struct store_query query = STORE_QUERY_INIT;
    struct store_stats stats = {0};
    uint64_t last = 0, next;

    query.limit = 100;
    ck_assert_int_eq(store_reader_open(rig.store, &reader, NULL), 0);
    while (stats.head < 300) {
        struct rig_seqs seqs = {.n = 0};

        ck_assert_int_eq(store_read_stats(reader, &stats, NULL), 0);
        ck_assert_uint_ge(stats.head, last);
        ck_assert_uint_eq(stats.deliveries, stats.head);
        ck_assert_uint_eq(stats.ids, stats.head);
        last = stats.head;
        ck_assert_int_ge(store_query(reader, &query, rig_on_delivery, &seqs, &next, NULL), 0);
    }
    store_reader_close(reader);
    return NULL;
}

/* For the thread sanitizer above all. */
START_TEST(test_numbers_while_the_writer_works)
{
    pthread_t thread;

    rig_start((enum rig_backend)_i);
    ck_assert_int_eq(pthread_create(&thread, NULL, look_along, NULL), 0);
    for (int i = 0; i < 300; i++) {
        rig_append_new();
        rig_advance(USEC_PER_SEC); /* the writer looks at the disk, too */
    }
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    rig_stop();
}
END_TEST

START_TEST(test_a_sink_that_was_never_registered)
{
    struct store_sink_row row = {.attempts = 7};
    int64_t at = 7;

    rig_start((enum rig_backend)_i);
    rig_append_many(3);
    ck_assert_int_eq(store_read_sink_row(rig.reader, 9, 1, &row, &rig.error), -ENOENT);
    ck_assert_str_eq(rig.error.text, "sink 9 was never registered");
    ck_assert_uint_eq(row.attempts, 7);
    ck_assert_int_eq(store_read_oldest_pending(rig.reader, 9, &at, &rig.error), -ENOENT);
    ck_assert_str_eq(rig.error.text, "nothing is pending for sink 9");
    ck_assert_int_eq(store_read_sink_row(rig.reader, 0, 1, &row, &rig.error), -ENOENT);
    ck_assert_int_eq(store_read_oldest_pending(rig.reader, 0, &at, &rig.error), -ENOENT);
    ck_assert_str_eq(rig.error.text, "nothing is pending for sink 0");
    ck_assert_int_eq(at, 7);
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_numbers");
    TCase *core = tcase_create("core"), *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(core, 60);
    tcase_add_loop_test(core, test_sink_rows, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_oldest_pending, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_numbers, 0, RIG_N_BACKENDS);
    tcase_add_test(core, test_a_reader_looks_at_the_disk_itself);
    tcase_add_loop_test(core, test_numbers_while_the_writer_works, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(errors, test_a_sink_that_was_never_registered, 0, RIG_N_BACKENDS);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
