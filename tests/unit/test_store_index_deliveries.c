/*
 * The index on disk under a store with deliveries: copies, late ones and the deliveries of a job
 * are found wherever they are, and a store of an older version is taken over. The index by itself
 * is in test_store_index.c.
 */

#include "store/sqlite_schema.h"

#include "caller.h"
#include "failing_malloc.h"
#include "index_rig.h"
#include "query_rig.h"

#include <endian.h>

static uint64_t append(const char *id, const char *job_id, int64_t updated_at)
{
    struct delivery delivery = rig_delivery_of(id, job_id, updated_at, false, "{}");
    struct store_append append;

    RIG_OK(rig_append(&delivery, &append));
    return append.verdict == STORE_VERDICT_STORED ? append.seq : 0;
}

static void flush(void)
{
    struct sqlite_store *store = sqlite_store(rig.store);

    ck_assert_int_eq(index_flush(&store->index, &store->db, &store->now), SQLITE_OK);
}

static void fill(unsigned int from, unsigned int to)
{
    for (unsigned int i = from; i <= to; i++) {
        char id[16];

        snprintf(id, sizeof(id), "id-%u", i);
        ck_assert_uint_eq(append(id, i % 3 == 0 ? "third" : "other", i), i);
    }
}

START_TEST(test_a_job_is_found_in_every_part)
{
    struct store_query query = STORE_QUERY_INIT;

    rig_start(RIG_SQLITE);
    query.job_id = "third";
    for (unsigned int i = 0; i < 3; i++) {
        fill(3 * i + 1, 3 * i + 3);
        query.oldest_first = true;
        query_want(&query, i == 0 ? "3" : i == 1 ? "36" : "369");
        query.oldest_first = false;
        query_want(&query, i == 0 ? "3" : i == 1 ? "63" : "963");
        if (i < 2)
            flush();
    }
    /* Wherever in a run they would be, before and behind all others too. */
    for (int i = 0; i < 100; i++) {
        char job_id[16];

        snprintf(job_id, sizeof(job_id), "none-%d", i);
        query.job_id = job_id;
        query_want(&query, "");
    }
    rig_stop();
}
END_TEST

/* A digest of which the first half is the key of a job: what is found is of the kind that is looked
 * for, in memory and on disk. */
START_TEST(test_an_id_that_looks_like_a_job)
{
    const struct index_key key = index_key_of_job("third", "main");
    const uint64_t words[] = {htobe64(key.hi), htobe64(key.lo)};
    struct delivery like = rig_delivery_of("like", "other", 50, false, "{}");
    struct store_query query = STORE_QUERY_INIT;
    struct store_append append_like;
    uint64_t numbers[8];
    struct index_seqs seqs = {.max = 7, .seqs = numbers};

    rig_start(RIG_SQLITE);
    memcpy(like.id_digest.bytes, words, sizeof(words));
    query.job_id = "third";
    query.oldest_first = true;
    RIG_OK(rig_append(&like, &append_like));
    ck_assert_int_eq(append_like.verdict, STORE_VERDICT_STORED);
    fill(2, 6);
    for (int i = 0; i < 2; i++) {
        RIG_OK(rig_append(&like, &append_like));
        ck_assert_int_eq(append_like.verdict, STORE_VERDICT_DUPLICATE);
        ck_assert_uint_eq(append_like.seq, 1);
        query_want(&query, "36");
        flush();
    }
    ck_assert_int_eq(index_gather(database(), "third", 0, 100, &seqs), SQLITE_OK);
    ck_assert_uint_eq(seqs.n, 2);
    ck_assert_uint_eq(numbers[0], 3);
    ck_assert_uint_eq(numbers[1], 6);
    rig_stop();
}
END_TEST

