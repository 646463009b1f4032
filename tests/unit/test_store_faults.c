/*
 * The SQLite store on a disk that fails. For n = 1, 2, … until nothing fails any more, the n-th
 * sync or write of a small life of a store fails, once or from then on. Whatever happens: what was
 * acknowledged is there after the next open, with its body; nothing is acknowledged after a
 * failure; seqs have no gap; and a disk that was only full goes on by itself.
 */

#include "store/sqlite_store.h"
#include "store_rig.h"

#include "fault_vfs.h"

#define N_COMMITS 6
#define PER_COMMIT 3

/* What the outside was told. */
static struct told {
    bool stored[N_COMMITS * PER_COMMIT]; /* a 2xx went out */
    enum store_result worst;
    uint64_t frontier;
} told;

static struct delivery delivery_number(size_t i, char id[16])
{
    snprintf(id, 16, "id-%zu", i);
    return rig_delivery(id);
}

static void note_result(enum store_result result)
{
    if (result > told.worst)
        told.worst = result;
    /* A latched store stays latched. */
    ck_assert(told.worst != STORE_FAILED || store_has_failed(rig.store));
    ck_assert(told.worst != STORE_FAILED || result == STORE_FAILED);
    if (result != STORE_OK)
        ck_assert_str_ne(rig.error.text, "");
}

static void commit_some(size_t first, const struct store_sink *sink)
{
    struct store_append appends[PER_COMMIT], *pointers[PER_COMMIT];
    struct delivery deliveries[PER_COMMIT];
    char ids[PER_COMMIT][16];
    struct store_settle settle = {.sink = sink->id};
    const struct store_settle *settles[] = {&settle};
    struct store_batch batch = {pointers, PER_COMMIT, settles, 1};
    struct store_stats stats;
    enum store_result result;

    store_get_stats(rig.store, &stats);
    settle.frontier = stats.head;
    settle.delivered = (int64_t)(stats.head - told.frontier);
    for (size_t i = 0; i < PER_COMMIT; i++) {
        deliveries[i] = delivery_number(first + i, ids[i]);
        appends[i] = (struct store_append){.delivery = &deliveries[i]};
        pointers[i] = &appends[i];
    }
    result = rig_commit(&batch);
    note_result(result);
    for (size_t i = 0; i < PER_COMMIT; i++) {
        ck_assert(result == STORE_OK || appends[i].verdict == STORE_VERDICT_REFUSED);
        told.stored[first + i] |= appends[i].verdict != STORE_VERDICT_REFUSED;
    }
    if (result == STORE_OK)
        told.frontier = stats.head;
}

/* A small life: open, commits with upkeep in between, pruning, close. */
static void live(void)
{
    static const struct store_retention retention = {USEC_PER_HOUR, USEC_PER_DAY};
    struct store_sink sink;
    bool more;
    int r = rig_open_error(0, &rig.store);

    if (r < 0) {
        ck_assert_str_ne(rig.error.text, "");
        return;
    }
    if (store_register_sink(rig.store, "sink", &sink, &rig.error) == STORE_OK &&
        store_set_active_sinks(rig.store, &sink.id, 1, &rig.error) == STORE_OK) {
        told.frontier = sink.frontier;
        for (size_t i = 0; i < N_COMMITS; i++) {
            commit_some(i * PER_COMMIT, &sink);
            rig_advance(USEC_PER_SEC);
            note_result(store_maintain(rig.store, i % 2 == 0, &rig.error));
        }
        note_result(store_prune(rig.store, &retention, &more, &rig.error));
    }
    store_close(TAKE(rig.store));
}

/* The disk works again. */
static void check_after(void)
{
    struct store_stats stats;

    fault.at = 0;
    rig_open();
    store_get_stats(rig.store, &stats);
    ck_assert_uint_eq(stats.head, rig_count_deliveries()); /* no gap, nothing pruned yet */
    for (size_t i = 0; i < ARRAY_SIZE(told.stored); i++) {
        CLEANUP(delivery_free) struct delivery *got = NULL;
        char id[16];
        struct delivery delivery = delivery_number(i, id);
        struct store_append append;

        if (!told.stored[i])
            continue;
        RIG_OK(rig_append(&delivery, &append));
        ck_assert_int_eq(append.verdict, STORE_VERDICT_DUPLICATE);
        ck_assert_int_eq(store_fetch(rig.reader, append.seq, &got, &rig.error), 0);
        ck_assert_str_eq(got->request_id, id);
    }
    rig_read_sink(rig_register("sink").id);
    rig_append_new();
}

static const struct fault_row {
    enum fault_op op;
    int code;
    bool sticky;
    bool heals; /* without a restart */
} fault_rows[] = {
    {FAULT_SYNC, SQLITE_IOERR_FSYNC, false, false},
    {FAULT_SYNC, SQLITE_IOERR_FSYNC, true, false},
    {FAULT_WRITE, SQLITE_IOERR_WRITE, false, false},
    {FAULT_WRITE, SQLITE_IOERR_WRITE, true, false},
    {FAULT_WRITE, SQLITE_FULL, false, true},
    {FAULT_WRITE, SQLITE_FULL, true, true},
};

