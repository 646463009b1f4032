#pragma once

/*
 * The store: what was accepted, what was seen, how far each sink is.
 *
 * A front (store.c) over a backend (backend.h): SQLite in production (sqlite*.c), memory for tests
 * and measurements (memory*.c). The interface speaks in deliveries and outcomes, in batches, never
 * in SQL or row locks, so that a PostgreSQL backend can serve several nodes behind it.
 *
 * Threads: everything that takes a `struct store *` after store_open belongs to one thread, the
 * writer's (writer.h). Everything that takes a `struct store_reader *` belongs to the thread that
 * uses that reader; readers see what was committed before the call, hold nothing between calls, and
 * never write.
 *
 * How far a sink is. Each sink has a `frontier`: a delivery above it is pending for the sink, one
 * at or below it is settled, unless a row of the sink says otherwise. Rows exist only at or below
 * the frontier, for what is out of step: pending (retrying, held up, replayed) and dead. A sink
 * that keeps up needs no row. Counters and frontier change in the same transaction, so for each
 * sink, with pending = head - frontier + pending_rows (what runs counts as pending here),
 *
 *     head - start + requeued = delivered + filtered + dropped + dead + pending            (G5)
 *
 * holds after every commit. It is checked, not derived: dead and pending_rows are counted from the
 * rows, and a settle that does not add up would be a delivery lost without a trace: nothing of it
 * is applied, and the store has failed.
 *
 * Failure. A commit that could not be synced latches the store: from then on everything answers
 * STORE_FAILED, and the process must stop; what the disk holds is settled at the next open, before
 * anything is answered (pitfalls: after an fsync error the row may come back). A full disk or a
 * lock is STORE_UNAVAILABLE: nothing of the batch happened, and a later one may succeed. A disk met
 * full makes the store give its reserve back, so that settles can go on; appends are refused until
 * there is room for it again.
 *
 * Not done here: no threads, no log, no parsing of bodies, no notion of retry or filter.
 */

#include "job/delivery.h"
#include "util/clock.h"
#include "util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum store_result {
    STORE_OK,
    STORE_UNAVAILABLE,
    STORE_FAILED,
};

enum store_verdict {
    STORE_VERDICT_STORED,
    STORE_VERDICT_DUPLICATE, /* same id, same body */
    STORE_VERDICT_CONFLICT,  /* same id, another body; kept as evidence */
    STORE_VERDICT_REFUSED,   /* not kept: the batch, or this row, could not be stored */
};

struct store;
struct store_reader;

struct store_options {
    const char *path;          /* borrowed during store_open */
    const struct clock *clock; /* borrowed for the store's life */
    uint64_t disk_floor; /* bytes that must stay free on the file system to accept; 0: no floor */
    uint64_t reserve;    /* bytes kept back in <path>.reserve for a full disk; 0: none */
};

/* What the daemon keeps back. So that a full disk cannot keep the WAL from coming home: 32 MiB of
 * it may wait (sqlite_maintain.c), a batch adds its bodies (STORE_BATCH_BYTES), and as much again
 * is for its other pages and for settles while the disk stays full. */
#define STORE_RESERVE ((uint64_t)48 << 20)

/* Opens or creates, locks against a second process (<path>.lock), migrates forward, verifies that
 * commits are durable, and checkpoints and syncs what an earlier process left in the WAL. A store
 * of a newer schema is refused. On a full disk the reserve is given back; if what was left in the
 * WAL cannot be brought home even so, the store is open, refuses everything, and tries again in
 * store_maintain. */
int store_open_sqlite(
    const struct store_options *options, struct store **ret_store, struct error *error);

/* Keeps everything in memory; `path`, `disk_floor` and `reserve` are ignored. */
int store_open_memory(
    const struct store_options *options, struct store **ret_store, struct error *error);

/* Checkpoints (unless latched) and closes. All readers must be closed before. NULL is legal. */
void store_close(struct store *store);

/* Whether the store has latched: every later call answers STORE_FAILED with the first error. */
bool store_has_failed(const struct store *store);

/* ---- bounds ---- */

#define STORE_BODY_MAX (32u << 20)         /* a larger body is refused, alone */
#define STORE_OUTPUT_MAX (64u << 10)       /* of an attempt; a longer tail loses its beginning */
#define STORE_ATTEMPTS_PER_DELIVERY 64     /* the newest are kept, over all sinks */
#define STORE_CONFLICTS_PER_DELIVERY 8     /* distinct bodies kept for one id */
#define STORE_CONFLICTS_MAX 1024           /* in all; the oldest go */
#define STORE_CONFLICT_BODY_MAX (1u << 20) /* of a larger one the beginning is kept */

/* ---- sinks ---- */

#define STORE_POSITION_MAX 64