START_TEST(test_copies_and_late_ones_are_known_after_flush_and_restart)
{
    struct delivery late = rig_delivery_of("late", "third", 1, false, "{}");
    struct store_append append_late;

    rig_start(RIG_SQLITE);
    fill(1, 9);
    flush();
    rig_close();
    rig_open();
    ck_assert_uint_eq(append("id-4", "third", 0), 0);
    RIG_OK(rig_append(&late, &append_late));
    ck_assert(append_late.stale);
    ck_assert_uint_eq(append("id-11", "third", 11), 11);
    rig_close();
    rig_open();
    ck_assert_uint_eq(append("id-11", "third", 11), 0);
    rig_stop();
}
END_TEST

/* A hash that two jobs share: the newest is of another job, which says nothing of this one. */
START_TEST(test_another_job_of_the_same_hash_makes_none_stale)
{
    struct delivery late = rig_delivery_of("late", "third", 1, false, "{}");
    struct store_append append_late;

    rig_start(RIG_SQLITE);
    ck_assert_uint_eq(append("id", "third", 5), 1);
    ck_assert_int_eq(
        db_exec(database(), "UPDATE deliveries SET job_id = 'of the same hash'"), SQLITE_OK);
    RIG_OK(rig_append(&late, &append_late));
    ck_assert(!append_late.stale);
    rig_stop();
}
END_TEST

START_TEST(test_a_job_with_more_than_can_be_sorted)
{
    struct store_query query = STORE_QUERY_INIT;
    struct rig_seqs seqs = {.n = 0};

    rig_start(RIG_SQLITE);
    do_not_sync();
    for (unsigned int i = 0; i < 1200; i++) {
        char id[16];

        snprintf(id, sizeof(id), "many-%u", i);
        append(id, "busy", i);
    }
    flush();
    query.job_id = "busy";
    query.since_usec = rig.realtime;
    for (uint64_t from = 0;;) {
        uint64_t next;

        query.limit = 100;
        query.from = from;
        seqs.n = 0;
        ck_assert_int_ge(query_once(&query, &seqs, &next), 0);
        if (next == 0)
            break;
        ck_assert_uint_eq(seqs.n, 100);
        from = next;
    }
    rig_stop();
}
END_TEST

START_TEST(test_a_batch_that_the_index_has_no_memory_for_is_refused_whole)
{
    const size_t n = (size_t)2 * INDEX_FREEZE;
    struct delivery *deliveries = calloc(n, sizeof(*deliveries));
    struct store_append *appends = calloc(n, sizeof(*appends));
    struct store_append **pointers = calloc(n, sizeof(struct store_append *));
    struct store_batch batch = {.appends = pointers, .n_appends = n};

    if (failing_malloc_works()) {
        rig_start(RIG_SQLITE);
        for (size_t i = 0; i < n; i++) {
            deliveries[i] = rig_delivery("batch");
            deliveries[i].id_digest = digest_of(i);
            appends[i].delivery = &deliveries[i];
            pointers[i] = &appends[i];
        }
        ck_assert(caller_init("libsqlite3"));
        failing_malloc_counts = caller_is_ours;
        rig.error = (struct error)ERROR_INIT;
        failing_malloc_in = 1;
        ck_assert_int_eq(rig_commit(&batch), STORE_UNAVAILABLE);
        ck_assert_uint_eq(failing_malloc_in, 0);
        ck_assert_int_eq(rig.error.code, ENOMEM);
        ck_assert_uint_eq(rig_count_deliveries(), 0);
        for (size_t i = 0; i < n; i++)
            ck_assert_int_eq(appends[i].verdict, STORE_VERDICT_REFUSED);
        RIG_OK(rig_commit(&batch));
        ck_assert_int_eq(appends[n - 1].verdict, STORE_VERDICT_STORED);
        ck_assert_uint_eq(appends[n - 1].seq, n);
        rig_stop();
    }
    free(deliveries);
    free(appends);
    free(pointers);
}
END_TEST

