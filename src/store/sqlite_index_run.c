/*
 * Runs of the index on disk: writing, reading, finding.
 *
 * A new run lies in one piece at the end of the table. Summaries are kept twice: in rows of their
 * own, many a row, which is what a start reads, and in memory.
 */

#include "store/sqlite_index.h"

#include "util/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* ---- writing ---- */

void index_builder_init(struct index_builder *builder, uint64_t id)
{
    *builder = (struct index_builder){.run = {.id = id, .first_seq = UINT64_MAX}};
}

static int write_row(
    struct db *db, enum sql sql, uint64_t run, size_t number, const void *data, size_t size)
{
    return db_run(db, sql, DB_VALUES(DB_INT(index_row_number(run, number)), DB_BLOB(data, size)));
}

/* Writes the row of summaries that ends with the last one. */
static int write_summaries(struct index_run *run, struct db *db)
{
    unsigned char data[INDEX_SUMMARIES_SIZE_MAX];
    size_t row = (run->n_blocks - 1) / INDEX_SUMMARIES;
    size_t first = row * INDEX_SUMMARIES;
    size_t size = index_summaries_encode(&run->summaries[first], run->n_blocks - first, data);

    return write_row(db, SQL_INDEX_SUMMARIES_WRITE, run->id, row, data, size);
}

static bool run_grow(struct index_run *run, size_t capacity)
{
    uint64_t *fences = realloc(run->fences, capacity * sizeof(*fences));
    struct index_summary *summaries;

    if (!fences)
        return false;
    run->fences = fences;
    summaries = realloc(run->summaries, capacity * sizeof(*summaries));
    if (!summaries)
        return false;
    run->summaries = summaries;
    return true;
}

/* Without memory for them, or with too many blocks, the run goes on without second filters. */
static void filters_grow(struct index_run *run, size_t capacity)
{
    struct index_filter *filters = NULL;

    if (capacity <= INDEX_FILTERED_BLOCKS_MAX)
        filters = realloc(run->filters, capacity * sizeof(*filters));
    if (!filters)
        free(run->filters);
    run->filters = filters;
}

static void run_push(struct index_run *run, const struct index_summary *summary)
{
    run->fences[run->n_blocks] = summary->first_hi;
    run->summaries[run->n_blocks] = *summary;
    run->n_blocks++;
}

static int write_block(struct index_builder *builder, struct db *db)
{
    unsigned char data[INDEX_BLOCK_SIZE_MAX];
    struct index_run *run = &builder->run;
    struct index_summary summary = index_summarise(builder->entries, builder->n_entries);
    size_t size = index_block_encode(builder->entries, builder->n_entries, data);
    int rc;

    if (run->n_blocks == builder->capacity) {
        size_t capacity = builder->capacity == 0 ? INDEX_RUN_BLOCKS : 2 * builder->capacity;

        if (!run_grow(run, capacity))
            return SQLITE_NOMEM;
        if (run->filters || run->n_blocks == 0)
            filters_grow(run, capacity);
        builder->capacity = capacity;
    }
    rc = write_row(db, SQL_INDEX_BLOCK_WRITE, run->id, run->n_blocks, data, size);
    if (rc != SQLITE_OK)
        return rc;
    if (run->filters)
        run->filters[run->n_blocks] = index_second_filter(builder->entries, builder->n_entries);
    run_push(run, &summary);
    builder->n_entries = 0;
    return run->n_blocks % INDEX_SUMMARIES == 0 ? write_summaries(run, db) : SQLITE_OK;
}

int index_builder_add(struct index_builder *builder, struct db *db, const struct index_entry *entry)
{
    struct index_run *run = &builder->run;
    uint64_t seq = index_entry_seq(entry);

    builder->entries[builder->n_entries++] = *entry;
    run->n_entries++;
    run->n_ids += index_entry_kind(entry) == INDEX_ID;
    if (seq < run->first_seq)
        run->first_seq = seq;
    if (seq > run->last_seq)
        run->last_seq = seq;
    return builder->n_entries == INDEX_BLOCK_ENTRIES ? write_block(builder, db) : SQLITE_OK;
}

