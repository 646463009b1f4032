/*
 * Pruning: deliveries whose time is over, ids that need not be remembered.
 *
 * When a delivery was settled is not stored with it. About once an hour a mark says how far all
 * active sinks had come; what a mark older than keep_deliveries covers is over its time, but for
 * what a row holds (IS_HELD in sqlite_sql.c). Runs are deleted in bounded steps from the oldest on;
 * what was held is deleted when its last row is done and over its time.
 *
 * Time that jumped ahead is not gone by, nor noted in a mark, before it has proved itself
 * (rule_time_look).
 *
 * A sink that is not in the conf does not hold anything up. Where pruning overtakes it, its
 * frontier moves along and `dropped` says by how much, so that its sum stays right and it never
 * looks for deliveries that are gone.
 */

#include "store/sqlite_store.h"

#include "util/cleanup.h"

/* Deliveries looked at in one step. */
#define PRUNE_STEP 500

/* Blocks of the index written in one step. */
#define INDEX_STEP 64

/* Rows of late ones looked at in one step. */
#define LATE_STEP 100

/* ---- marks ---- */

static int load_mark(struct db *db, enum sql sql, const struct db_value *values, size_t n,
    struct sqlite_mark *ret_mark)
{
    sqlite3_stmt *statement;
    struct sqlite_mark mark = {0};
    int rc = db_bind(db, sql, &statement, values, n);

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        mark = (struct sqlite_mark){
            .id = sqlite3_column_int64(statement, 0),
            .at_usec = sqlite3_column_int64(statement, 1),
            .head = (uint64_t)sqlite3_column_int64(statement, 2),
            .settled = (uint64_t)sqlite3_column_int64(statement, 3),
        };
    rc = db_reset(statement, rc);
    if (rc == SQLITE_OK)
        *ret_mark = mark;
    return rc;
}

int marks_load_last(struct db *db, struct sqlite_mark *ret_mark)
{
    return load_mark(db, SQL_MARK_LAST, DB_NO_VALUES, ret_mark);
}

/* Up to where all active sinks have come. */
static int read_settled(struct sqlite_store *store, uint64_t *ret_settled)
{
    sqlite3_stmt *statement;
    int rc = db_bind(&store->db, SQL_SINK_SETTLED, &statement, DB_NO_VALUES);

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *ret_settled = sqlite3_column_type(statement, 0) == SQLITE_NULL
                           ? store->now.head
                           : (uint64_t)sqlite3_column_int64(statement, 0);
    return db_reset(statement, rc);
}

/* An hour in either direction: a clock that was set back must not stop the marks for a year. */
static bool is_mark_due(
    const struct sqlite_mark *last, int64_t now, uint64_t head, uint64_t settled)
{
    int64_t age = now - last->at_usec;

    if (last->id == 0)
        return head > 0;
    return (age >= USEC_PER_HOUR || age <= -USEC_PER_HOUR) &&
           (head != last->head || settled != last->settled);
}

static int set_mark(
    struct sqlite_store *store, struct sqlite_state *state, int64_t now, uint64_t settled)
{
    struct sqlite_mark mark = {.at_usec = now, .head = state->head, .settled = settled};
    int rc;

    if (!is_mark_due(&state->last_mark, now, state->head, settled))
        return SQLITE_OK;
    rc = db_run(&store->db, SQL_MARK_INSERT,
        DB_VALUES(DB_INT(mark.at_usec), DB_INT(mark.head), DB_INT(mark.settled)));
    if (rc != SQLITE_OK)
        return rc;
    mark.id = sqlite3_last_insert_rowid(store->db.handle);
    state->last_mark = mark;
    return SQLITE_OK;
}

/* The newest mark that is at least `keep_usec` old; id 0 if none is. */
static int find_mark(struct db *db, int64_t now, int64_t keep_usec, struct sqlite_mark *ret_mark)
{
    *ret_mark = (struct sqlite_mark){0};
    if (keep_usec == USEC_INFINITY)
        return SQLITE_OK;
    return load_mark(db, SQL_MARK_BEFORE, DB_VALUES(DB_INT(now - keep_usec)), ret_mark);
}

/* ---- deliveries ---- */

