/*
 * The work of the index: frozen entries become a run, runs are merged, garbage is deleted.
 *
 * A job goes on over many transactions. It holds its place in memory and its blocks on disk, which
 * belong to no run before it is finished. When a transaction fails nobody can tell how far a job
 * came, so it is given up and begun anew, and its blocks are garbage.
 *
 * Which runs are merged. A run's level is how often it could be divided by FAN before it is of the
 * size that a flush makes. When FAN of a level have come together, they become one, along with the
 * smaller ones among and behind them. So an entry is written once a level, and there are at most
 * FAN - 1 runs a level. A run a fourth of which does not count any more is written anew by itself.
 *
 * A merge of large runs goes on while thousands of small ones come. So those behind its runs are
 * merged meanwhile, and first: merges stand in a stack, each of younger runs than the one below it,
 * and the uppermost is worked on.
 */

#include "store/sqlite_index.h"
#include "store/sqlite_store.h"

#include "util/cleanup.h"

#include <stdlib.h>
#include <string.h>

/* With more runs at a time an entry is written less often, and what a search costs grows little,
 * for it waits for the memory of all runs at once. */
#define FAN 8

/* Blocks of garbage that cost about as much to delete as one costs to write. */
#define GARBAGE_STEP 32

/* Entries, one after another, of what is read. */
struct cursor {
    const struct index_entry *entries; /* the frozen ones, or `block` */
    size_t at, n;                      /* in entries */
    uint64_t run;                      /* 0: the frozen ones */
    size_t next_block, n_blocks;
    struct index_entry block[INDEX_BLOCK_ENTRIES];
};

struct index_job {
    struct index_builder builder;
    bool is_finished; /* by the open transaction */
    /* Of a merge: the place of the first run in the index, and the merge that waits for this one.
     * Its runs are before these, so that their places stay as they are. */
    size_t first_run;
    struct index_job *below;
    size_t n_cursors;
    struct cursor cursors[];
};

/* ---- choosing ---- */

static unsigned int level_of(uint64_t n_entries)
{
    unsigned int level = 0;

    /* A flush makes runs of two entries a delivery, and somewhat larger ones. */
    for (uint64_t size = 4 * (uint64_t)INDEX_FREEZE; n_entries > size; size *= FAN)
        level++;
    return level;
}

/* How many of the run's deliveries are at or below `through`, in 1/1024, as if they were spread
 * evenly. */
static uint64_t share_below(const struct index_run *run, uint64_t through)
{
    if (through < run->first_seq)
        return 0;
    if (through >= run->last_seq)
        return 1024;
    return (uint64_t)((unsigned __int128)(through - run->first_seq + 1) * 1024 /
                      (run->last_seq - run->first_seq + 1));
}

static bool is_worn(
    const struct index_run *run, uint64_t pruned_through, uint64_t forgotten_through)
{
    uint64_t n_jobs = run->n_entries - run->n_ids;
    uint64_t gone = n_jobs * share_below(run, pruned_through) / 1024 +
                    run->n_ids * share_below(run, forgotten_through) / 1024;

    return gone > 0 && gone >= run->n_entries / 4;
}

/* How many of the runs, the oldest first, have room in one. */
static size_t count_fitting(const struct index_run *runs, size_t n_runs)
{
    uint64_t n_entries = 0;
    size_t n = 0;

    while (n < n_runs && n_entries + runs[n].n_entries <= INDEX_RUN_ENTRIES_MAX)
        n_entries += runs[n++].n_entries;
    return n;
}

