/*
 * The room on the disk, and the way of the WAL back into the database.
 *
 * SQLite's own checkpoints are off: they would run inside somebody's commit. Here they run between
 * commits, after the verdicts are out. Each brings pages home and syncs the database, so they are
 * few: small ones when nothing waits, larger ones under load. A checkpoint that a reader keeps from
 * finishing leaves the rest for later; above a bound we wait for the readers a little; above the
 * limit nothing more is accepted until the WAL is home, so that the WAL is bounded whoever holds
 * the database open.
 *
 * A complete PASSIVE checkpoint lets the next commit start over at the beginning of the WAL, so
 * emptying the file is needed only to give its room back.
 */

#include "store/sqlite_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Frames are pages of 4 KiB. */
#define IDLE_FRAMES 1024     /* 4 MiB: brought home as soon as nothing waits */
#define LOAD_FRAMES 8192     /* 32 MiB: brought home between two batches */
#define PATIENT_FRAMES 16384 /* 64 MiB: and readers are waited for */
#define LIMIT_FRAMES 65536   /* 256 MiB: nothing more is accepted */

/* Readers that did not leave are waited for again after so many more. */
#define RETRY_FRAMES 2048

/* Nothing came for so long: whatever waits is brought home, for a quick start after a crash. */
#define QUIET_USEC (USEC_PER_SEC / 2)

/* ---- the WAL ---- */

static int on_wal(void *context, sqlite3 *handle, const char *schema, int frames)
{
    struct sqlite_store *store = context;

    if ((uint64_t)frames < store->wal.frames)
        store->wal.home = 0; /* it started over */
    store->wal.frames = (uint64_t)frames;
    return SQLITE_OK;
}

void wal_watch(struct sqlite_store *store)
{
    sqlite3_wal_hook(store->db.handle, on_wal, store);
    store->wal = (struct sqlite_wal){.patient_frames = PATIENT_FRAMES};
}

/* *ret_complete: all is home, and with RESTART the next commit starts the WAL over. That readers or
 * somebody's checkpoint kept it from that is no error. */
static int checkpoint(struct sqlite_store *store, int mode, bool *ret_complete)
{
    int frames = -1, home = -1;
    int rc;

    sqlite3_busy_timeout(store->db.handle, DB_CHECKPOINT_BUSY_MSEC);
    rc = sqlite3_wal_checkpoint_v2(store->db.handle, "main", mode, &frames, &home);
    sqlite3_busy_timeout(store->db.handle, DB_BUSY_MSEC);
    if (home > 0)
        store->wal.home = (uint64_t)home;
    *ret_complete = rc == SQLITE_OK && frames == home;
    return rc == SQLITE_BUSY ? SQLITE_OK : rc;
}

int wal_bring_home(struct sqlite_store *store, struct error *error)
{
    struct db *db = &store->db;
    sqlite3_file *file = NULL;
    bool complete = false;
    int rc;

    for (int tries = 0; tries < 20 && !complete; tries++) {
        rc = checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE, &complete);
        if (rc != SQLITE_OK)
            return db_errno(db, rc, error, "bring home what an earlier process left in the WAL");
    }
    if (!complete)
        return error_set(error, EBUSY,
            "another program reads the database and keeps its WAL from being brought home");

    /* An empty WAL syncs nothing, yet what is in the database may never have been synced. */
    rc = sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    if (rc == SQLITE_OK && file && file->pMethods)
        rc = file->pMethods->xSync(file, SQLITE_SYNC_FULL);
    return db_errno(db, rc, error, "sync the database");
}

/* Brings home what a reader may still hold back, waiting for it a little. */
static int checkpoint_patiently(struct sqlite_store *store)
{
    struct sqlite_wal *wal = &store->wal;
    bool complete = false;
    int rc = checkpoint(store, SQLITE_CHECKPOINT_RESTART, &complete);

    if (complete) {
        wal->frames = 0;
        wal->home = 0;
    }
    wal->patient_frames = complete ? PATIENT_FRAMES : wal->frames + RETRY_FRAMES;
    return rc;
}

