/*
 * How far each sink is: applying settles.
 *
 * A row of `progress` is made for what is out of step and goes when it is done. When it was settled
 * must still be known at pruning: what was settled above the last mark will be dated by the next
 * one, so its row just goes; what was settled below it leaves a DONE row with the time.
 */

#include "store/sqlite_store.h"

#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

_Static_assert(STORE_STATE_PENDING == 0 && STORE_STATE_DONE == 1 && STORE_STATE_DEAD == 2,
    "these numbers are on disk");

/* What a transaction knows of the sink it settles. */
struct settling {
    struct sqlite_store *store;
    const struct sqlite_state *state;
    const struct store_settle *settle;
    struct rule_tally tally;
};

static int read_row(struct db *db, uint64_t seq, uint32_t sink, enum rule_row *ret_row)
{
    static const enum rule_row rows[] = {
        [STORE_STATE_PENDING] = RULE_ROW_PENDING,
        [STORE_STATE_DONE] = RULE_ROW_DONE,
        [STORE_STATE_DEAD] = RULE_ROW_DEAD,
    };
    int64_t state = 0;
    int rc = db_get_int(db, SQL_ROW_STATE, DB_VALUES(DB_INT(seq), DB_INT(sink)), &state);

    if (rc == SQLITE_DONE) {
        *ret_row = RULE_ROW_NONE;
        return SQLITE_OK;
    }
    if (rc == SQLITE_OK && (state < 0 || (size_t)state >= ARRAY_SIZE(rows)))
        return SQLITE_CORRUPT;
    if (rc == SQLITE_OK)
        *ret_row = rows[state];
    return rc;
}