int index_builder_finish(struct index_builder *builder, struct db *db)
{
    struct index_run *run = &builder->run;
    int rc = builder->n_entries > 0 ? write_block(builder, db) : SQLITE_OK;

    if (rc != SQLITE_OK || run->n_blocks == 0)
        return rc;
    if (run->n_blocks % INDEX_SUMMARIES != 0)
        rc = write_summaries(run, db);
    if (rc != SQLITE_OK)
        return rc;
    (void)run_grow(run, run->n_blocks); /* gives back what is too much */
    if (run->filters)
        filters_grow(run, run->n_blocks);
    return db_run(db, SQL_INDEX_RUN_ADD,
        DB_VALUES(DB_INT(run->id), DB_INT(run->n_entries), DB_INT(run->n_ids),
            DB_INT(run->n_blocks), DB_INT(run->first_seq), DB_INT(run->last_seq)));
}

void index_run_done(struct index_run *run)
{
    free(run->fences);
    free(run->summaries);
    free(run->filters);
    *run = (struct index_run){0};
}

/* ---- reading ---- */

/* Bytes; it only matters for speed. */
#define CACHE_LINE 64

/* Binds and steps to the one row; the caller resets. SQLITE_DONE becomes SQLITE_CORRUPT. */
static int read_row(
    struct db *db, enum sql sql, uint64_t run, size_t number, sqlite3_stmt **ret_statement)
{
    int rc = db_bind(db, sql, ret_statement, DB_VALUES(DB_INT(index_row_number(run, number))));

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(*ret_statement);
    if (rc == SQLITE_ROW)
        return SQLITE_OK;
    (void)db_reset(*ret_statement, rc);
    return rc == SQLITE_DONE ? SQLITE_CORRUPT : rc;
}

int index_read_block(struct db *db, uint64_t run, size_t block,
    struct index_entry ret_entries[static INDEX_BLOCK_ENTRIES], size_t *ret_n)
{
    sqlite3_stmt *statement;
    int rc = read_row(db, SQL_INDEX_BLOCK_READ, run, block, &statement);

    if (rc != SQLITE_OK)
        return rc;
    *ret_n = index_block_decode(
        sqlite3_column_blob(statement, 0), (size_t)sqlite3_column_bytes(statement, 0), ret_entries);
    (void)db_reset(statement, SQLITE_OK);
    return *ret_n == 0 ? SQLITE_CORRUPT : SQLITE_OK;
}

/* Keys are spread evenly, so a fence is near where it would be if they stood at even distances. */
static size_t guess_fence(size_t n, uint64_t hi)
{
    return (size_t)((unsigned __int128)hi * n >> 64);
}

