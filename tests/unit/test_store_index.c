/*
 * The index on disk: runs are written and merged in steps of transactions that may fail, survive a
 * restart at any moment, forget what they should, and notice damage.
 *
 * These tests drive the index by itself, without deliveries in the store: it takes many entries to
 * get to merges, and deliveries would make that slow. With deliveries:
 * test_store_index_deliveries.c.
 */

#include "caller.h"
#include "failing_malloc.h"
#include "fault_vfs.h"
#include "index_rig.h"

#include <endian.h>
#include <inttypes.h>

#define N_JOBS 1000
#define BATCH 64

static struct sqlite_index ix;
static struct sqlite_state state;

/* Delivery number n, from 1, gets seq n. Its job was updated at n, so the last one is the newest.
 */
static struct delivery delivery_of(uint64_t number, char job_id[static 16])
{
    snprintf(job_id, 16, "job-%u", (unsigned int)(number % N_JOBS));
    return (struct delivery){
        .id_digest = digest_of(number),
        .body_digest = digest_of(~number),
        .job_id = job_id,
        .endpoint = "main",
        .updated_at_usec = (int64_t)number,
    };
}

static void open_index(void)
{
    ck_assert_int_eq(index_open(&ix, database(), &state), SQLITE_OK);
}

static void start(void)
{
    rig_start(RIG_SQLITE);
    do_not_sync();
    state = (struct sqlite_state){0};
    open_index();
}

static void stop(void)
{
    index_close(&ix);
    rig_stop();
}

/* Adds the next n in one transaction, with work in proportion, and ends it. */
static int add_batch(size_t n, bool commit)
{
    struct sqlite_state after = state;
    int rc = index_make_room(&ix, database(), &state, n);

    after = state;
    if (rc == SQLITE_OK)
        rc = db_run(database(), SQL_BEGIN, DB_NO_VALUES);
    for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
        char job_id[16];
        struct delivery delivery = delivery_of(++after.head, job_id);

        index_add(&ix, &delivery, after.head);
    }
    if (rc == SQLITE_OK)
        rc = index_work(&ix, database(), &after, 1 + n / 4);
    if (rc == SQLITE_OK)
        rc = db_run(database(), commit ? SQL_COMMIT : SQL_ROLLBACK, DB_NO_VALUES);
    if (rc != SQLITE_OK || !commit) {
        index_rolled_back(&ix);
        if (!sqlite3_get_autocommit(database()->handle))
            (void)db_run(database(), SQL_ROLLBACK, DB_NO_VALUES);
        return rc;
    }
    state = after;
    index_committed(&ix, state.head);
    return SQLITE_OK;
}

static void add_to(uint64_t head)
{
    while (state.head < head)
        ck_assert_int_eq(add_batch(BATCH, true), SQLITE_OK);
}

/* Works until nothing is left to do. */
static void work_off(void)
{
    do {
        struct sqlite_state after = state;

        ck_assert_int_eq(db_run(database(), SQL_BEGIN, DB_NO_VALUES), SQLITE_OK);
        ck_assert_int_eq(index_work(&ix, database(), &after, 100), SQLITE_OK);
        ck_assert_int_eq(db_run(database(), SQL_COMMIT, DB_NO_VALUES), SQLITE_OK);
        state = after;
        index_committed(&ix, state.head);
    } while (ix.flush || ix.merge || ix.n_garbage > 0);
}

static void want_known(uint64_t number)
{
    char job_id[16];
    struct delivery delivery = delivery_of(number, job_id);
    struct index_found found;
    bool is_new;

    ck_assert_int_eq(index_find_id(&ix, database(), &state, &delivery, &is_new, &found), SQLITE_OK);
    ck_assert_msg(!is_new, "%" PRIu64 " is not known", number);
    ck_assert_uint_eq(found.seq, number);
    ck_assert(found.same_body);
    delivery.body_digest.bytes[3] ^= 1;
    ck_assert_int_eq(index_find_id(&ix, database(), &state, &delivery, &is_new, &found), SQLITE_OK);
    ck_assert(!is_new && !found.same_body);
}