/* Only what is at or below pruned_through can be gone. */
static int is_there(const struct settling *settling, uint64_t seq, bool *ret_there)
{
    int64_t one;
    int rc;

    *ret_there = seq > settling->state->pruned_through && seq <= settling->state->head;
    if (*ret_there)
        return SQLITE_OK;
    rc = db_get_int(&settling->store->db, SQL_DELIVERY_EXISTS, DB_VALUES(DB_INT(seq)), &one);
    *ret_there = rc == SQLITE_OK;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int record_attempt(
    struct db *db, uint32_t sink, uint64_t seq, const struct store_attempt *attempt)
{
    size_t length = attempt->output ? attempt->output_length : 0;
    size_t cut = length > STORE_OUTPUT_MAX ? length - STORE_OUTPUT_MAX : 0;
    int64_t last = 0;
    int rc = db_get_int(db, SQL_ATTEMPT_LAST, DB_VALUES(DB_INT(seq)), &last);

    if (rc == SQLITE_OK)
        rc = db_run(db, SQL_ATTEMPT_INSERT,
            DB_VALUES(DB_INT(seq), DB_INT(last + 1), DB_INT(sink), DB_INT(attempt->number),
                DB_INT(attempt->started_at_usec), DB_INT(attempt->duration_usec),
                DB_TEXT(attempt->result),
                DB_BLOB(length > 0 ? (const char *)attempt->output + cut : NULL, length - cut)));
    if (rc == SQLITE_OK && last >= STORE_ATTEMPTS_PER_DELIVERY)
        rc = db_run(db, SQL_ATTEMPT_TRIM,
            DB_VALUES(DB_INT(seq), DB_INT(last + 1 - STORE_ATTEMPTS_PER_DELIVERY)));
    return rc;
}

static int close_row(const struct settling *settling, uint64_t seq)
{
    struct sqlite_store *store = settling->store;
    uint32_t sink = settling->settle->sink;

    if (seq > settling->state->last_mark.settled)
        return db_run(&store->db, SQL_ROW_DELETE, DB_VALUES(DB_INT(seq), DB_INT(sink)));
    return db_run(&store->db, SQL_ROW_SETTLE,
        DB_VALUES(DB_INT(seq), DB_INT(sink), DB_INT(clock_realtime(store->clock))));
}

static int write_row(const struct settling *settling, const struct store_outcome *outcome)
{
    bool is_pending = outcome->state == STORE_STATE_PENDING;

    return db_run(&settling->store->db, SQL_ROW_WRITE,
        DB_VALUES(DB_INT(outcome->seq), DB_INT(settling->settle->sink), DB_INT(outcome->state),
            DB_INT(outcome->attempts), DB_INT(is_pending ? outcome->next_at_usec : 0),
            DB_INT(outcome->replay)));
}

static int apply_outcome(struct settling *settling, const struct store_outcome *outcome)
{
    struct db *db = &settling->store->db;
    uint32_t sink = settling->settle->sink;
    enum rule_row row = RULE_ROW_NONE;
    bool is_here = false;
    int rc = is_there(settling, outcome->seq, &is_here);

    if (rc != SQLITE_OK || !is_here)
        return rc;
    rc = read_row(db, outcome->seq, sink, &row);
    if (rc != SQLITE_OK)
        return rc;
    switch (rule_settle_outcome(&settling->tally, row, outcome)) {
    case RULE_CHANGE_NOTHING:
        break;
    case RULE_CHANGE_WRITE:
        rc = write_row(settling, outcome);
        break;
    case RULE_CHANGE_CLOSE:
        rc = close_row(settling, outcome->seq);
        break;
    }
    if (rc == SQLITE_OK && outcome->attempt)
        rc = record_attempt(db, sink, outcome->seq, outcome->attempt);
    return rc;
}

/* A caller settles by what it read from this store, so a settle that contradicts it most likely
 * means that something is gone from the disk. */
__attribute__((format(printf, 3, 4))) static int say_damaged(
    const struct settling *settling, struct error *error, const char *format, ...)
{
    char what[128];
    va_list args;

    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    error_set(error, EBADMSG,
        "the store is damaged: of sink %" PRIu32
        ", %s; restore a backup, or move the store away to "
        "begin with an empty one",
        settling->settle->sink, what);
    return SQLITE_CORRUPT;
}

int settle_apply(struct sqlite_store *store, const struct store_settle *settle,
    const struct sqlite_state *state, struct error *error)
{
    struct settling settling = {.store = store, .state = state, .settle = settle};
    struct rule_tally *tally = &settling.tally;
    struct db *db = &store->db;
    int64_t frontier = 0;
    int rc = db_get_int(db, SQL_SINK_FRONTIER, DB_VALUES(DB_INT(settle->sink)), &frontier);

    if (rc == SQLITE_DONE)
        return say_damaged(&settling, error, "its row is gone");
    if (rc != SQLITE_OK)
        return rc;

    tally->old_frontier = (uint64_t)frontier;
    tally->new_frontier = settle->frontier == 0 ? (uint64_t)frontier : settle->frontier;
    if (tally->new_frontier < tally->old_frontier || tally->new_frontier > state->head)
        return say_damaged(&settling, error,
            "the frontier %" PRIu64 " is not between %" PRIu64 " and %" PRIu64, tally->new_frontier,
            tally->old_frontier, state->head);

    for (size_t i = 0; rc == SQLITE_OK && i < settle->n_outcomes; i++)
        rc = apply_outcome(&settling, &settle->outcomes[i]);
    if (rc != SQLITE_OK)
        return rc;
    if (!rule_settle_adds_up(tally, settle))
        return say_damaged(&settling, error, "deliveries %" PRIu64 " to %" PRIu64 " do not add up",
            tally->old_frontier + 1, tally->new_frontier);

    rc = db_run(db, SQL_SINK_ADVANCE,
        DB_VALUES(DB_INT(settle->sink), DB_INT(tally->new_frontier), DB_INT(settle->delivered),
            DB_INT(settle->filtered), DB_INT(tally->requeued), DB_INT(settle->dropped)));
    if (rc == SQLITE_OK && settle->position)
        rc = db_run(db, SQL_SINK_POSITION,
            DB_VALUES(DB_INT(settle->sink), DB_BLOB(settle->position, settle->position_length)));
    return rc;
}
