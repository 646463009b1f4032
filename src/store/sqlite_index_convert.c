/*
 * Stores of schema 2 kept their request ids in a table of their own. Those whose deliveries are
 * still there are read from the deliveries by index_open; the others become the first run here.
 */

#include "store/sqlite_index.h"

#include <string.h>

/* Columns: digest, seq, body_digest; ids that were seen before, in order of digest. */
static const char select_ids[] = "SELECT digest, seq, body_digest FROM ids"
                                 " WHERE seq <= (SELECT pruned_through FROM store)"
                                 " AND seq > (SELECT forgotten_through FROM store) ORDER BY digest";

static int add_id(struct index_builder *builder, struct db *db, sqlite3_stmt *statement)
{
    struct delivery delivery = {.seq = 0};
    struct index_entry entry;

    if (sqlite3_column_bytes(statement, 0) != DIGEST_SIZE ||
        sqlite3_column_bytes(statement, 2) != DIGEST_SIZE)
        return SQLITE_CORRUPT;
    memcpy(delivery.id_digest.bytes, sqlite3_column_blob(statement, 0), DIGEST_SIZE);
    memcpy(delivery.body_digest.bytes, sqlite3_column_blob(statement, 2), DIGEST_SIZE);
    entry = index_entry_of_id(&delivery, (uint64_t)sqlite3_column_int64(statement, 1));
    return index_builder_add(builder, db, &entry);
}

int index_convert(struct db *db)
{
    struct index_builder builder;
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db->handle, select_ids, -1, &statement, NULL);

    index_builder_init(&builder, 1);
    while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW)
        rc = add_id(&builder, db, statement);
    if (statement) {
        rc = db_reset(statement, rc);
        sqlite3_finalize(statement);
    }
    if (rc == SQLITE_OK)
        rc = index_builder_finish(&builder, db);
    index_run_done(&builder.run);
    return rc == SQLITE_OK ? db_exec(db, "DROP TABLE ids; DROP INDEX deliveries_by_job;") : rc;
}