static void want_new(uint64_t number)
{
    char job_id[16];
    struct delivery delivery = delivery_of(number, job_id);
    struct index_found found;
    bool is_new;

    ck_assert_int_eq(index_find_id(&ix, database(), &state, &delivery, &is_new, &found), SQLITE_OK);
    ck_assert_msg(is_new, "%" PRIu64 " is known", number);
}

/* The newest of each job is the last that came. */
static void want_newest(void)
{
    for (uint64_t number = state.head; number > 0 && number + N_JOBS > state.head; number -= 7) {
        char job_id[16];
        struct delivery delivery = delivery_of(number, job_id);
        struct index_found found;
        bool is_new;

        ck_assert_int_eq(index_find_job(&ix, database(), &delivery, &is_new, &found), SQLITE_OK);
        ck_assert(!is_new);
        ck_assert_uint_eq(found.seq, number);
        ck_assert_int_eq(found.updated_at_usec, (int64_t)number);
        delivery.endpoint = "other";
        ck_assert_int_eq(index_find_job(&ix, database(), &delivery, &is_new, &found), SQLITE_OK);
        ck_assert(is_new);
        if (number < 7)
            break;
    }
}

static void want_all(void)
{
    for (uint64_t number = 1; number <= state.head; number += 37)
        want_known(number);
    for (uint64_t number = state.head + 1; number < state.head + 500; number++)
        want_new(number);
    want_newest();
}

/* When there is nothing to do, what is on disk is the runs and nothing else. */
static void want_tidy(void)
{
    work_off();
    ck_assert_int_eq(number_of("SELECT count(*) FROM index_blocks"),
        number_of("SELECT coalesce(sum(blocks), 0) FROM index_runs"));
    ck_assert_int_eq(number_of("SELECT count(*) FROM index_summaries"),
        number_of("SELECT coalesce(sum((blocks + 28) / 29), 0) FROM index_runs"));
    ck_assert_int_eq(number_of("SELECT count(*) FROM index_runs"), (int64_t)ix.n_runs);
}

/* ---- growing ---- */

/* All runs were made since the start: those of the two smaller sizes have them. */
static void want_second_filters(void)
{
    for (size_t i = 0; i < ix.n_runs; i++) {
        if (ix.runs[i].n_blocks <= INDEX_FREEZE / 4)
            ck_assert_ptr_nonnull(ix.runs[i].filters);
        if (ix.runs[i].n_blocks > INDEX_FILTERED_BLOCKS_MAX)
            ck_assert_ptr_null(ix.runs[i].filters);
    }
}

START_TEST(test_all_is_found_at_every_size)
{
    start();
    for (uint64_t head = 100; head < 150000; head = head * 3 / 2) {
        add_to(head);
        ck_assert_uint_lt(ix.n_runs, 20);
        want_all();
    }
    want_tidy();
    ck_assert_uint_lt(ix.n_runs, 17); /* seven each of two sizes, and of the third */
    want_second_filters();
    want_all();
    stop();
}
END_TEST

START_TEST(test_a_batch_larger_than_memory_keeps)
{
    start();
    add_to(3 * BATCH);
    ck_assert_int_eq(add_batch(5 * INDEX_FREEZE, true), SQLITE_OK);
    want_all();
    ck_assert_int_eq(index_flush(&ix, database(), &state), SQLITE_OK);
    ck_assert_int_eq(add_batch(5 * INDEX_FREEZE, true), SQLITE_OK);
    want_all();
    stop();
}
END_TEST

/* Entries of a run of the third size, and how many such runs there are at once. */
#define LARGE (64 * (uint64_t)INDEX_FREEZE)
#define N_LARGE 8