/* How many fences are below `hi`. From the guess the search goes out in doubling steps. */
static size_t fences_below(const uint64_t *fences, size_t n, uint64_t hi)
{
    size_t guess = guess_fence(n, hi);
    size_t low = 0, high = n;

    ASSERT(guess < n); /* a run has a block */
    if (fences[guess] < hi) {
        low = guess + 1;
        for (size_t step = 8; low + step < n; step *= 2) {
            if (fences[low + step] >= hi) {
                high = low + step;
                break;
            }
            low += step;
        }
    } else {
        high = guess;
        for (size_t step = 8; step < high; step *= 2) {
            if (fences[high - step] < hi) {
                low = high - step;
                break;
            }
            high -= step;
        }
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (fences[middle] < hi)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void index_run_expect(const struct index_run *run, const struct index_key *key)
{
    __builtin_prefetch(&run->fences[guess_fence(run->n_blocks, key->hi)]);
}

size_t index_run_locate(const struct index_run *run, const struct index_key *key)
{
    size_t block = fences_below(run->fences, run->n_blocks, key->hi);
    const struct index_summary *summary;

    if (block > 0)
        block--;
    summary = &run->summaries[block];
    for (size_t at = 0; at < sizeof(*summary); at += CACHE_LINE)
        __builtin_prefetch((const char *)summary + at);
    return block;
}

/* Whether a block, which the fences allow, may have the key. */
static bool block_may_have(
    const struct index_run *run, size_t block, const struct index_filter_bits *bits)
{
    return index_filter_may_have(&run->summaries[block].filter, bits->first) &&
           (!run->filters || index_filter_may_have(&run->filters[block], bits->second));
}

int index_run_find(const struct index_run *run, struct db *db, const struct index_key *key,
    const struct index_filter_bits *bits, enum index_kind kind, size_t block, bool *ret_found,
    struct index_entry *ret_entry)
{
    struct index_entry entries[INDEX_BLOCK_ENTRIES];

    *ret_found = false;
    for (; block < run->n_blocks && run->fences[block] <= key->hi; block++) {
        const struct index_entry *entry;
        size_t n;
        int rc;

        if (!block_may_have(run, block, bits))
            continue;
        rc = index_read_block(db, run->id, block, entries, &n);
        if (rc != SQLITE_OK)
            return rc;
        entry = index_sorted_find(entries, n, key, kind);
        if (entry) {
            *ret_found = true;
            *ret_entry = *entry;
            return SQLITE_OK;
        }
    }
    return SQLITE_OK;
}

/* ---- loading ---- */

static int load_summaries(struct index_run *run, struct db *db)
{
    struct index_summary summaries[INDEX_SUMMARIES];
    size_t n_blocks = run->n_blocks;

    run->n_blocks = 0;
    if (!run_grow(run, n_blocks))
        return SQLITE_NOMEM;
    for (size_t row = 0; run->n_blocks < n_blocks; row++) {
        sqlite3_stmt *statement;
        size_t n;
        int rc = read_row(db, SQL_INDEX_SUMMARIES_READ, run->id, row, &statement);

        if (rc != SQLITE_OK)
            return rc;
        n = index_summaries_decode(sqlite3_column_blob(statement, 0),
            (size_t)sqlite3_column_bytes(statement, 0), summaries);
        (void)db_reset(statement, SQLITE_OK);
        if (n == 0 || n > n_blocks - run->n_blocks)
            return SQLITE_CORRUPT;
        for (size_t i = 0; i < n; i++)
            run_push(run, &summaries[i]);
    }
    return SQLITE_OK;
}

static int load_rows(struct sqlite_index *index, struct db *db)
{
    sqlite3_stmt *statement;
    int rc = db_bind(db, SQL_INDEX_RUN_LIST, &statement, DB_NO_VALUES);

    if (rc != SQLITE_OK)
        return rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct index_run run = {
            .id = (uint64_t)sqlite3_column_int64(statement, 0),
            .n_entries = (uint64_t)sqlite3_column_int64(statement, 1),
            .n_ids = (uint64_t)sqlite3_column_int64(statement, 2),
            .n_blocks = (size_t)sqlite3_column_int64(statement, 3),
            .first_seq = (uint64_t)sqlite3_column_int64(statement, 4),
            .last_seq = (uint64_t)sqlite3_column_int64(statement, 5),
        };

        if (index->n_runs == INDEX_RUNS_MAX || run.n_blocks == 0 ||
            run.n_blocks != (run.n_entries + INDEX_BLOCK_ENTRIES - 1) / INDEX_BLOCK_ENTRIES) {
            rc = SQLITE_CORRUPT;
            break;
        }
        index->runs[index->n_runs++] = run;
    }
    return db_reset(statement, rc);
}

static bool is_run(const struct sqlite_index *index, uint64_t id)
{
    for (size_t i = 0; i < index->n_runs; i++)
        if (index->runs[i].id == id)
            return true;
    return false;
}

/* Goes from run to run, from the youngest blocks down. */
static int look_for_garbage(struct sqlite_index *index, struct db *db)
{
    int64_t before = INT64_MAX, last;
    int rc;

    index->next_run = 1;
    while ((rc = db_get_int(db, SQL_INDEX_BLOCK_BEFORE, DB_VALUES(DB_INT(before)), &last)) ==
           SQLITE_OK) {
        uint64_t run = (uint64_t)last >> INDEX_RUN_SHIFT;

        if (run >= index->next_run)
            index->next_run = run + 1;
        if (!is_run(index, run))
            index_add_garbage(index, run, (size_t)((uint64_t)last - (run << INDEX_RUN_SHIFT)) + 1);
        before = (int64_t)(run << INDEX_RUN_SHIFT);
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int index_load_runs(struct sqlite_index *index, struct db *db)
{
    int rc = load_rows(index, db);

    for (size_t i = 0; rc == SQLITE_OK && i < index->n_runs; i++)
        rc = load_summaries(&index->runs[i], db);
    return rc == SQLITE_OK ? look_for_garbage(index, db) : rc;
}

void index_add_garbage(struct sqlite_index *index, uint64_t run, size_t n_blocks)
{
    struct index_garbage *garbage;

    if (n_blocks == 0)
        return;
    garbage = realloc(index->garbage, (index->n_garbage + 1) * sizeof(*garbage));
    if (!garbage)
        return; /* the next start finds it */
    index->garbage = garbage;
    garbage[index->n_garbage++] = (struct index_garbage){.run = run, .n_blocks = n_blocks};
}
