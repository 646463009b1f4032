/*
 * What only the SQLite store promises: durable commits, one process at a time, a file that is what
 * it should be, forward migration, a WAL that stays short, a floor for the disk.
 * What happens when the disk fails is in test_store_faults.c, what it makes of a database that was
 * damaged in test_store_damage.c.
 */

#include "sqlite_rig.h"
#include "store/checksum.h"
#include "store/sqlite_schema.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *pragma(const char *sql)
{
    static char text[64];

    ck_assert_int_eq(
        db_pragma(&sqlite_store(rig.store)->db, sql, text, sizeof(text), &rig.error), 0);
    return text;
}

static off_t size_of(const char *suffix)
{
    char path[128];
    struct stat status;

    snprintf(path, sizeof(path), "%s%s", rig.path, suffix);
    return stat(path, &status) < 0 ? -1 : status.st_size;
}

/* ---- open ---- */

START_TEST(test_commits_are_durable_by_the_pragmas)
{
    rig_start(RIG_SQLITE);
    ck_assert_str_eq(pragma("PRAGMA synchronous"), "2");
    ck_assert_str_eq(pragma("PRAGMA journal_mode"), "wal");
    ck_assert_str_eq(pragma("PRAGMA wal_autocheckpoint"), "0");
    ck_assert_str_eq(pragma("PRAGMA application_id"), "1396916804");
    ck_assert_int_eq(sqlite3_db_readonly(sqlite_store(rig.store)->db.handle, "main"), 0);
    rig_stop();
}
END_TEST

START_TEST(test_modes_whatever_the_umask)
{
    static const mode_t masks[] = {0, 0077};
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};

    umask(masks[_i]);
    rig_start(RIG_SQLITE);
    rig_append_new();
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        char path[128];
        struct stat status;

        snprintf(path, sizeof(path), "%s%s", rig.path, suffixes[i]);
        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_msg((status.st_mode & 0777) == 0640, "%s: %o", path, status.st_mode);
    }
    rig_stop();
}
END_TEST

START_TEST(test_one_process_at_a_time)
{
    struct store *second = NULL;
    char want[256];

    rig_start(RIG_SQLITE);
    ck_assert_int_eq(rig_open_error(0, &second), -EBUSY);
    snprintf(want, sizeof(want), "store %s: is in use by another process, which holds %s.lock",
        rig.path, rig.path);
    ck_assert_str_eq(rig.error.text, want);
    ck_assert_ptr_null(second);
    rig_append_new(); /* and the first goes on */
    rig_close();
    rig_open();
    rig_stop();
}
END_TEST

/* What a daemon that was killed while it started a hook leaves behind: a child with its
 * descriptors, for a moment. */