/* Delivery number i, from 0, of a large run: as it comes in the order of digests. */
static struct delivery delivery_of_large(uint64_t run, uint64_t i)
{
    const uint64_t words[] = {htobe64(i * (UINT64_MAX / LARGE)), htobe64(run)};
    struct delivery delivery = {.body_digest = digest_of(i)};

    memcpy(delivery.id_digest.bytes, words, sizeof(words));
    return delivery;
}

static void write_large(uint64_t run)
{
    struct index_builder builder;
    int rc = SQLITE_OK;

    index_builder_init(&builder, run + 1);
    for (uint64_t i = 0; rc == SQLITE_OK && i < LARGE; i++) {
        struct delivery delivery = delivery_of_large(run, i);
        struct index_entry entry = index_entry_of_id(&delivery, run * LARGE + i + 1);

        rc = index_builder_add(&builder, database(), &entry);
    }
    ck_assert_int_eq(rc, SQLITE_OK);
    ck_assert_int_eq(index_builder_finish(&builder, database()), SQLITE_OK);
    ck_assert_ptr_null(builder.run.filters); /* it is too large for them */
    index_run_done(&builder.run);
}

static void want_large(void)
{
    for (uint64_t number = 0; number < N_LARGE * LARGE; number += 2999) {
        struct delivery delivery = delivery_of_large(number / LARGE, number % LARGE);
        struct index_found found;
        bool is_new = true;

        ck_assert_int_eq(
            index_find_id(&ix, database(), &state, &delivery, &is_new, &found), SQLITE_OK);
        ck_assert(!is_new);
        ck_assert_uint_eq(found.seq, number + 1);
    }
    for (uint64_t number = N_LARGE * LARGE + 1; number <= state.head; number += 37)
        want_known(number);
    want_newest();
}

/* While large runs become one, those that come are merged as well: there are never so many that a
 * commit would have to wait for the end of it. */
START_TEST(test_a_long_merge_does_not_pile_up_runs)
{
    bool is_disturbed = false; /* by a failure or a restart: all merges begin anew */

    start();
    index_close(&ix);
    ck_assert_int_eq(db_exec(database(), "BEGIN"), SQLITE_OK);
    for (uint64_t run = 0; run < N_LARGE; run++)
        write_large(run);
    ck_assert_int_eq(db_exec(database(), "COMMIT"), SQLITE_OK);
    state.head = state.indexed_through = N_LARGE * LARGE;
    open_index();
    ck_assert_uint_eq(ix.n_runs, N_LARGE);
    while (ix.runs[0].n_entries == LARGE) {
        ck_assert_int_eq(add_batch(BATCH, true), SQLITE_OK);
        ck_assert_uint_lt(ix.n_runs, N_LARGE + 12);
        if (is_disturbed || state.head < N_LARGE * LARGE + 10 * INDEX_FREEZE)
            continue;
        is_disturbed = true;
        ck_assert_ptr_nonnull(ix.merge);
        if (_i == 1)
            ck_assert_int_eq(add_batch(17, false), SQLITE_OK);
        if (_i == 2) {
            index_close(&ix);
            state.head = state.indexed_through;
            open_index();
        }
    }
    ck_assert_uint_gt(state.head, N_LARGE * LARGE + 16 * INDEX_FREEZE); /* it took long */
    want_large();
    want_tidy();
    want_large();
    stop();
}
END_TEST

/* Memory is read again from the deliveries, so here only what is in runs survives. */
START_TEST(test_runs_survive_a_restart_at_any_moment)
{
    start();
    for (int i = 0; i < 40; i++) {
        add_to(state.head + 5000 + (uint64_t)i % 7 * 1000);
        index_close(&ix);
        state.head = state.indexed_through;
        open_index();
        want_all();
    }
    ck_assert_uint_gt(state.head, 100000);
    want_tidy();
    want_all();
    stop();
}
END_TEST