/* What is damaged is no copy and nothing new, also where only copies can be told. */
START_TEST(test_a_damaged_block_without_room)
{
    struct delivery delivery = rig_delivery_of("id-1", "other", 1, false, "{}");
    struct store_append append_copy;

    rig_start(RIG_SQLITE);
    fill(1, 3);
    flush();
    damage("UPDATE index_blocks SET data = zeroblob(length(data))");
    sqlite_store(rig.store)->disk.floor = UINT64_C(1) << 62;
    rig_advance(USEC_PER_SEC);
    ck_assert_int_eq(rig_append(&delivery, &append_copy), STORE_FAILED);
    ck_assert_int_eq(append_copy.verdict, STORE_VERDICT_REFUSED);
    ck_assert_int_eq(rig.error.code, EBADMSG);
    rig_stop();
}
END_TEST

/* ---- an older store ---- */

/* It has no runs: all deliveries are read at the open, in as many pieces as fit in memory. */
START_TEST(test_more_deliveries_than_fit_in_memory_are_indexed_at_open)
{
    const size_t n = 4 * INDEX_FREEZE;
    struct delivery copy = rig_delivery("many-7");
    struct store_append append_copy;

    rig_start(RIG_SQLITE);
    do_not_sync();
    for (size_t i = 0; i < n; i += INDEX_FREEZE / 8)
        rig_append_many(INDEX_FREEZE / 8);
    ck_assert_int_eq(
        db_exec(database(), "DELETE FROM index_runs; DELETE FROM index_blocks;"
                            " DELETE FROM index_summaries; UPDATE store SET indexed_through = 0"),
        SQLITE_OK);
    rig_close();
    rig_open();
    ck_assert_int_gt(number_of("SELECT count(*) FROM index_runs"), 0);
    ck_assert_int_gt(number_of("SELECT indexed_through FROM store"), INDEX_FREEZE);
    for (size_t number = 0; number < n; number += n / 64) {
        char id[32];

        snprintf(id, sizeof(id), "many-%zu", number);
        copy = rig_delivery(id);
        RIG_OK(rig_append(&copy, &append_copy));
        ck_assert_int_eq(append_copy.verdict, STORE_VERDICT_DUPLICATE);
        ck_assert_uint_eq(append_copy.seq, number + 1);
    }
    ck_assert_uint_eq(rig_append_new(), n + 1);
    rig_stop();
}
END_TEST

