#pragma once

/*
 * The writing half of the SQLite store, shared by its files. Private to sqlite*.c.
 *
 * All of it belongs to the writer's thread. `now` is what the last committed transaction left; a
 * transaction works on a copy and puts it back here only after its COMMIT, so that a rolled back
 * batch leaves no trace and seqs have no gaps. That of a batch is `next`.
 */

#include "store/backend.h"
#include "store/reserve.h"
#include "store/rules.h"
#include "store/sqlite_db.h"
#include "store/sqlite_index.h"

/* At `at`, `head` deliveries had arrived, and the active sinks had settled all up to `settled`, but
 * for rows. */
struct sqlite_mark {
    int64_t id; /* 0: there is none */
    int64_t at_usec;
    uint64_t head;
    uint64_t settled;
};

/* What is remembered of the tables that say how much there is. */
struct sqlite_state {
    uint64_t head;
    uint64_t pruned_through;    /* deliveries up to here are gone, but for those held by a row */
    uint64_t pruned_deliveries; /* how many are gone */
    uint64_t forgotten_through; /* ids of deliveries up to here are gone */
    uint64_t indexed_through;   /* entries of deliveries up to here are in the index's runs */
    struct sqlite_mark last_mark;
};

/* The disk's room. The writer looks again after a second, or when what was taken since could come
 * near the floor; readers that are asked for it look as well, and whoever looks judges, so that an
 * idle store notices too when room comes back. */
struct sqlite_disk {
    uint64_t floor;              /* set before the store is shared */
    _Atomic uint64_t free_bytes; /* this and the next: as last seen, by any thread */
    _Atomic bool below_floor;
    /* A write met a disk without any room. Until there is enough for the floor and for what the
     * reserve lacks, nothing new is accepted. */
    _Atomic bool full;
    /* What an earlier process left in the WAL is not home, for want of room. Until it is, nothing
     * is answered, not even what is known: it may not be on the disk. */
    _Atomic bool leftovers;
    struct reserve reserve; /* its `held` is the writer's to change */
    uint64_t unseen_bytes;  /* taken since the last look; the writer's */
    int64_t next_look_usec; /* monotonic; the writer's */
};

/* What waits in the WAL to be brought home. */
struct sqlite_wal {
    uint32_t page_size;       /* bytes; of a frame without its head */
    uint64_t frames;          /* its length */
    uint64_t home;            /* of these are in the database already */
    uint64_t patient_frames;  /* from this length on readers are waited for */
    int64_t last_commit_usec; /* monotonic */
    int64_t retry_usec;       /* monotonic; before that the disk is known to be too full */
};

struct sqlite_store {
    struct store base;
    struct db db;
    const struct clock *clock;
    char *path;
    char *wal_path;
    int lock_fd;
    bool active_known; /* the active sinks were named; before, nothing is pruned */
    struct sqlite_state now;
    struct sqlite_state next; /* what the open transaction of a batch has come to */
    struct sqlite_disk disk;
    struct sqlite_wal wal;
    struct sqlite_index index;
    bool index_wanted;     /* pruning waits for the index's recent entries to be written */
    struct rule_time time; /* whether pruning may go by the clock */
};

static inline struct sqlite_store *sqlite_store(struct store *store)
{
    return (struct sqlite_store *)(void *)store;
}

/* ---- sqlite_lock.c: the file system around the database ---- */

/* Locks <path>.lock against other processes and makes the database file if there is none, with mode
 * 0640 whatever the umask. *ret_lock_fd is owned by the caller; closing it unlocks. */
int sqlite_lock(const char *path, int *ret_lock_fd, struct error *error);

/* ---- sqlite_conflicts.c: evidence ---- */

/* Keeps the body that came under the id of delivery `seq`, unless it is kept already or the bounds
 * are reached. */
int conflicts_keep(struct db *db, uint64_t seq, const struct delivery *delivery);

/* ---- sqlite_settle.c, sqlite_sinks.c: sinks ---- */

/* Applies one settle within a transaction. When the store must be damaged, `error` says why and the
 * result is SQLITE_CORRUPT. */
int settle_apply(struct sqlite_store *store, const struct store_settle *settle,
    const struct sqlite_state *state, struct error *error);

/* Reads a sink; SQLITE_DONE when there is none. */
int sinks_load(struct db *db, uint32_t id, struct store_sink *ret_sink);

enum store_result sqlite_register_sink(
    struct store *store, const char *name, struct store_sink *ret_sink, struct error *error);
enum store_result sqlite_set_active_sinks(
    struct store *store, const uint32_t *ids, size_t n, struct error *error);

enum store_result sqlite_set_paused(
    struct store *store, uint32_t sink, bool paused, struct error *error);

/* ---- sqlite_commit.c ---- */

enum store_result sqlite_commit(
    struct store *store, struct store_batch *batch, struct error *error);
enum store_result sqlite_stage(struct store *store, struct store_batch *batch, struct error *error);

/* ---- sqlite_prune.c ---- */

enum store_result sqlite_prune(struct store *store, const struct store_retention *retention,
    bool *ret_more, struct error *error);

/* Reads the last mark; id 0 when there is none. */
int marks_load_last(struct db *db, struct sqlite_mark *ret_mark);

/* ---- sqlite_maintain.c: the WAL ---- */

enum store_result sqlite_maintain(struct store *store, bool idle, struct error *error);

/* Brings all of the WAL home, empties it and syncs the database file; for what an earlier process
 * left. */
int wal_bring_home(struct sqlite_store *store, struct error *error);

/* Starts counting frames. */
int wal_watch(struct sqlite_store *store, struct error *error);

/* Whether readers kept so much from coming home that nothing more may be taken. */
bool wal_is_too_long(const struct sqlite_store *store);

/* ---- sqlite_room.c: room on the disk ---- */

/* Whether appends of so many bytes may be taken; `error` says why not. */
bool sqlite_has_room(struct sqlite_store *store, uint64_t bytes, struct error *error);

/* Whether anything at all may be answered; `error` says why not. */
bool room_is_settled(const struct sqlite_store *store, struct error *error);

/* To be told every rc of a write. When it says that the disk is full, this is noted and the reserve
 * is given back; true when something was, so that it is worth another try. */
bool room_ran_out(struct sqlite_store *store, int rc);

/* Gives back all of the reserve, for a start that does not succeed without; false: there was
 * nothing to give. */
bool room_give_all(struct sqlite_store *store);

/* Looks at the disk again, if that is due, and makes the reserve when there is room for it. */
void room_look(struct sqlite_store *store);

void sqlite_get_stats(struct store *store, struct store_stats *ret_stats);

/* Looks at the files and the disk as they are now and fills in what the stats say of them. From any
 * thread. */
void sqlite_measure(struct sqlite_store *store, struct store_stats *stats);

/* ---- sqlite_read.c ---- */

int sqlite_reader_open(struct store *store, struct store_reader **ret_reader, struct error *error);

/* ---- sqlite_backup.c ---- */

int sqlite_backup_begin(
    struct store *store, const char *path, struct store_backup **ret_backup, struct error *error);
int sqlite_backup_step(
    struct store_backup *backup, struct store_backup_progress *ret_progress, struct error *error);
void sqlite_backup_end(struct store_backup *backup);
int sqlite_backup_check(const char *path, const _Atomic bool *cancelled, struct error *error);