enum store_result sqlite_maintain(struct store *base, bool idle, struct error *error)
{
    struct sqlite_store *store = sqlite_store(base);
    struct sqlite_wal *wal = &store->wal;
    uint64_t waiting = wal->frames - wal->home;
    bool is_quiet = idle && clock_monotonic(store->clock) - wal->last_commit_usec >= QUIET_USEC;
    bool complete;
    int rc = SQLITE_OK;

    if (wal->frames >= wal->patient_frames || wal->frames >= LIMIT_FRAMES)
        rc = checkpoint_patiently(store);
    else if (waiting >= (idle ? IDLE_FRAMES : LOAD_FRAMES) || (is_quiet && waiting > 0))
        rc = checkpoint(store, SQLITE_CHECKPOINT_PASSIVE, &complete);
    return db_result(&store->db, rc, error, "bring the WAL home");
}

/* ---- room ---- */

/* Of the room above the floor, the share that is given out unseen: one in so many. */
#define UNSEEN_SHARE 8

/* From any thread. */
static void judge_disk(struct sqlite_store *store)
{
    struct sqlite_disk *disk = &store->disk;
    struct statvfs room;
    uint64_t free_bytes;

    if (statvfs(store->path, &room) < 0)
        return; /* what was true before is the best guess; a full disk says so itself */
    free_bytes = (uint64_t)room.f_bavail * room.f_frsize;
    disk->free_bytes = free_bytes;
    disk->below_floor = rule_is_below_floor(disk->below_floor, free_bytes, disk->floor);
}

static bool is_look_due(const struct sqlite_disk *disk, int64_t now)
{
    uint64_t above = disk->free_bytes > disk->floor ? disk->free_bytes - disk->floor : 0;

    return now >= disk->next_look_usec ||
           (!disk->below_floor && disk->unseen_bytes > above / UNSEEN_SHARE);
}

static void look_at_disk(struct sqlite_store *store)
{
    int64_t now = clock_monotonic(store->clock);

    if (!is_look_due(&store->disk, now))
        return;
    store->disk.next_look_usec = now + USEC_PER_SEC;
    store->disk.unseen_bytes = 0;
    judge_disk(store);
}

bool sqlite_has_room(struct sqlite_store *store, uint64_t bytes, struct error *error)
{
    store->disk.unseen_bytes += bytes;
    look_at_disk(store);
    if (store->disk.below_floor) {
        error_set(error, ENOSPC,
            "%" PRIu64 " bytes are free on the store's disk, less than store.disk_floor (%" PRIu64
            "); free some",
            (uint64_t)store->disk.free_bytes, store->disk.floor);
        return false;
    }
    if (store->wal.frames >= LIMIT_FRAMES) {
        error_set(error, EBUSY,
            "another program reads the database and keeps its WAL of %" PRIu64
            " pages from being brought home; stop it",
            store->wal.frames);
        return false;
    }
    return true;
}

static uint64_t file_size(const char *path)
{
    struct stat status;

    return stat(path, &status) < 0 ? 0 : (uint64_t)status.st_size;
}

void sqlite_measure(struct sqlite_store *store, struct store_stats *stats)
{
    judge_disk(store);
    stats->bytes = file_size(store->path);
    stats->wal_bytes = file_size(store->wal_path);
    stats->disk_free = store->disk.free_bytes;
    stats->below_floor = store->disk.below_floor;
}

void sqlite_get_stats(struct store *base, struct store_stats *ret_stats)
{
    struct sqlite_store *store = sqlite_store(base);

    *ret_stats = (struct store_stats){
        .head = store->now.head,
        .deliveries = store->now.head - store->now.pruned_deliveries,
        .ids = store->now.head - store->now.forgotten_ids,
    };
    sqlite_measure(store, ret_stats);
}