START_TEST(test_a_lock_that_is_held_for_a_moment_is_waited_for)
{
    char lock_path[128];
    pid_t child;
    int fd;

    rig_start(RIG_SQLITE);
    rig_close();
    snprintf(lock_path, sizeof(lock_path), "%s.lock", rig.path);
    fd = open(lock_path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    child = fork();
    if (child == 0) {
        nanosleep(&(struct timespec){.tv_nsec = 200000000}, NULL);
        _exit(0);
    }
    close(fd);
    rig_open();
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    rig_stop();
}
END_TEST

static void write_garbage(void)
{
    int fd = open(rig.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0640);

    ck_assert_int_ge(fd, 0);
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(write(fd, "garbage! ", 9), 9);
    close(fd);
}

static void make_newer(void)
{
    rig_open();
    rig_append_new();
    rig_close();
    shell("PRAGMA user_version = 99");
}

static void make_foreign(void)
{
    shell("CREATE TABLE recipes (name TEXT)");
}

static void make_foreign_version(void)
{
    shell("PRAGMA user_version = 3");
}

static void make_folder(void)
{
    ck_assert_int_eq(mkdir(rig.path, 0700), 0);
}

static void make_missing_folder(void)
{
    strcat(rig.path, "/deliveries.db");
}

static const struct refused_row {
    void (*make)(void);
    int want;
    const char *want_text;
} refused_rows[] = {
    {write_garbage, -EBADMSG, "file is not a database"},
    {make_newer, -EPROTONOSUPPORT,
        "was made by a newer sasha-callbackd (schema 99, this one knows up to 4); install that "
        "version or a later one"},
    {make_foreign, -EMEDIUMTYPE,
        "is a database, but not a store of sasha-callbackd; store.path must name another file"},
    {make_foreign_version, -EMEDIUMTYPE, "but not a store of sasha-callbackd"},
    {make_folder, -EACCES, "unable to open database file"},
    {make_missing_folder, -ENOENT, "No such file or directory"},
};

START_TEST(test_refused)
{
    const struct refused_row *row = &refused_rows[_i];
    struct store *store = NULL;
    off_t size;

    rig_prepare(RIG_SQLITE);
    row->make();
    size = size_of("");
    ck_assert_int_eq(rig_open_error(0, &store), row->want);
    ck_assert_msg(strstr(rig.error.text, row->want_text), "%s", rig.error.text);
    ck_assert_ptr_null(store);
    ck_assert_int_eq(size_of(""), size); /* it was not touched */
    rig_stop();
}
END_TEST

/* ---- what survives ---- */

/* Leaves a store behind as a process that was killed does. */
static void commit_and_die(void)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        rig_open();
        rig_append_many(3);
        rig_append_many(2);
        _exit(size_of("-wal") > 0 ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
}

START_TEST(test_what_was_committed_survives_a_kill)
{
    rig_prepare(RIG_SQLITE);
    commit_and_die();
    ck_assert_int_gt(size_of("-wal"), 0);
    rig_open();
    /* It is home before anybody asks. */
    ck_assert_int_eq(size_of("-wal"), 0);
    ck_assert_uint_eq(rig_count_deliveries(), 5);
    ck_assert_uint_eq(rig_append_new(), 6);
    rig_stop();
}
END_TEST

START_TEST(test_a_reader_keeps_open_from_bringing_the_wal_home)
{
    sqlite3 *handle;
    struct store *store = NULL;

    rig_prepare(RIG_SQLITE);
    commit_and_die();
    ck_assert_int_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(handle, "BEGIN; SELECT * FROM sinks", NULL, NULL, NULL), SQLITE_OK);
    ck_assert_int_eq(rig_open_error(0, &store), -EBUSY);
    ck_assert_msg(
        strstr(rig.error.text, "another program reads the database"), "%s", rig.error.text);
    sqlite3_close(handle);
    rig_open();
    ck_assert_uint_eq(rig_count_deliveries(), 5);
    rig_stop();
}
END_TEST

/* A code that is not of the system is not explained by what the system said before. */
START_TEST(test_an_earlier_errno_explains_nothing)
{
    struct db db;

    rig_start(RIG_SQLITE);
    rig_close();
    open_bare(&db);
    ck_assert_int_eq(db_exec(&db, "ATTACH '/nowhere/at/all.db' AS other"), SQLITE_CANTOPEN);
    ck_assert_int_eq(db_errno(&db, SQLITE_CANTOPEN, &rig.error, "open it"), -EACCES);
    ck_assert_str_eq(rig.error.text,
        "cannot open it: unable to open database file (14): No such file or directory");
    ck_assert_int_eq(db_errno(&db, SQLITE_BUSY, &rig.error, "open it"), -EBUSY);
    ck_assert_str_eq(rig.error.text, "cannot open it: database is locked (5)");
    ck_assert_int_eq(db_errno(&db, SQLITE_CORRUPT, NULL, "open it"), -EBADMSG);
    db_close(&db, false);
    rig_stop();
}
END_TEST