START_TEST(test_the_nth_call_fails)
{
    const struct fault_row *row = &fault_rows[(size_t)_i % ARRAY_SIZE(fault_rows)];
    unsigned int n = 1;

    rig.stage = (size_t)_i / ARRAY_SIZE(fault_rows); /* 0: not, 1: each, 2: some */

    fault_install();
    for (bool hit = true; hit; n++) {
        rig_prepare(RIG_SQLITE);
        told = (struct told){.worst = STORE_OK};
        fault_set(row->op, row->code, n, row->sticky);
        live();
        hit = fault.hit;
        ck_assert(!row->heals || told.worst != STORE_FAILED);
        check_after();
        rig_stop();
    }
    ck_assert_uint_gt(n, 20); /* or it was no life at all */
}
END_TEST

/* The first failed sync is the last thing the store does to the disk. */
START_TEST(test_a_failed_sync_latches)
{
    const struct delivery first = rig_delivery("first"), second = rig_delivery("second");
    struct store_append append;
    struct store_sink sink;
    struct store_stats stats;
    bool more;
    char text[ERROR_TEXT_MAX];

    fault_install();
    rig_start(RIG_SQLITE);
    RIG_OK(rig_append(&first, &append));
    fault_set(FAULT_SYNC, SQLITE_IOERR_FSYNC, 1, false);
    ck_assert_int_eq(rig_append(&second, &append), STORE_FAILED);
    ck_assert_int_eq(append.verdict, STORE_VERDICT_REFUSED);
    ck_assert_int_eq(rig.error.code, EIO);
    ck_assert_msg(strstr(rig.error.text, "cannot commit: disk I/O error"), "%s", rig.error.text);
    strcpy(text, rig.error.text);

    /* The disk would work again, yet nothing is answered, not even what is known to be there. */
    fault.syncs = 0;
    ck_assert_int_eq(rig_append(&first, &append), STORE_FAILED);
    ck_assert_int_eq(append.verdict, STORE_VERDICT_REFUSED);
    ck_assert_str_eq(rig.error.text, text);
    ck_assert_int_eq(store_register_sink(rig.store, "sink", &sink, NULL), STORE_FAILED);
    ck_assert_int_eq(store_set_active_sinks(rig.store, NULL, 0, NULL), STORE_FAILED);
    ck_assert_int_eq(store_maintain(rig.store, true, NULL), STORE_FAILED);
    ck_assert_int_eq(
        store_prune(rig.store, &(struct store_retention){1, 1}, &more, NULL), STORE_FAILED);
    store_get_stats(rig.store, &stats);
    ck_assert(stats.failed);
    stats = (struct store_stats){.failed = false};
    ck_assert_int_eq(store_read_stats(rig.reader, &stats, NULL), 0);
    ck_assert(stats.failed); /* a reader knows, too */
    rig_close();
    ck_assert_uint_eq(fault.syncs, 0);

    /* What the failed commit left is settled now, before anybody asks. */
    rig_open();
    ck_assert_uint_gt(fault.syncs, 0);
    RIG_OK(rig_append(&first, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_DUPLICATE);
    rig_stop();
}
END_TEST

/* A disk that is full is no failure: the same delivery gets in once there is room. */
START_TEST(test_a_full_disk_is_for_now)
{
    const struct delivery first = rig_delivery("first"), second = rig_delivery("second");
    struct store_append append;

    fault_install();
    rig_start(RIG_SQLITE);
    RIG_OK(rig_append(&first, &append));
    fault_set(FAULT_WRITE, SQLITE_FULL, 1, true);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(rig_append(&second, &append), STORE_UNAVAILABLE);
        ck_assert_int_eq(append.verdict, STORE_VERDICT_REFUSED);
        ck_assert_int_eq(rig.error.code, ENOSPC);
    }
    ck_assert(!store_has_failed(rig.store));
    /* A copy needs no room. */
    RIG_OK(rig_append(&first, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_DUPLICATE);
    fault.at = 0;
    RIG_OK(rig_append(&second, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
    ck_assert_uint_eq(append.seq, 2);
    rig_stop();
}
END_TEST

/* One sync a commit, of the WAL; none for a batch that changes nothing. */
START_TEST(test_syncs_of_a_commit)
{
    const struct delivery delivery = rig_delivery("id");
    struct store_append append;

    fault_install();
    rig_start(RIG_SQLITE);
    rig_append_new(); /* the first of a WAL syncs its header, too */
    fault.syncs = 0;
    RIG_OK(rig_append(&delivery, &append));
    ck_assert_uint_eq(fault.syncs, 1);
    RIG_OK(rig_append(&delivery, &append));
    ck_assert_uint_eq(fault.syncs, 1);
    rig_stop();
}
END_TEST

/* Open syncs the database even where the WAL is empty: it may never have been synced. */
START_TEST(test_open_syncs)
{
    fault_install();
    rig_start(RIG_SQLITE);
    rig_append_new();
    rig_close();
    fault.syncs = 0;
    rig_open();
    ck_assert_uint_ge(fault.syncs, 1);
    rig_close();

    fault_set(FAULT_SYNC, SQLITE_IOERR_FSYNC, 1, false);
    ck_assert_int_eq(rig_open_error(0, &rig.store), -EIO);
    ck_assert_msg(strstr(rig.error.text, "disk I/O error"), "%s", rig.error.text);
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_faults");
    TCase *core = tcase_create("core"), *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(errors, 100);
    tcase_add_test(core, test_syncs_of_a_commit);
    tcase_add_test(core, test_open_syncs);
    tcase_add_test(errors, test_a_failed_sync_latches);
    tcase_add_test(errors, test_a_full_disk_is_for_now);
    tcase_add_loop_test(errors, test_the_nth_call_fails, 0, 3 * (int)ARRAY_SIZE(fault_rows));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
