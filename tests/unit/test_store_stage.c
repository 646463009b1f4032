/*
 * Batches that are staged before they are committed: nothing of it counts before the commit, and
 * whatever comes between, the commit is what it would have been. The model and the tests of failing
 * disks, calls and memory stage, too.
 */

#include "store/sqlite_store.h"
#include "store_rig.h"

#define N_MAX (4 * INDEX_FREEZE)

static struct store_append appends[N_MAX], *pointers[N_MAX];
static struct delivery deliveries[N_MAX];
static char ids[N_MAX][16];
static struct store_batch batch;

/* A batch of n new ones. */
static void make_batch(size_t n)
{
    ck_assert_uint_le(n, N_MAX);
    for (size_t i = 0; i < n; i++) {
        snprintf(ids[i], sizeof(ids[i]), "id-%zu", i);
        deliveries[i] = rig_delivery(ids[i]);
        appends[i] = (struct store_append){.delivery = &deliveries[i]};
        pointers[i] = &appends[i];
    }
    batch = (struct store_batch){.appends = pointers, .n_appends = n};
}

static void stage(size_t n)
{
    batch.n_appends = n;
    store_stage(rig.store, &batch, &rig.error);
}

static uint64_t head(void)
{
    uint64_t head = 0;

    ck_assert_int_eq(store_read_head(rig.reader, &head, &rig.error), 0);
    return head;
}

static void want_all_stored(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ck_assert_int_eq(appends[i].verdict, STORE_VERDICT_STORED);
        ck_assert_uint_eq(appends[i].seq, i + 1);
    }
    ck_assert_uint_eq(head(), n);
}

START_TEST(test_nobody_sees_it_before_the_commit)
{
    struct store_stats stats;

    rig_start((enum rig_backend)_i);
    make_batch(10);
    stage(6);
    ck_assert_uint_eq(head(), 0);
    ck_assert_uint_eq(rig_count_deliveries(), 0);
    store_get_stats(rig.store, &stats);
    ck_assert_uint_eq(stats.head, 0);
    stage(9);
    stage(9); /* nothing new */
    batch.n_appends = 10;
    RIG_OK(store_commit(rig.store, &batch, &rig.error));
    ck_assert_uint_eq(batch.n_staged, 0);
    ck_assert_uint_eq(head(), 10);
    want_all_stored(10);
    rig_stop();
}
END_TEST

START_TEST(test_a_crash_before_the_commit_leaves_nothing)
{
    rig_start(RIG_SQLITE);
    make_batch(10);
    stage(10);
    ck_assert_uint_eq(batch.n_staged, 10);
    rig_close();
    rig_open();
    ck_assert_uint_eq(rig_count_deliveries(), 0);
    batch.n_staged = 0;
    RIG_OK(store_commit(rig.store, &batch, &rig.error));
    want_all_stored(10);
    rig_stop();
}
END_TEST

/* Of the same id in two pieces of a batch the second is a copy. */
START_TEST(test_copies_across_pieces)
{
    rig_start((enum rig_backend)_i);
    make_batch(3);
    deliveries[2] = deliveries[0];
    stage(2);
    batch.n_appends = 3;
    RIG_OK(store_commit(rig.store, &batch, &rig.error));
    ck_assert_int_eq(appends[0].verdict, STORE_VERDICT_STORED);
    ck_assert_int_eq(appends[2].verdict, STORE_VERDICT_DUPLICATE);
    ck_assert_uint_eq(appends[2].seq, appends[0].seq);
    ck_assert_uint_eq(rig_count_deliveries(), 2);
    rig_stop();
}
END_TEST

/* The body of a piece that is too big is told by the commit. */
START_TEST(test_what_was_refused_is_told)
{
    rig_start(RIG_SQLITE);
    make_batch(3);
    deliveries[1].body_length = STORE_BODY_MAX + 1;
    rig.error = (struct error)ERROR_INIT;
    stage(2);
    batch.n_appends = 3;
    RIG_OK(store_commit(rig.store, &batch, &rig.error));
    ck_assert_int_eq(appends[1].verdict, STORE_VERDICT_REFUSED);
    ck_assert_int_eq(appends[2].verdict, STORE_VERDICT_STORED);
    ck_assert_uint_eq(appends[2].seq, 2);
    ck_assert_int_eq(rig.error.code, EFBIG);
    rig_stop();
}
END_TEST

