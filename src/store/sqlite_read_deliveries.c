/*
 * Reading deliveries, alone and with a sink's rows.
 *
 * Walks copy rows in chunks without bodies. A fetched delivery is checked against its checksum
 * before anybody sees it; a walk cannot check (it does not read the body), so a damaged row passes
 * through it with whatever can be read, and is found out when it is fetched. That way one damaged
 * row does not stop the walk for all that come after it.
 */

#include "store/checksum.h"
#include "store/sqlite_read.h"

#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Rows copied at once. */
#define CHUNK 64

/* Columns as in DELIVERY_COLUMNS (sqlite_sql.c). */
enum {
    COLUMN_BODY_LENGTH = 13,
    COLUMN_UNVERIFIED = 14,
    COLUMN_OWN = 15, /* the first that a statement adds */
};

/* A copied row; what follows the delivery only for rows of a sink. */
struct read_row {
    struct delivery *delivery; /* owned */
    unsigned int attempts;
    int64_t next_at_usec;
    bool replay;
};

struct chunk {
    size_t n;
    struct read_row rows[CHUNK];
};

static void chunk_done(struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->n; i++)
        delivery_free(chunk->rows[i].delivery);
    chunk->n = 0;
}

static size_t chunk_size(size_t left)
{
    return left < CHUNK ? left : CHUNK;
}

/* A column that is no text any more reads as "". */
static const char *column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);

    return text ? text : "";
}

static void copy_digest(sqlite3_stmt *statement, int column, struct digest *digest)
{
    const void *bytes = sqlite3_column_blob(statement, column);

    memset(digest, 0, sizeof(*digest));
    if (bytes && sqlite3_column_bytes(statement, column) == DIGEST_SIZE)
        memcpy(digest->bytes, bytes, DIGEST_SIZE);
}

/* What is set points into the statement. */
static int delivery_from_row(sqlite3_stmt *statement, struct delivery *delivery)
{
    *delivery = (struct delivery){
        .seq = (uint64_t)sqlite3_column_int64(statement, 0),
        .received_at_usec = sqlite3_column_int64(statement, 1),
        .updated_at_usec = sqlite3_column_int64(statement, 2),
        .terminal = sqlite3_column_int64(statement, 3) != 0,
        .stale = sqlite3_column_int64(statement, 4) != 0,
        .endpoint = column_text(statement, 5),
        .request_id = column_text(statement, 6),
        .secret = column_text(statement, 7),
        .job_id = column_text(statement, 8),
        .type = column_text(statement, 9),
        .status = column_text(statement, 10),
        .unverified = column_text(statement, COLUMN_UNVERIFIED),
        .body_length = (size_t)sqlite3_column_int64(statement, COLUMN_BODY_LENGTH),
    };
    copy_digest(statement, 11, &delivery->id_digest);
    copy_digest(statement, 12, &delivery->body_digest);
    return sqlite3_errcode(sqlite3_db_handle(statement)) == SQLITE_NOMEM ? SQLITE_NOMEM : SQLITE_OK;
}

static int copy_row(sqlite3_stmt *statement, bool is_sink_row, struct read_row *ret_row)
{
    struct delivery delivery;
    struct read_row row = {NULL};
    int rc = delivery_from_row(statement, &delivery);

    if (rc != SQLITE_OK)
        return rc;
    row.delivery = delivery_new(&delivery);
    if (!row.delivery)
        return SQLITE_NOMEM;
    if (is_sink_row) {
        row.attempts = (unsigned int)sqlite3_column_int64(statement, COLUMN_OWN);
        row.next_at_usec = sqlite3_column_int64(statement, COLUMN_OWN + 1);
        row.replay = sqlite3_column_int64(statement, COLUMN_OWN + 2) != 0;
    }
    *ret_row = row;
    return SQLITE_OK;
}

/* Copies what the bound statement returns, which is limited to CHUNK rows above `after`, and resets
 * it. In a damaged tree rows can come in any order, whatever was asked for; callers count on it. */
static int read_chunk(
    sqlite3_stmt *statement, bool is_sink_row, uint64_t after, struct chunk *chunk)
{
    int rc;

    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        ASSERT(chunk->n < CHUNK);
        rc = copy_row(statement, is_sink_row, &chunk->rows[chunk->n]);
        if (rc != SQLITE_OK)
            break;
        if (chunk->rows[chunk->n++].delivery->seq <= after) {
            rc = SQLITE_CORRUPT;
            break;
        }
        after = chunk->rows[chunk->n - 1].delivery->seq;
    }
    return db_reset(statement, rc);
}

