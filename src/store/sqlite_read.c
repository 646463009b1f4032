/*
 * Readers: opening and closing, and reading what is not a delivery.
 *
 * Attempts and conflicts are few and may be large, so they are read and handed on one by one.
 */

#include "store/sqlite_read.h"
#include "store/checksum.h"
#include "store/sqlite_store.h"

#include "util/buf.h"
#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Memory for pages, a reader; the kernel's page cache does the rest. */
#define READER_CACHE_KIB 256

/* ---- one row at a time ---- */

/* Copies a column and a NUL after it; returns where it stands in `buf`. */
static size_t keep_column(struct buf *buf, sqlite3_stmt *statement, int column, size_t *ret_length)
{
    const void *data = sqlite3_column_blob(statement, column);
    size_t length = data ? (size_t)sqlite3_column_bytes(statement, column) : 0;
    size_t at = buf->length;

    if (length > 0)
        buf_append(buf, data, length);
    buf_append(buf, "", 1);
    *ret_length = length;
    return at;
}

static int kept(const struct buf *buf, sqlite3_stmt *statement)
{
    return db_reset(statement, buf->failed ? SQLITE_NOMEM : SQLITE_OK);
}

struct read_attempt {
    int64_t n;
    uint32_t sink;
    struct store_attempt attempt;
};

/* SQLITE_DONE: there is no further one. Texts point into `buf`. */
static int next_attempt(struct db *db, uint64_t seq, struct buf *buf, struct read_attempt *read)
{
    sqlite3_stmt *statement;
    size_t result_at, output_at, result_length, output_length;
    int rc = db_bind(db, SQL_ATTEMPT_NEXT, &statement, DB_VALUES(DB_INT(seq), DB_INT(read->n)));

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW) {
        sqlite3_reset(statement);
        return rc;
    }
    read->n = sqlite3_column_int64(statement, 0);
    read->sink = (uint32_t)sqlite3_column_int64(statement, 1);
    read->attempt = (struct store_attempt){
        .number = (unsigned int)sqlite3_column_int64(statement, 2),
        .started_at_usec = sqlite3_column_int64(statement, 3),
        .duration_usec = sqlite3_column_int64(statement, 4),
    };
    buf_clear(buf);
    result_at = keep_column(buf, statement, 5, &result_length);
    output_at = keep_column(buf, statement, 6, &output_length);
    rc = kept(buf, statement);
    if (rc != SQLITE_OK)
        return rc;
    read->attempt.result = (const char *)buf->data + result_at;
    read->attempt.output = output_length > 0 ? buf->data + output_at : NULL;
    read->attempt.output_length = output_length;
    return SQLITE_OK;
}

static ssize_t sqlite_scan_attempts(struct store_reader *reader, uint64_t seq, store_attempt_fn fn,
    void *context, struct error *error)
{
    struct db *db = reader_db(reader);
    __attribute__((cleanup(buf_done))) struct buf buf = BUF_INIT;
    struct read_attempt read = {0};
    ssize_t passed = 0;
    int rc;

    while ((rc = next_attempt(db, seq, &buf, &read)) == SQLITE_OK) {
        passed++;
        if (fn(read.sink, &read.attempt, context) != 0)
            return passed;
    }
    return rc == SQLITE_DONE ? passed : db_errno(db, rc, error, "read attempts");
}

struct read_conflict {
    int64_t id;
    struct store_conflict conflict;
};

