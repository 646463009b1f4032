#pragma once

/*
 * The store's index: which request ids were seen, and which deliveries a job has. Private to
 * sqlite*.c.
 *
 * An index by random keys kept in a B-tree costs every delivery a page or two of its own. This one
 * costs a share of a page. New entries are kept in memory (`recent`); what they are made of is in
 * the deliveries, from which they are made again at the next start. When there are many they are
 * sorted (`frozen`) and written as a run: blocks of sorted entries, never changed. Runs of like age
 * and size are merged into larger ones, so that there are few. A summary of every block is in
 * memory, so that an id that is new, as nearly all are, is known to be so without a look at the
 * disk.
 *
 * Writing and merging is done in small steps within the transactions of deliveries
 * (index_work), at a pace that keeps up: it costs no sync of its own and makes nobody wait long.
 *
 * What is forgotten. An ID entry counts while its seq is above forgotten_through, a JOB entry
 * surely while it is above pruned_through; merging leaves out those that do not count.
 *
 * Transactions. Whoever opens one that adds or works ends it with index_committed or
 * index_rolled_back. On the disk a run counts when index_runs names it; blocks of others are
 * garbage and are deleted, in steps as well.
 *
 * Threads: the writer's, but index_gather, which is for readers.
 */

#include "store/index_recent.h"
#include "store/sqlite_db.h"

struct sqlite_state;

/* Deliveries whose entries are frozen together. At a start so many and what came while they were
 * written are read again. A build for the tests of faults may make it small (-DINDEX_FREEZE=32), so
 * that runs are written and merged all the time. */
#ifndef INDEX_FREEZE
#define INDEX_FREEZE 16384
#endif

/* Blocks that runs are made room for at first. */
#define INDEX_RUN_BLOCKS 64

/* Runs with room for no more blocks, which are those that a flush or the first merge makes, have
 * second filters, unless an earlier process made them. Most runs are such ones, and to read a block
 * for nothing costs as much as to write a delivery. Those of larger runs would take too much
 * memory. */
#define INDEX_FILTERED_BLOCKS_MAX (INDEX_RUN_BLOCKS + INDEX_FREEZE / 4)

#define INDEX_RUN_SHIFT 24
#define INDEX_RUN_ENTRIES_MAX ((uint64_t)INDEX_BLOCK_ENTRIES << INDEX_RUN_SHIFT)

/* Runs there may be; the merging keeps them far below. */
#define INDEX_RUNS_MAX 64

struct index_run {
    uint64_t id; /* of whichever was begun later, the larger */
    uint64_t n_entries;
    uint64_t n_ids;               /* of them ID entries */
    uint64_t first_seq, last_seq; /* what its entries are about lies within */
    size_t n_blocks;
    uint64_t *fences;                /* the first key's hi, of each block */
    struct index_summary *summaries; /* of each block */
    struct index_filter *filters;    /* the second ones, of each block; NULL: there are none */
};

/* Blocks that no run has. */
struct index_garbage {
    uint64_t run;
    size_t next, n_blocks;
};

struct index_job; /* sqlite_index_work.c */

struct sqlite_index {
    struct index_recent recent;
    size_t n_committed; /* of recent */
    struct index_frozen frozen;
    uint64_t frozen_through; /* seq of the youngest in it */

    struct index_run runs[INDEX_RUNS_MAX]; /* oldest first */
    size_t n_runs;
    uint64_t next_run;

    struct index_job *flush; /* frozen becomes a run */
    struct index_job *merge; /* runs become one; the uppermost of a stack */
    struct index_garbage *garbage;
    size_t n_garbage;
    size_t garbage_next; /* of the last one, as the open transaction left it; 0: it did nothing */
};

/* The number of a block's row. A run's rows lie in one piece; it may have INDEX_RUN_ENTRIES_MAX. */
static inline uint64_t index_row_number(uint64_t run, size_t number)
{
    return run << INDEX_RUN_SHIFT | number;
}

struct index_found {
    uint64_t seq;
    bool same_body; /* of an ID */
    int64_t updated_at_usec;
    bool terminal; /* this and the one before of a JOB: its newest */
};

/* ---- sqlite_index.c ---- */

/* Reads the runs, and the recent entries from the deliveries above state->indexed_through. Works
 * off what does not fit in memory, in transactions of its own. */
int index_open(struct sqlite_index *index, struct db *db, struct sqlite_state *state);
void index_close(struct sqlite_index *index); /* also one that is half open, or zeroed */

/* Asks for the memory that the search for a delivery's id and job will read first, which is far
 * apart for each delivery. To be called some deliveries ahead. */
void index_expect(const struct sqlite_index *index, const struct delivery *delivery);