/* A sink as the store knows it. */
struct store_sink {
    uint32_t id;       /* stable for the name, across restarts; from 1 */
    uint64_t start;    /* the head when the sink was first registered: it gets what came later */
    uint64_t frontier; /* see above; >= start */
    uint64_t delivered;
    uint64_t filtered; /* left out by the sink's own filter or stale = "skip" */
    uint64_t requeued; /* settled ones, or from before `start`, that were made pending or dead
                          again by a row; counted by the store. Each is delivered (or filtered)
                          once more, so no counter ever goes down */
    uint64_t dropped;  /* pruned before they were done, while the sink was not active; and dead
                          ones that an operator gave up */
    uint64_t dead;     /* rows */
    uint64_t pending_rows;
    unsigned char position[STORE_POSITION_MAX]; /* the sink's own recovery mark */
    size_t position_length;
    bool paused; /* by an operator; what that means is dispatch's business */
};

/* Finds or makes the sink `name` (1 to 64 bytes) and makes it active. A new one starts at the head.
 * A sink that is no longer active keeps its state, and resumes where it was when it comes back, but
 * for what was pruned meanwhile (`dropped`). */
enum store_result store_register_sink(
    struct store *store, const char *name, struct store_sink *ret_sink, struct error *error);

/* Says which sinks are in the conf now: pruning waits for these and no others. Nothing is pruned
 * before the first call; n = 0 is legal. */
enum store_result store_set_active_sinks(
    struct store *store, const uint32_t *ids, size_t n, struct error *error);

/* Notes that the sink is paused, or is not any more; kept until it is said otherwise. */
enum store_result store_set_paused(
    struct store *store, uint32_t sink, bool paused, struct error *error);

/* ---- one transaction ---- */

struct store_append {
    const struct delivery *delivery; /* borrowed; seq and stale in it are ignored */
    enum store_verdict verdict;      /* out */
    uint64_t seq;                    /* out: of the stored row; of the first one for a copy */
    bool stale;                      /* out, when stored */
};

enum store_state {
    STORE_STATE_PENDING,
    STORE_STATE_DONE, /* settled: delivered, filtered or dropped; the row goes */
    STORE_STATE_DEAD,
};

/* One try of a sink at a delivery, as recorded. */
struct store_attempt {
    int64_t started_at_usec; /* real time */
    int64_t duration_usec;
    unsigned int number; /* from 1 */
    const char *result;  /* "exit 75", "signal 9", "timeout", "ok", "write: No space left…" */
    const void *output;  /* tail of what the hook printed; NULL if none */
    size_t output_length;
};

/* What one delivery's state for a sink becomes. */
struct store_outcome {
    uint64_t seq;
    enum store_state state;
    unsigned int attempts;               /* so far; PENDING and DEAD */
    int64_t next_at_usec;                /* real time before which it is not tried again; PENDING */
    bool replay;                         /* was asked for again by an operator; PENDING and DEAD */
    const struct store_attempt *attempt; /* to be recorded with it, or NULL; borrowed */
};

/* A sink's progress. After it, every seq <= frontier without a row is settled: the caller lists in
 * `outcomes` every delivery at or below the new frontier that is not settled and has no row yet,
 * and every row that changes. The counters are what to add.
 *
 * It must add up, else it is STORE_FAILED, for a damaged store can be the cause: advance of the
 * frontier + rows that become DONE = delivered + filtered + dropped + deliveries above the old
 * frontier that become PENDING or DEAD rows. The seqs of one settle are distinct and the new
 * frontier is not above the head. Some outcomes change nothing and are listed for their attempt
 * only: DONE for a delivery without a PENDING or DEAD row, anything above the new frontier. Making
 * a settled one PENDING or DEAD again adds to `requeued` and to nothing else. An outcome for a
 * delivery that is no longer there (pruned) is left out. */
struct store_settle {
    uint32_t sink;
    uint64_t frontier; /* the new one; not below the old; 0: as it was */
    int64_t delivered; /* to add; >= 0 */
    int64_t filtered;  /* to add; >= 0 */
    int64_t dropped;   /* to add; >= 0 */
    const struct store_outcome *outcomes;
    size_t n_outcomes;
    const void *position; /* NULL: as it was */
    size_t position_length;
};

struct store_batch {
    struct store_append **appends;
    size_t n_appends;
    const struct store_settle **settles;
    size_t n_settles;
    size_t n_staged; /* the store's: appends in the open transaction; 0 before and after */
};

/* Applies a batch in one transaction with one sync. Appends are judged in the given order, also
 * against earlier ones of the same batch; a row that cannot be stored (too big) is refused alone.
 * On STORE_OK every verdict is set and durable. Otherwise nothing happened and every verdict is
 * STORE_VERDICT_REFUSED. While the disk is below its floor or was full, appends are refused one by
 * one (not duplicates of what is stored) and settles are applied. `error` says why, also when
 * STORE_OK came with refused appends. */
enum store_result store_commit(struct store *store, struct store_batch *batch, struct error *error);

/* Does beforehand what store_commit would do first: judges and writes the appends that the batch
 * has so far, in a transaction that stays open and that nobody else sees. The batch may grow before
 * it is staged again or committed, at its ends only, and nothing else is asked of the store until
 * then. What goes wrong is done again, and told, by the commit; but for a body that is too big,
 * which `error` says here, if it is not NULL. */
void store_stage(struct store *store, struct store_batch *batch, struct error *error);

