/*
 * The index: opening, finding, adding, and the ends of transactions. See sqlite_index.h.
 *
 * Everything is looked for from the youngest to the oldest: recent, frozen, the runs. An id is in
 * one of them only. A job can be in all, so the newest is chosen among what they have.
 */

#include "store/sqlite_index.h"
#include "store/sqlite_store.h"

#include "util/cleanup.h"

#include <string.h>

/* The entries of one delivery. */
#define ENTRIES 2

/* Recent entries: those of INDEX_FREEZE deliveries, and of the batches that come before the frozen
 * ones before them are written. */
#define RECENT_MAX (ENTRIES * (size_t)(INDEX_FREEZE + INDEX_FREEZE / 2))

/* Blocks written at once where somebody waits for all of them: a usual flush. */
#define FLUSH_BLOCKS 256

/* ---- finding ---- */

/* What a search has met so far. */
struct match {
    bool found;
    struct index_entry entry;
};

static void match_note(struct match *match, const struct index_entry *entry)
{
    if (match->found && index_entry_compare(&match->entry, entry) <= 0)
        return;
    match->found = true;
    match->entry = *entry;
}

void index_expect(const struct sqlite_index *index, const struct delivery *delivery)
{
    struct index_key id = index_key_of_id(&delivery->id_digest);
    struct index_key job = index_key_of_job(delivery->job_id, delivery->endpoint);

    index_recent_expect(&index->recent, &id, INDEX_ID);
    index_recent_expect(&index->recent, &job, INDEX_JOB);
    for (size_t i = 0; i < index->n_runs; i++) {
        index_run_expect(&index->runs[i], &id);
        index_run_expect(&index->runs[i], &job);
    }
}

/* Looks into the runs; an id is looked for no further once it is found. */
static int find_in_runs(struct sqlite_index *index, struct db *db, const struct index_key *key,
    enum index_kind kind, struct match *match)
{
    const struct index_filter_bits bits = index_filter_bits(key);
    size_t blocks[INDEX_RUNS_MAX];

    for (size_t i = 0; i < index->n_runs; i++)
        blocks[i] = index_run_locate(&index->runs[i], key);
    for (size_t i = index->n_runs; i > 0 && !(match->found && kind == INDEX_ID); i--) {
        struct index_entry in_run;
        bool found;
        int rc = index_run_find(
            &index->runs[i - 1], db, key, &bits, kind, blocks[i - 1], &found, &in_run);

        if (rc != SQLITE_OK)
            return rc;
        if (found)
            match_note(match, &in_run);
    }
    return SQLITE_OK;
}

static int find(struct sqlite_index *index, struct db *db, const struct index_key *key,
    enum index_kind kind, struct match *match)
{
    const struct index_entry *entry = index_recent_find(&index->recent, key, kind);

    if (entry)
        match_note(match, entry);
    if (index->frozen.entries && (entry = index_frozen_find(&index->frozen, key, kind)) != NULL)
        match_note(match, entry);
    if (match->found && kind == INDEX_ID)
        return SQLITE_OK;
    return find_in_runs(index, db, key, kind, match);
}

int index_find_id(struct sqlite_index *index, struct db *db, const struct sqlite_state *state,
    const struct delivery *delivery, bool *ret_new, struct index_found *ret_found)
{
    struct index_key key = index_key_of_id(&delivery->id_digest);
    struct match match = {.found = false};
    int rc = find(index, db, &key, INDEX_ID, &match);

    if (rc != SQLITE_OK)
        return rc;
    *ret_new = !match.found || index_entry_seq(&match.entry) <= state->forgotten_through;
    if (!*ret_new)
        *ret_found = (struct index_found){
            .seq = index_entry_seq(&match.entry),
            .same_body = index_entry_has_body(&match.entry, &delivery->body_digest),
        };
    return SQLITE_OK;
}

int index_find_job(struct sqlite_index *index, struct db *db, const struct delivery *delivery,
    bool *ret_new, struct index_found *ret_found)
{
    struct index_key key = index_key_of_job(delivery->job_id, delivery->endpoint);
    struct match match = {.found = false};
    int rc = find(index, db, &key, INDEX_JOB, &match);

    if (rc != SQLITE_OK)
        return rc;
    *ret_new = !match.found;
    if (match.found)
        *ret_found = (struct index_found){
            .seq = index_entry_seq(&match.entry),
            .updated_at_usec = index_entry_updated_at(&match.entry),
            .terminal = index_entry_terminal(&match.entry),
        };
    return SQLITE_OK;
}

/* ---- adding ---- */

void index_add(struct sqlite_index *index, const struct delivery *delivery, uint64_t seq)
{
    struct index_entry id = index_entry_of_id(delivery, seq);
    struct index_entry job = index_entry_of_job(delivery, seq);

    index_recent_add(&index->recent, &id);
    index_recent_add(&index->recent, &job);
}

bool index_has_room(const struct sqlite_index *index, size_t n)
{
    return index->recent.n + ENTRIES * n <= index->recent.capacity;
}

/* Makes the recent entries the frozen ones, of which there must be none. Not within a transaction
 * that added some. */
static int freeze(struct sqlite_index *index, uint64_t head)
{
    if (index_recent_freeze(&index->recent, &index->frozen) < 0)
        return SQLITE_NOMEM;
    index->n_committed = 0;
    index->frozen_through = head;
    return SQLITE_OK;
}

