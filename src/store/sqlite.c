/*
 * The SQLite store: opening and closing.
 *
 * Open does in this order: lock, make the file, look at what it is, WAL with full sync (read back,
 * since a pragma that is not understood is silently ignored), migrate, bring home and sync what an
 * earlier process left in the WAL, sync the directory that now holds the WAL. Only then does
 * anybody get to see the store: what an earlier process failed to sync may be visible from the page
 * cache, and answering "duplicate" for it before it is on disk would break G1.
 *
 * The database file is never opened or closed here behind SQLite's back once it has it open:
 * closing any descriptor of it would drop the process's POSIX locks. Hence the lock file.
 */

#include "store/sqlite_schema.h"
#include "store/sqlite_store.h"

#include "util/cleanup.h"
#include "util/fd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Memory for pages of the one writing connection; the kernel's page cache does the rest. */
#define WRITER_CACHE_KIB 2048

/* An emptied WAL keeps at most so much of its file: 40 MiB, a little more than what waits in it
 * under load. While it grows each sync has to write its inode as well. */
#define JOURNAL_SIZE_LIMIT "41943040"

static void close_store(struct sqlite_store *store, bool checkpoint)
{
    index_close(&store->index);
    db_close(&store->db, checkpoint);
    if (store->lock_fd >= 0)
        close(store->lock_fd);
    reserve_done(&store->disk.reserve);
    free(store->path);
    free(store->wal_path);
    free(store);
}

static void sqlite_close(struct store *base, bool failed)
{
    close_store(sqlite_store(base), !failed);
}

/* Closes a store that did not come up: leaves the WAL for the next try. */
static void give_up(struct sqlite_store *store)
{
    if (store)
        close_store(store, false);
}

CLEANUP_FUNC(struct sqlite_store, give_up);

static const struct store_ops sqlite_ops = {
    .close = sqlite_close,
    .register_sink = sqlite_register_sink,
    .set_active_sinks = sqlite_set_active_sinks,
    .set_paused = sqlite_set_paused,
    .commit = sqlite_commit,
    .stage = sqlite_stage,
    .maintain = sqlite_maintain,
    .prune = sqlite_prune,
    .get_stats = sqlite_get_stats,
    .reader_open = sqlite_reader_open,
    .backup_begin = sqlite_backup_begin,
    .backup_step = sqlite_backup_step,
    .backup_end = sqlite_backup_end,
    .backup_check = sqlite_backup_check,
};

/* Sets a pragma and makes sure that it took. */
static int insist(
    struct db *db, const char *name, const char *set, const char *want, struct error *error)
{
    char sql[64], got[32];
    int r;

    snprintf(sql, sizeof(sql), "PRAGMA %s = %s", name, set);
    r = db_errno(db, db_exec(db, sql), error, "set the database up for durable commits");
    if (r < 0)
        return r;
    snprintf(sql, sizeof(sql), "PRAGMA %s", name);
    r = db_pragma(db, sql, got, sizeof(got), error);
    if (r < 0)
        return r;
    if (strcmp(got, want) != 0)
        return error_set(error, ENOTSUP,
            "PRAGMA %s is '%s' and not '%s': commits would not be durable here; "
            "store.path must be on a local file system",
            name, got, want);
    return 0;
}

/* Bytes, of a new store; one that is there keeps its own. A commit writes each page that it touched
 * in two calls, so with pages of 8 KiB instead of 4 the writer spends a tenth less on a callback.
 * With 16 KiB it gains no more. */
#define PAGE_SIZE "8192"

static int set_up_durability(struct db *db, struct error *error)
{
    int r = db_errno(db, db_exec(db, "PRAGMA page_size = " PAGE_SIZE), error, "set the page size");

    if (r < 0)
        return r;
    if ((r = insist(db, "synchronous", "FULL", "2", error)) < 0 ||
        (r = insist(db, "journal_mode", "WAL", "wal", error)) < 0 ||
        (r = insist(db, "wal_autocheckpoint", "0", "0", error)) < 0 ||
        (r = insist(db, "journal_size_limit", JOURNAL_SIZE_LIMIT, JOURNAL_SIZE_LIMIT, error)) < 0)
        return r;
    return 0;
}

static int load_store_row(struct db *db, struct sqlite_state *state)
{
    sqlite3_stmt *statement;
    int rc = db_bind(db, SQL_STORE_LOAD, &statement, DB_NO_VALUES);

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        state->pruned_through = (uint64_t)sqlite3_column_int64(statement, 0);
        state->pruned_deliveries = (uint64_t)sqlite3_column_int64(statement, 1);
        state->forgotten_through = (uint64_t)sqlite3_column_int64(statement, 2);
        state->indexed_through = (uint64_t)sqlite3_column_int64(statement, 3);
    } else if (rc == SQLITE_DONE) {
        rc = SQLITE_CORRUPT; /* the one row is gone */
    }
    return db_reset(statement, rc);
}

static int load_state(struct sqlite_store *store, struct error *error)
{
    struct db *db = &store->db;
    struct sqlite_state state = {0};
    int64_t head = 0;
    int rc = load_store_row(db, &state);

    if (rc == SQLITE_OK)
        rc = db_get_int(db, SQL_HEAD, DB_NO_VALUES, &head);
    if (rc == SQLITE_OK)
        rc = marks_load_last(db, &state.last_mark);
    if (rc == SQLITE_OK)
        rc = index_open(&store->index, db, &state);
    if (rc != SQLITE_OK)
        return db_errno(db, rc, error, "read how far the store is");
    state.head = (uint64_t)head;
    store->now = state;
    store->time.real_usec = state.last_mark.at_usec;
    return 0;
}

