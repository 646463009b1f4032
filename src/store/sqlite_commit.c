/*
 * The commit path: a batch of appends and settles in one transaction with one sync.
 *
 * Every answer of 2xx goes through sqlite_commit. The rules that make it true:
 * - what a transaction does to what we remember goes to a copy, which is put in force only after
 *   COMMIT said SQLITE_OK, that is, after the WAL was synced;
 * - after any error the transaction is rolled back and nothing of the batch happened; the index in
 *   memory takes back what it noted;
 * - an error that leaves doubt about the disk is STORE_FAILED, and the front never comes back here.
 *
 * A batch may be staged before it is complete: its first appends are then in the open transaction
 * already, and the commit goes on from there. Whenever that cannot be, the transaction is rolled
 * back and the whole batch is begun anew.
 */

#include "store/checksum.h"
#include "store/sqlite_store.h"

#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>

/* Jobs are found by a hash. Whether the delivery at `seq` is of the job and endpoint after all; one
 * that is pruned is believed to be. */
static int is_of_job(
    struct db *db, uint64_t seq, const struct delivery *delivery, bool *ret_is_of_job)
{
    int64_t same = 1;
    int rc = db_get_int(db, SQL_DELIVERY_IS_OF_JOB,
        DB_VALUES(DB_INT(seq), DB_TEXT(delivery->job_id), DB_TEXT(delivery->endpoint)), &same);

