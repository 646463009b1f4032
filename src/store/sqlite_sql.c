/*
 * Every statement of the SQLite store, in one place to be read beside the schema (sqlite_schema.c).
 *
 * State numbers in progress.state are those of enum store_state: 0 pending, 1 done, 2 dead.
 * Columns of a delivery stand in the order that delivery_from_row() in sqlite_read.c expects.
 */

#include "store/sqlite_db.h"

#define DELIVERY_COLUMNS                                                                  \
    "d.seq, d.received_at, d.updated_at, d.terminal, d.stale, d.endpoint, d.request_id, " \
    "d.secret, d.job_id, d.type, d.status, d.id_digest, d.body_digest, length(d.body), "  \
    "d.unverified"

/* A delivery that pruning must leave: it is a dead letter, or an active sink is not done, or a sink
 * was done with it too lately (settled after ?3), or would have tried it lately if it were still
 * active (due after ?3): that one may be back soon. */
#define IS_HELD                                                                        \
    "EXISTS (SELECT 1 FROM progress p JOIN sinks s ON s.id = p.sink"                   \
    " WHERE p.seq = deliveries.seq AND (p.state = 2 OR (p.state = 0 AND (s.active = 1" \
    " OR p.next_at > ?3)) OR (p.state = 1 AND p.settled_at > ?3)))"

/* Rows about deliveries in (?1, ?2] that are gone. */
#define IS_ORPHAN(table)                                     \
    table ".seq > ?1 AND " table ".seq <= ?2 AND NOT EXISTS" \
          " (SELECT 1 FROM deliveries d WHERE d.seq = " table ".seq)"

/* Which seqs a step of a query looks at, and whether each fits: 1 or 0. Columns are read from the
 * row only for filters that are given. */
#define QUERY_SEQ_FITS                                                           \
    "d.seq, CASE WHEN (?3 IS NULL OR d.received_at >= ?3)"                       \
    " AND (?4 IS NULL OR d.received_at < ?4) AND (?5 IS NULL OR d.stale = ?5)"   \
    " AND (?6 IS NULL OR d.endpoint = ?6) AND (?7 IS NULL OR d.request_id = ?7)" \
    " AND (?8 IS NULL OR d.job_id = ?8) AND (?9 IS NULL OR d.type = ?9)"         \
    " AND (?10 IS NULL OR d.status = ?10) THEN 1 ELSE 0 END"
#define QUERY_ALL                                                                 \
    "SELECT " QUERY_SEQ_FITS " FROM deliveries d WHERE d.seq > ?1 AND d.seq < ?2" \
    " ORDER BY d.seq"
#define QUERY_ROWS                                                                       \
    "SELECT " QUERY_SEQ_FITS " FROM progress p CROSS JOIN deliveries d ON d.seq = p.seq" \
    " WHERE p.sink = ?11 AND p.state = ?12 AND p.seq > ?1 AND p.seq < ?2 ORDER BY p.seq"