/* Neither taken over as something else, nor left out: a copy would be taken for new. */
START_TEST(test_damaged_ids_of_an_older_store_are_refused)
{
    static const char *const rows[] = {
        "(1, x'00112233445566778899aabbccddeeff', x'00')",
        "(1, x'', x'00112233445566778899aabbccddeeff')",
    };
    char sql[256];
    sqlite3 *handle;
    struct db db;

    rig_prepare(RIG_SQLITE);
    ck_assert_int_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(handle, "PRAGMA user_version = 0", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
    ck_assert_int_eq(db_open(&db, rig.path, SQLITE_OPEN_READWRITE, 64, &rig.error), 0);
    ck_assert_int_eq(schema_migrate(&db, schema_steps, 2, &rig.error), 0);
    snprintf(sql, sizeof(sql),
        "UPDATE store SET pruned_through = 1; INSERT INTO ids (seq, digest, body_digest)"
        " VALUES %s",
        rows[_i]);
    ck_assert_int_eq(db_exec(&db, sql), SQLITE_OK);
    db_close(&db, true);
    ck_assert_int_eq(rig_open_error(0, &rig.store), -EBADMSG);
    ck_assert_msg(strstr(rig.error.text, "restore a backup"), "%s", rig.error.text);

    ck_assert_int_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(handle, "DELETE FROM ids", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
    rig_open();
    rig_stop();
}
END_TEST

START_TEST(test_ids_of_an_older_store_are_taken_over)
{
    struct delivery gone = rig_delivery("gone"), forgotten = rig_delivery("forgotten");
    struct delivery here = rig_delivery_of("here", "third", 5, false, "{}");
    struct store_append append_copy;
    struct store_query query = STORE_QUERY_INIT;
    sqlite3_stmt *statement;
    sqlite3 *handle;
    struct db db;

    rig_prepare(RIG_SQLITE);
    ck_assert_int_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    ck_assert_int_eq(sqlite3_exec(handle, "PRAGMA user_version = 0", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
    ck_assert_int_eq(db_open(&db, rig.path, SQLITE_OPEN_READWRITE, 64, &rig.error), 0);
    ck_assert_int_eq(schema_migrate(&db, schema_steps, 2, &rig.error), 0);
    ck_assert_int_eq(db_exec(&db, "UPDATE store SET pruned_through = 2, pruned_deliveries = 2,"
                                  " forgotten_through = 1, forgotten_ids = 1"),
        SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_prepare_v2(db.handle, "INSERT INTO ids (seq, digest, body_digest) VALUES (?, ?, ?)",
            -1, &statement, NULL),
        SQLITE_OK);
    for (int seq = 1; seq <= 3; seq++) {
        const struct delivery *delivery = seq == 1 ? &forgotten : seq == 2 ? &gone : &here;

        sqlite3_bind_int(statement, 1, seq);
        sqlite3_bind_blob(statement, 2, delivery->id_digest.bytes, DIGEST_SIZE, SQLITE_STATIC);
        sqlite3_bind_blob(statement, 3, delivery->body_digest.bytes, DIGEST_SIZE, SQLITE_STATIC);
        ck_assert_int_eq(sqlite3_step(statement), SQLITE_DONE);
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    ck_assert_int_eq(
        sqlite3_prepare_v2(db.handle,
            "INSERT INTO deliveries (seq, received_at, updated_at, terminal, stale, endpoint,"
            " request_id, secret, job_id, type, status, id_digest, body_digest, checksum, body)"
            " VALUES (3, 0, 5, 0, 0, 'main', 'here', '', 'third', 't', 's', ?, ?, 0, x'7b7d')",
            -1, &statement, NULL),
        SQLITE_OK);
    sqlite3_bind_blob(statement, 1, here.id_digest.bytes, DIGEST_SIZE, SQLITE_STATIC);
    sqlite3_bind_blob(statement, 2, here.body_digest.bytes, DIGEST_SIZE, SQLITE_STATIC);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_DONE);
    sqlite3_finalize(statement);
    db_close(&db, true);

    rig_open();
    RIG_OK(rig_append(&gone, &append_copy));
    ck_assert_int_eq(append_copy.verdict, STORE_VERDICT_DUPLICATE);
    ck_assert_uint_eq(append_copy.seq, 2);
    RIG_OK(rig_append(&here, &append_copy));
    ck_assert_int_eq(append_copy.verdict, STORE_VERDICT_DUPLICATE);
    ck_assert_uint_eq(append_copy.seq, 3);
    query.job_id = "third";
    query_want(&query, "3");
    RIG_OK(rig_append(&forgotten, &append_copy));
    ck_assert_int_eq(append_copy.verdict, STORE_VERDICT_STORED);
    ck_assert_int_eq(number_of("SELECT count(*) FROM sqlite_schema"
                               " WHERE name IN ('ids', 'deliveries_by_job')"),
        0);
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_index_deliveries");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors");
    SRunner *runner;
    int failed;

    tcase_set_timeout(core, 120);
    tcase_set_timeout(limits, 60);
    tcase_set_timeout(errors, 120);
    tcase_add_test(core, test_a_job_is_found_in_every_part);
    tcase_add_test(core, test_copies_and_late_ones_are_known_after_flush_and_restart);
    tcase_add_test(core, test_another_job_of_the_same_hash_makes_none_stale);
    tcase_add_test(core, test_an_id_that_looks_like_a_job);
    tcase_add_test(core, test_ids_of_an_older_store_are_taken_over);
    tcase_add_test(limits, test_a_job_with_more_than_can_be_sorted);
    tcase_add_test(limits, test_more_deliveries_than_fit_in_memory_are_indexed_at_open);
    tcase_add_test(errors, test_a_batch_that_the_index_has_no_memory_for_is_refused_whole);
    tcase_add_test(errors, test_a_damaged_block_without_room);
    tcase_add_loop_test(errors, test_damaged_ids_of_an_older_store_are_refused, 0, 2);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
