/*
 * Looking into the SQLite store.
 *
 * A query walks one of three things, whichever holds the fewest deliveries that could fit: all
 * deliveries in their order; a job's, by the index; a sink's rows. The last two stand in several
 * places, so such a walk has legs, one behind the other in the order of seqs. What is pending for a
 * sink is in its rows up to its frontier and in all deliveries above. What a job has is in all
 * deliveries above what the index has written, in the index, and in what is left of those that were
 * pruned, which the index may have dropped.
 *
 * Where the legs meet is read anew for every chunk: it only rises, and each leg starts where the
 * last one ended, so a delivery that fits all the time is met in one leg or the other, and never in
 * both. What one chunk reads is one snapshot.
 *
 * Rows are counted here as they are stepped over, fitting or not, which is what bounds a step.
 * There is no index for the other filters. They would cost every commit, while a whole walk over a
 * million deliveries is about a second.
 */

#include "store/sqlite_read.h"
#include "store/sqlite_store.h"

#include <errno.h>
#include <inttypes.h>

/* A job with more deliveries is walked for over all of them. */
#define JOB_FEW 1000

/* Seqs in (after, before), all that one statement has or those that the index has of a job. */
struct leg {
    enum sql sql;
    bool is_by_index;
    uint64_t after;
    uint64_t before;
    uint64_t next; /* where the walk is when all of the leg was looked at; 0: at its end */
};

/* The walk over everything that `sql` has, from where the walk is. */
static struct leg whole_leg(const struct store_query *query, const struct store_walk *walk,
    enum sql oldest, enum sql newest)
{
    if (query->oldest_first)
        return (struct leg){.sql = oldest, .after = walk->at, .before = INT64_MAX};
    return (struct leg){.sql = newest, .before = walk->at == 0 ? INT64_MAX : walk->at};
}

/* Rows up to the frontier, deliveries above. */
static struct leg pending_leg(
    const struct store_query *query, const struct store_walk *walk, uint64_t frontier)
{
    struct leg all = whole_leg(query, walk, SQL_QUERY_OLDEST, SQL_QUERY_NEWEST);
    struct leg rows = whole_leg(query, walk, SQL_QUERY_ROWS_OLDEST, SQL_QUERY_ROWS_NEWEST);

    if (query->oldest_first) {
        if (walk->at >= frontier)
            return all;
        rows.before = frontier + 1;
        rows.next = frontier;
        return rows;
    }
    if (all.before <= frontier + 1)
        return rows;
    all.after = frontier;
    all.next = frontier + 1;
    return all;
}

/* Those left of the pruned, those in the index, those not in it yet. */
static struct leg job_leg(const struct store_query *query, const struct store_walk *walk,
    uint64_t pruned_through, uint64_t indexed_through)
{
    struct leg leg = whole_leg(query, walk, SQL_QUERY_OLDEST, SQL_QUERY_NEWEST);

    if (query->oldest_first) {
        if (leg.after >= pruned_through && leg.after >= indexed_through)
            return leg;
        leg.is_by_index = leg.after >= pruned_through;
        leg.next = leg.is_by_index ? indexed_through : pruned_through;
        leg.before = leg.next + 1;
        return leg;
    }
    if (leg.before > indexed_through + 1) {
        leg.after = indexed_through;
    } else if (leg.before > pruned_through + 1) {
        leg.is_by_index = true;
        leg.after = pruned_through;
    } else {
        return leg;
    }
    leg.next = leg.after + 1;
    return leg;
}

static int read_bounds(struct db *db, uint64_t *ret_pruned_through, uint64_t *ret_indexed_through)
{
    sqlite3_stmt *statement;
    int rc = db_bind(db, SQL_STORE_LOAD, &statement, DB_NO_VALUES);

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        *ret_pruned_through = (uint64_t)sqlite3_column_int64(statement, 0);
        *ret_indexed_through = (uint64_t)sqlite3_column_int64(statement, 3);
    } else if (rc == SQLITE_DONE) {
        rc = SQLITE_CORRUPT; /* the one row is gone */
    }
    return db_reset(statement, rc);
}

static int choose_leg(struct db *db, const struct store_query *query, const struct store_walk *walk,
    struct leg *ret_leg)
{
    uint64_t pruned_through = 0, indexed_through = 0;
    int64_t frontier = 0;
    int rc = SQLITE_OK;

    if (query->sink != 0) {
        rc = db_get_int(db, SQL_SINK_FRONTIER, DB_VALUES(DB_INT(query->sink)), &frontier);
        if (rc == SQLITE_OK)
            *ret_leg = query->state == STORE_STATE_PENDING
                           ? pending_leg(query, walk, (uint64_t)frontier)
                           : whole_leg(query, walk, SQL_QUERY_ROWS_OLDEST, SQL_QUERY_ROWS_NEWEST);
        return rc;
    }
    if (!query->job_id) {
        *ret_leg = whole_leg(query, walk, SQL_QUERY_OLDEST, SQL_QUERY_NEWEST);
        return SQLITE_OK;
    }
    rc = read_bounds(db, &pruned_through, &indexed_through);
    if (rc == SQLITE_OK)
        *ret_leg = job_leg(query, walk, pruned_through, indexed_through);
    return rc;
}

