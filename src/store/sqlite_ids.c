/*
 * Which request ids were seen: the only file that knows the table `ids`.
 *
 * A row an id: digest, the delivery that came first under it, and the digest of its body, which
 * tells a duplicate from a conflict when the body itself is long pruned. The digests are random, so
 * each row costs a page of its own in the WAL; that is the price of this form, and the reason why
 * it is kept behind these few functions.
 *
 * Forgetting (finite keep_ids) walks the whole table in the order of its key, a bounded step at a
 * time, since an index by age would cost as much again for every delivery. A walk starts only when
 * a sixteenth of what is remembered would go, which bounds its cost per id forgotten. Where a walk
 * is lives in memory: after a restart it begins anew.
 */

#include "store/sqlite_store.h"

#include <string.h>

/* Ids looked at in one step. */
#define WALK_STEP 2000

/* A walk pays when one in so many ids goes. */
#define WALK_SHARE 16

int ids_find(
    struct db *db, const struct delivery *delivery, bool *ret_new, struct sqlite_seen *ret_seen)
{
    sqlite3_stmt *statement;
    int rc = db_bind(
        db, SQL_ID_FIND, &statement, DB_VALUES(DB_BLOB(delivery->id_digest.bytes, DIGEST_SIZE)));

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_DONE)
        *ret_new = true;
    if (rc == SQLITE_ROW) {
        *ret_new = false;
        ret_seen->seq = (uint64_t)sqlite3_column_int64(statement, 0);
        ret_seen->same_body = sqlite3_column_bytes(statement, 1) == DIGEST_SIZE &&
                              memcmp(sqlite3_column_blob(statement, 1), delivery->body_digest.bytes,
                                  DIGEST_SIZE) == 0;
    }
    return db_reset(statement, rc);
}

int ids_claim(struct db *db, const struct delivery *delivery, uint64_t seq, bool *ret_new,
    struct sqlite_seen *ret_seen)
{
    int rc = db_run(db, SQL_ID_CLAIM,
        DB_VALUES(DB_BLOB(delivery->id_digest.bytes, DIGEST_SIZE), DB_INT(seq),
            DB_BLOB(delivery->body_digest.bytes, DIGEST_SIZE)));

    if (rc != SQLITE_OK)
        return rc;
    if (sqlite3_changes(db->handle) == 1) {
        *ret_new = true;
        return SQLITE_OK;
    }
    return ids_find(db, delivery, ret_new, ret_seen);
}

/* Gathers up to WALK_STEP ids after `at` into `found`, whose seqs tell which of them go. */
struct walked {
    size_t n;
    size_t n_going;
    struct digest last;
    struct digest going[WALK_STEP];
};

static int walk(struct db *db, const struct digest *at, uint64_t through, struct walked *walked)
{
    sqlite3_stmt *statement;
    int rc = db_bind(
        db, SQL_ID_WALK, &statement, DB_VALUES(DB_BLOB(at->bytes, DIGEST_SIZE), DB_INT(WALK_STEP)));

    if (rc != SQLITE_OK)
        return rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        if (sqlite3_column_bytes(statement, 0) != DIGEST_SIZE) {
            rc = SQLITE_CORRUPT;
            break;
        }
        memcpy(walked->last.bytes, sqlite3_column_blob(statement, 0), DIGEST_SIZE);
        walked->n++;
        if ((uint64_t)sqlite3_column_int64(statement, 1) <= through)
            walked->going[walked->n_going++] = walked->last;
    }
    return db_reset(statement, rc);
}

static bool is_worth_it(const struct sqlite_state *state, uint64_t through)
{
    return through > state->forgotten_through &&
           (through - state->forgotten_through) >=
               (state->head - state->forgotten_through) / WALK_SHARE;
}

int ids_sweep(struct db *db, uint64_t through, struct sqlite_state *state,
    struct sqlite_sweep *sweep, bool *ret_more)
{
    struct walked walked = {0};
    int rc;

    if (sweep->through == 0) {
        if (!is_worth_it(state, through))
            return SQLITE_OK;
        *sweep = (struct sqlite_sweep){.through = through};
    }
    rc = walk(db, &sweep->at, sweep->through, &walked);
    for (size_t i = 0; rc == SQLITE_OK && i < walked.n_going; i++)
        rc = db_run(db, SQL_ID_FORGET, DB_VALUES(DB_BLOB(walked.going[i].bytes, DIGEST_SIZE)));
    if (rc != SQLITE_OK)
        return rc;

    state->forgotten_ids += walked.n_going;
    if (walked.n == WALK_STEP) {
        sweep->at = walked.last;
        *ret_more = true;
    } else {
        state->forgotten_through = sweep->through;
        *sweep = (struct sqlite_sweep){0};
    }
    return SQLITE_OK;
}
