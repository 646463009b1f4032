/*
 * Which deliveries a job has, for readers: they have no summaries in memory, and look into the
 * blocks of each run by halving. That is a few blocks a run, for a question that an operator asks.
 */

#include "store/sqlite_index.h"

#include <stdlib.h>

/* Reads the first entry's hi of a block. */
static int read_fence(struct db *db, uint64_t run, size_t block, uint64_t *ret_hi)
{
    struct index_entry entries[INDEX_BLOCK_ENTRIES];
    size_t n;
    int rc = index_read_block(db, run, block, entries, &n);

    if (rc == SQLITE_OK)
        *ret_hi = entries[0].key.hi;
    return rc;
}

/* The first block that may have the key. */
static int find_block(struct db *db, uint64_t run, size_t n_blocks, uint64_t hi, size_t *ret_block)
{
    size_t low = 0, high = n_blocks;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        uint64_t fence;
        int rc = read_fence(db, run, middle, &fence);

        if (rc != SQLITE_OK)
            return rc;
        if (fence < hi)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_block = low > 0 ? low - 1 : 0;
    return SQLITE_OK;
}

struct wanted {
    uint64_t hi;
    uint64_t after, before;
};

/* Takes what fits of a block; *ret_ended: no later block can have any. */
static void take_block(const struct index_entry *entries, size_t n, const struct wanted *wanted,
    struct index_seqs *seqs, bool *ret_ended)
{
    for (size_t i = 0; i < n && seqs->n <= seqs->max; i++) {
        uint64_t seq = index_entry_seq(&entries[i]);

        if (entries[i].key.hi == wanted->hi && index_entry_kind(&entries[i]) == INDEX_JOB &&
            seq > wanted->after && seq < wanted->before)
            seqs->seqs[seqs->n++] = seq;
    }
    *ret_ended = entries[n - 1].key.hi > wanted->hi;
}

static int gather_run(struct db *db, uint64_t run, size_t n_blocks, const struct wanted *wanted,
    struct index_seqs *seqs)
{
    struct index_entry entries[INDEX_BLOCK_ENTRIES];
    bool ended = false;
    size_t block;
    int rc = find_block(db, run, n_blocks, wanted->hi, &block);

    for (; rc == SQLITE_OK && !ended && block < n_blocks && seqs->n <= seqs->max; block++) {
        size_t n;

        rc = index_read_block(db, run, block, entries, &n);
        if (rc == SQLITE_OK)
            take_block(entries, n, wanted, seqs, &ended);
    }
    return rc;
}

static int compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

int index_gather(
    struct db *db, const char *job_id, uint64_t after, uint64_t before, struct index_seqs *seqs)
{
    const struct wanted wanted = {index_key_of_job(job_id, "").hi, after, before};
    sqlite3_stmt *statement;
    int rc = db_bind(db, SQL_INDEX_RUN_LIST, &statement, DB_NO_VALUES);

    seqs->n = 0;
    while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW)
        rc = gather_run(db, (uint64_t)sqlite3_column_int64(statement, 0),
            (size_t)sqlite3_column_int64(statement, 3), &wanted, seqs);
    if (statement)
        rc = db_reset(statement, rc);
    if (rc == SQLITE_OK && seqs->n <= seqs->max)
        qsort(seqs->seqs, seqs->n, sizeof(*seqs->seqs), compare);
    return rc;
}
