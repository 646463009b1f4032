#pragma once

/*
 * A sink's queue: the part of it that is in memory, and what the store must be told. Pure: no I/O,
 * no clock, no log; times come in as monotonic microseconds.
 *
 * A task is the skeleton of a delivery that is not settled: no body, about 90 bytes. It is one of
 * - fresh: claimed, without a row in the store. All fresh tasks lie above the store's frontier;
 * - rowed: with a pending row, at or below the frontier; or one that an operator asked for, which
 *   has a row once the next plan is written.
 * It waits in its lane (lanes.h), runs, or has left the lane and only waits for its outcome to be
 * written.
 *
 * What is written, and when. queue_plan gathers all that changed since the last plan. Its frontier
 * F is the highest seq that has an outcome; each fresh task at or below F that is not settled gets
 * a pending row in the same transaction; from F the frontier goes on over what needs nothing
 * (filtered deliveries) up to the next unsettled one. A sink that delivers in order thus writes no
 * rows at all. With `spill` all that was claimed gets its row, which makes room for claiming more.
 *
 * One plan is under way at a time, because a frontier is only true on top of the one before it. It
 * ends with queue_committed or, when nothing of it was written, queue_returned; nothing is lost
 * then, and the next plan covers at least as much.
 *
 * A delivery that failed keeps its lane waiting until its row is on disk and its time has come: an
 * attempt is counted durably before the next one starts. What stands behind it in the lane is held
 * up and counts no attempt.
 *
 * What an operator asks for goes the same way: it is an outcome like a failed attempt, but due at
 * once and with the attempts counted anew, and it starts when its row is on disk. It goes behind
 * what is in its lane, so a lane is in order of seq but for those at its end. Requests are carried
 * out between two plans, so that there is one answer to what the store holds.
 *
 * Not thread-safe; belongs to a runner.
 */

#include "dispatch/lanes.h"

#include <stdbool.h>

struct attempt; /* the runner's; carried along */

enum task_write {
    WRITE_NOTHING,
    WRITE_DELIVERED,
    WRITE_FILTERED, /* a rowed one that a changed conf leaves out */
    WRITE_DROPPED,  /* a dead one that an operator gave up */
    WRITE_DEAD,
    WRITE_RETRY, /* pending, with new attempts and time */
};

struct task {
    uint64_t seq;
    struct lane *lane; /* NULL once settled */
    struct task *lane_next, *lane_prev;
    struct task *fresh_next, *fresh_prev;
    struct task *dirty_next;
    int64_t due;             /* not before; 0: any time */
    struct attempt *attempt; /* owned: running, or to be recorded with the next write */
    uint32_t attempts;       /* so far */
    uint32_t failed_mark;    /* the breaker's */
    uint64_t filtered_after; /* filtered deliveries between this fresh task and the next */
    enum task_write write : 8;
    bool running : 1;
    bool replay : 1;
    bool has_row : 1;
};

struct queue {
    struct lanes lanes;
    size_t depth; /* tasks of one lane at a time */
    void (*drop)(struct attempt *attempt);

    struct task *fresh_head, *fresh_tail; /* by seq */
    size_t n_fresh;
    struct task *dirty_head, **dirty_tail; /* with something to write, oldest first */
    size_t n_dirty;
    size_t n_unwritten; /* the dirty ones and those of a plan under way */
    size_t n_tasks;     /* in all, those of a plan under way included */
    unsigned int n_running;

    uint64_t cursor;         /* claimed up to here */
    uint64_t frontier;       /* the store's */
    uint64_t floor;          /* of the next plan's frontier: a returned plan had it */
    uint64_t filtered_first; /* filtered ones before the first fresh task, not yet written */
};

/* One task in a plan. With WRITE_NOTHING: it gets its pending row. */
struct queue_entry {
    struct task *task;
    enum task_write write;
};

struct queue_plan {
    uint64_t frontier;
    uint64_t delivered, filtered, dropped; /* to add to the sink's counters */
    struct queue_entry *entries;           /* owned by the plan */
    size_t n;
};

enum queue_end {
    QUEUE_DELIVERED,
    QUEUE_DEAD,
    QUEUE_RETRY,    /* not before `due`; the caller has counted the attempt */
    QUEUE_DEFERRED, /* as if it had not been taken */
};

/* `depth`: tasks of a lane that may run together. `drop` frees an attempt. Returns 0 or -ENOMEM. */
int queue_init(
    struct queue *queue, uint64_t frontier, size_t depth, void (*drop)(struct attempt *));

/* Forgets everything. No plan may be under way. */
void queue_done(struct queue *queue);

/* Each adds what comes next in order of seq; rows before claims. All return 0 or -ENOMEM, and
 * change nothing then. `key` names the lane. */
int queue_add_row(struct queue *queue, uint64_t seq, uint64_t key, uint32_t attempts, int64_t due,
    bool replay, int64_t now_usec);
int queue_claim(struct queue *queue, uint64_t seq, uint64_t key, int64_t now_usec);

/* Claims one that needs no doing: it counts as delivered. */
int queue_claim_delivered(struct queue *queue, uint64_t seq);

/* Claims one that the sink does not want, and with it all before it that were not claimed. */
void queue_claim_filtered(struct queue *queue, uint64_t seq);

/* A row that needs no doing; `write` is WRITE_DELIVERED, WRITE_FILTERED or WRITE_DROPPED. */
int queue_settle_row(struct queue *queue, uint64_t seq, enum task_write write);

/* Lines up the lanes whose time has come. */
void queue_wake(struct queue *queue, int64_t now_usec);

/* Takes up to `max` tasks that may start now, each lane's in order; they run until queue_end. */
size_t queue_take(struct queue *queue, int64_t now_usec, struct task **tasks, size_t max);

/* A taken task comes back. */
void queue_end(
    struct queue *queue, struct task *task, enum queue_end end, int64_t due, int64_t now_usec);

/* ---- what an operator asks for; no plan may be under way ---- */

struct queue_search {
    uint64_t seq;
    struct task *task; /* NULL: there is none */
    bool spent;        /* the caller's own */
};

/* By seq; for qsort and bsearch. */
int queue_compare_searches(const void *a, const void *b);

/* Finds tasks. `searches` is sorted by seq, without doubles. Walks over all tasks once. */
void queue_find(const struct queue *queue, struct queue_search *searches, size_t n);

/* A task that failed before waits for nothing any more, and its attempts count anew. False: it has
 * not failed, or runs, or is settled; nothing changed. */
bool queue_hasten(struct queue *queue, struct task *task);

/* A delivery at or below the frontier that is settled or dead, and so has no task, is pending
 * again. Returns 0 or -ENOMEM. */
int queue_requeue(struct queue *queue, uint64_t seq, uint64_t key, bool replay, int64_t now_usec);

/* ---- times ---- */

/* Whether a lane could start at once. */
bool queue_is_ready(const struct queue *queue);

/* The earliest time at which a waiting lane may start. */
int64_t queue_next_due(const struct queue *queue);

/* Whether the frontier could move although no outcome waits: only filtered ones were claimed. */
bool queue_has_progress(const struct queue *queue);

/* What is to be written now. Returns 0 or -ENOMEM, and changes nothing then. The plan's entries
 * stay where they are until queue_committed or queue_returned, which end the plan. */
int queue_plan(struct queue *queue, bool spill, struct queue_plan *ret_plan);
void queue_committed(struct queue *queue, struct queue_plan *plan, int64_t now_usec);
void queue_returned(struct queue *queue, struct queue_plan *plan);