/* Keeps the WAL short; to be called after verdicts are published, off their path. `idle` says that
 * nothing waits, so that it may take longer. Call it once more with `idle` after a second or so
 * without work: it then brings the rest home. */
enum store_result store_maintain(struct store *store, bool idle, struct error *error);

/* ---- pruning ---- */

/* A copy is refused as too old by its sender's clock, but ids are dated by ours: one that came from
 * a clock ahead of ours must still be known when max_age lets go of it. */
#define STORE_IDS_MARGIN_USEC USEC_PER_DAY

struct store_retention {
    int64_t keep_deliveries_usec; /* after the last active sink was done; USEC_INFINITY: for ever */
    int64_t keep_ids_usec;        /* after arrival, and the margin; USEC_INFINITY: for ever */
};

/* Does one bounded step of pruning; *ret_more says that there is more to do at once. Dead letters
 * (of any sink) and what is pending for an active sink stay. To be called every minute or so: the
 * time at which deliveries were settled is known to within an hour, and errs to the longer side.
 * Ids are kept STORE_IDS_MARGIN_USEC longer than `keep_ids`, and that is known to within an hour
 * too.
 *
 * Nothing is pruned while real time is further ahead than it should be, for the first hour of that
 * (rule_time_look); `error` says so, along with STORE_OK, when it begins. */
enum store_result store_prune(struct store *store, const struct store_retention *retention,
    bool *ret_more, struct error *error);

struct store_stats {
    uint64_t head;       /* seq of the newest delivery */
    uint64_t deliveries; /* rows kept */
    uint64_t ids;        /* request ids remembered */
    uint64_t bytes;      /* of the database file */
    uint64_t wal_bytes;
    uint64_t disk_free;
    uint64_t disk_floor; /* of the options; 0: none */
    uint64_t reserve;    /* bytes held back */
    bool below_floor;
    bool disk_full; /* it was met full, and there is not yet room for all again */
    bool failed;    /* latched */
};

void store_get_stats(struct store *store, struct store_stats *ret_stats);

/* ---- reading ---- */

/* May be called from any thread, also while the writer works. */
int store_reader_open(struct store *store, struct store_reader **ret_reader, struct error *error);
void store_reader_close(struct store_reader *reader);

/* Return non-zero to stop. What is passed is borrowed for the call. The reader holds no lock and no
 * statement meanwhile, so the callback may do I/O and may use the same reader. */
typedef int (*store_delivery_fn)(const struct delivery *delivery, void *context);

/* Walks the deliveries above `after` in order of arrival, at most `limit`, without their bodies.
 * Returns how many were passed on (the one that stopped it included), or -errno. */
ssize_t store_scan(struct store_reader *reader, uint64_t after, size_t limit, store_delivery_fn fn,
    void *context, struct error *error);

/* Loads one delivery with its body; owned by the caller. -ENOENT: there is none (pruned).
 * -EBADMSG: what the disk holds is not what was stored; a damaged body is never returned. Every
 * function of a reader may also fail with -EIO, -EBUSY (try again) or -ENOMEM. */
int store_fetch(
    struct store_reader *reader, uint64_t seq, struct delivery **ret_delivery, struct error *error);

/* A pending or dead row of a sink, with the delivery it is about (without body). */
struct store_row {
    const struct delivery *delivery;
    enum store_state state; /* PENDING or DEAD */
    unsigned int attempts;
    int64_t next_at_usec;
    bool replay;
};
typedef int (*store_row_fn)(const struct store_row *row, void *context);

/* Walks the sink's rows in `state` with seq above `after`, in order; else as store_scan. */
ssize_t store_scan_rows(struct store_reader *reader, uint32_t sink, enum store_state state,
    uint64_t after, size_t limit, store_row_fn fn, void *context, struct error *error);

/* The sink as of now. -ENOENT: never registered. */
int store_read_sink(
    struct store_reader *reader, uint32_t sink, struct store_sink *ret_sink, struct error *error);

/* seq of the newest delivery; 0 when there never was one. */
int store_read_head(struct store_reader *reader, uint64_t *ret_head, struct error *error);

/* A recorded attempt, borrowed for the call. */
typedef int (*store_attempt_fn)(uint32_t sink, const struct store_attempt *attempt, void *context);

/* Walks the attempts recorded for a delivery, all sinks, in the order they were recorded. */
ssize_t store_scan_attempts(struct store_reader *reader, uint64_t seq, store_attempt_fn fn,
    void *context, struct error *error);

/* The bodies that came under an id whose first body was another one. */
struct store_conflict {
    uint64_t seq; /* the delivery that was stored first */
    int64_t received_at_usec;
    const char *secret;
    const unsigned char *body; /* NULL: what the disk holds is not what was stored */
    size_t body_length;        /* what is kept of it */
    size_t full_length;        /* as received */
};
typedef int (*store_conflict_fn)(const struct store_conflict *conflict, void *context);
ssize_t store_scan_conflicts(struct store_reader *reader, uint64_t seq, store_conflict_fn fn,
    void *context, struct error *error);
