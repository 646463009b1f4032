/*
 * The commit path: a batch of appends and settles in one transaction with one sync.
 *
 * Every answer of 2xx goes through sqlite_commit. The rules that make it true:
 * - what a transaction does to what we remember goes to a copy, which is put in force only after
 *   COMMIT said SQLITE_OK, that is, after the WAL was synced;
 * - after any error the transaction is rolled back and nothing of the batch happened;
 * - an error that leaves doubt about the disk is STORE_FAILED, and the front never comes back here.
 */

#include "store/checksum.h"
#include "store/sqlite_store.h"

#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>

/* Whether the delivery is older than the newest of its job. */
static int judge_stale(struct db *db, const struct delivery *delivery, bool *ret_stale)
{
    sqlite3_stmt *statement;
    bool stale = false;
    int rc = db_bind(db, SQL_JOB_NEWEST, &statement,
        DB_VALUES(DB_TEXT(delivery->job_id), DB_TEXT(delivery->endpoint)));

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        stale = rule_is_stale(
            sqlite3_column_int64(statement, 0), sqlite3_column_int64(statement, 1) != 0, delivery);
    rc = db_reset(statement, rc);
    if (rc == SQLITE_OK)
        *ret_stale = stale;
    return rc;
}

static int insert_delivery(struct db *db, const struct delivery *delivery, uint64_t seq, bool stale)
{
    return db_run(db, SQL_DELIVERY_INSERT,
        DB_VALUES(DB_INT(seq), DB_INT(delivery->received_at_usec),
            DB_INT(delivery->updated_at_usec), DB_INT(delivery->terminal), DB_INT(stale),
            DB_TEXT(delivery->endpoint), DB_TEXT(delivery->request_id), DB_TEXT(delivery->secret),
            DB_TEXT(delivery->job_id), DB_TEXT(delivery->type), DB_TEXT(delivery->status),
            DB_BLOB(delivery->id_digest.bytes, DIGEST_SIZE),
            DB_BLOB(delivery->body_digest.bytes, DIGEST_SIZE),
            DB_INT(checksum_delivery(delivery, seq, stale)),
            DB_BLOB(delivery->body, delivery->body_length),
            DB_TEXT(delivery->unverified ? delivery->unverified : "")));
}

static int append_copy(struct db *db, struct store_append *append, const struct sqlite_seen *seen)
{
    append->seq = seen->seq;
    if (seen->same_body) {
        append->verdict = STORE_VERDICT_DUPLICATE;
        return SQLITE_OK;
    }
    append->verdict = STORE_VERDICT_CONFLICT;
    return conflicts_keep(db, seen->seq, append->delivery);
}

static int append_new(struct db *db, struct store_append *append, struct sqlite_state *state)
{
    uint64_t seq = state->head + 1;
    bool stale = false;
    int rc = judge_stale(db, append->delivery, &stale);

    if (rc == SQLITE_OK)
        rc = insert_delivery(db, append->delivery, seq, stale);
    if (rc != SQLITE_OK)
        return rc;
    state->head = seq;
    append->verdict = STORE_VERDICT_STORED;
    append->seq = seq;
    append->stale = stale;
    return SQLITE_OK;
}

static int append_one(struct db *db, struct store_append *append, struct sqlite_state *state)
{
    struct sqlite_seen seen;
    bool is_new;
    int rc = ids_claim(db, append->delivery, state->head + 1, &is_new, &seen);

    if (rc != SQLITE_OK)
        return rc;
    return is_new ? append_new(db, append, state) : append_copy(db, append, &seen);
}

/* Without room for anything new: only a true copy of what is stored can be told so. */
static int answer_copy(struct db *db, struct store_append *append)
{
    struct sqlite_seen seen;
    bool is_new;
    int rc = ids_find(db, append->delivery, &is_new, &seen);

    if (rc == SQLITE_OK && !is_new && seen.same_body) {
        append->verdict = STORE_VERDICT_DUPLICATE;
        append->seq = seen.seq;
    }
    return rc;
}

/* What a batch may take of the disk: the bodies, and for each a few pages of its own. */
static uint64_t room_for(const struct store_batch *batch)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < batch->n_appends; i++)
        bytes += batch->appends[i]->delivery->body_length + 3 * 4096;
    return bytes;
}

static int apply_appends(struct sqlite_store *store, struct store_batch *batch,
    struct sqlite_state *state, struct error *error)
{
    bool has_room = batch->n_appends == 0 || sqlite_has_room(store, room_for(batch), error);
    int rc = SQLITE_OK;

    for (size_t i = 0; rc == SQLITE_OK && i < batch->n_appends; i++) {
        struct store_append *append = batch->appends[i];

        append->verdict = STORE_VERDICT_REFUSED;
        if (append->delivery->body_length > STORE_BODY_MAX)
            error_set(error, EFBIG, "a body of %zu bytes is more than the store keeps",
                append->delivery->body_length);
        else if (has_room)
            rc = append_one(&store->db, append, state);
        else
            rc = answer_copy(&store->db, append);
    }
    return rc;
}

static int apply(struct sqlite_store *store, struct store_batch *batch, struct sqlite_state *state,
    struct error *error)
{
    int rc = db_run(&store->db, SQL_BEGIN, DB_NO_VALUES);

    if (rc == SQLITE_OK)
        rc = apply_appends(store, batch, state, error);
    for (size_t i = 0; rc == SQLITE_OK && i < batch->n_settles; i++)
        rc = settle_apply(store, batch->settles[i], state, error);
    if (rc == SQLITE_OK)
        rc = db_run(&store->db, SQL_COMMIT, DB_NO_VALUES);
    return rc;
}

/* A settle that found the store damaged has said so in better words. */
static enum store_result explain(struct db *db, int rc, struct error *error)
{
    if (rc == SQLITE_CORRUPT && error->code == EBADMSG)
        return STORE_FAILED;
    return db_result(db, rc, error, "commit");
}

enum store_result sqlite_commit(struct store *base, struct store_batch *batch, struct error *error)
{
    struct sqlite_store *store = sqlite_store(base);
    struct sqlite_state state = store->now;
    int rc;

    if (!room_is_settled(store, error))
        return STORE_UNAVAILABLE;
    rc = apply(store, batch, &state, error);
    /* With the reserve given back settles have room; appends are refused now. */
    if (room_ran_out(store, rc) && db_roll_back(&store->db, STORE_OK, error) == STORE_OK) {
        state = store->now;
        rc = apply(store, batch, &state, error);
    }
    if (rc != SQLITE_OK)
        return db_roll_back(&store->db, explain(&store->db, rc, error), error);
    store->now = state;
    store->wal.last_commit_usec = clock_monotonic(store->clock);
    return STORE_OK;
}