static struct db_value text_or_null(const char *text)
{
    return text ? DB_TEXT(text) : DB_NULL;
}

static int bind_leg(struct db *db, const struct leg *leg, const struct store_query *query,
    sqlite3_stmt **ret_statement)
{
    /* As numbered in sqlite_sql.c; the last two only where rows are walked. */
    const struct db_value values[] = {
        DB_INT(leg->after),
        DB_INT(leg->before),
        query->since_usec == INT64_MIN ? DB_NULL : DB_INT(query->since_usec),
        query->until_usec == INT64_MAX ? DB_NULL : DB_INT(query->until_usec),
        query->stale < 0 ? DB_NULL : DB_INT(query->stale != 0),
        text_or_null(query->endpoint),
        text_or_null(query->request_id),
        text_or_null(query->job_id),
        text_or_null(query->type),
        text_or_null(query->status),
        DB_INT(query->sink),
        DB_INT(query->state),
    };
    size_t n = sizeof(values) / sizeof(values[0]);
    bool is_rows = leg->sql == SQL_QUERY_ROWS_OLDEST || leg->sql == SQL_QUERY_ROWS_NEWEST;

    return db_bind(db, leg->sql, ret_statement, values, is_rows ? n : n - 2);
}

/* Copies the one that the walk is at. */
static int keep(struct db *db, const struct store_walk *walk, struct store_found *found)
{
    int rc = sqlite_copy_delivery(db, walk->at, &found->deliveries[found->n]);

    if (rc == SQLITE_OK)
        found->n++;
    return rc == SQLITE_DONE ? SQLITE_CORRUPT : rc; /* the walk has just seen it */
}

/* Steps to the next row of the leg's statement and takes it if it fits. */
static int look(
    struct db *db, sqlite3_stmt *statement, struct store_walk *walk, struct store_found *found)
{
    int rc = sqlite3_step(statement);

    if (rc != SQLITE_ROW)
        return rc;
    walk->at = (uint64_t)sqlite3_column_int64(statement, 0);
    walk->left--;
    return sqlite3_column_int(statement, 1) != 0 ? keep(db, walk, found) : SQLITE_OK;
}

static bool is_over(const struct store_walk *walk, const struct store_found *found)
{
    return walk->left == 0 || found->n == found->room;
}

/* The walk has come to the end of a leg. */
static void end_leg(const struct leg *leg, struct store_walk *walk)
{
    walk->ended = leg->next == 0;
    if (!walk->ended)
        walk->at = leg->next;
}

/* Walks a leg until it is exhausted, the room is full or the step is over. */
static int walk_statement(struct db *db, const struct leg *leg, const struct store_query *query,
    struct store_walk *walk, struct store_found *found)
{
    sqlite3_stmt *statement;
    int rc = bind_leg(db, leg, query, &statement);

    while (rc == SQLITE_OK && !is_over(walk, found))
        rc = look(db, statement, walk, found);
    if (rc == SQLITE_DONE)
        end_leg(leg, walk);
    return statement ? db_reset(statement, rc) : rc;
}

/* Looks at one delivery, which may be gone. */
static int look_at(struct db *db, uint64_t seq, const struct store_query *query,
    struct store_walk *walk, struct store_found *found)
{
    const struct leg one = {.sql = SQL_QUERY_OLDEST, .after = seq - 1, .before = seq + 1};
    sqlite3_stmt *statement;
    int rc = bind_leg(db, &one, query, &statement);

    if (rc == SQLITE_OK)
        rc = look(db, statement, walk, found);
    return statement ? db_reset(statement, rc) : rc;
}

static int walk_index(struct db *db, const struct leg *leg, const struct store_query *query,
    struct store_walk *walk, struct store_found *found)
{
    uint64_t numbers[JOB_FEW + 1];
    struct index_seqs seqs = {.max = JOB_FEW, .seqs = numbers};
    int rc = index_gather(db, query->job_id, leg->after, leg->before, &seqs);

    if (rc == SQLITE_OK && seqs.n > seqs.max)
        return walk_statement(db, leg, query, walk, found);
    for (size_t i = 0; rc == SQLITE_OK && i < seqs.n; i++) {
        if (is_over(walk, found))
            return SQLITE_OK;
        rc = look_at(db, seqs.seqs[query->oldest_first ? i : seqs.n - 1 - i], query, walk, found);
    }
    if (rc == SQLITE_OK)
        end_leg(leg, walk);
    return rc;
}