START_TEST(test_nothing_of_a_failed_transaction_stays)
{
    start();
    for (unsigned int i = 0; state.head < 80000; i++) {
        /* Most of the way in earnest; then every other one fails. */
        ck_assert_int_eq(add_batch(BATCH, true), SQLITE_OK);
        if (i % 3 == 0) {
            ck_assert_int_eq(add_batch(17, false), SQLITE_OK);
            want_new(state.head + 1);
            want_new(state.head + 17);
        }
        if (i % 400 == 0)
            want_all();
    }
    want_tidy();
    want_all();
    stop();
}
END_TEST

START_TEST(test_a_full_disk_at_every_write)
{
    unsigned int n = 1;

    fault_install();
    start();
    add_to(3 * INDEX_FREEZE - BATCH);
    for (bool hit = true; hit; n += 7) {
        uint64_t want = state.head + 2 * BATCH;

        fault_set(FAULT_WRITE, SQLITE_FULL, n, false);
        for (int i = 0; i < 200 && !fault.hit; i++)
            (void)add_batch(BATCH, true);
        hit = fault.hit;
        fault_set(FAULT_WRITE, SQLITE_FULL, 0, false);
        add_to(want);
        want_known(want);
        if (n % 10 == 1)
            want_all();
        ck_assert_uint_lt(n, 20000);
    }
    ck_assert_uint_gt(n, 500);
    want_tidy();
    want_all();
    stop();
}
END_TEST

/* A block that cannot be written, with the others before it: the run is begun anew. */
START_TEST(test_a_block_that_is_refused)
{
    start();
    add_to(INDEX_FREEZE);
    ck_assert_int_eq(db_exec(database(), "CREATE TEMP TRIGGER refuse BEFORE INSERT ON index_blocks"
                                         " WHEN (SELECT count(*) FROM index_blocks) >= 3"
                                         " BEGIN SELECT raise(FAIL, 'refused'); END"),
        SQLITE_OK);
    ck_assert_int_eq(add_batch(BATCH, true), SQLITE_CONSTRAINT_TRIGGER);
    want_new(state.head + 1);
    want_all();
    ck_assert_int_eq(db_exec(database(), "DROP TRIGGER refuse"), SQLITE_OK);
    add_to(2 * INDEX_FREEZE);
    want_tidy();
    want_all();
    stop();
}
END_TEST

/* Runs whose summaries fill their rows, or leave one short or over. */
START_TEST(test_sizes_around_a_full_row_of_summaries)
{
    const size_t full = INDEX_SUMMARIES * INDEX_BLOCK_ENTRIES / 2;

    start();
    ck_assert_int_eq(add_batch(full + (size_t)_i - 1, true), SQLITE_OK);
    ck_assert_int_eq(index_flush(&ix, database(), &state), SQLITE_OK);
    ck_assert_uint_eq(ix.runs[0].n_blocks, INDEX_SUMMARIES + (_i > 1 ? 1 : 0));
    want_tidy();
    index_close(&ix);
    open_index();
    want_all();
    stop();
}
END_TEST

/* ---- without memory ---- */

static int open_with_refusal(unsigned int n)
{
    int rc;

    failing_malloc_in = n;
    rc = index_open(&ix, database(), &state);
    failing_malloc_in = 0;
    return rc;
}

START_TEST(test_the_nth_allocation_of_an_open_is_refused)
{
    unsigned int n = 0;
    int rc;

    if (!failing_malloc_works())
        return;
    ck_assert(caller_init("libsqlite3"));
    failing_malloc_counts = caller_is_ours;
    start();
    add_to(3 * INDEX_FREEZE);
    ck_assert_int_eq(index_flush(&ix, database(), &state), SQLITE_OK);
    index_close(&ix);
    while ((rc = open_with_refusal(++n)) == SQLITE_NOMEM)
        index_close(&ix);
    ck_assert_int_eq(rc, SQLITE_OK);
    ck_assert_uint_gt(n, 5);
    want_all();
    stop();
}
END_TEST

