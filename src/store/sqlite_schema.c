/*
 * The schema of the SQLite store and its forward migrations.
 *
 * Identity is `application_id`, the version is `user_version`; both are in the database header, so
 * they are part of the same transaction as the change they name. Only forward: an older program
 * refuses a newer store, since it cannot know what its rows mean.
 *
 * deliveries  append-only, in order of arrival. The body is last, so that a walk without bodies
 *             need not read over overflow pages; `unverified` (step 2) stands behind it, but is
 *             empty unless the endpoint is in report mode, and what is empty is not read from the
 *             page. `checksum` covers the whole row (checksum.h).
 * index_*     (step 3) by request id, which outlives the deliveries, and by job: sqlite_index.h.
 *             index_runs names the runs, index_blocks holds their entries, index_summaries what is
 *             in memory of the blocks. Before, ids were in a table `ids` and jobs in an index.
 * conflicts   other bodies under an id that was seen, as evidence. `checksum` (step 4) covers the
 *             body as it is kept; NULL: it is from before.
 * sinks       frontier and counters; dead and pending are not stored but counted from the rows.
 *             `paused` (step 2) is an operator's wish.
 * progress    rows of what is out of step. state: 0 pending, 1 done (kept until pruning where the
 *             marks cannot tell when it was settled), 2 dead.
 * attempts    what a sink tried, clustered by delivery; n counts up within a delivery.
 * marks       about hourly: at this time the head was here, and all active sinks had settled up to
 *             there. They date whole runs of deliveries, so that none needs a time of its own.
 * store       one row: how far pruning came. Deliveries up to pruned_through are gone but for those
 *             held by a row; head - pruned_deliveries are kept. Ids of deliveries up to
 *             forgotten_through are forgotten. Deliveries up to indexed_through are in the index.
 */

#include "store/sqlite_schema.h"

#include "store/sqlite_index.h"

#include "util/cleanup.h"

#include <errno.h>
#include <stdio.h>

const struct schema_step schema_steps[] = {
    {
        "PRAGMA application_id = 0x53434244;"
        "CREATE TABLE deliveries ("
        " seq INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,"
        " terminal INTEGER NOT NULL, stale INTEGER NOT NULL, endpoint TEXT NOT NULL,"
        " request_id TEXT NOT NULL, secret TEXT NOT NULL, job_id TEXT NOT NULL,"
        " type TEXT NOT NULL, status TEXT NOT NULL, id_digest BLOB NOT NULL,"
        " body_digest BLOB NOT NULL, checksum INTEGER NOT NULL, body BLOB NOT NULL) STRICT;"
        "CREATE INDEX deliveries_by_job ON deliveries (job_id, endpoint, updated_at, terminal);"
        "CREATE TABLE ids ("
        " digest BLOB PRIMARY KEY, seq INTEGER NOT NULL, body_digest BLOB NOT NULL)"
        " STRICT, WITHOUT ROWID;"
        "CREATE TABLE conflicts ("
        " id INTEGER PRIMARY KEY, seq INTEGER NOT NULL, received_at INTEGER NOT NULL,"
        " body_digest BLOB NOT NULL, full_length INTEGER NOT NULL, secret TEXT NOT NULL,"
        " body BLOB NOT NULL) STRICT;"
        "CREATE UNIQUE INDEX conflicts_by_seq ON conflicts (seq, body_digest);"
        "CREATE TABLE sinks ("
        " id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, active INTEGER NOT NULL,"
        " start INTEGER NOT NULL, frontier INTEGER NOT NULL,"
        " delivered INTEGER NOT NULL DEFAULT 0, filtered INTEGER NOT NULL DEFAULT 0,"
        " requeued INTEGER NOT NULL DEFAULT 0, dropped INTEGER NOT NULL DEFAULT 0,"
        " position BLOB NOT NULL DEFAULT x'') STRICT;"
        "CREATE TABLE progress ("
        " seq INTEGER NOT NULL, sink INTEGER NOT NULL, state INTEGER NOT NULL,"
        " attempts INTEGER NOT NULL, next_at INTEGER NOT NULL, replay INTEGER NOT NULL,"
        " settled_at INTEGER NOT NULL, PRIMARY KEY (seq, sink)) STRICT, WITHOUT ROWID;"
        "CREATE INDEX progress_by_state ON progress (sink, state, seq);"
        "CREATE INDEX progress_settled ON progress (settled_at) WHERE state = 1;"
        "CREATE TABLE attempts ("
        " seq INTEGER NOT NULL, n INTEGER NOT NULL, sink INTEGER NOT NULL,"
        " number INTEGER NOT NULL, started_at INTEGER NOT NULL, duration INTEGER NOT NULL,"
        " result TEXT NOT NULL, output BLOB NOT NULL, PRIMARY KEY (seq, n))"
        " STRICT, WITHOUT ROWID;"
        "CREATE TABLE marks ("
        " id INTEGER PRIMARY KEY, at INTEGER NOT NULL, head INTEGER NOT NULL,"
        " settled INTEGER NOT NULL) STRICT;"
        "CREATE TABLE store ("
        " one INTEGER PRIMARY KEY CHECK (one = 1), pruned_through INTEGER NOT NULL,"
        " pruned_deliveries INTEGER NOT NULL, forgotten_through INTEGER NOT NULL,"
        " forgotten_ids INTEGER NOT NULL) STRICT;"
        "INSERT INTO store VALUES (1, 0, 0, 0, 0);",
        NULL,
    },
    {
        "ALTER TABLE deliveries ADD COLUMN unverified TEXT NOT NULL DEFAULT '';"
        "ALTER TABLE sinks ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;",
        NULL,
    },
    {
        "CREATE TABLE index_runs ("
        " id INTEGER PRIMARY KEY, entries INTEGER NOT NULL, ids INTEGER NOT NULL,"
        " blocks INTEGER NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL) STRICT;"
        "CREATE TABLE index_blocks (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
        "CREATE TABLE index_summaries (id INTEGER PRIMARY KEY, data BLOB NOT NULL) STRICT;"
        "ALTER TABLE store ADD COLUMN indexed_through INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE store DROP COLUMN forgotten_ids;",
        index_convert,
    },
    {
        "ALTER TABLE conflicts ADD COLUMN checksum INTEGER;",
        NULL,
    },
};