int index_make_room(struct sqlite_index *index, struct db *db, struct sqlite_state *state, size_t n)
{
    struct index_recent larger;
    int rc;

    if (index_has_room(index, n))
        return SQLITE_OK;
    rc = index_flush(index, db, state);
    if (rc != SQLITE_OK || index_has_room(index, n))
        return rc;
    /* A batch larger than the writer's, of a program that fills a store. */
    if (index_recent_init(&larger, ENTRIES * n) < 0) {
        index_recent_done(&larger);
        return SQLITE_NOMEM;
    }
    index_recent_done(&index->recent);
    index->recent = larger;
    return SQLITE_OK;
}

void index_committed(struct sqlite_index *index, uint64_t head)
{
    index->n_committed = index->recent.n;
    index_jobs_committed(index);
    /* Without memory for it now the next commit tries again; index_make_room is the bound. */
    if (index->recent.n >= ENTRIES * (size_t)INDEX_FREEZE && !index->frozen.entries)
        (void)freeze(index, head);
}

void index_rolled_back(struct sqlite_index *index)
{
    index_recent_truncate(&index->recent, index->n_committed);
    index_jobs_rolled_back(index);
}

/* ---- writing everything ---- */

/* One transaction's worth of writing, the frozen entries first. */
static int work_once(struct sqlite_index *index, struct db *db, struct sqlite_state *state)
{
    struct sqlite_state after = *state;
    int rc = db_run(db, SQL_BEGIN, DB_NO_VALUES);

    if (rc == SQLITE_OK)
        rc = index_work(index, db, &after, FLUSH_BLOCKS);
    if (rc == SQLITE_OK)
        rc = db_run(db, SQL_COMMIT, DB_NO_VALUES);
    if (rc != SQLITE_OK) {
        index_rolled_back(index);
        return rc;
    }
    *state = after;
    index_committed(index, state->head);
    return SQLITE_OK;
}

int index_flush(struct sqlite_index *index, struct db *db, struct sqlite_state *state)
{
    int rc = SQLITE_OK;

    while (rc == SQLITE_OK && (index->frozen.entries || index->recent.n > 0)) {
        if (!index->frozen.entries)
            rc = freeze(index, state->head);
        if (rc == SQLITE_OK)
            rc = work_once(index, db, state);
    }
    return rc;
}

/* ---- opening ---- */

static bool copy_digest(sqlite3_stmt *statement, int column, struct digest *digest)
{
    const void *bytes = sqlite3_column_blob(statement, column);

    if (!bytes || sqlite3_column_bytes(statement, column) != DIGEST_SIZE)
        return false;
    memcpy(digest->bytes, bytes, DIGEST_SIZE);
    return true;
}

/* Columns as in SQL_INDEX_RECENT. A row that the disk has damaged is left out: it is found out when
 * it is fetched, and must not keep all others from being delivered. One for which there is no
 * memory must not be: its copy would be taken for new. */
static int add_row(struct sqlite_index *index, sqlite3_stmt *statement, uint64_t seq)
{
    struct delivery delivery = {
        .updated_at_usec = sqlite3_column_int64(statement, 1),
        .terminal = sqlite3_column_int64(statement, 2) != 0,
        .job_id = (const char *)sqlite3_column_text(statement, 3),
        .endpoint = (const char *)sqlite3_column_text(statement, 4),
    };

    if (delivery.job_id && delivery.endpoint && copy_digest(statement, 5, &delivery.id_digest) &&
        copy_digest(statement, 6, &delivery.body_digest))
        index_add(index, &delivery, seq);
    else if (sqlite3_errcode(sqlite3_db_handle(statement)) == SQLITE_NOMEM)
        return SQLITE_NOMEM;
    return SQLITE_OK;
}

/* Adds the deliveries after *at until there is no more room, or no more. */
static int add_rows(struct sqlite_index *index, struct db *db, uint64_t *at, bool *ret_more)
{
    sqlite3_stmt *statement;
    int rc = db_bind(db, SQL_INDEX_RECENT, &statement, DB_VALUES(DB_INT(*at)));

    *ret_more = false;
    while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        *ret_more = !index_has_room(index, 1);
        if (*ret_more)
            break;
        *at = (uint64_t)sqlite3_column_int64(statement, 0);
        rc = add_row(index, statement, *at);
    }
    return statement ? db_reset(statement, rc) : rc;
}

int index_open(struct sqlite_index *index, struct db *db, struct sqlite_state *state)
{
    struct sqlite_state so_far = *state;
    uint64_t at = state->indexed_through;
    bool more = true;
    int rc;

    if (index_recent_init(&index->recent, RECENT_MAX) < 0)
        return SQLITE_NOMEM;
    rc = index_load_runs(index, db);
    while (rc == SQLITE_OK && more) {
        rc = add_rows(index, db, &at, &more);
        so_far.head = at;
        index->n_committed = index->recent.n;
        if (rc == SQLITE_OK && more)
            rc = index->frozen.entries ? index_flush(index, db, &so_far) : freeze(index, at);
    }
    state->indexed_through = so_far.indexed_through;
    return rc;
}

void index_close(struct sqlite_index *index)
{
    index_jobs_free(index);
    index_recent_done(&index->recent);
    index_frozen_done(&index->frozen);
    for (size_t i = 0; i < index->n_runs; i++)
        index_run_done(&index->runs[i]);
    free(index->garbage);
    *index = (struct sqlite_index){.n_runs = 0};
}