START_TEST(test_a_batch_for_which_there_is_no_memory)
{
    const size_t n = (size_t)5 * INDEX_FREEZE;

    if (!failing_malloc_works())
        return;
    ck_assert(caller_init("libsqlite3"));
    failing_malloc_counts = caller_is_ours;
    start();
    add_to(BATCH);
    ck_assert_int_eq(index_flush(&ix, database(), &state), SQLITE_OK);
    for (unsigned int at = 1; at <= 3; at++) {
        long before = failing_malloc_live;

        failing_malloc_in = at;
        ck_assert_int_eq(index_make_room(&ix, database(), &state, n), SQLITE_NOMEM);
        ck_assert_uint_eq(failing_malloc_in, 0);
        ck_assert_int_eq(failing_malloc_live, before);
        add_to(state.head + BATCH);
        ck_assert_int_eq(index_flush(&ix, database(), &state), SQLITE_OK);
    }
    ck_assert_int_eq(add_batch(n, true), SQLITE_OK);
    want_all();
    stop();
}
END_TEST

/* ---- forgetting ---- */

START_TEST(test_what_is_forgotten_is_new_and_its_room_comes_back)
{
    int64_t before;

    start();
    add_to(100000);
    want_tidy();
    before = number_of("SELECT count(*) FROM index_blocks");
    state.pruned_through = 90000;
    state.forgotten_through = 80000;
    want_new(1);
    want_new(80000);
    want_known(80001);
    want_tidy();
    ck_assert_int_lt(number_of("SELECT count(*) FROM index_blocks"), before / 3);
    want_new(80000);
    want_known(80001);
    want_newest();

    state.pruned_through = state.forgotten_through = 100000;
    state.indexed_through = 100000;
    want_tidy();
    ck_assert_int_eq(index_flush(&ix, database(), &state), SQLITE_OK);
    want_tidy();
    ck_assert_int_le(number_of("SELECT count(*) FROM index_blocks"), 2);
    want_new(100000);
    add_to(120000);
    want_known(100200);
    stop();
}
END_TEST

START_TEST(test_what_is_forgotten_before_it_is_written_makes_no_run)
{
    start();
    add_to(BATCH);
    state.pruned_through = state.forgotten_through = state.head;
    ck_assert_int_eq(index_flush(&ix, database(), &state), SQLITE_OK);
    ck_assert_uint_eq(ix.n_runs, 0);
    ck_assert_uint_eq(state.indexed_through, state.head);
    want_tidy();
    want_new(1);
    add_to(2 * BATCH);
    want_known(2 * BATCH);
    stop();
}
END_TEST

/* By its latest delivery, `seq`, wherever the entries of both are. */
static void want_known_as(const struct delivery *delivery, uint64_t seq)
{
    struct index_found found;
    bool is_new;

    ck_assert_int_eq(index_find_id(&ix, database(), &state, delivery, &is_new, &found), SQLITE_OK);
    ck_assert(!is_new);
    ck_assert_uint_eq(found.seq, seq);
}

START_TEST(test_an_id_that_comes_again_after_it_was_forgotten_is_known)
{
    char job_id[16];
    struct delivery delivery = delivery_of(5, job_id);
    uint64_t again;

    start();
    add_to(INDEX_FREEZE);
    ck_assert_ptr_nonnull(ix.frozen.entries);
    state.forgotten_through = 5;
    want_new(5);
    again = ++state.head;
    index_add(&ix, &delivery, again);
    index_committed(&ix, again);
    want_known_as(&delivery, again);
    work_off();
    want_known_as(&delivery, again);
    ck_assert_int_eq(index_flush(&ix, database(), &state), SQLITE_OK);
    want_known_as(&delivery, again);
    stop();
}
END_TEST

