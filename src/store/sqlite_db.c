/*
 * One connection to the database: opening, statements, and SQLite's codes in the store's terms.
 *
 * Knows nothing of deliveries. Nothing here decides about durability but the classification in
 * db_result: when in doubt a code is a failure, since a failure only costs a restart, while a lost
 * sync taken for a hiccup costs an acknowledged delivery.
 */

#include "store/sqlite_db.h"

#include "util/cleanup.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static pthread_once_t library_once = PTHREAD_ONCE_INIT;

/* Without memory statistics no allocation of one connection waits for another's. It can only be
 * set before the library's first use; if it is too late nothing is lost but a little speed. */
static void configure_library(void)
{
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int db_open(struct db *db, const char *path, int flags, int cache_kib, struct error *error)
{
    char pragmas[256];
    int rc;

    *db = (struct db){NULL};
    pthread_once(&library_once, configure_library);
    rc = sqlite3_open_v2(
        path, &db->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (rc != SQLITE_OK)
        return db_errno(db, rc, error, "open the database");

    sqlite3_busy_timeout(db->handle, DB_BUSY_MSEC);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);

    /* wal_autocheckpoint: only store_maintain checkpoints, on the one writing connection.
     * secure_delete: what is deleted is overwritten, for it may be a body or what a hook said. */
    snprintf(pragmas, sizeof(pragmas),
        "PRAGMA wal_autocheckpoint = 0; PRAGMA cache_size = -%d; PRAGMA mmap_size = 0;"
        "PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON; "
        "PRAGMA foreign_keys = OFF;",
        cache_kib);
    return db_errno(db, db_exec(db, pragmas), error, "set up the database connection");
}

void db_close(struct db *db, bool checkpoint)
{
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(db->statements[i]);
    if (db->handle && !checkpoint)
        (void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    ASSERT(sqlite3_close(db->handle) == SQLITE_OK);
    *db = (struct db){NULL};
}

static int bind_value(sqlite3_stmt *statement, int position, const struct db_value *value)
{
    switch (value->type) {
    case DB_TYPE_NULL:
        return sqlite3_bind_null(statement, position);
    case DB_TYPE_INT:
        return sqlite3_bind_int64(statement, position, value->integer);
    case DB_TYPE_TEXT:
        return sqlite3_bind_text(statement, position, value->data, -1, SQLITE_STATIC);
    case DB_TYPE_BLOB:
        /* A NULL pointer would bind NULL instead of nothing. */
        return sqlite3_bind_blob64(
            statement, position, value->data ? value->data : "", value->length, SQLITE_STATIC);
    }
    ASSERT(!"a type that is none");
}

int db_bind(struct db *db, enum sql sql, sqlite3_stmt **ret_statement,
    const struct db_value *values, size_t n)
{
    sqlite3_stmt **statement = &db->statements[sql];
    int rc = SQLITE_OK;

    *ret_statement = NULL;
    if (!*statement)
        rc = sqlite3_prepare_v3(
            db->handle, sql_texts[sql], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < n; i++)
        rc = bind_value(*statement, (int)i + 1, &values[i]);
    if (rc == SQLITE_OK)
        *ret_statement = *statement;
    return rc;
}

int db_reset(sqlite3_stmt *statement, int rc)
{
    sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int db_run(struct db *db, enum sql sql, const struct db_value *values, size_t n)
{
    sqlite3_stmt *statement;
    int rc = db_bind(db, sql, &statement, values, n);

    if (rc != SQLITE_OK)
        return rc;
    return db_reset(statement, sqlite3_step(statement));
}

int db_get_int(
    struct db *db, enum sql sql, const struct db_value *values, size_t n, int64_t *ret_value)
{
    sqlite3_stmt *statement;
    int rc = db_bind(db, sql, &statement, values, n);

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *ret_value = sqlite3_column_int64(statement, 0);
    if (rc == SQLITE_DONE) {
        sqlite3_reset(statement);
        return SQLITE_DONE;
    }
    return db_reset(statement, rc);
}

int db_exec(struct db *db, const char *sql)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
}

static int copy_text(sqlite3_stmt *statement, char *buffer, size_t size)
{
    const char *text = (const char *)sqlite3_column_text(statement, 0);

    if (!text)
        return SQLITE_NOMEM; /* no pragma of ours is NULL */
    snprintf(buffer, size, "%s", text);
    return SQLITE_OK;
}

int db_pragma(struct db *db, const char *sql, char *buffer, size_t size, struct error *error)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        buffer[0] = '\0';
        if (rc == SQLITE_ROW)
            rc = copy_text(statement, buffer, size);
        rc = db_reset(statement, rc);
        sqlite3_finalize(statement);
    }
    return db_errno(db, rc, error, "read how the database is set up");
}

/* ---- codes ---- */

/* Which errno a code comes closest to. Those that are not EIO or EBADMSG left the disk sound. */
static int code_errno(int rc)
{
    if (rc == SQLITE_IOERR_SHMSIZE) /* the -shm file cannot grow */
        return ENOSPC;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return ENOSPC;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return EBUSY;
    case SQLITE_NOMEM:
        return ENOMEM;
    case SQLITE_INTERRUPT:
        return EINTR;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return EBADMSG;
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
        return EACCES;
    default:
        return EIO;
    }
}

/* What an operator can do about it, where the code alone tells. */
static const char *advice(int code)
{
    return code == EBADMSG ? "; restore a backup, or move the store away to begin anew" : "";
}

static void describe(struct db *db, int rc, struct error *error, const char *what)
{
    int system_errno = db->handle ? sqlite3_system_errno(db->handle) : 0;
    /* With others it is of an earlier call. */
    bool is_of_system = code_errno(rc) != EBUSY && code_errno(rc) != EBADMSG;

    if (system_errno != 0 && is_of_system)
        error_errno(error, system_errno, "cannot %s: %s (%d)", what, sqlite3_errstr(rc), rc);
    else
        error_set(error, code_errno(rc), "cannot %s: %s (%d)%s", what, sqlite3_errstr(rc), rc,
            advice(code_errno(rc)));
    if (error)
        error->code = code_errno(rc);
}

enum store_result db_result(struct db *db, int rc, struct error *error, const char *what)
{
    if (rc == SQLITE_OK)
        return STORE_OK;
    describe(db, rc, error, what);
    switch (code_errno(rc)) {
    case ENOSPC:
    case EBUSY:
    case ENOMEM:
    case EINTR:
        return STORE_UNAVAILABLE;
    default:
        return STORE_FAILED;
    }
}

int db_errno(struct db *db, int rc, struct error *error, const char *what)
{
    if (rc == SQLITE_OK)
        return 0;
    describe(db, rc, error, what);
    return -code_errno(rc);
}

enum store_result db_roll_back(struct db *db, enum store_result result, struct error *error)
{
    if (sqlite3_get_autocommit(db->handle))
        return result;
    (void)db_run(db, SQL_ROLLBACK, DB_NO_VALUES);
    if (!sqlite3_get_autocommit(db->handle)) {
        error_prefix(error, "cannot roll back");
        return STORE_FAILED;
    }
    return result;
}
