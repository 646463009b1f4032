/*
 * What only the SQLite store promises: durable commits, one process at a time, a file that is what
 * it should be, forward migration, a WAL that stays short, a floor for the disk.
 * What happens when the disk fails is in test_store_faults.c.
 */

#include "store/checksum.h"
#include "store/sqlite_schema.h"
#include "store/sqlite_store.h"
#include "store_rig.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void shell(const char *sql)
{
    sqlite3 *handle;

    ck_assert_int_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    ck_assert_msg(
        sqlite3_exec(handle, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(handle));
    sqlite3_close(handle);
}

static const char *pragma(const char *sql)
{
    static char text[64];

    ck_assert_int_eq(
        db_pragma(&sqlite_store(rig.store)->db, sql, text, sizeof(text), &rig.error), 0);
    return text;
}

static int64_t number_of(struct db *db, const char *sql)
{
    char text[32];

    ck_assert_int_eq(db_pragma(db, sql, text, sizeof(text), &rig.error), 0);
    return atoll(text);
}

static void open_bare(struct db *db)
{
    ck_assert_int_eq(db_open(db, rig.path, SQLITE_OPEN_READWRITE, 64, &rig.error), 0);
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

/* Exchanges two entries in the root of a table, which is a leaf. */
static void disorder(const char *table)
{
    unsigned char cells[2 * 4], *first = cells + 2, *second = cells + 6, kept[2];
    char sql[128];
    struct db db;
    off_t at;
    int fd;

    open_bare(&db);
    snprintf(sql, sizeof(sql), "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", table);
    at = (off_t)(number_of(&db, sql) - 1) * 4096 + 8;
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

START_TEST(test_the_wal_stays_short_under_load)
{
    struct store_stats stats;

    rig_start(RIG_SQLITE);
    for (int i = 0; i < 20; i++) {
        fill_wal(8 << 20);
        maintain(false);
        store_get_stats(rig.store, &stats);
        ck_assert_uint_le(stats.wal_bytes, 48 << 20);
    }
    ck_assert_uint_gt(stats.bytes, 100 << 20);
    maintain(true);
    rig_append_new();
    store_get_stats(rig.store, &stats);
    ck_assert_uint_le(stats.wal_bytes, 16 << 20); /* an emptied WAL gives its room back */
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
    tcase_add_loop_test(core, test_the_mark_of_an_unproven_one_is_covered, 0, 2);
    tcase_add_test(core, test_every_statement_fits_the_schema);
    tcase_add_test(core, test_no_statement_of_every_batch_walks_a_table);
    tcase_add_test(core, test_the_wal_is_brought_home_when_it_is_quiet);
    tcase_add_test(limits, test_the_wal_stays_short_under_load);
    tcase_add_test(limits, test_the_wal_has_a_limit);
    tcase_add_test(limits, test_below_the_floor);
    tcase_add_test(errors, test_one_process_at_a_time);
    tcase_add_test(errors, test_a_lock_that_is_held_for_a_moment_is_waited_for);
    tcase_add_loop_test(errors, test_refused, 0, (int)ARRAY_SIZE(refused_rows));
    tcase_add_test(errors, test_a_reader_keeps_open_from_bringing_the_wal_home);
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
    tcase_add_test(errors, test_an_earlier_errno_explains_nothing);
    tcase_add_loop_test(
        errors, test_a_settle_over_a_damaged_store_fails, 0, (int)ARRAY_SIZE(damaged_settles));
    suite_add_tcase(suite, core);
    suite_add_tcase(suite, limits);
    suite_add_tcase(suite, errors);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