/* SQLITE_DONE: there is no further one. Texts point into `buf`. */
static int next_conflict(struct db *db, uint64_t seq, struct buf *buf, struct read_conflict *read)
{
    sqlite3_stmt *statement;
    size_t secret_at, body_at, secret_length, body_length;
    bool is_sound;
    int rc = db_bind(db, SQL_CONFLICT_NEXT, &statement, DB_VALUES(DB_INT(seq), DB_INT(read->id)));

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW) {
        sqlite3_reset(statement);
        return rc;
    }
    read->id = sqlite3_column_int64(statement, 0);
    read->conflict = (struct store_conflict){
        .seq = (uint64_t)sqlite3_column_int64(statement, 1),
        .received_at_usec = sqlite3_column_int64(statement, 2),
        .full_length = (size_t)sqlite3_column_int64(statement, 3),
    };
    buf_clear(buf);
    secret_at = keep_column(buf, statement, 4, &secret_length);
    body_at = keep_column(buf, statement, 5, &body_length);
    is_sound = sqlite3_column_type(statement, 6) == SQLITE_NULL ||
               (!buf->failed && checksum_bytes(buf->data + body_at, body_length) ==
                                    (uint64_t)sqlite3_column_int64(statement, 6));
    rc = kept(buf, statement);
    if (rc != SQLITE_OK)
        return rc;
    read->conflict.secret = (const char *)buf->data + secret_at;
    read->conflict.body = is_sound ? buf->data + body_at : NULL;
    read->conflict.body_length = is_sound ? body_length : 0;
    return SQLITE_OK;
}

static ssize_t sqlite_scan_conflicts(struct store_reader *reader, uint64_t seq,
    store_conflict_fn fn, void *context, struct error *error)
{
    struct db *db = reader_db(reader);
    __attribute__((cleanup(buf_done))) struct buf buf = BUF_INIT;
    struct read_conflict read = {0};
    ssize_t passed = 0;
    int rc;

    while ((rc = next_conflict(db, seq, &buf, &read)) == SQLITE_OK) {
        passed++;
        if (fn(&read.conflict, context) != 0)
            return passed;
    }
    return rc == SQLITE_DONE ? passed : db_errno(db, rc, error, "read conflicts");
}

/* ---- single values ---- */

static int sqlite_read_sink(
    struct store_reader *reader, uint32_t sink, struct store_sink *ret_sink, struct error *error)
{
    struct db *db = reader_db(reader);
    int rc = sinks_load(db, sink, ret_sink);

    if (rc == SQLITE_DONE)
        return error_set(error, ENOENT, "sink %" PRIu32 " was never registered", sink);
    return db_errno(db, rc, error, "read a sink");
}

static int sqlite_read_head(struct store_reader *reader, uint64_t *ret_head, struct error *error)
{
    struct db *db = reader_db(reader);
    int64_t head = 0;
    int rc = db_get_int(db, SQL_HEAD, DB_NO_VALUES, &head);

    if (rc != SQLITE_OK)
        return db_errno(db, rc, error, "read the newest delivery");
    *ret_head = (uint64_t)head;
    return 0;
}

/* ---- open and close ---- */

/* The connection cannot write, so it has nothing to checkpoint either. */
static void sqlite_reader_close(struct store_reader *reader)
{
    db_close(reader_db(reader), false);
    free(reader);
}

static const struct store_reader_ops sqlite_reader_ops = {
    .close = sqlite_reader_close,
    .scan = sqlite_scan,
    .fetch = sqlite_fetch,
    .scan_rows = sqlite_scan_rows,
    .read_sink = sqlite_read_sink,
    .read_head = sqlite_read_head,
    .scan_attempts = sqlite_scan_attempts,
    .scan_conflicts = sqlite_scan_conflicts,
    .find = sqlite_find,
    .read_sink_row = sqlite_read_sink_row,
    .read_oldest_pending = sqlite_read_oldest_pending,
    .read_stats = sqlite_read_stats,
};

int sqlite_reader_open(struct store *store, struct store_reader **ret_reader, struct error *error)
{
    struct sqlite_reader *reader = calloc(1, sizeof(*reader));
    int r;

    if (!reader)
        return error_set(error, ENOMEM, "out of memory");
    reader->base.ops = &sqlite_reader_ops;
    reader->store = sqlite_store(store);
    r = db_open(&reader->db, reader->store->path, SQLITE_OPEN_READONLY, READER_CACHE_KIB, error);
    if (r < 0) {
        sqlite_reader_close(&reader->base);
        return r;
    }
    *ret_reader = &reader->base;
    return 0;
}