size_t index_choose_merge(const struct index_run *runs, size_t n_runs, uint64_t pruned_through,
    uint64_t forgotten_through, size_t *ret_n)
{
    unsigned int top = 0;

    for (size_t i = 0; i < n_runs; i++)
        top = level_of(runs[i].n_entries) > top ? level_of(runs[i].n_entries) : top;
    for (unsigned int level = 0; level <= top; level++) {
        size_t first = n_runs, n_of_level = 0, n_fitting;

        while (first > 0 && level_of(runs[first - 1].n_entries) <= level) {
            first--;
            n_of_level += level_of(runs[first].n_entries) == level;
        }
        n_fitting = count_fitting(&runs[first], n_runs - first);
        if (n_of_level >= FAN && n_fitting > 1) {
            *ret_n = n_fitting;
            return first;
        }
    }
    for (size_t i = 0; i < n_runs; i++)
        if (is_worn(&runs[i], pruned_through, forgotten_through)) {
            *ret_n = 1;
            return i;
        }
    *ret_n = 0;
    return 0;
}

/* ---- jobs ---- */

static struct index_job *job_new(struct sqlite_index *index, size_t n_cursors)
{
    struct index_job *job = calloc(1, sizeof(*job) + n_cursors * sizeof(job->cursors[0]));

    if (!job)
        return NULL;
    index_builder_init(&job->builder, index->next_run++);
    job->n_cursors = n_cursors;
    return job;
}

static void job_free(struct index_job *job)
{
    if (!job)
        return;
    index_run_done(&job->builder.run);
    free(job);
}

/* Gives a job up: what it wrote is garbage. */
static void job_give_up(struct sqlite_index *index, struct index_job *job)
{
    if (job)
        index_add_garbage(index, job->builder.run.id, job->builder.run.n_blocks);
    job_free(job);
}

/* Takes the uppermost merge off; NULL: there is none. */
static struct index_job *pop_merge(struct sqlite_index *index)
{
    struct index_job *job = index->merge;

    if (job)
        index->merge = job->below;
    return job;
}

static int begin_flush(struct sqlite_index *index)
{
    struct index_job *job = job_new(index, 1);

    if (!job)
        return SQLITE_NOMEM;
    job->cursors[0].entries = index->frozen.entries;
    job->cursors[0].n = index->frozen.n;
    index->flush = job;
    return SQLITE_OK;
}

static int begin_merge(struct sqlite_index *index, size_t first, size_t n)
{
    struct index_job *job = job_new(index, n);

    if (!job)
        return SQLITE_NOMEM;
    job->first_run = first;
    job->below = index->merge;
    for (size_t i = 0; i < n; i++) {
        struct cursor *cursor = &job->cursors[i];

        cursor->entries = cursor->block;
        cursor->run = index->runs[first + i].id;
        cursor->n_blocks = index->runs[first + i].n_blocks;
    }
    index->merge = job;
    return SQLITE_OK;
}

/* ---- one step of a job ---- */

/* Makes sure that the cursor is at an entry; *ret_entry is NULL at its end. */
static int cursor_look(struct cursor *cursor, struct db *db, const struct index_entry **ret_entry)
{
    *ret_entry = NULL;
    if (cursor->at == cursor->n && cursor->next_block < cursor->n_blocks) {
        int rc = index_read_block(db, cursor->run, cursor->next_block, cursor->block, &cursor->n);

        if (rc != SQLITE_OK)
            return rc;
        cursor->next_block++;
        cursor->at = 0;
    }
    if (cursor->at < cursor->n)
        *ret_entry = &cursor->entries[cursor->at];
    return SQLITE_OK;
}

/* The cursor whose entry is the first of all; NULL when all are at their end. */
static int choose_cursor(struct index_job *job, struct db *db, struct cursor **ret_cursor)
{
    const struct index_entry *first = NULL;

    *ret_cursor = NULL;
    for (size_t i = 0; i < job->n_cursors; i++) {
        const struct index_entry *entry;
        int rc = cursor_look(&job->cursors[i], db, &entry);

        if (rc != SQLITE_OK)
            return rc;
        if (entry && (!first || index_entry_compare(entry, first) < 0)) {
            first = entry;
            *ret_cursor = &job->cursors[i];
        }
    }
    return SQLITE_OK;
}

static bool counts(const struct index_entry *entry, const struct sqlite_state *state)
{
    uint64_t gone =
        index_entry_kind(entry) == INDEX_ID ? state->forgotten_through : state->pruned_through;

    return index_entry_seq(entry) > gone;
}

