#pragma once

/*
 * The store in memory, shared by its files. Private to memory*.c.
 *
 * For tests and measurements: it keeps the same contract as the real one but for durability, and it
 * is simple rather than small. Arrays only grow; a pruned delivery leaves an empty slot.
 *
 * Readers of any thread share it with the writer, so everything below `lock` is read and changed
 * under it. The lock is never held across a callback. What a batch may need is allocated before its
 * first change (memory_commit.c).
 */

#include "store/backend.h"
#include "store/rules.h"

#include "util/cleanup.h"

#include <pthread.h>

/* A sink's row about a delivery; hangs on the delivery's slot. */
struct memory_row {
    struct memory_row *next;
    uint32_t sink;
    enum store_state state;
    unsigned int attempts;
    int64_t next_at_usec;
    bool replay;
    int64_t settled_at_usec; /* DONE */
};

struct memory_attempt {
    struct memory_attempt *next;
    uint32_t sink;
    struct store_attempt attempt; /* result and output point into `text` */
    char text[];
};

struct memory_slot {
    struct delivery *delivery; /* owned; NULL: pruned */
    uint64_t previous;         /* an earlier delivery whose job hashes alike; 0: none */
    struct memory_row *rows;
    struct memory_attempt *attempts; /* oldest first */
    size_t n_attempts;
};

struct memory_conflict {
    struct memory_conflict *next;
    uint64_t seq;
    struct delivery *evidence; /* owned */
};

struct memory_sink {
    char name[65];
    bool active;
    struct store_sink sink;
};

/* See struct sqlite_mark: when the head was where, and what was settled then. */
struct memory_mark {
    int64_t at_usec;
    uint64_t head;
    uint64_t settled;
};

struct memory_id {
    struct digest digest;
    struct digest body_digest;
    uint64_t seq; /* 0: the place is free */
};

struct memory_job {
    uint32_t hash;
    uint64_t seq; /* the newest delivery of it; 0: the place is free */
};

struct memory_store {
    struct store base;
    const struct clock *clock;
    bool active_known;     /* writer only */
    struct rule_time time; /* writer only */

    pthread_mutex_t lock; /* a leaf: under it only this module and the allocator are called */
    uint64_t head;
    struct memory_slot *slots; /* [seq - 1] */
    size_t slots_size;
    struct memory_id *ids; /* open addressing; sizes are powers of two */
    size_t ids_size, n_ids;
    struct memory_job *jobs;
    size_t jobs_size, n_jobs;
    struct memory_sink *sinks; /* [id - 1] */
    size_t n_sinks;
    struct memory_conflict *conflicts; /* oldest first */
    size_t n_conflicts;
    struct memory_mark *marks; /* oldest first */
    size_t n_marks;
    uint64_t pruned_through;
    uint64_t pruned_deliveries;
};

static inline struct memory_store *memory_store(struct store *store)
{
    return (struct memory_store *)(void *)store;
}

static inline struct memory_slot *memory_slot(struct memory_store *store, uint64_t seq)
{
    return &store->slots[seq - 1];
}

/* memory_index.c: tables by request id and by job. reserve makes room, so that put cannot fail. */
int memory_reserve(struct memory_store *store, size_t more);
struct memory_id *memory_find_id(struct memory_store *store, const struct digest *digest);
void memory_put_id(struct memory_store *store, const struct delivery *delivery, uint64_t seq);
void memory_forget_ids(struct memory_store *store, uint64_t through);
uint64_t memory_find_job(struct memory_store *store, const struct delivery *delivery);
void memory_put_job(struct memory_store *store, const struct delivery *delivery, uint64_t seq);

/* memory_commit.c */
enum store_result memory_commit(
    struct store *store, struct store_batch *batch, struct error *error);
struct memory_row **memory_find_row(struct memory_slot *slot, uint32_t sink);

/* memory_prune.c */
enum store_result memory_prune(struct store *store, const struct store_retention *retention,
    bool *ret_more, struct error *error);
void memory_clear_slot(struct memory_slot *slot);

struct memory_reader {
    struct store_reader base;
    struct memory_store *store;
};

static inline struct memory_store *memory_reader_store(struct store_reader *reader)
{
    return ((struct memory_reader *)(void *)reader)->store;
}

/* Numbers under the lock. */
void memory_get_stats(struct store *store, struct store_stats *ret_stats);

/* memory_read.c */
struct delivery *memory_copy_head(const struct delivery *delivery); /* without the body */
int memory_reader_open(struct store *store, struct store_reader **ret_reader, struct error *error);

/* memory_query.c */
int memory_find(struct store_reader *reader, const struct store_query *query,
    struct store_walk *walk, struct store_found *found, struct error *error);
int memory_read_sink_row(struct store_reader *reader, uint32_t sink, uint64_t seq,
    struct store_sink_row *ret_row, struct error *error);
int memory_read_oldest_pending(
    struct store_reader *reader, uint32_t sink, int64_t *ret_received_at_usec, struct error *error);
int memory_read_stats(
    struct store_reader *reader, struct store_stats *ret_stats, struct error *error);