/* What is staged when the disk comes to its floor is stored; what comes after it is not. */
START_TEST(test_the_floor_between_two_pieces)
{
    rig_start(RIG_SQLITE);
    make_batch(4);
    stage(2);
    sqlite_store(rig.store)->disk.floor = UINT64_MAX / 2;
    rig_advance(2 * USEC_PER_SEC); /* it looks again */
    stage(4);
    ck_assert_uint_eq(batch.n_staged, 2);
    RIG_OK(store_commit(rig.store, &batch, &rig.error));
    for (size_t i = 0; i < 4; i++)
        ck_assert_int_eq(appends[i].verdict, i < 2 ? STORE_VERDICT_STORED : STORE_VERDICT_REFUSED);
    ck_assert_int_eq(rig.error.code, ENOSPC);
    ck_assert_uint_eq(rig_count_deliveries(), 2);
    rig_stop();
}
END_TEST

/* The index has no place for the rest of the batch: all of it is begun anew. */
START_TEST(test_more_than_the_index_has_room_for)
{
    rig_start(RIG_SQLITE);
    make_batch(N_MAX);
    stage(INDEX_FREEZE);
    ck_assert_uint_eq(batch.n_staged, INDEX_FREEZE);
    stage(N_MAX);
    ck_assert_uint_eq(batch.n_staged, INDEX_FREEZE); /* left to the commit */
    RIG_OK(store_commit(rig.store, &batch, &rig.error));
    want_all_stored(N_MAX);
    rig_close();
    rig_open();
    RIG_OK(store_commit(rig.store, &batch, &rig.error));
    for (size_t i = 0; i < N_MAX; i++)
        ck_assert_int_eq(appends[i].verdict, STORE_VERDICT_DUPLICATE);
    rig_stop();
}
END_TEST

/* Another program holds the database: the wait for it is the commit's, and there is one. */
START_TEST(test_a_locked_database_is_not_waited_for)
{
    sqlite3 *other = NULL;
    int64_t begin;

    rig_start(RIG_SQLITE);
    ck_assert_int_eq(sqlite3_open(rig.path, &other), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    make_batch(2);
    begin = clock_monotonic(clock_system());
    stage(2);
    ck_assert_int_lt(clock_monotonic(clock_system()) - begin, USEC_PER_SEC);
    ck_assert_uint_eq(batch.n_staged, 0);
    ck_assert_int_eq(store_commit(rig.store, &batch, &rig.error), STORE_UNAVAILABLE);
    ck_assert_int_ge(clock_monotonic(clock_system()) - begin, USEC_PER_SEC);
    ck_assert_int_eq(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    RIG_OK(store_commit(rig.store, &batch, &rig.error));
    want_all_stored(2);
    rig_stop();
}
END_TEST

START_TEST(test_a_store_that_failed_stages_nothing)
{
    rig_start(RIG_SQLITE);
    make_batch(2);
    rig.store->failure = (struct error)ERROR_INIT;
    error_set(&rig.store->failure, EIO, "it failed before");
    rig.store->failed = true;
    stage(2);
    ck_assert_uint_eq(batch.n_staged, 0);
    ck_assert_int_eq(store_commit(rig.store, &batch, &rig.error), STORE_FAILED);
    ck_assert_int_eq(appends[0].verdict, STORE_VERDICT_REFUSED);
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_stage");
    TCase *core = tcase_create("core");
    TCase *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(limits, 60);
    tcase_add_loop_test(core, test_nobody_sees_it_before_the_commit, 0, RIG_N_BACKENDS);
    tcase_add_loop_test(core, test_copies_across_pieces, 0, RIG_N_BACKENDS);
    tcase_add_test(core, test_a_crash_before_the_commit_leaves_nothing);
    tcase_add_test(limits, test_more_than_the_index_has_room_for);
    tcase_add_test(limits, test_the_floor_between_two_pieces);
    tcase_add_test(errors, test_a_locked_database_is_not_waited_for);
    tcase_add_test(errors, test_what_was_refused_is_told);
    tcase_add_test(errors, test_a_store_that_failed_stages_nothing);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