const size_t schema_n_steps = ARRAY_SIZE(schema_steps);

static int read_number(struct db *db, const char *sql, int64_t *ret_value, struct error *error)
{
    sqlite3_stmt *statement;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &statement, NULL);
    int64_t value = 0;

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW)
            value = sqlite3_column_int64(statement, 0);
        rc = db_reset(statement, rc);
        sqlite3_finalize(statement);
    }
    if (rc != SQLITE_OK)
        return db_errno(db, rc, error, "read what the database is");
    *ret_value = value;
    return 0;
}

int schema_check(struct db *db, size_t n_steps, struct error *error)
{
    int64_t id = 0, version = 0, objects = 0;
    int r;

    if ((r = read_number(db, "PRAGMA application_id", &id, error)) < 0 ||
        (r = read_number(db, "PRAGMA user_version", &version, error)) < 0 ||
        (r = read_number(db, "SELECT count(*) FROM sqlite_schema", &objects, error)) < 0)
        return r;

    if (id == 0 && version == 0 && objects == 0)
        return 0;
    if (id != SCHEMA_APPLICATION_ID)
        return error_set(error, EMEDIUMTYPE,
            "is a database, but not a store of sasha-callbackd; store.path must name another file");
    if (version > (int64_t)n_steps)
        return error_set(error, EPROTONOSUPPORT,
            "was made by a newer sasha-callbackd (schema %lld, this one knows up to %zu); "
            "install that version or a later one",
            (long long)version, n_steps);
    return 0;
}

static int apply_step(struct db *db, const struct schema_step *step, int64_t version)
{
    char set_version[64];
    int rc;

    snprintf(set_version, sizeof(set_version), "PRAGMA user_version = %lld", (long long)version);
    rc = db_exec(db, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK)
        rc = db_exec(db, step->sql);
    if (rc == SQLITE_OK && step->convert)
        rc = step->convert(db);
    if (rc == SQLITE_OK)
        rc = db_exec(db, set_version);
    if (rc == SQLITE_OK)
        rc = db_exec(db, "COMMIT");
    return rc;
}

int schema_migrate(
    struct db *db, const struct schema_step *steps, size_t n_steps, struct error *error)
{
    int64_t version = 0;
    int r = read_number(db, "PRAGMA user_version", &version, error);

    if (r < 0)
        return r;
    for (size_t i = (size_t)version; i < n_steps; i++) {
        int rc = apply_step(db, &steps[i], (int64_t)i + 1);
        if (rc != SQLITE_OK) {
            r = db_errno(db, rc, error, "bring the schema up to date");
            (void)db_roll_back(db, STORE_UNAVAILABLE, NULL);
            return r;
        }
    }
    return 0;
}
