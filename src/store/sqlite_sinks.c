/*
 * The sinks the store knows: registering, which are active, reading one.
 *
 * Where nothing changes nothing is written, so that a start with the same sinks as before needs no
 * room on the disk.
 */

#include "store/sqlite_store.h"

#include <string.h>

int sinks_load(struct db *db, uint32_t id, struct store_sink *ret_sink)
{
    sqlite3_stmt *statement;
    struct store_sink sink = {.id = id};
    int rc = db_bind(db, SQL_SINK_LOAD, &statement, DB_VALUES(DB_INT(id)));

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        uint64_t paused = 0;
        uint64_t *numbers[] = {&sink.start, &sink.frontier, &sink.delivered, &sink.filtered,
            &sink.requeued, &sink.dropped, &sink.dead, &sink.pending_rows, &paused};
        size_t n = sizeof(numbers) / sizeof(numbers[0]);
        size_t length = (size_t)sqlite3_column_bytes(statement, (int)n);

        for (size_t i = 0; i < n; i++)
            *numbers[i] = (uint64_t)sqlite3_column_int64(statement, (int)i);
        sink.paused = paused != 0;
        if (length > STORE_POSITION_MAX)
            return db_reset(statement, SQLITE_CORRUPT);
        if (length > 0)
            memcpy(sink.position, sqlite3_column_blob(statement, (int)n), length);
        sink.position_length = length;
        *ret_sink = sink;
    }
    if (rc == SQLITE_DONE) {
        sqlite3_reset(statement);
        return SQLITE_DONE;
    }
    return db_reset(statement, rc);
}

/* Finds or makes the sink and sets *ret_id. */
static int find_or_make(struct sqlite_store *store, const char *name, int64_t *ret_id)
{
    struct db *db = &store->db;
    int rc = db_get_int(db, SQL_SINK_FIND, DB_VALUES(DB_TEXT(name)), ret_id);

    if (rc == SQLITE_OK)
        return db_run(db, SQL_SINK_ACTIVATE, DB_VALUES(DB_INT(*ret_id)));
    if (rc != SQLITE_DONE)
        return rc;
    rc = db_run(db, SQL_SINK_INSERT, DB_VALUES(DB_TEXT(name), DB_INT(store->now.head)));
    if (rc == SQLITE_OK)
        *ret_id = sqlite3_last_insert_rowid(db->handle);
    return rc;
}

enum store_result sqlite_register_sink(
    struct store *base, const char *name, struct store_sink *ret_sink, struct error *error)
{
    struct sqlite_store *store = sqlite_store(base);
    struct db *db = &store->db;
    struct sqlite_state state = store->now;
    struct store_sink sink;
    int64_t id = 0;
    int rc = db_run(db, SQL_BEGIN, DB_NO_VALUES);

    if (rc == SQLITE_OK)
        rc = find_or_make(store, name, &id);
    /* Marks taken while the sink was away say "settled" of deliveries that it still has to get. */
    if (rc == SQLITE_OK)
        rc = db_run(db, SQL_SINK_MARKS, DB_VALUES(DB_INT(id)));
    if (rc == SQLITE_OK)
        rc = marks_load_last(db, &state.last_mark);
    if (rc == SQLITE_OK)
        rc = sinks_load(db, (uint32_t)id, &sink);
    if (rc == SQLITE_OK)
        rc = db_run(db, SQL_COMMIT, DB_NO_VALUES);
    (void)room_ran_out(store, rc);
    if (rc != SQLITE_OK)
        return db_roll_back(db, db_result(db, rc, error, "register a sink"), error);
    store->now = state;
    *ret_sink = sink;
    return STORE_OK;
}

/* Whether exactly these are active; `ids` are distinct. */
static int is_active_set(struct db *db, const uint32_t *ids, size_t n, bool *ret_same)
{
    int64_t count = 0, active = 0;
    bool same;
    int rc = db_get_int(db, SQL_SINK_COUNT_ACTIVE, DB_NO_VALUES, &count);

    same = rc == SQLITE_OK && count == (int64_t)n;
    for (size_t i = 0; rc == SQLITE_OK && same && i < n; i++) {
        rc = db_get_int(db, SQL_SINK_IS_ACTIVE, DB_VALUES(DB_INT(ids[i])), &active);
        same = rc == SQLITE_OK && active != 0;
    }
    *ret_same = same;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

enum store_result sqlite_set_active_sinks(
    struct store *base, const uint32_t *ids, size_t n, struct error *error)
{
    struct sqlite_store *store = sqlite_store(base);
    struct db *db = &store->db;
    bool same = false;
    int rc = db_run(db, SQL_BEGIN, DB_NO_VALUES);

    if (rc == SQLITE_OK)
        rc = is_active_set(db, ids, n, &same);
    if (rc == SQLITE_OK && !same)
        rc = db_run(db, SQL_SINK_DEACTIVATE, DB_NO_VALUES);
    for (size_t i = 0; rc == SQLITE_OK && !same && i < n; i++)
        rc = db_run(db, SQL_SINK_ACTIVATE, DB_VALUES(DB_INT(ids[i])));
    if (rc == SQLITE_OK)
        rc = db_run(db, SQL_COMMIT, DB_NO_VALUES);
    (void)room_ran_out(store, rc);
    if (rc != SQLITE_OK)
        return db_roll_back(db, db_result(db, rc, error, "name the active sinks"), error);
    store->active_known = true;
    return STORE_OK;
}

enum store_result sqlite_set_paused(
    struct store *base, uint32_t sink, bool paused, struct error *error)
{
    struct sqlite_store *store = sqlite_store(base);
    struct db *db = &store->db;
    int rc = db_run(db, SQL_BEGIN, DB_NO_VALUES);

    if (rc == SQLITE_OK)
        rc = db_run(db, SQL_SINK_PAUSE, DB_VALUES(DB_INT(sink), DB_INT(paused)));
    if (rc == SQLITE_OK)
        rc = db_run(db, SQL_COMMIT, DB_NO_VALUES);
    (void)room_ran_out(store, rc);
    if (rc != SQLITE_OK)
        return db_roll_back(db, db_result(db, rc, error, "pause a sink"), error);
    return STORE_OK;
}
