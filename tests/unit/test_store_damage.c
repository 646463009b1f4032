/*
 * What the SQLite store makes of a database that somebody else's hand, or the disk, changed: it
 * returns nothing that was not stored, and refuses to open or settle over what does not add up.
 */

#include "sqlite_rig.h"

#include <fcntl.h>
#include <unistd.h>

/* ---- rows ---- */

static int on_damaged_conflict(const struct store_conflict *conflict, void *context)
{
    ++*(int *)context;
    ck_assert_ptr_null(conflict->body);
    ck_assert_uint_eq(conflict->body_length, 0);
    ck_assert_uint_eq(conflict->full_length, 3);
    return 0;
}

static int on_sound_conflict(const struct store_conflict *conflict, void *context)
{
    ++*(int *)context;
    ck_assert_ptr_nonnull(conflict->body);
    return 0;
}

START_TEST(test_a_damaged_conflict_is_never_returned)
{
    const struct delivery first = rig_delivery("id");
    const struct delivery other = rig_delivery_of("id", "id", 0, false, "{1}");
    struct store_append append;
    int n = 0;

    rig_start(RIG_SQLITE);
    RIG_OK(rig_append(&first, &append));
    RIG_OK(rig_append(&other, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_CONFLICT);
    rig_close();
    shell("UPDATE conflicts SET body = CAST('{2}' AS BLOB)");
    rig_open();
    ck_assert_int_eq(store_scan_conflicts(rig.reader, 1, on_damaged_conflict, &n, &rig.error), 1);
    rig_close();
    shell("UPDATE conflicts SET checksum = NULL"); /* one of an earlier version */
    rig_open();
    ck_assert_int_eq(store_scan_conflicts(rig.reader, 1, on_sound_conflict, &n, &rig.error), 1);
    ck_assert_int_eq(n, 2);
    rig_stop();
}
END_TEST

static const char *const damages[] = {
    "UPDATE deliveries SET body = x'7b7c' WHERE seq = 2",
    "UPDATE deliveries SET body = x'7b7d00' WHERE seq = 2",
    "UPDATE deliveries SET body = x'' WHERE seq = 2",
    "UPDATE deliveries SET request_id = request_id || 'x' WHERE seq = 2",
    "UPDATE deliveries SET job_id = endpoint, endpoint = job_id WHERE seq = 2",
    "UPDATE deliveries SET status = 'completed' WHERE seq = 2",
    "UPDATE deliveries SET stale = 1 - stale WHERE seq = 2",
    "UPDATE deliveries SET updated_at = updated_at + 1 WHERE seq = 2",
    ("UPDATE deliveries SET seq = 4 WHERE seq = 3; UPDATE deliveries SET seq = 3 WHERE seq = 2;"
     "UPDATE deliveries SET seq = 2 WHERE seq = 4"),
};

START_TEST(test_a_damaged_body_is_never_returned)
{
    struct delivery *delivery = NULL;

    rig_start(RIG_SQLITE);
    rig_append_many(3);
    rig_close();
    shell(damages[_i]);
    rig_open();
    ck_assert_int_eq(store_fetch(rig.reader, 2, &delivery, &rig.error), -EBADMSG);
    ck_assert_str_eq(
        rig.error.text, "delivery 2 is damaged: what the disk holds is not what was stored");
    ck_assert_ptr_null(delivery);
    ck_assert(rig_has(1));
    ck_assert_uint_eq(rig_count_deliveries(), 3);
    rig_stop();
}
END_TEST

/* Nobody can make a delivery look proven, or unproven, behind the store's back. */
START_TEST(test_the_mark_of_an_unproven_one_is_covered)
{
    struct delivery *got = NULL;
    struct delivery delivery;
    struct store_append append;

    rig_start(RIG_SQLITE);
    delivery = rig_delivery("one");
    delivery.unverified = _i == 0 ? "token-wrong" : "";
    RIG_OK(rig_append(&delivery, &append));
    ck_assert_int_eq(db_exec(&sqlite_store(rig.store)->db,
                         _i == 0 ? "UPDATE deliveries SET unverified = ''"
                                 : "UPDATE deliveries SET unverified = 'token-wrong'"),
        SQLITE_OK);
    ck_assert_int_eq(store_fetch(rig.reader, append.seq, &got, &rig.error), -EBADMSG);
    rig_stop();
}
END_TEST

/* Columns that are none of what was written, in ways that no statement of ours could write. */
START_TEST(test_columns_that_are_damaged)
{
    static const char *const columns[] = {
        "job_id = NULL",
        "endpoint = NULL",
        "id_digest = x''",
        "id_digest = x'00'",
        "body_digest = x''",
    };
    struct delivery *delivery = NULL;
    char sql[256];

    rig_start(RIG_SQLITE);
    rig_append_many(3);
    rig_close();
    snprintf(sql, sizeof(sql),
        "PRAGMA writable_schema = ON;"
        "UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE name = 'deliveries';"
        "PRAGMA writable_schema = RESET; UPDATE deliveries SET %s WHERE seq = 2",
        columns[_i]);
    shell(sql);
    rig_open();
    ck_assert_uint_eq(rig_count_deliveries(), 3); /* one does not hold up the others */
    ck_assert_int_eq(store_fetch(rig.reader, 2, &delivery, &rig.error), -EBADMSG);
    ck_assert_msg(strstr(rig.error.text, "delivery 2 is damaged"), "%s", rig.error.text);
    ck_assert_ptr_null(delivery);
    ck_assert(rig_has(1) && rig_has(3));
    ck_assert_uint_eq(rig_append_new(), 4);
    rig_stop();
}
END_TEST

/* ---- sinks ---- */

/* What comes next would count as delivered. */
static const char *const sinks_ahead[] = {
    "UPDATE sinks SET frontier = 6",
    "DELETE FROM deliveries WHERE seq > 2",
    "UPDATE sinks SET start = 4",
};

START_TEST(test_a_sink_ahead_of_the_store_is_refused)
{
    struct store_sink sink;
    struct store *store = NULL;

    rig_start(RIG_SQLITE);
    sink = rig_register("sink");
    rig_append_many(5);
    rig_deliver_to(&sink, 3);
    rig_close();
    shell(sinks_ahead[_i]);
    ck_assert_int_eq(rig_open_error(0, &store), -EBADMSG);
    ck_assert_msg(strstr(rig.error.text, "the store is damaged: 1 sinks are ahead of its newest"),
        "%s", rig.error.text);
    ck_assert_msg(
        strstr(rig.error.text, "; restore a backup, or move the store away"), "%s", rig.error.text);
    rig_stop();
}
END_TEST

/* What a process settles after somebody else's hand, or the disk's, was at the database. */
static const struct {
    const char *damage;
    struct store_settle settle;
    const char *want;
} damaged_settles[] = {
    {"DELETE FROM sinks", {.sink = 1, .frontier = 5, .delivered = 2}, "its row is gone"},
    {"UPDATE sinks SET frontier = 5", {.sink = 1, .frontier = 4, .delivered = 1},
        "the frontier 4 is not between 5 and 5"},
    {"UPDATE sinks SET frontier = 5", {.sink = 1, .frontier = 6, .delivered = 1},
        "the frontier 6 is not between 5 and 5"},
    {"DELETE FROM deliveries WHERE seq = 4", {.sink = 1, .frontier = 5, .delivered = 1},
        "deliveries 4 to 5 do not add up"},
    {"DELETE FROM progress", {.sink = 1, .frontier = 4, .delivered = 2},
        "deliveries 4 to 4 do not add up"},
};

START_TEST(test_a_settle_over_a_damaged_store_fails)
{
    struct store_sink sink;
    char want[256];

    rig_start(RIG_SQLITE);
    sink = rig_register("sink");
    rig_append_many(5);
    rig_outcome(sink.id, 3, 2, 2, STORE_STATE_PENDING);
    rig_close();
    shell(damaged_settles[_i].damage);
    rig_open();
    ck_assert_int_eq(rig_settle(&damaged_settles[_i].settle), STORE_FAILED);
    snprintf(want, sizeof(want),
        "the store is damaged: of sink 1, %s; restore a backup, or move the store away to begin "
        "with an empty "
        "one",
        damaged_settles[_i].want);
    ck_assert_str_eq(rig.error.text, want);
    ck_assert(store_has_failed(rig.store));
    rig_stop();
}
END_TEST

/* ---- tables ---- */

/* Exchanges two entries in the root of a table, which is a leaf. */
static void disorder(const char *table)
{
    unsigned char cells[2 * 4], *first = cells + 2, *second = cells + 6, kept[2];
    char sql[128];
    struct db db;
    off_t at;
    int fd;

    open_bare(&db);
    snprintf(sql, sizeof(sql),
        "SELECT (rootpage - 1) * page_size FROM sqlite_schema, pragma_page_size WHERE name = '%s'",
        table);
    at = (off_t)number_of(&db, sql) + 8;
    db_close(&db, true);
    fd = open(rig.path, O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(pread(fd, cells, sizeof(cells), at), sizeof(cells));
    memcpy(kept, first, 2);
    memcpy(first, second, 2);
    memcpy(second, kept, 2);
    ck_assert_int_eq(pwrite(fd, cells, sizeof(cells), at), sizeof(cells));
    close(fd);
}

/* Found by F8: a start must not fail half-way, with the sinks half registered. */
static const char *const small_tables[] = {"sinks", "marks"};

START_TEST(test_a_damaged_small_table_is_found_at_open)
{
    const struct store_retention retention = {USEC_PER_DAY, USEC_INFINITY};
    struct store_sink sink;
    struct store *store = NULL;
    char want[64];
    bool more;

    rig_start(RIG_SQLITE);
    for (int i = 0; i < 8; i++) {
        char name[2] = {(char)('a' + i), '\0'};

        sink = rig_register(name);
        rig_set_active(&sink);
        rig_append_new();
        rig_deliver_to(&sink, rig_read_sink(sink.id).frontier + 1);
        rig_advance(2 * USEC_PER_HOUR);
        RIG_OK(store_prune(rig.store, &retention, &more, &rig.error));
    }
    rig_close();
    disorder(small_tables[_i]);
    ck_assert_int_eq(rig_open_error(0, &store), -EBADMSG);
    snprintf(want, sizeof(want), "the store is damaged: its table %s is; ", small_tables[_i]);
    ck_assert_msg(strstr(rig.error.text, want), "%s", rig.error.text);
    rig_stop();
}
END_TEST

/* Found by F8: a tree out of order hands out rows that were not asked for. */
START_TEST(test_deliveries_out_of_order_are_not_handed_out)
{
    struct rig_seqs seqs = {.n = 0};

    rig_start(RIG_SQLITE);
    rig_append_many(8);
    rig_close();
    disorder("deliveries");
    rig_open();
    ck_assert_int_eq(
        store_scan(rig.reader, 0, SIZE_MAX, rig_on_delivery, &seqs, &rig.error), -EBADMSG);
    ck_assert_msg(strstr(rig.error.text, "malformed"), "%s", rig.error.text);
    ck_assert_uint_eq(seqs.n, 0);
    rig_stop();
}
END_TEST

static int on_delivery(const struct delivery *delivery, void *context)
{
    return 0;
}

/* The walk meets a row that the tree then does not find. */
START_TEST(test_a_query_over_deliveries_out_of_order)
{
    const struct store_query query = {
        .limit = 100, .stale = -1, .since_usec = INT64_MIN, .until_usec = INT64_MAX};
    uint64_t next;

    rig_start(RIG_SQLITE);
    rig_append_many(8);
    rig_close();
    disorder("deliveries");
    rig_open();
    ck_assert_int_eq(
        store_query(rig.reader, &query, on_delivery, NULL, &next, &rig.error), -EBADMSG);
    ck_assert_msg(strstr(rig.error.text, "malformed"), "%s", rig.error.text);
    rig_stop();
}
END_TEST

/* Somebody else's hand was at it while the store was open. */
START_TEST(test_the_row_of_the_store_goes_away)
{
    const struct store_query query = {
        .limit = 9, .stale = -1, .since_usec = INT64_MIN, .until_usec = INT64_MAX, .job_id = "job"};
    struct store_stats stats;
    uint64_t next;

    rig_start(RIG_SQLITE);
    rig_append_many(3);
    shell("DELETE FROM store");
    ck_assert_int_eq(
        store_query(rig.reader, &query, on_delivery, NULL, &next, &rig.error), -EBADMSG);
    ck_assert_msg(strstr(rig.error.text, "restore a backup"), "%s", rig.error.text);
    ck_assert_int_eq(store_read_stats(rig.reader, &stats, &rig.error), -EBADMSG);
    ck_assert_msg(strstr(rig.error.text, "restore a backup"), "%s", rig.error.text);
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_damage");
    TCase *core = tcase_create("core"), *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(errors, 30);
    tcase_add_loop_test(core, test_the_mark_of_an_unproven_one_is_covered, 0, 2);
    tcase_add_test(errors, test_a_damaged_conflict_is_never_returned);
    tcase_add_loop_test(errors, test_a_damaged_body_is_never_returned, 0, (int)ARRAY_SIZE(damages));
    tcase_add_loop_test(
        errors, test_a_sink_ahead_of_the_store_is_refused, 0, (int)ARRAY_SIZE(sinks_ahead));
    tcase_add_loop_test(
        errors, test_a_damaged_small_table_is_found_at_open, 0, (int)ARRAY_SIZE(small_tables));
    tcase_add_test(errors, test_deliveries_out_of_order_are_not_handed_out);
    tcase_add_test(errors, test_a_query_over_deliveries_out_of_order);
    tcase_add_test(errors, test_the_row_of_the_store_goes_away);
    tcase_add_loop_test(errors, test_columns_that_are_damaged, 0, 5);
    tcase_add_loop_test(
        errors, test_a_settle_over_a_damaged_store_fails, 0, (int)ARRAY_SIZE(damaged_settles));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