START_TEST(test_sinks_survive)
{
    struct store_sink sink, again;

    rig_start(RIG_SQLITE);
    sink = rig_register("sink");
    rig_append_many(5);
    rig_outcome(sink.id, 3, 2, 2, STORE_STATE_DEAD);
    sink = rig_read_sink(sink.id);
    rig_close();
    rig_open();
    again = rig_register("sink");
    ck_assert_mem_eq(&again, &sink, sizeof(sink));
    rig_stop();
}
END_TEST

/* ---- migration ---- */

static const struct schema_step steps[] = {
    {"CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (1)"},
    {"ALTER TABLE a ADD COLUMN y INTEGER; UPDATE a SET y = x + 1"},
    {"CREATE TABLE b (x INTEGER); INSERT INTO b SELECT no_such_column FROM a"},
};

START_TEST(test_migration_goes_forward_step_by_step)
{
    struct db db;

    rig_prepare(RIG_SQLITE);
    shell("PRAGMA user_version = 0");
    open_bare(&db);
    ck_assert_int_eq(schema_migrate(&db, steps, 1, &rig.error), 0);
    ck_assert_int_eq(number_of(&db, "PRAGMA user_version"), 1);
    ck_assert_int_eq(schema_migrate(&db, steps, 2, &rig.error), 0);
    ck_assert_int_eq(number_of(&db, "SELECT y FROM a"), 2);

    /* A step that fails leaves nothing, not even its version. */
    ck_assert_int_lt(schema_migrate(&db, steps, 3, &rig.error), 0);
    ck_assert_msg(
        strstr(rig.error.text, "cannot bring the schema up to date"), "%s", rig.error.text);
    ck_assert_int_eq(number_of(&db, "PRAGMA user_version"), 2);
    ck_assert_int_eq(number_of(&db, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'"), 0);
    ck_assert(sqlite3_get_autocommit(db.handle));
    ck_assert_int_eq(schema_migrate(&db, steps, 2, &rig.error), 0);
    db_close(&db, true);
    rig_stop();
}
END_TEST

/* A store as the first version left it: a delivery, a sink that has it dead. */
static void make_first_version(const struct delivery *delivery)
{
    struct db db;
    char sql[1024];

    shell("PRAGMA user_version = 0");
    open_bare(&db);
    ck_assert_int_eq(schema_migrate(&db, schema_steps, 1, &rig.error), 0);
    snprintf(sql, sizeof(sql),
        "INSERT INTO deliveries (seq, received_at, updated_at, terminal, stale, endpoint,"
        " request_id, secret, job_id, type, status, id_digest, body_digest, checksum, body)"
        " VALUES (1, %" PRId64 ", 0, 0, 0, '%s', '%s', '%s', '%s', '%s', '%s', zeroblob(16),"
        " zeroblob(16), %" PRId64 ", CAST('{}' AS BLOB));"
        "INSERT INTO sinks (id, name, active, start, frontier) VALUES (1, 'sink', 1, 0, 1);"
        "INSERT INTO progress VALUES (1, 1, 2, 9, 0, 0, 0);",
        delivery->received_at_usec, delivery->endpoint, delivery->request_id, delivery->secret,
        delivery->job_id, delivery->type, delivery->status,
        (int64_t)checksum_delivery(delivery, 1, false));
    ck_assert_int_eq(db_exec(&db, sql), SQLITE_OK);
    db_close(&db, true);
}

START_TEST(test_a_store_of_the_first_version)
{
    CLEANUP(delivery_free) struct delivery *got = NULL;
    CLEANUP(delivery_free) struct delivery *marked = NULL;
    struct delivery delivery;
    struct store_append append;
    struct store_sink sink;

    rig_prepare(RIG_SQLITE);
    delivery = rig_delivery("old");
    delivery.id_digest = (struct digest){{0}};
    delivery.body_digest = (struct digest){{0}};
    make_first_version(&delivery);

    rig_open();
    ck_assert_int_eq(
        number_of(&sqlite_store(rig.store)->db, "PRAGMA user_version"), (int64_t)schema_n_steps);
    ck_assert_msg(store_fetch(rig.reader, 1, &got, &rig.error) == 0, "%s", rig.error.text);
    ck_assert_str_eq(got->request_id, "old");
    ck_assert_str_eq(got->unverified, "");
    sink = rig_register("sink");
    ck_assert(!sink.paused);
    ck_assert_uint_eq(sink.dead, 1);

    delivery = rig_delivery("new");
    delivery.unverified = "signature-wrong";
    RIG_OK(rig_append(&delivery, &append));
    ck_assert_int_eq(store_fetch(rig.reader, append.seq, &marked, &rig.error), 0);
    ck_assert_str_eq(marked->unverified, "signature-wrong");
    RIG_OK(store_set_paused(rig.store, sink.id, true, &rig.error));
    rig_close();
    rig_open();
    ck_assert(rig_register("sink").paused);
    rig_stop();
}
END_TEST

START_TEST(test_every_statement_fits_the_schema)
{
    struct db *db;

    rig_start(RIG_SQLITE);
    db = &sqlite_store(rig.store)->db;
    for (size_t i = 0; i < SQL_COUNT; i++) {
        sqlite3_stmt *statement;

        ck_assert_ptr_nonnull(sql_texts[i]);
        ck_assert_msg(db_bind(db, (enum sql)i, &statement, DB_NO_VALUES) == SQLITE_OK, "%s: %s",
            sql_texts[i], sqlite3_errmsg(db->handle));
    }
    rig_stop();
}
END_TEST

/* A statement that reads a whole table would be found out only by a large store. */
START_TEST(test_no_statement_of_every_batch_walks_a_table)
{
    static const enum sql hot[] = {SQL_INDEX_BLOCK_READ, SQL_INDEX_BLOCK_BEFORE,
        SQL_INDEX_BLOCK_DELETE, SQL_INDEX_SUMMARIES_READ, SQL_INDEX_SUMMARIES_DELETE,
        SQL_DELIVERY_IS_OF_JOB, SQL_DELIVERY_EXISTS, SQL_DELIVERY_SCAN, SQL_DELIVERY_FETCH,
        SQL_CONFLICT_COUNT, SQL_SINK_FRONTIER, SQL_SINK_LOAD, SQL_ROW_STATE, SQL_ROW_WRITE,
        SQL_ROW_DELETE, SQL_ROW_SCAN, SQL_ATTEMPT_LAST, SQL_ATTEMPT_TRIM, SQL_ATTEMPT_NEXT,
        SQL_PRUNE_DELIVERIES, SQL_PRUNE_ATTEMPTS, SQL_PRUNE_ROWS, SQL_PRUNE_SETTLED};
    sqlite3 *handle;

    rig_start(RIG_SQLITE);
    handle = sqlite_store(rig.store)->db.handle;
    for (size_t i = 0; i < ARRAY_SIZE(hot); i++) {
        sqlite3_stmt *statement;
        char sql[2048];

        snprintf(sql, sizeof(sql), "EXPLAIN QUERY PLAN %s", sql_texts[hot[i]]);
        ck_assert_int_eq(sqlite3_prepare_v2(handle, sql, -1, &statement, NULL), SQLITE_OK);
        while (sqlite3_step(statement) == SQLITE_ROW) {
            const char *plan = (const char *)sqlite3_column_text(statement, 3);

            ck_assert_msg(strncmp(plan, "SCAN", 4) != 0 && !strstr(plan, "TEMP B-TREE"), "%s: %s",
                sql_texts[hot[i]], plan);
        }
        sqlite3_finalize(statement);
    }
    rig_stop();
}
END_TEST

/* ---- the WAL ---- */

static void maintain(bool idle)
{
    RIG_OK(store_maintain(rig.store, idle, &rig.error));
}

static void fill_wal(size_t bytes)
{
    CLEANUP(free) unsigned char *body = calloc(1, 1 << 20);

    for (size_t written = 0; written < bytes; written += 1 << 20) {
        static unsigned int number;
        struct store_append append;
        struct delivery delivery;
        char id[32];

        snprintf(id, sizeof(id), "fill-%u", number++);
        delivery = rig_delivery(id);
        delivery.body = body;
        delivery.body_length = 1 << 20;
        RIG_OK(rig_append(&delivery, &append));
    }
}

START_TEST(test_the_wal_is_brought_home_when_it_is_quiet)
{
    struct sqlite_wal *wal;

    rig_start(RIG_SQLITE);
    wal = &sqlite_store(rig.store)->wal;
    rig_append_new();
    maintain(true);
    ck_assert_uint_gt(wal->frames - wal->home, 0); /* not after each small commit */
    rig_advance(USEC_PER_SEC);
    maintain(false);
    ck_assert_uint_gt(wal->frames - wal->home, 0);
    maintain(true);
    ck_assert_uint_eq(wal->frames - wal->home, 0);
    rig_stop();
}
END_TEST

/* A store that is there keeps its pages, and its WAL the same length in bytes. */
START_TEST(test_the_wal_stays_short_under_load)
{
    const uint32_t page_size = _i == 0 ? 8192 : 4096;
    struct store_stats stats;

    rig_prepare(RIG_SQLITE);
    if (page_size != 8192)
        shell("PRAGMA page_size = 4096; PRAGMA journal_mode = WAL");
    rig_open();
    ck_assert_uint_eq(sqlite_store(rig.store)->wal.page_size, page_size);
    for (int i = 0; i < 20; i++) {
        fill_wal(8 << 20);
        maintain(false);
        store_get_stats(rig.store, &stats);
        ck_assert_uint_le(stats.wal_bytes, 48 << 20);
    }
    ck_assert_uint_gt(stats.bytes, 100 << 20);
    fill_wal(64 << 20);
    store_get_stats(rig.store, &stats);
    ck_assert_uint_gt(stats.wal_bytes, 64 << 20);
    maintain(true);
    rig_append_new();
    store_get_stats(rig.store, &stats);
    ck_assert_uint_le(stats.wal_bytes, 40 << 20); /* an emptied WAL gives room back */
    rig_stop();
}
END_TEST

/* A program that reads and never ends makes the WAL grow, up to the limit and no further. */
START_TEST(test_the_wal_has_a_limit)
{
    const struct delivery stored = rig_delivery("stored"), late = rig_delivery("late");
    struct store_append append;
    struct store_sink sink;
    sqlite3 *handle;

    rig_start(RIG_SQLITE);
    sink = rig_register("sink");
    RIG_OK(rig_append(&stored, &append));
    ck_assert_int_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    ck_assert_int_eq(
        sqlite3_exec(handle, "BEGIN; SELECT * FROM sinks", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < 18; i++) {
        fill_wal(15 << 20);
        maintain(false);
    }
    RIG_OK(rig_append(&late, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_REFUSED);
    ck_assert_msg(strstr(rig.error.text, "keeps its WAL of"), "%s", rig.error.text);
    /* Copies are still told so, and sinks still settle. */
    RIG_OK(rig_append(&stored, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_DUPLICATE);
    rig_deliver_to(&sink, 1);

    sqlite3_close(handle);
    maintain(false);
    RIG_OK(rig_append(&late, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
    rig_stop();
}
END_TEST

/* ---- the disk's floor ---- */

START_TEST(test_below_the_floor)
{
    const struct delivery stored = rig_delivery("stored"), fresh = rig_delivery("fresh");
    const struct delivery other = rig_delivery_of("stored", "stored", 0, false, "{1}");
    struct store_append append;
    struct store_sink sink;
    struct store_stats stats;

    rig_start(RIG_SQLITE);
    sink = rig_register("sink");
    RIG_OK(rig_append(&stored, &append));
    RIG_OK(rig_append(&fresh, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
    sqlite_store(rig.store)->disk.floor = UINT64_MAX / 2;
    /* No need to wait for the second to be over: it would come near the floor. */
    RIG_OK(rig_append(&stored, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_DUPLICATE);
    ck_assert_uint_eq(append.seq, 1);
    RIG_OK(rig_append(&other, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_REFUSED);
    ck_assert_msg(strstr(rig.error.text, "less than store.disk_floor"), "%s", rig.error.text);
    ck_assert_int_eq(rig.error.code, ENOSPC);
    rig_deliver_to(&sink, 1);
    store_get_stats(rig.store, &stats);
    ck_assert(stats.below_floor);
    ck_assert_uint_gt(stats.disk_free, 0);

    sqlite_store(rig.store)->disk.floor = 1;
    RIG_OK(rig_append(&other, &append)); /* while it is below it looks once a second only */
    ck_assert_int_eq(append.verdict, STORE_VERDICT_REFUSED);
    rig_advance(USEC_PER_SEC);
    RIG_OK(rig_append(&other, &append));
    ck_assert_int_eq(append.verdict, STORE_VERDICT_CONFLICT);
    rig_stop();
}
END_TEST

/* Be it the first after those that the index has on disk. */
START_TEST(test_every_id_is_known_after_a_restart)
{
    static const char *const ids[] = {"first", "second", "third"};
    struct store_append append;

    rig_start(RIG_SQLITE);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        struct delivery delivery = rig_delivery(ids[i]);

        RIG_OK(rig_append(&delivery, &append));
        ck_assert_int_eq(append.verdict, STORE_VERDICT_STORED);
        rig_close();
        rig_open();
        for (size_t j = 0; j <= i; j++) {
            delivery = rig_delivery(ids[j]);
            RIG_OK(rig_append(&delivery, &append));
            ck_assert_int_eq(append.verdict, STORE_VERDICT_DUPLICATE);
            ck_assert_uint_eq(append.seq, j + 1);
        }
    }
    rig_stop();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store_sqlite");
    TCase *core = tcase_create("core"), *limits = tcase_create("limits"),
          *errors = tcase_create("errors");
    SRunner *runner;
    int n_failed;

    tcase_set_timeout(limits, 120);
    tcase_set_timeout(errors, 30);
    tcase_add_test(core, test_every_id_is_known_after_a_restart);
    tcase_add_test(core, test_commits_are_durable_by_the_pragmas);
    tcase_add_loop_test(core, test_modes_whatever_the_umask, 0, 2);
    tcase_add_test(core, test_what_was_committed_survives_a_kill);
    tcase_add_test(core, test_sinks_survive);
    tcase_add_test(core, test_migration_goes_forward_step_by_step);
    tcase_add_test(core, test_a_store_of_the_first_version);
    tcase_add_test(core, test_every_statement_fits_the_schema);
    tcase_add_test(core, test_no_statement_of_every_batch_walks_a_table);
    tcase_add_test(core, test_the_wal_is_brought_home_when_it_is_quiet);
    tcase_add_loop_test(limits, test_the_wal_stays_short_under_load, 0, 2);
    tcase_add_test(limits, test_the_wal_has_a_limit);
    tcase_add_test(limits, test_below_the_floor);
    tcase_add_test(errors, test_one_process_at_a_time);
    tcase_add_test(errors, test_a_lock_that_is_held_for_a_moment_is_waited_for);
    tcase_add_loop_test(errors, test_refused, 0, (int)ARRAY_SIZE(refused_rows));
    tcase_add_test(errors, test_a_reader_keeps_open_from_bringing_the_wal_home);
    tcase_add_test(errors, test_an_earlier_errno_explains_nothing);
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