/* ---- damage ---- */

START_TEST(test_a_damaged_block_is_noticed)
{
    char job_id[16];
    struct index_found found;
    bool is_new;
    int seen = 0;

    start();
    add_to(2 * INDEX_FREEZE);
    ck_assert_int_eq(index_flush(&ix, database(), &state), SQLITE_OK);
    damage("UPDATE index_blocks SET data = cast(substr(data, 1, 100) || x'00' ||"
           " substr(data, 102) AS BLOB)");
    for (uint64_t number = 1; number < 2000; number++) {
        struct delivery delivery = delivery_of(number, job_id);
        int rc = index_find_id(&ix, database(), &state, &delivery, &is_new, &found);

        ck_assert(rc == SQLITE_CORRUPT || (rc == SQLITE_OK && !is_new));
        seen += rc == SQLITE_CORRUPT;
    }
    ck_assert_int_gt(seen, 1900); /* but for the bytes that were 0 */
    stop();
}
END_TEST

/* Than there may be. */
#define MORE_RUNS                                                                        \
    "WITH RECURSIVE n(i) AS (VALUES (100) UNION ALL SELECT i + 1 FROM n WHERE i < 163) " \
    "INSERT INTO index_runs SELECT i, 100, 50, 1, i, i FROM n"

static const char *const damages[] = {
    "UPDATE index_summaries SET data = zeroblob(length(data))",
    "DELETE FROM index_summaries WHERE id = (SELECT max(id) FROM index_summaries)",
    "UPDATE index_runs SET blocks = blocks + 1",
    "UPDATE index_runs SET blocks = 0, entries = 0",
    "UPDATE index_runs SET entries = 1",
    "UPDATE index_runs SET entries = 100, blocks = 1",
    MORE_RUNS,
};

START_TEST(test_a_damaged_run_is_refused_at_open)
{
    start();
    add_to(2 * INDEX_FREEZE);
    ck_assert_int_eq(index_flush(&ix, database(), &state), SQLITE_OK);
    damage(damages[_i]);
    index_close(&ix);
    ck_assert_int_eq(index_open(&ix, database(), &state), SQLITE_CORRUPT);
    stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_index");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits");
    TCase *errors = tcase_create("errors"), *large = tcase_create("large");
    SRunner *runner;
    int failed;

    tcase_set_timeout(core, 120);
    tcase_set_timeout(limits, 60);
    tcase_set_timeout(errors, 120);
    tcase_set_timeout(large, 120);
    tcase_add_test(core, test_all_is_found_at_every_size);
    tcase_add_test(core, test_runs_survive_a_restart_at_any_moment);
    tcase_add_loop_test(large, test_a_long_merge_does_not_pile_up_runs, 0, 3);
    tcase_add_test(core, test_what_is_forgotten_is_new_and_its_room_comes_back);
    tcase_add_test(core, test_an_id_that_comes_again_after_it_was_forgotten_is_known);
    tcase_add_test(core, test_what_is_forgotten_before_it_is_written_makes_no_run);
    tcase_add_loop_test(core, test_sizes_around_a_full_row_of_summaries, 0, 3);
    tcase_add_test(limits, test_a_batch_larger_than_memory_keeps);
    tcase_add_test(errors, test_nothing_of_a_failed_transaction_stays);
    tcase_add_test(errors, test_a_full_disk_at_every_write);
    tcase_add_test(errors, test_a_block_that_is_refused);
    tcase_add_test(errors, test_the_nth_allocation_of_an_open_is_refused);
    tcase_add_test(errors, test_a_batch_for_which_there_is_no_memory);
    tcase_add_test(errors, test_a_damaged_block_is_noticed);
    tcase_add_loop_test(errors, test_a_damaged_run_is_refused_at_open, 0,
        (int)(sizeof(damages) / sizeof(damages[0])));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);
    suite_add_tcase(suite, large);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