/* Deletes what nothing holds of the deliveries in (after, through], with all that is about them. */
static int prune_range(
    struct db *db, uint64_t after, uint64_t through, int64_t cutoff, struct sqlite_state *state)
{
    const struct db_value range[] = {DB_INT(after), DB_INT(through), DB_INT(cutoff)};
    static const enum sql orphans[] = {SQL_PRUNE_ATTEMPTS, SQL_PRUNE_DROPPED, SQL_PRUNE_ROWS};
    int rc = db_run(db, SQL_PRUNE_DELIVERIES, range, 3);

    if (rc == SQLITE_OK)
        state->pruned_deliveries += (uint64_t)sqlite3_changes(db->handle);
    for (size_t i = 0; rc == SQLITE_OK && i < ARRAY_SIZE(orphans); i++)
        rc = db_run(db, orphans[i], range, 2);
    return rc;
}

static int prune_run(
    struct db *db, uint64_t through, int64_t cutoff, struct sqlite_state *state, bool *ret_more)
{
    uint64_t after = state->pruned_through;
    int rc;

    if (through <= after)
        return SQLITE_OK;
    if (through - after > PRUNE_STEP) {
        through = after + PRUNE_STEP;
        *ret_more = true;
    }
    rc = prune_range(db, after, through, cutoff, state);
    if (rc == SQLITE_OK)
        rc = db_run(db, SQL_PRUNE_SKIP, DB_VALUES(DB_INT(through)));
    if (rc == SQLITE_OK)
        state->pruned_through = through;
    return rc;
}

struct late_row {
    uint64_t seq;
    uint32_t sink;
};

/* Runs a statement that gives at most LATE_STEP rows. */
static int find_late(struct db *db, enum sql sql, const struct db_value *values, size_t n_values,
    struct late_row *rows, size_t *ret_n)
{
    sqlite3_stmt *statement;
    size_t n = 0;
    int rc = db_bind(db, sql, &statement, values, n_values);

    if (rc != SQLITE_OK)
        return rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        rows[n++] = (struct late_row){
            .seq = (uint64_t)sqlite3_column_int64(statement, 0),
            .sink = (uint32_t)sqlite3_column_int64(statement, 1),
        };
    *ret_n = n;
    return db_reset(statement, rc);
}

/* Those that were settled long after their neighbours: their DONE rows have done their duty. */
static int prune_late(struct db *db, int64_t cutoff, struct sqlite_state *state, bool *ret_more)
{
    struct late_row rows[LATE_STEP];
    size_t n = 0;
    int rc =
        find_late(db, SQL_PRUNE_SETTLED, DB_VALUES(DB_INT(cutoff), DB_INT(LATE_STEP)), rows, &n);

    for (size_t i = 0; rc == SQLITE_OK && i < n; i++) {
        rc = db_run(db, SQL_ROW_DELETE, DB_VALUES(DB_INT(rows[i].seq), DB_INT(rows[i].sink)));
        if (rc == SQLITE_OK && rows[i].seq <= state->pruned_through)
            rc = prune_range(db, rows[i].seq - 1, rows[i].seq, cutoff, state);
    }
    if (n == LATE_STEP)
        *ret_more = true;
    return rc;
}

/* Those that only a sink held which has left the conf since the run went past them. */
static int prune_abandoned(
    struct db *db, int64_t cutoff, struct sqlite_state *state, bool *ret_more)
{
    struct late_row rows[LATE_STEP];
    size_t n = 0;
    int rc = find_late(db, SQL_PRUNE_ABANDONED,
        DB_VALUES(DB_INT(state->pruned_through), DB_INT(LATE_STEP), DB_INT(cutoff)), rows, &n);

    for (size_t i = 0; rc == SQLITE_OK && i < n; i++)
        rc = prune_range(db, rows[i].seq - 1, rows[i].seq, cutoff, state);
    if (n == LATE_STEP)
        *ret_more = true;
    return rc;
}

static int prune_deliveries(struct sqlite_store *store, const struct sqlite_mark *mark,
    int64_t cutoff, uint64_t settled, struct sqlite_state *state, bool *ret_more)
{
    uint64_t through = mark->settled < settled ? mark->settled : settled;
    int rc;

    /* What the index has in memory only is in the deliveries: it is written first. */
    if (through > state->indexed_through) {
        store->index_wanted = true;
        *ret_more = true;
        through = state->indexed_through;
    }
    rc = prune_run(&store->db, through, cutoff, state, ret_more);

    if (rc == SQLITE_OK)
        rc = prune_late(&store->db, cutoff, state, ret_more);
    if (rc == SQLITE_OK)
        rc = prune_abandoned(&store->db, cutoff, state, ret_more);
    if (rc == SQLITE_OK)
        rc = db_run(&store->db, SQL_CONFLICT_EXPIRE, DB_VALUES(DB_INT(cutoff)));
    return rc;
}