const char *const sql_texts[SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_HEAD] = "SELECT max(coalesce((SELECT max(seq) FROM deliveries), 0), pruned_through)"
                 " FROM store",
    [SQL_STORE_LOAD] = "SELECT pruned_through, pruned_deliveries, forgotten_through,"
                       " indexed_through FROM store",
    [SQL_STORE_SAVE] = "UPDATE store SET pruned_through = ?1, pruned_deliveries = ?2,"
                       " forgotten_through = ?3",

    [SQL_INDEX_RECENT] = "SELECT seq, updated_at, terminal, job_id, endpoint, id_digest,"
                         " body_digest FROM deliveries WHERE seq > ?1 ORDER BY seq",
    [SQL_INDEX_THROUGH] = "UPDATE store SET indexed_through = ?1",
    [SQL_INDEX_RUN_LIST] = "SELECT id, entries, ids, blocks, first_seq, last_seq FROM index_runs"
                           " ORDER BY first_seq, id",
    [SQL_INDEX_RUN_ADD] = "INSERT INTO index_runs (id, entries, ids, blocks, first_seq, last_seq)"
                          " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    [SQL_INDEX_RUN_REMOVE] = "DELETE FROM index_runs WHERE id = ?1",
    [SQL_INDEX_BLOCK_WRITE] = "INSERT INTO index_blocks (id, data) VALUES (?1, ?2)",
    [SQL_INDEX_BLOCK_READ] = "SELECT data FROM index_blocks WHERE id = ?1",
    [SQL_INDEX_BLOCK_BEFORE] = "SELECT id FROM index_blocks WHERE id < ?1 ORDER BY id DESC LIMIT 1",
    [SQL_INDEX_BLOCK_DELETE] = "DELETE FROM index_blocks WHERE id BETWEEN ?1 AND ?2",
    [SQL_INDEX_SUMMARIES_WRITE] = "INSERT INTO index_summaries (id, data) VALUES (?1, ?2)",
    [SQL_INDEX_SUMMARIES_READ] = "SELECT data FROM index_summaries WHERE id = ?1",
    [SQL_INDEX_SUMMARIES_DELETE] = "DELETE FROM index_summaries WHERE id BETWEEN ?1 AND ?2",

    [SQL_DELIVERY_INSERT] =
        "INSERT INTO deliveries (seq, received_at, updated_at, terminal, stale, endpoint,"
        " request_id, secret, job_id, type, status, id_digest, body_digest, checksum, body,"
        " unverified)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    [SQL_DELIVERY_EXISTS] = "SELECT 1 FROM deliveries WHERE seq = ?1",
    [SQL_DELIVERY_IS_OF_JOB] =
        "SELECT job_id = ?2 AND endpoint = ?3 FROM deliveries WHERE seq = ?1",
    [SQL_DELIVERY_SCAN] =
        "SELECT " DELIVERY_COLUMNS " FROM deliveries d WHERE d.seq > ?1 ORDER BY d.seq LIMIT ?2",
    [SQL_DELIVERY_FETCH] = "SELECT " DELIVERY_COLUMNS ", d.checksum, d.body"
                           " FROM deliveries d WHERE d.seq = ?1",

    [SQL_DELIVERY_READ] = "SELECT " DELIVERY_COLUMNS " FROM deliveries d WHERE d.seq = ?1",

    [SQL_QUERY_OLDEST] = QUERY_ALL,
    [SQL_QUERY_NEWEST] = QUERY_ALL " DESC",
    [SQL_QUERY_ROWS_OLDEST] = QUERY_ROWS,
    [SQL_QUERY_ROWS_NEWEST] = QUERY_ROWS " DESC",
    [SQL_QUERY_SINK_ROW] = "SELECT s.start, s.frontier, p.state, p.attempts, p.next_at, p.replay"
                           " FROM sinks s LEFT JOIN progress p ON p.seq = ?2 AND p.sink = s.id"
                           " WHERE s.id = ?1",
    [SQL_QUERY_OLDEST_PENDING] = "SELECT received_at FROM deliveries WHERE seq = coalesce("
                                 "(SELECT min(seq) FROM progress WHERE sink = ?1 AND state = 0),"
                                 " (SELECT min(seq) FROM deliveries WHERE seq >"
                                 " (SELECT frontier FROM sinks WHERE id = ?1)))",
    [SQL_QUERY_STATS] = "SELECT max(coalesce((SELECT max(seq) FROM deliveries), 0),"
                        " pruned_through), pruned_deliveries, forgotten_through FROM store",

    [SQL_CONFLICT_COUNT] = "SELECT count(*), coalesce(max(body_digest = ?2), 0)"
                           " FROM conflicts WHERE seq = ?1",
    [SQL_CONFLICT_INSERT] = "INSERT INTO conflicts (seq, received_at, body_digest, full_length,"
                            " secret, body, checksum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [SQL_CONFLICT_TRIM] = "DELETE FROM conflicts WHERE id <= (SELECT max(id) FROM conflicts) - ?1",
    [SQL_CONFLICT_EXPIRE] = "DELETE FROM conflicts WHERE received_at <= ?1",
    [SQL_CONFLICT_NEXT] =
        "SELECT id, seq, received_at, full_length, secret, body, checksum FROM conflicts"
        " WHERE seq = ?1 AND id > ?2 ORDER BY id LIMIT 1",

    [SQL_SINK_FIND] = "SELECT id FROM sinks WHERE name = ?1",
    [SQL_SINK_INSERT] = "INSERT INTO sinks (name, active, start, frontier) VALUES (?1, 1, ?2, ?2)",
    [SQL_SINK_LOAD] = "SELECT start, frontier, delivered, filtered, requeued, dropped,"
                      " (SELECT count(*) FROM progress WHERE sink = ?1 AND state = 2),"
                      " (SELECT count(*) FROM progress WHERE sink = ?1 AND state = 0), paused,"
                      " position FROM sinks WHERE id = ?1",
    [SQL_SINK_FRONTIER] = "SELECT frontier FROM sinks WHERE id = ?1",
    [SQL_SINK_MARKS] = "DELETE FROM marks WHERE settled >"
                       " (SELECT frontier FROM sinks WHERE id = ?1)",
    [SQL_SINK_DEACTIVATE] = "UPDATE sinks SET active = 0 WHERE active <> 0",
    [SQL_SINK_ACTIVATE] = "UPDATE sinks SET active = 1 WHERE id = ?1 AND active <> 1",
    [SQL_SINK_IS_ACTIVE] = "SELECT active FROM sinks WHERE id = ?1",
    [SQL_SINK_COUNT_AHEAD] =
        "SELECT count(*) FROM sinks WHERE frontier > ?1 OR start > frontier OR start < 0",
    [SQL_SINK_COUNT_ACTIVE] = "SELECT count(*) FROM sinks WHERE active <> 0",
    [SQL_SINK_ADVANCE] = "UPDATE sinks SET frontier = ?2, delivered = delivered + ?3,"
                         " filtered = filtered + ?4, requeued = requeued + ?5,"
                         " dropped = dropped + ?6 WHERE id = ?1",
    [SQL_SINK_POSITION] = "UPDATE sinks SET position = ?2 WHERE id = ?1",
    [SQL_SINK_PAUSE] = "UPDATE sinks SET paused = ?2 WHERE id = ?1",
    [SQL_SINK_SETTLED] = "SELECT min(frontier) FROM sinks WHERE active = 1",

    [SQL_ROW_STATE] = "SELECT state FROM progress WHERE seq = ?1 AND sink = ?2",
    [SQL_ROW_WRITE] =
        "INSERT INTO progress (seq, sink, state, attempts, next_at, replay, settled_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0) ON CONFLICT (seq, sink) DO UPDATE SET"
        " state = ?3, attempts = ?4, next_at = ?5, replay = ?6, settled_at = 0",
    [SQL_ROW_SETTLE] =
        "UPDATE progress SET state = 1, settled_at = ?3 WHERE seq = ?1 AND sink = ?2",
    [SQL_ROW_DELETE] = "DELETE FROM progress WHERE seq = ?1 AND sink = ?2",
    [SQL_ROW_SCAN] = "SELECT " DELIVERY_COLUMNS ", p.attempts, p.next_at, p.replay"
                     " FROM progress p CROSS JOIN deliveries d ON d.seq = p.seq"
                     " WHERE p.sink = ?1 AND p.state = ?2 AND p.seq > ?3 ORDER BY p.seq LIMIT ?4",

    [SQL_ATTEMPT_LAST] = "SELECT max(n) FROM attempts WHERE seq = ?1",
    [SQL_ATTEMPT_INSERT] =
        "INSERT INTO attempts (seq, n, sink, number, started_at, duration, result, output)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    [SQL_ATTEMPT_TRIM] = "DELETE FROM attempts WHERE seq = ?1 AND n <= ?2",
    [SQL_ATTEMPT_NEXT] = "SELECT n, sink, number, started_at, duration, result, output"
                         " FROM attempts WHERE seq = ?1 AND n > ?2 ORDER BY n LIMIT 1",

    [SQL_MARK_INSERT] = "INSERT INTO marks (at, head, settled) VALUES (?1, ?2, ?3)",
    [SQL_MARK_LAST] = "SELECT id, at, head, settled FROM marks ORDER BY id DESC LIMIT 1",
    [SQL_MARK_BEFORE] = "SELECT id, at, head, settled FROM marks WHERE at <= ?1"
                        " ORDER BY id DESC LIMIT 1",
    [SQL_MARK_FORGET] = "DELETE FROM marks WHERE id < ?1",

    [SQL_PRUNE_DELIVERIES] = "DELETE FROM deliveries WHERE seq > ?1 AND seq <= ?2 AND NOT " IS_HELD,
    [SQL_PRUNE_ATTEMPTS] = "DELETE FROM attempts WHERE " IS_ORPHAN("attempts"),
    [SQL_PRUNE_DROPPED] = "UPDATE sinks SET dropped = dropped + (SELECT count(*) FROM progress"
                          " WHERE progress.sink = sinks.id AND progress.state = 0 AND " IS_ORPHAN(
                              "progress") ")"
                                          " WHERE active = 0",
    [SQL_PRUNE_ROWS] = "DELETE FROM progress WHERE " IS_ORPHAN("progress"),
    [SQL_PRUNE_SETTLED] = "SELECT seq, sink FROM progress WHERE state = 1 AND settled_at <= ?1"
                          " ORDER BY settled_at LIMIT ?2",
    [SQL_PRUNE_ABANDONED] =
        "SELECT r.seq, r.sink FROM sinks gone CROSS JOIN progress r ON r.sink = gone.id"
        " AND r.state = 0 AND r.seq <= ?1 CROSS JOIN deliveries ON deliveries.seq = r.seq"
        " WHERE gone.active = 0 AND NOT " IS_HELD " LIMIT ?2",
    [SQL_PRUNE_SKIP] = "UPDATE sinks SET dropped = dropped + (?1 - frontier), frontier = ?1"
                       " WHERE active = 0 AND frontier < ?1",
};