/* One snapshot's worth of the walk. SQLITE_DONE: the query's sink was never registered. */
static int walk_on(struct db *db, const struct store_query *query, struct store_walk *walk,
    struct store_found *found)
{
    struct leg leg;
    int rc = db_run(db, SQL_BEGIN_READ, DB_NO_VALUES), end;

    if (rc != SQLITE_OK)
        return rc;
    rc = choose_leg(db, query, walk, &leg);
    if (rc == SQLITE_OK)
        rc = leg.is_by_index ? walk_index(db, &leg, query, walk, found)
                             : walk_statement(db, &leg, query, walk, found);
    end = db_run(db, SQL_ROLLBACK, DB_NO_VALUES); /* nothing was written */
    return rc == SQLITE_OK && end != SQLITE_OK ? end : rc;
}

int sqlite_find(struct store_reader *reader, const struct store_query *query,
    struct store_walk *walk, struct store_found *found, struct error *error)
{
    struct db *db = reader_db(reader);
    int rc = SQLITE_OK;

    while (rc == SQLITE_OK && !walk->ended && walk->left > 0 && found->n < found->room)
        rc = walk_on(db, query, walk, found);
    if (rc == SQLITE_DONE)
        return error_set(error, ENOENT, "sink %" PRIu32 " was never registered", query->sink);
    return db_errno(db, rc, error, "look for deliveries");
}

/* ---- single values ---- */

/* Columns as in SQL_QUERY_SINK_ROW. */
static struct store_sink_row sink_row_from(sqlite3_stmt *statement, uint64_t seq)
{
    uint64_t start = (uint64_t)sqlite3_column_int64(statement, 0);
    uint64_t frontier = (uint64_t)sqlite3_column_int64(statement, 1);
    bool has_row = sqlite3_column_type(statement, 2) != SQLITE_NULL;
    int64_t state = sqlite3_column_int64(statement, 2);

    if (has_row && state != STORE_STATE_DONE)
        return (struct store_sink_row){
            .state = state == STORE_STATE_DEAD ? STORE_SINK_DEAD : STORE_SINK_PENDING,
            .attempts = (unsigned int)sqlite3_column_int64(statement, 3),
            .next_at_usec = sqlite3_column_int64(statement, 4),
            .replay = sqlite3_column_int64(statement, 5) != 0,
        };
    if (!has_row && (seq <= start || seq > frontier))
        return (struct store_sink_row){.state = STORE_SINK_UNSEEN};
    return (struct store_sink_row){.state = STORE_SINK_SETTLED};
}

int sqlite_read_sink_row(struct store_reader *reader, uint32_t sink, uint64_t seq,
    struct store_sink_row *ret_row, struct error *error)
{
    struct db *db = reader_db(reader);
    struct store_sink_row row;
    bool is_there = false;
    sqlite3_stmt *statement;
    int rc = db_bind(db, SQL_QUERY_SINK_ROW, &statement, DB_VALUES(DB_INT(sink), DB_INT(seq)));

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        is_there = rc == SQLITE_ROW;
        if (is_there)
            row = sink_row_from(statement, seq);
        rc = db_reset(statement, rc);
    }
    if (rc != SQLITE_OK)
        return db_errno(db, rc, error, "read a sink's row");
    if (!is_there)
        return error_set(error, ENOENT, "sink %" PRIu32 " was never registered", sink);
    *ret_row = row;
    return 0;
}

int sqlite_read_oldest_pending(
    struct store_reader *reader, uint32_t sink, int64_t *ret_received_at_usec, struct error *error)
{
    struct db *db = reader_db(reader);
    int64_t received_at = 0;
    int rc = db_get_int(db, SQL_QUERY_OLDEST_PENDING, DB_VALUES(DB_INT(sink)), &received_at);

    if (rc == SQLITE_DONE)
        return error_set(error, ENOENT, "nothing is pending for sink %" PRIu32, sink);
    if (rc != SQLITE_OK)
        return db_errno(db, rc, error, "read what is pending");
    *ret_received_at_usec = received_at;
    return 0;
}

int sqlite_read_stats(
    struct store_reader *reader, struct store_stats *ret_stats, struct error *error)
{
    struct db *db = reader_db(reader);
    struct store_stats stats = {.head = 0};
    sqlite3_stmt *statement;
    int rc = db_bind(db, SQL_QUERY_STATS, &statement, DB_NO_VALUES);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
            stats.head = (uint64_t)sqlite3_column_int64(statement, 0);
            stats.deliveries = stats.head - (uint64_t)sqlite3_column_int64(statement, 1);
            stats.ids = stats.head - (uint64_t)sqlite3_column_int64(statement, 2);
        } else if (rc == SQLITE_DONE) {
            rc = SQLITE_CORRUPT; /* the one row is gone */
        }
        rc = db_reset(statement, rc);
    }
    if (rc != SQLITE_OK)
        return db_errno(db, rc, error, "read how far the store is");
    sqlite_measure(reader_store(reader), &stats);
    *ret_stats = stats;
    return 0;
}
