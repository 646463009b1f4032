/*
 * Evidence: bodies that came, correctly signed, under a request id that stood for another body.
 *
 * Bounded in every direction, for it is not our queue but a finding to be looked at: each distinct
 * body once, a few for one id, the newest in all, and of a large body the beginning.
 */

#include "store/checksum.h"
#include "store/sqlite_store.h"

int conflicts_keep(struct db *db, uint64_t seq, const struct delivery *delivery)
{
    const struct db_value digest = DB_BLOB(delivery->body_digest.bytes, DIGEST_SIZE);
    size_t kept = delivery->body_length;
    sqlite3_stmt *statement;
    bool is_full = false;
    int rc = db_bind(db, SQL_CONFLICT_COUNT, &statement, DB_VALUES(DB_INT(seq), digest));

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        is_full = sqlite3_column_int64(statement, 0) >= STORE_CONFLICTS_PER_DELIVERY ||
                  sqlite3_column_int64(statement, 1) != 0;
    rc = db_reset(statement, rc);
    if (rc != SQLITE_OK || is_full)
        return rc;

    if (kept > STORE_CONFLICT_BODY_MAX)
        kept = STORE_CONFLICT_BODY_MAX;
    rc = db_run(db, SQL_CONFLICT_INSERT,
        DB_VALUES(DB_INT(seq), DB_INT(delivery->received_at_usec), digest,
            DB_INT(delivery->body_length), DB_TEXT(delivery->secret), DB_BLOB(delivery->body, kept),
            DB_INT(checksum_bytes(delivery->body, kept))));
    if (rc == SQLITE_OK)
        rc = db_run(db, SQL_CONFLICT_TRIM, DB_VALUES(DB_INT(STORE_CONFLICTS_MAX)));
    return rc;
}
