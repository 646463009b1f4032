#pragma once

/*
 * The store's only writer: a thread that turns what waits into one transaction with one sync.
 *
 * Work is posted from any thread and comes back, after the commit that decides it, into the mailbox
 * that it names, or through its `done` callback on the writer's thread, which does nothing but
 * post. No artificial delay: while one commit syncs, the next batch gathers by itself. Only whose
 * poster says so waits, a few milliseconds at most, for what it still posts.
 *
 * Works in the order of posting: appends and settles gather into one batch up to the next call.
 * `result` of an append and of a settle is the commit's: unless STORE_OK nothing of it happened, a
 * settle may be posted again. An append of a STORE_OK commit may still be refused (its verdict).
 *
 * On STORE_FAILED the writer tells `failed` once; everything waiting and everything posted later
 * comes back at once with STORE_FAILED, appends refused (G2), calls not run, and the daemon exits.
 *
 * It logs when the store becomes unavailable and when it is back, one line each; a full disk also
 * when nothing is posted; not the failure itself, which `failed` passes on. Pruning and checkpoints
 * are done here between batches.
 */

#include "store/store.h"
#include "util/mailbox.h"

#include <stdatomic.h>

enum store_work_kind {
    STORE_WORK_APPEND,
    STORE_WORK_SETTLE,
    STORE_WORK_CALL, /* anything rare: runs alone between batches with the store in hand */
};

struct store_work {
    struct mailbox_item item;
    enum store_work_kind kind;
    void (*done)(struct store_work *work); /* gives the work back to its owner, or NULL: */
    struct mailbox *reply_to;              /* it is posted there */
    int more;                              /* 1: more will soon come that may share its commit;
                                              -1: the last of it; 0: neither */
    enum store_result result;              /* out */

    union {
        struct store_append append;
        struct store_settle settle;
        void (*call)(struct store *store, struct store_work *work);
    };
};

/* The most work of one transaction. Bodies add up to at most STORE_BATCH_BYTES, but for a single
 * larger one. */
#define STORE_BATCH_MAX 512
#define STORE_BATCH_BYTES (8u << 20)

struct store_writer_options {
    struct store *store; /* borrowed; the writer's alone until store_writer_stop returns */
    const struct clock *clock;
    struct store_retention retention;
    /* Called on the writer's thread after a commit that stored something. Must only post. */
    void (*stored)(void *context);
    /* Called once, on the writer's thread, when the store latched. Must only post. */
    void (*failed)(void *context, const struct error *error);
    void *context;
};

struct store_writer;

/* Starts the thread, with every signal blocked. */
int store_writer_start(const struct store_writer_options *options, struct store_writer **ret_writer,
    struct error *error);

/* Works off what waits, then ends the thread. Nobody may post any more. Does not close the store.
 * NULL is legal. */
void store_writer_stop(struct store_writer *writer);

/* From any thread. Takes the work until it comes back. */
void store_writer_post(struct store_writer *writer, struct store_work *work);

/* The same for a list of them, linked by their items; it is empty afterwards. */
void store_writer_post_list(struct store_writer *writer, struct mailbox_list *works);

/* Posts and waits; for start, reload and tools. Not from a loop that must not block, nor from the
 * writer's own thread. STORE_OK: `call` was run (what it did it says through its context);
 * STORE_FAILED: it was not, the store has latched. */
enum store_result store_writer_call(
    struct store_writer *writer, void (*call)(struct store *store, void *context), void *context);

/* Histograms. Bucket i of the first counts commits that took up to store_commit_bucket_usec[i], the
 * last has no bound; bucket i of the second counts commits of up to 2^i works. */
#define STORE_COMMIT_BUCKETS 14
extern const int64_t store_commit_bucket_usec[STORE_COMMIT_BUCKETS - 1];
#define STORE_BATCH_BUCKETS 10
_Static_assert(1 << (STORE_BATCH_BUCKETS - 1) >= STORE_BATCH_MAX, "the last bucket holds the most");

struct store_writer_stats {
    _Atomic uint64_t commits;
    _Atomic uint64_t appended;    /* deliveries stored */
    _Atomic uint64_t commit_usec; /* time spent in commits, summed */
    _Atomic uint64_t unavailable; /* commits that could not be made for now */
    _Atomic uint64_t works;       /* appends and settles of all commits */
    _Atomic uint64_t commit_buckets[STORE_COMMIT_BUCKETS];
    _Atomic uint64_t batch_buckets[STORE_BATCH_BUCKETS];
    /* Monotonic time of the last commit that could not take what it should; 0: the last one did. */
    _Atomic int64_t unavailable_at_usec;
};

/* Borrowed; to be read from any thread. */
const struct store_writer_stats *store_writer_stats(const struct store_writer *writer);