ssize_t sqlite_scan(struct store_reader *reader, uint64_t after, size_t limit, store_delivery_fn fn,
    void *context, struct error *error)
{
    struct db *db = reader_db(reader);
    size_t passed = 0;

    while (passed < limit) {
        __attribute__((cleanup(chunk_done))) struct chunk chunk = {.n = 0};
        size_t want = chunk_size(limit - passed);
        sqlite3_stmt *statement;
        int rc = db_bind(db, SQL_DELIVERY_SCAN, &statement, DB_VALUES(DB_INT(after), DB_INT(want)));

        if (rc == SQLITE_OK)
            rc = read_chunk(statement, false, after, &chunk);
        if (rc != SQLITE_OK)
            return db_errno(db, rc, error, "read deliveries");
        for (size_t i = 0; i < chunk.n; i++) {
            after = chunk.rows[i].delivery->seq;
            passed++;
            if (fn(chunk.rows[i].delivery, context) != 0)
                return (ssize_t)passed;
        }
        if (chunk.n < want)
            break;
    }
    return (ssize_t)passed;
}

ssize_t sqlite_scan_rows(struct store_reader *reader, uint32_t sink, enum store_state state,
    uint64_t after, size_t limit, store_row_fn fn, void *context, struct error *error)
{
    struct db *db = reader_db(reader);
    size_t passed = 0;

    while (passed < limit) {
        __attribute__((cleanup(chunk_done))) struct chunk chunk = {.n = 0};
        size_t want = chunk_size(limit - passed);
        sqlite3_stmt *statement;
        int rc = db_bind(db, SQL_ROW_SCAN, &statement,
            DB_VALUES(DB_INT(sink), DB_INT(state), DB_INT(after), DB_INT(want)));

        if (rc == SQLITE_OK)
            rc = read_chunk(statement, true, after, &chunk);
        if (rc != SQLITE_OK)
            return db_errno(db, rc, error, "read a sink's rows");
        for (size_t i = 0; i < chunk.n; i++) {
            const struct store_row row = {
                .delivery = chunk.rows[i].delivery,
                .state = state,
                .attempts = chunk.rows[i].attempts,
                .next_at_usec = chunk.rows[i].next_at_usec,
                .replay = chunk.rows[i].replay,
            };

            after = row.delivery->seq;
            passed++;
            if (fn(&row, context) != 0)
                return (ssize_t)passed;
        }
        if (chunk.n < want)
            break;
    }
    return (ssize_t)passed;
}

int sqlite_copy_delivery(struct db *db, uint64_t seq, struct delivery **ret_delivery)
{
    struct read_row row = {NULL};
    sqlite3_stmt *statement;
    int rc = db_bind(db, SQL_DELIVERY_READ, &statement, DB_VALUES(DB_INT(seq)));

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        rc = copy_row(statement, false, &row);
    if (rc == SQLITE_DONE) {
        sqlite3_reset(statement);
        return SQLITE_DONE;
    }
    rc = db_reset(statement, rc);
    if (rc == SQLITE_OK)
        *ret_delivery = row.delivery;
    return rc;
}

/* ---- with body ---- */

static int copy_whole(
    sqlite3_stmt *statement, uint64_t seq, struct delivery **ret_delivery, bool *ret_sound)
{
    struct delivery delivery;
    const unsigned char *body = sqlite3_column_blob(statement, COLUMN_OWN + 1);
    int rc = delivery_from_row(statement, &delivery);

    if (rc != SQLITE_OK)
        return rc;
    delivery.body = body ? body : (const unsigned char *)"";
    delivery.body_length = body ? (size_t)sqlite3_column_bytes(statement, COLUMN_OWN + 1) : 0;
    *ret_sound = checksum_delivery(&delivery, seq, delivery.stale) ==
                 (uint64_t)sqlite3_column_int64(statement, COLUMN_OWN);
    if (!*ret_sound)
        return SQLITE_OK;
    *ret_delivery = delivery_new(&delivery);
    return *ret_delivery ? SQLITE_OK : SQLITE_NOMEM;
}

int sqlite_fetch(
    struct store_reader *reader, uint64_t seq, struct delivery **ret_delivery, struct error *error)
{
    struct db *db = reader_db(reader);
    struct delivery *delivery = NULL;
    sqlite3_stmt *statement;
    bool is_there = false, is_sound = false;
    int rc = db_bind(db, SQL_DELIVERY_FETCH, &statement, DB_VALUES(DB_INT(seq)));

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        is_there = rc == SQLITE_ROW;
        if (is_there)
            rc = copy_whole(statement, seq, &delivery, &is_sound);
        rc = db_reset(statement, rc);
    }
    if (rc != SQLITE_OK)
        return db_errno(db, rc, error, "read a delivery");
    if (!is_there)
        return error_set(error, ENOENT, "delivery %" PRIu64 " is not there", seq);
    if (!is_sound)
        return error_set(error, EBADMSG,
            "delivery %" PRIu64 " is damaged: what the disk holds is not what was stored", seq);
    *ret_delivery = delivery;
    return 0;
}