/* Takes a block's worth of entries; *ret_ended: there are no more. */
static int job_step(
    struct index_job *job, struct db *db, const struct sqlite_state *state, bool *ret_ended)
{
    *ret_ended = false;
    for (size_t i = 0; i < INDEX_BLOCK_ENTRIES; i++) {
        const struct index_entry *entry;
        struct cursor *cursor;
        int rc = choose_cursor(job, db, &cursor);

        if (rc != SQLITE_OK)
            return rc;
        if (!cursor) {
            *ret_ended = true;
            return SQLITE_OK;
        }
        entry = &cursor->entries[cursor->at++];
        if (counts(entry, state) && (rc = index_builder_add(&job->builder, db, entry)) != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

static int finish_flush(struct sqlite_index *index, struct db *db, struct sqlite_state *state)
{
    int rc = index_builder_finish(&index->flush->builder, db);

    if (rc != SQLITE_OK)
        return rc;
    state->indexed_through = index->frozen_through;
    index->flush->is_finished = true;
    return db_run(db, SQL_INDEX_THROUGH, DB_VALUES(DB_INT(state->indexed_through)));
}

static int finish_merge(struct sqlite_index *index, struct db *db)
{
    struct index_job *job = index->merge;
    int rc = index_builder_finish(&job->builder, db);

    for (size_t i = 0; rc == SQLITE_OK && i < job->n_cursors; i++)
        rc = db_run(db, SQL_INDEX_RUN_REMOVE, DB_VALUES(DB_INT(job->cursors[i].run)));
    if (rc == SQLITE_OK)
        job->is_finished = true;
    return rc;
}

static int step_flush(struct sqlite_index *index, struct db *db, struct sqlite_state *state)
{
    bool ended = false;
    int rc = index->flush ? SQLITE_OK : begin_flush(index);

    if (rc == SQLITE_OK)
        rc = job_step(index->flush, db, state, &ended);
    return rc == SQLITE_OK && ended ? finish_flush(index, db, state) : rc;
}

static int step_merge(struct sqlite_index *index, struct db *db, const struct sqlite_state *state)
{
    bool ended = false;
    int rc = job_step(index->merge, db, state, &ended);

    return rc == SQLITE_OK && ended ? finish_merge(index, db) : rc;
}

/* ---- garbage ---- */

static int delete_rows(struct db *db, enum sql sql, uint64_t run, size_t first, size_t last)
{
    return db_run(db, sql,
        DB_VALUES(DB_INT(index_row_number(run, first)), DB_INT(index_row_number(run, last))));
}

/* Whether pages that are freed are written once more, with zeros. Those of the index hold hashes
 * only, and are not. Should the pragma fail, for want of memory, the next step sets it right. */
static void overwrite_freed_pages(struct db *db, bool on)
{
    (void)db_exec(db, on ? "PRAGMA secure_delete = ON" : "PRAGMA secure_delete = FAST");
}

static int step_garbage(struct sqlite_index *index, struct db *db)
{
    const struct index_garbage *garbage = &index->garbage[index->n_garbage - 1];
    size_t first = index->garbage_next > 0 ? index->garbage_next : garbage->next;
    size_t last = first + GARBAGE_STEP - 1;
    int rc;

    overwrite_freed_pages(db, false);
    rc = delete_rows(db, SQL_INDEX_BLOCK_DELETE, garbage->run, first, last);
    if (rc == SQLITE_OK)
        rc = delete_rows(db, SQL_INDEX_SUMMARIES_DELETE, garbage->run, first / INDEX_SUMMARIES,
            last / INDEX_SUMMARIES);
    overwrite_freed_pages(db, true);
    index->garbage_next = last + 1;
    return rc;
}

static bool has_garbage(const struct sqlite_index *index)
{
    return index->n_garbage > 0 &&
           index->garbage_next < index->garbage[index->n_garbage - 1].n_blocks;
}

/* ---- all of it ---- */

/* What is to be done now, the most urgent first. */
enum work {
    WORK_FLUSH,
    WORK_MERGE,
    WORK_GARBAGE,
    WORK_NONE,
};

/* Begins a merge of runs behind those that are being merged, if there is one to be made. Without
 * memory for it another transaction tries again. */
static bool begin_next_merge(struct sqlite_index *index, const struct sqlite_state *state)
{
    const struct index_job *below = index->merge;
    size_t behind = below ? below->first_run + below->n_cursors : 0;
    size_t n;
    size_t first = index_choose_merge(&index->runs[behind], index->n_runs - behind,
        state->pruned_through, state->forgotten_through, &n);

    return n > 0 && begin_merge(index, behind + first, n) == SQLITE_OK;
}

static enum work choose_work(struct sqlite_index *index, const struct sqlite_state *state)
{
    const bool is_merged = index->merge && index->merge->is_finished;

    if (index->frozen.entries && !(index->flush && index->flush->is_finished) &&
        index->n_runs < INDEX_RUNS_MAX)
        return WORK_FLUSH;
    /* After one that this transaction finished the next one waits for its commit. */
    if (!is_merged && (begin_next_merge(index, state) || index->merge))
        return WORK_MERGE;
    return has_garbage(index) ? WORK_GARBAGE : WORK_NONE;
}

int index_work(struct sqlite_index *index, struct db *db, struct sqlite_state *state, size_t blocks)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; rc == SQLITE_OK && i < blocks; i++) {
        switch (choose_work(index, state)) {
        case WORK_FLUSH:
            rc = step_flush(index, db, state);
            break;
        case WORK_MERGE:
            rc = step_merge(index, db, state);
            break;
        case WORK_GARBAGE:
            rc = step_garbage(index, db);
            break;
        case WORK_NONE:
            return SQLITE_OK;
        }
    }
    return rc;
}

/* ---- ends of transactions ---- */

static void garbage_committed(struct sqlite_index *index)
{
    struct index_garbage *garbage;

    if (index->garbage_next == 0)
        return;
    garbage = &index->garbage[index->n_garbage - 1];
    garbage->next = index->garbage_next;
    index->garbage_next = 0;
    if (garbage->next >= garbage->n_blocks)
        index->n_garbage--;
}

static void flush_committed(struct sqlite_index *index)
{
    struct index_run *run = &index->flush->builder.run;

    if (run->n_blocks > 0) {
        index->runs[index->n_runs++] = *run;
        *run = (struct index_run){0};
    }
    job_free(TAKE(index->flush));
    index_frozen_done(&index->frozen);
}

/* The new run takes the place of those it was made of, and is none when nothing is left. */
static void merge_committed(struct sqlite_index *index)
{
    struct index_job *job = pop_merge(index);
    struct index_run *run = &job->builder.run;
    struct index_run *place = &index->runs[job->first_run];
    size_t n_new = run->n_blocks > 0 ? 1 : 0;
    size_t n_behind = index->n_runs - job->first_run - job->n_cursors;

    for (size_t i = 0; i < job->n_cursors; i++) {
        index_add_garbage(index, place[i].id, place[i].n_blocks);
        index_run_done(&place[i]);
    }
    memmove(place + n_new, place + job->n_cursors, n_behind * sizeof(*place));
    index->n_runs -= job->n_cursors - n_new;
    if (n_new > 0) {
        *place = *run;
        *run = (struct index_run){0};
    }
    job_free(job);
}

void index_jobs_committed(struct sqlite_index *index)
{
    garbage_committed(index);
    if (index->merge && index->merge->is_finished)
        merge_committed(index);
    if (index->flush && index->flush->is_finished)
        flush_committed(index);
}

void index_jobs_rolled_back(struct sqlite_index *index)
{
    index->garbage_next = 0;
    job_give_up(index, TAKE(index->flush));
    while (index->merge)
        job_give_up(index, pop_merge(index));
}

void index_jobs_free(struct sqlite_index *index)
{
    job_free(TAKE(index->flush));
    while (index->merge)
        job_free(pop_merge(index));
}