/* ---- all of it ---- */

/* Marks older than both that are in use will not be asked for again. */
static int forget_marks(struct db *db, const struct sqlite_mark *for_deliveries,
    const struct sqlite_mark *for_ids, const struct store_retention *retention)
{
    int64_t first = INT64_MAX;

    if (retention->keep_deliveries_usec != USEC_INFINITY)
        first = for_deliveries->id;
    if (retention->keep_ids_usec != USEC_INFINITY && for_ids->id < first)
        first = for_ids->id;
    if (first == INT64_MAX || first == 0)
        return SQLITE_OK;
    return db_run(db, SQL_MARK_FORGET, DB_VALUES(DB_INT(first)));
}

/* Only what changed: an idle store must not be written to every minute. */
static int save_state(
    struct db *db, const struct sqlite_state *was, const struct sqlite_state *state)
{
    if (was->pruned_through == state->pruned_through &&
        was->pruned_deliveries == state->pruned_deliveries &&
        was->forgotten_through == state->forgotten_through)
        return SQLITE_OK;
    return db_run(db, SQL_STORE_SAVE,
        DB_VALUES(DB_INT(state->pruned_through), DB_INT(state->pruned_deliveries),
            DB_INT(state->forgotten_through)));
}

static int prune_step(struct sqlite_store *store, const struct store_retention *retention,
    struct sqlite_state *state, bool *ret_more)
{
    struct db *db = &store->db;
    int64_t now = store->time.real_usec;
    struct sqlite_mark for_deliveries = {0}, for_ids = {0};
    uint64_t settled = 0;
    int rc = read_settled(store, &settled);

    if (rc == SQLITE_OK && rule_retention_is_finite(retention))
        rc = set_mark(store, state, now, settled);
    if (rc == SQLITE_OK)
        rc = find_mark(db, now, retention->keep_deliveries_usec, &for_deliveries);
    if (rc == SQLITE_OK)
        rc = find_mark(db, now, rule_keep_ids(retention), &for_ids);
    if (rc == SQLITE_OK && retention->keep_deliveries_usec != USEC_INFINITY)
        rc = prune_deliveries(store, &for_deliveries, now - retention->keep_deliveries_usec,
            settled, state, ret_more);
    if (rc == SQLITE_OK && for_ids.head > state->forgotten_through)
        state->forgotten_through = for_ids.head;
    if (rc == SQLITE_OK)
        rc = index_work(&store->index, db, state, INDEX_STEP);
    if (rc == SQLITE_OK)
        rc = forget_marks(db, &for_deliveries, &for_ids, retention);
    if (rc == SQLITE_OK)
        rc = save_state(db, &store->now, state);
    return rc;
}

enum store_result sqlite_prune(struct store *base, const struct store_retention *retention,
    bool *ret_more, struct error *error)
{
    struct sqlite_store *store = sqlite_store(base);
    struct db *db = &store->db;
    struct sqlite_state state;
    bool more = false;
    int rc = SQLITE_OK;

    *ret_more = false;
    if (!store->active_known || store->disk.leftovers ||
        !rule_may_prune(&store->time, store->clock, error))
        return STORE_OK;
    if (store->index_wanted)
        rc = index_flush(&store->index, db, &store->now);
    store->index_wanted = false;
    state = store->now;
    if (rc == SQLITE_OK)
        rc = db_run(db, SQL_BEGIN, DB_NO_VALUES);
    if (rc == SQLITE_OK)
        rc = prune_step(store, retention, &state, &more);
    if (rc == SQLITE_OK)
        rc = db_run(db, SQL_COMMIT, DB_NO_VALUES);
    (void)room_ran_out(store, rc); /* the next round will do better */
    if (rc != SQLITE_OK) {
        index_rolled_back(&store->index);
        return db_roll_back(db, db_result(db, rc, error, "prune"), error);
    }
    store->now = state;
    index_committed(&store->index, state.head);
    *ret_more = more;
    return STORE_OK;
}