    *ret_is_of_job = same != 0;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Whether the delivery is older than the newest of its job. */
static int judge_stale(struct sqlite_store *store, const struct delivery *delivery, bool *ret_stale)
{
    struct index_found newest;
    bool is_new;
    int rc = index_find_job(&store->index, &store->db, delivery, &is_new, &newest);

    *ret_stale = false;
    if (rc != SQLITE_OK || is_new ||
        !rule_is_stale(newest.updated_at_usec, newest.terminal, delivery))
        return rc;
    return is_of_job(&store->db, newest.seq, delivery, ret_stale);
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

static int append_copy(struct db *db, struct store_append *append, const struct index_found *seen)
{
    append->seq = seen->seq;
    if (seen->same_body) {
        append->verdict = STORE_VERDICT_DUPLICATE;
        return SQLITE_OK;
    }
    append->verdict = STORE_VERDICT_CONFLICT;
    return conflicts_keep(db, seen->seq, append->delivery);
}

static int append_new(
    struct sqlite_store *store, struct store_append *append, struct sqlite_state *state)
{
    uint64_t seq = state->head + 1;
    bool stale = false;
    int rc = judge_stale(store, append->delivery, &stale);

    if (rc == SQLITE_OK)
        rc = insert_delivery(&store->db, append->delivery, seq, stale);
    if (rc != SQLITE_OK)
        return rc;
    index_add(&store->index, append->delivery, seq);
    state->head = seq;
    append->verdict = STORE_VERDICT_STORED;
    append->seq = seq;
    append->stale = stale;
    return SQLITE_OK;
}

static int append_one(
    struct sqlite_store *store, struct store_append *append, struct sqlite_state *state)
{
    struct index_found seen;
    bool is_new;
    int rc = index_find_id(&store->index, &store->db, state, append->delivery, &is_new, &seen);

    if (rc != SQLITE_OK)
        return rc;
    return is_new ? append_new(store, append, state) : append_copy(&store->db, append, &seen);
}

/* Without room for anything new: only a true copy of what is stored can be told so. */
static int answer_copy(
    struct sqlite_store *store, struct store_append *append, const struct sqlite_state *state)
{
    struct index_found seen;
    bool is_new;
    int rc = index_find_id(&store->index, &store->db, state, append->delivery, &is_new, &seen);

    if (rc == SQLITE_OK && !is_new && seen.same_body) {
        append->verdict = STORE_VERDICT_DUPLICATE;
        append->seq = seen.seq;
    }
    return rc;
}

/* What the appends that are not staged may take of the disk: the bodies, and for each a few pages
 * of its own. */
static uint64_t room_for_rest(const struct sqlite_store *store, const struct store_batch *batch)
{
    uint64_t bytes = 0;

    for (size_t i = batch->n_staged; i < batch->n_appends; i++)
        bytes += batch->appends[i]->delivery->body_length + 3 * store->wal.page_size;
    return bytes;
}

static bool has_room_for_rest(
    struct sqlite_store *store, const struct store_batch *batch, struct error *error)
{
    return batch->n_staged == batch->n_appends ||
           sqlite_has_room(store, room_for_rest(store, batch), error);
}

/* How many deliveries ahead the index is told of one: enough for memory to come, and few enough for
 * it to stay in the cache. */
#define LOOK_AHEAD 4

/* Those that are not staged yet, which they are then. */
static int apply_appends(
    struct sqlite_store *store, struct store_batch *batch, bool has_room, struct error *error)
{
    int rc = SQLITE_OK;

    for (size_t i = batch->n_staged; i < batch->n_appends && i < batch->n_staged + LOOK_AHEAD; i++)
        index_expect(&store->index, batch->appends[i]->delivery);
    for (; rc == SQLITE_OK && batch->n_staged < batch->n_appends; batch->n_staged++) {
        struct store_append *append = batch->appends[batch->n_staged];

        if (batch->n_staged + LOOK_AHEAD < batch->n_appends)
            index_expect(&store->index, batch->appends[batch->n_staged + LOOK_AHEAD]->delivery);
        append->verdict = STORE_VERDICT_REFUSED;
        if (append->delivery->body_length > STORE_BODY_MAX)
            error_set(error, EFBIG, "a body of %zu bytes is more than the store keeps",
                append->delivery->body_length);
        else if (has_room)
            rc = append_one(store, append, &store->next);
        else
            rc = answer_copy(store, append, &store->next);
    }
    return rc;
}

/* Of a batch that is not staged. */
static int begin(struct sqlite_store *store, const struct store_batch *batch)
{
    int rc = index_make_room(&store->index, &store->db, &store->now, batch->n_appends);

    store->next = store->now;
    return rc == SQLITE_OK ? db_run(&store->db, SQL_BEGIN, DB_NO_VALUES) : rc;
}

/* How much of the index's work goes along with a batch, in blocks: each delivery makes work for an
 * eighth of a block or less in all, so that this keeps up twice. */
static size_t share_of_work(const struct sqlite_store *store)
{
    uint64_t n = store->next.head - store->now.head;

    return n > 0 ? 1 + (size_t)n / 4 : 0;
}

static int try_once(struct sqlite_store *store, struct store_batch *batch, struct error *error)
{
    struct db *db = &store->db;
    int rc = batch->n_staged > 0 ? SQLITE_OK : begin(store, batch);

    if (rc == SQLITE_OK)
        rc = apply_appends(store, batch, has_room_for_rest(store, batch, error), error);
    for (size_t i = 0; rc == SQLITE_OK && i < batch->n_settles; i++)
        rc = settle_apply(store, batch->settles[i], &store->next, error);
    if (rc == SQLITE_OK)
        rc = index_work(&store->index, db, &store->next, share_of_work(store));
    if (rc == SQLITE_OK)
        rc = db_run(db, SQL_COMMIT, DB_NO_VALUES);
    return rc;
}

/* A settle that found the store damaged has said so in better words. */
static enum store_result explain(struct db *db, int rc, struct error *error)
{
    if (rc == SQLITE_CORRUPT && error->code == EBADMSG)
        return STORE_FAILED;
    return db_result(db, rc, error, "commit");
}

static enum store_result take_back(struct sqlite_store *store, struct store_batch *batch,
    enum store_result result, struct error *error)
{
    batch->n_staged = 0;
    index_rolled_back(&store->index);
    return db_roll_back(&store->db, result, error);
}

/* Begins anew what is staged when the index has no place for the rest. Returns whether it is known
 * what is in the transaction. */
static bool go_on(struct sqlite_store *store, struct store_batch *batch, struct error *error)
{
    if (batch->n_staged == 0 || index_has_room(&store->index, batch->n_appends - batch->n_staged) ||
        take_back(store, batch, STORE_OK, error) == STORE_OK)
        return true;
    error_set(error, EIO, "cannot roll back what was staged");
    return false;
}

enum store_result sqlite_commit(struct store *base, struct store_batch *batch, struct error *error)
{
    struct sqlite_store *store = sqlite_store(base);
    int rc;

    if (!room_is_settled(store, error))
        return STORE_UNAVAILABLE;
    if (!go_on(store, batch, error))
        return STORE_FAILED;
    rc = try_once(store, batch, error);
    /* With the reserve given back settles have room; appends are refused now. */
    if (room_ran_out(store, rc) && take_back(store, batch, STORE_OK, error) == STORE_OK)
        rc = try_once(store, batch, error);
    if (rc != SQLITE_OK)
        return take_back(store, batch, explain(&store->db, rc, error), error);
    batch->n_staged = 0;
    store->now = store->next;
    index_committed(&store->index, store->now.head);
    store->wal.last_commit_usec = clock_monotonic(store->clock);
    return STORE_OK;
}

/* Nobody is waited for: the commit does that. */
static int begin_at_once(struct sqlite_store *store, const struct store_batch *batch)
{
    int rc;

    sqlite3_busy_timeout(store->db.handle, 0);
    rc = begin(store, batch);
    sqlite3_busy_timeout(store->db.handle, DB_BUSY_MSEC);
    return rc;
}

/* What cannot be done as usual is left to the commit. */
enum store_result sqlite_stage(struct store *base, struct store_batch *batch, struct error *error)
{
    struct sqlite_store *store = sqlite_store(base);
    struct error own = ERROR_INIT;
    enum store_result result;
    int rc = SQLITE_OK;

    if (batch->n_staged == batch->n_appends || !room_is_settled(store, &own) ||
        !has_room_for_rest(store, batch, &own))
        return STORE_OK;
    if (batch->n_staged > 0 && !index_has_room(&store->index, batch->n_appends - batch->n_staged))
        return STORE_OK;
    if (batch->n_staged == 0)
        rc = begin_at_once(store, batch);
    if (rc == SQLITE_OK)
        rc = apply_appends(store, batch, true, error);
    if (rc == SQLITE_OK)
        return STORE_OK;
    result = take_back(store, batch, explain(&store->db, rc, &own), &own);
    if (result != STORE_FAILED)
        return STORE_OK;
    *error = own;
    return STORE_FAILED;
}
