#pragma once

/*
 * One connection to the database, with its prepared statements. Private to sqlite*.c.
 *
 * Functions that return `int rc` return an SQLite code, which never leaves these files:
 * db_result() and db_errno() turn it into the store's terms. A statement is prepared at its first
 * use, kept, and always reset before control leaves the file that stepped it, so that no read lock
 * outlives a call. One thread at a time (SQLITE_OPEN_NOMUTEX).
 */

#include "store/store.h"

#include <sqlite3.h>

/* Every statement there is; the texts are in sqlite_sql.c. */
enum sql {
    SQL_BEGIN,
    SQL_BEGIN_READ,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_HEAD,
    SQL_STORE_LOAD,
    SQL_STORE_SAVE,
    SQL_INDEX_RECENT,
    SQL_INDEX_THROUGH,
    SQL_INDEX_RUN_LIST,
    SQL_INDEX_RUN_ADD,
    SQL_INDEX_RUN_REMOVE,
    SQL_INDEX_BLOCK_WRITE,
    SQL_INDEX_BLOCK_READ,
    SQL_INDEX_BLOCK_BEFORE,
    SQL_INDEX_BLOCK_DELETE,
    SQL_INDEX_SUMMARIES_WRITE,
    SQL_INDEX_SUMMARIES_READ,
    SQL_INDEX_SUMMARIES_DELETE,
    SQL_DELIVERY_INSERT,
    SQL_DELIVERY_EXISTS,
    SQL_DELIVERY_IS_OF_JOB,
    SQL_DELIVERY_SCAN,
    SQL_DELIVERY_FETCH,
    SQL_DELIVERY_READ,
    SQL_QUERY_OLDEST,
    SQL_QUERY_NEWEST,
    SQL_QUERY_ROWS_OLDEST,
    SQL_QUERY_ROWS_NEWEST,
    SQL_QUERY_SINK_ROW,
    SQL_QUERY_OLDEST_PENDING,
    SQL_QUERY_STATS,
    SQL_CONFLICT_COUNT,
    SQL_CONFLICT_INSERT,
    SQL_CONFLICT_TRIM,
    SQL_CONFLICT_EXPIRE,
    SQL_CONFLICT_NEXT,
    SQL_SINK_FIND,
    SQL_SINK_INSERT,
    SQL_SINK_LOAD,
    SQL_SINK_FRONTIER,
    SQL_SINK_MARKS,
    SQL_SINK_DEACTIVATE,
    SQL_SINK_ACTIVATE,
    SQL_SINK_IS_ACTIVE,
    SQL_SINK_COUNT_ACTIVE,
    SQL_SINK_COUNT_AHEAD,
    SQL_SINK_ADVANCE,
    SQL_SINK_POSITION,
    SQL_SINK_PAUSE,
    SQL_SINK_SETTLED,
    SQL_ROW_STATE,
    SQL_ROW_WRITE,
    SQL_ROW_SETTLE,
    SQL_ROW_DELETE,
    SQL_ROW_SCAN,
    SQL_ATTEMPT_LAST,
    SQL_ATTEMPT_INSERT,
    SQL_ATTEMPT_TRIM,
    SQL_ATTEMPT_NEXT,
    SQL_MARK_INSERT,
    SQL_MARK_LAST,
    SQL_MARK_BEFORE,
    SQL_MARK_FORGET,
    SQL_PRUNE_DELIVERIES,
    SQL_PRUNE_ATTEMPTS,
    SQL_PRUNE_DROPPED,
    SQL_PRUNE_ROWS,
    SQL_PRUNE_SETTLED,
    SQL_PRUNE_ABANDONED,
    SQL_PRUNE_SKIP,
    SQL_COUNT,
};

extern const char *const sql_texts[SQL_COUNT];

struct db {
    sqlite3 *handle;
    sqlite3_stmt *statements[SQL_COUNT];
};

/* A value to bind. Texts and blobs are borrowed until the statement is reset. */
struct db_value {
    enum db_type {
        DB_TYPE_NULL,
        DB_TYPE_INT,
        DB_TYPE_TEXT,
        DB_TYPE_BLOB,
    } type;
    int64_t integer;
    const void *data;
    size_t length;
};

#define DB_NULL ((struct db_value){DB_TYPE_NULL, 0, NULL, 0})
#define DB_INT(value) ((struct db_value){DB_TYPE_INT, (int64_t)(value), NULL, 0})
#define DB_TEXT(value) ((struct db_value){DB_TYPE_TEXT, 0, (value), 0})
#define DB_BLOB(value, size) ((struct db_value){DB_TYPE_BLOB, 0, (value), (size)})
#define DB_VALUES(...)                        \
    ((const struct db_value[]){__VA_ARGS__}), \
        sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value)
#define DB_NO_VALUES NULL, 0

/* How long a lock is waited for, and how long a checkpoint waits for readers to leave. */
#define DB_BUSY_MSEC 2000
#define DB_CHECKPOINT_BUSY_MSEC 100

/* Opens an existing file. `flags` are SQLITE_OPEN_READONLY or _READWRITE; `cache_kib` bounds the
 * page cache. db_close is due in any case. Returns 0 or -errno. */
int db_open(struct db *db, const char *path, int flags, int cache_kib, struct error *error);

/* Without `checkpoint` the WAL stays as it is for the next open. */
void db_close(struct db *db, bool checkpoint);

/* Prepares (once) and binds; the caller steps, then db_reset. On an rc other than SQLITE_OK
 * *ret_statement is NULL. */
int db_bind(struct db *db, enum sql sql, sqlite3_stmt **ret_statement,
    const struct db_value *values, size_t n);

/* Runs a statement that returns no row. */
int db_run(struct db *db, enum sql sql, const struct db_value *values, size_t n);

/* Reads the first column of the first row as a number; SQLITE_DONE when there is no row. */
int db_get_int(
    struct db *db, enum sql sql, const struct db_value *values, size_t n, int64_t *ret_value);

/* Resets; keeps `rc` unless it was SQLITE_ROW or SQLITE_DONE, which become SQLITE_OK. */
int db_reset(sqlite3_stmt *statement, int rc);

/* Runs statements once that need no values (schema, pragmas). */
int db_exec(struct db *db, const char *sql);

/* Reads a pragma's value as text. Returns 0 or -errno. */
int db_pragma(struct db *db, const char *sql, char *buffer, size_t size, struct error *error);

/* In the store's terms, with a text "cannot <what>: …". SQLITE_OK is STORE_OK. What says that the
 * disk did not do what it was told, or holds what it should not, is STORE_FAILED. */
enum store_result db_result(struct db *db, int rc, struct error *error, const char *what);

/* The same for reading and opening: 0 or -errno. */
int db_errno(struct db *db, int rc, struct error *error, const char *what);

/* Ends a transaction after an error. SQLite may have ended it by itself already; if it cannot be
 * ended the result is STORE_FAILED whatever it was. */
enum store_result db_roll_back(struct db *db, enum store_result result, struct error *error);
