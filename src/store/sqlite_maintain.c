/*
 * The way of the WAL back into the database.
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
 *
 * A checkpoint can need as much room in the database as it brings home. So no more is left waiting
 * than the reserve can let through (sqlite_room.c), whoever fills the disk. What an earlier process
 * left is brought home at open; where even the reserve does not suffice for that, the store is open
 * but takes nothing, and it is tried again once a second.
 */

#include "store/sqlite_store.h"

#include <errno.h>
#include <stdlib.h>

/* Lengths of the WAL, in bytes. */
#define IDLE_BYTES (4u << 20)     /* brought home as soon as nothing waits */
#define LOAD_BYTES (32u << 20)    /* brought home between two batches */
#define PATIENT_BYTES (64u << 20) /* and readers are waited for */
#define LIMIT_BYTES (256u << 20)  /* nothing more is accepted */
#define SCANT_BYTES (256u << 10)  /* less is not worth a sync, however small the disk */

/* Readers that did not leave are waited for again after so much more. */
#define RETRY_BYTES (8u << 20)

/* Nothing came for so long: whatever waits is brought home, for a quick start after a crash. */
#define QUIET_USEC (USEC_PER_SEC / 2)

/* After the disk was too full for it. */
#define RETRY_USEC USEC_PER_SEC

/* ---- the WAL ---- */

static uint64_t frames_of(const struct sqlite_store *store, uint64_t bytes)
{
    return bytes / store->wal.page_size;
}

static int on_wal(void *context, sqlite3 *handle, const char *schema, int frames)
{
    struct sqlite_store *store = context;

    if ((uint64_t)frames < store->wal.frames)
        store->wal.home = 0; /* it started over */
    store->wal.frames = (uint64_t)frames;
    return SQLITE_OK;
}

int wal_watch(struct sqlite_store *store, struct error *error)
{
    char text[32];
    int r = db_pragma(&store->db, "PRAGMA page_size", text, sizeof(text), error);

    if (r < 0)
        return r;
    store->wal = (struct sqlite_wal){.page_size = (uint32_t)strtoul(text, NULL, 10)};
    store->wal.patient_frames = frames_of(store, PATIENT_BYTES);
    sqlite3_wal_hook(store->db.handle, on_wal, store);
    return 0;
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
    if (rc != SQLITE_OK)
        return db_errno(db, rc, error, "sync the database");
    store->wal.frames = 0;
    store->wal.home = 0;
    return 0;
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
    wal->patient_frames =
        complete ? frames_of(store, PATIENT_BYTES) : wal->frames + frames_of(store, RETRY_BYTES);
    return rc;
}

/* How much may wait under load. */
static uint64_t load_bytes(const struct sqlite_disk *disk)
{
    uint64_t held = disk->reserve.held;
    uint64_t bytes = held > 0 ? held / 4 * 3 : disk->free_bytes / 2;

    if (bytes > LOAD_BYTES)
        return LOAD_BYTES;
    return bytes > SCANT_BYTES ? bytes : SCANT_BYTES;
}

static int bring_some_home(struct sqlite_store *store, bool idle)
{
    struct sqlite_wal *wal = &store->wal;
    uint64_t waiting = (wal->frames - wal->home) * wal->page_size;
    bool is_quiet = idle && clock_monotonic(store->clock) - wal->last_commit_usec >= QUIET_USEC;
    uint64_t most = load_bytes(&store->disk);
    bool complete;

    if (wal->frames >= wal->patient_frames || wal_is_too_long(store))
        return checkpoint_patiently(store);
    if (waiting >= (idle && most > IDLE_BYTES ? IDLE_BYTES : most) || (is_quiet && waiting > 0))
        return checkpoint(store, SQLITE_CHECKPOINT_PASSIVE, &complete);
    return SQLITE_OK;
}

static enum store_result bring_leftovers_home(struct sqlite_store *store, struct error *error)
{
    int r = wal_bring_home(store, error);

    if (r == -ENOSPC || r == -EBUSY || r == -ENOMEM)
        return STORE_UNAVAILABLE;
    if (r < 0)
        return STORE_FAILED;
    store->disk.leftovers = false;
    return STORE_OK;
}

enum store_result sqlite_maintain(struct store *base, bool idle, struct error *error)
{
    struct sqlite_store *store = sqlite_store(base);
    struct sqlite_wal *wal = &store->wal;
    int64_t now = clock_monotonic(store->clock);
    enum store_result result;
    int rc;

    if (idle)
        room_look(store);
    if (now < wal->retry_usec)
        return STORE_OK;
    if (store->disk.leftovers) {
        result = bring_leftovers_home(store, error);
    } else {
        rc = bring_some_home(store, idle);
        if (room_ran_out(store, rc))
            rc = bring_some_home(store, idle);
        result = db_result(&store->db, rc, error, "bring the WAL home");
    }
    if (result == STORE_UNAVAILABLE)
        wal->retry_usec = now + RETRY_USEC;
    return result;
}

bool wal_is_too_long(const struct sqlite_store *store)
{
    return store->wal.frames >= frames_of(store, LIMIT_BYTES);
}