/* Looks for the id. *ret_new: it was not seen, or is forgotten. */
int index_find_id(struct sqlite_index *index, struct db *db, const struct sqlite_state *state,
    const struct delivery *delivery, bool *ret_new, struct index_found *ret_found);

/* Looks for the newest delivery of the job and endpoint. */
int index_find_job(struct sqlite_index *index, struct db *db, const struct delivery *delivery,
    bool *ret_new, struct index_found *ret_found);

/* Whether the entries of so many more deliveries have a place. */
bool index_has_room(const struct sqlite_index *index, size_t n);

/* Makes room for the entries of so many deliveries; outside a transaction. It may take one or two
 * of its own. */
int index_make_room(
    struct sqlite_index *index, struct db *db, struct sqlite_state *state, size_t n);

/* Notes a delivery that the open transaction stores; there must be room. */
void index_add(struct sqlite_index *index, const struct delivery *delivery, uint64_t seq);

/* Writes everything that is in memory, in transactions of its own. */
int index_flush(struct sqlite_index *index, struct db *db, struct sqlite_state *state);

/* Ends what the open transaction did. `head` is the newest delivery. */
void index_committed(struct sqlite_index *index, uint64_t head);
void index_rolled_back(struct sqlite_index *index);

/* ---- sqlite_index_work.c ---- */

/* Writes up to about `blocks` blocks of what is to be written, within the open transaction. May
 * change state->indexed_through, which counts after the commit. */
int index_work(
    struct sqlite_index *index, struct db *db, struct sqlite_state *state, size_t blocks);

/* For sqlite_index.c's ends of transactions. */
void index_jobs_committed(struct sqlite_index *index);
void index_jobs_rolled_back(struct sqlite_index *index);
void index_jobs_free(struct sqlite_index *index);

/* Which of the runs, oldest first, are merged next: *ret_n of them from the returned place on; 0:
 * none need be. Pure. */
size_t index_choose_merge(const struct index_run *runs, size_t n_runs, uint64_t pruned_through,
    uint64_t forgotten_through, size_t *ret_n);

/* ---- sqlite_index_run.c: runs on disk ---- */

/* Writes a run, entry by entry, in order. */
struct index_builder {
    struct index_run run; /* so far; owned until it is moved */
    size_t capacity;      /* of its summaries */
    size_t n_entries;     /* in the block that is being filled */
    struct index_entry entries[INDEX_BLOCK_ENTRIES];
};

void index_builder_init(struct index_builder *builder, uint64_t id);
int index_builder_add(
    struct index_builder *builder, struct db *db, const struct index_entry *entry);
/* Writes the rest and names the run. */
int index_builder_finish(struct index_builder *builder, struct db *db);
void index_run_done(struct index_run *run);

/* Reads a block of a run. SQLITE_CORRUPT: it is not there or not what was written. */
int index_read_block(struct db *db, uint64_t run, size_t block,
    struct index_entry ret_entries[static INDEX_BLOCK_ENTRIES], size_t *ret_n);

/* A run is searched in three steps, each of which asks for the memory that the next one reads.
 * Taken for all runs together, a search waits for memory about as long as for one run alone. */
void index_run_expect(const struct index_run *run, const struct index_key *key);

/* The first block that could have the key, by the fences. */
size_t index_run_locate(const struct index_run *run, const struct index_key *key);

/* The first entry of the key and kind in the run; *ret_found tells. `block` is where the key was
 * located, `bits` are index_filter_bits(key). */
int index_run_find(const struct index_run *run, struct db *db, const struct index_key *key,
    const struct index_filter_bits *bits, enum index_kind kind, size_t block, bool *ret_found,
    struct index_entry *ret_entry);

/* Reads the runs there are, and which blocks belong to none. */
int index_load_runs(struct sqlite_index *index, struct db *db);

/* Notes that the run's blocks are to be deleted. */
void index_add_garbage(struct sqlite_index *index, uint64_t run, size_t n_blocks);

/* ---- sqlite_index_gather.c: for readers ---- */

/* Seqs of a job, whatever the endpoint, that have come to the runs and lie in (after, before). */
struct index_seqs {
    size_t n;
    size_t max;     /* of `seqs`, at most */
    uint64_t *seqs; /* rising; room for max + 1, the caller's */
};

/* *ret_n > max: there are more than that, and `seqs` is of no use. Within the caller's
 * transaction. */
int index_gather(
    struct db *db, const char *job_id, uint64_t after, uint64_t before, struct index_seqs *seqs);

/* ---- sqlite_index_convert.c: stores of the first versions ---- */

/* Within the step of the schema that brings the index: takes over the table `ids`. */
int index_convert(struct db *db);