/* What every start needs must be sound, or the start would fail half-way. These tables are small;
 * damage in the others is met where it is read. */
static int check_small_tables(struct db *db, struct error *error)
{
    static const char *const tables[] = {"sinks", "marks", "store"};
    char sql[64], got[64];

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        int r;

        snprintf(sql, sizeof(sql), "PRAGMA integrity_check(%s)", tables[i]);
        r = db_pragma(db, sql, got, sizeof(got), error);
        if (r < 0)
            return r;
        if (strcmp(got, "ok") != 0)
            return error_set(error, EBADMSG,
                "the store is damaged: its table %s is; restore a backup, or move the store away "
                "to begin anew",
                tables[i]);
    }
    return 0;
}

/* A sink that is ahead of the newest delivery would take what comes next for settled. No store of
 * ours says so; one that lost its last pages does. */
static int check_sinks(struct sqlite_store *store, struct error *error)
{
    struct db *db = &store->db;
    int64_t n = 0;
    int rc = db_get_int(db, SQL_SINK_COUNT_AHEAD, DB_VALUES(DB_INT(store->now.head)), &n);

    if (rc != SQLITE_OK)
        return db_errno(db, rc, error, "read how far the sinks are");
    if (n > 0)
        return error_set(error, EBADMSG,
            "the store is damaged: %" PRId64 " sinks are ahead of its newest delivery, %" PRIu64
            "; restore a backup, or move the store away to begin anew",
            n, store->now.head);
    return 0;
}

static int open_database(struct sqlite_store *store, struct error *error)
{
    struct db *db = &store->db;
    int r;

    if ((r = db_open(db, store->path, SQLITE_OPEN_READWRITE, WRITER_CACHE_KIB, error)) < 0 ||
        (r = schema_check(db, schema_n_steps, error)) < 0 ||
        (r = set_up_durability(db, error)) < 0 ||
        (r = schema_migrate(db, schema_steps, schema_n_steps, error)) < 0)
        return r;
    return 0;
}

/* A full disk is no reason not to start: what is accepted already must go on to the sinks. */
static int heal(struct sqlite_store *store, struct error *error)
{
    int r = wal_bring_home(store, error);

    if (r == -ENOSPC && room_give_all(store))
        r = wal_bring_home(store, error);
    if (r != -ENOSPC)
        return r;
    store->disk.leftovers = true;
    return 0;
}

/* By now SQLite has made the WAL. It syncs the directory of what it makes, but with the first
 * commit and without looking at the result: a WAL whose name is lost in a power cut takes
 * acknowledged deliveries with it. */
static int sync_directory(const struct sqlite_store *store, struct error *error)
{
    int r = fd_sync_parent(store->path);

    return r < 0 ? error_errno(error, -r, "cannot sync the directory") : 0;
}

static int bring_up(struct sqlite_store *store, uint64_t reserve, struct error *error)
{
    int r;

    if ((r = sqlite_lock(store->path, &store->lock_fd, error)) < 0 ||
        (r = reserve_init(&store->disk.reserve, store->path, reserve, error)) < 0)
        return r;
    reserve_look(&store->disk.reserve);
    r = open_database(store, error);
    if (r == -ENOSPC && room_give_all(store)) {
        db_close(&store->db, false);
        r = open_database(store, error);
    }
    if (r < 0 || (r = heal(store, error)) < 0 || (r = sync_directory(store, error)) < 0 ||
        (r = check_small_tables(&store->db, error)) < 0 || (r = load_state(store, error)) < 0 ||
        (r = check_sinks(store, error)) < 0)
        return r;
    if ((r = wal_watch(store, error)) < 0)
        return r;
    if (store->disk.reserve.held > store->disk.reserve.want)
        reserve_shrink(&store->disk.reserve, store->disk.reserve.want);
    room_look(store);
    return 0;
}

/* What an operator can do about a store that does not open, where the error does not say it. */
static const char *advice(int r)
{
    switch (r) {
    case -EIO:
        return "; see what the kernel says of the disk, or restore a backup";
    case -ENOSPC:
        return "; free some room on its disk";
    default:
        return "";
    }
}

int store_open_sqlite(
    const struct store_options *options, struct store **ret_store, struct error *error)
{
    CLEANUP(give_up) struct sqlite_store *store = calloc(1, sizeof(*store));
    int r;

    if (!store)
        return error_set(error, ENOMEM, "out of memory");
    store->base.ops = &sqlite_ops;
    store->clock = options->clock;
    store->disk.floor = options->disk_floor;
    store->lock_fd = -1;
    store->path = strdup(options->path);
    if (!store->path || asprintf(&store->wal_path, "%s-wal", options->path) < 0) {
        store->wal_path = NULL;
        return error_set(error, ENOMEM, "out of memory");
    }
    r = bring_up(store, options->reserve, error);
    if (r < 0) {
        error_prefix(error, "store %s", options->path);
        return error_set(error, -r, "%s%s", error ? error->text : "", advice(r));
    }
    if (error)
        *error = (struct error)ERROR_INIT; /* of what succeeded in the end */
    *ret_store = &TAKE(store)->base;
    return 0;
}
