/*
 * The room on the disk: when to stop accepting, what the reserve is for, and when to go on.
 *
 * Three things say no to appends: free space below the operator's floor; a disk that was met full,
 * which somebody else can do to us however high the floor; and a WAL that cannot shrink. Settles
 * are never refused for the first two: what was accepted goes on to the sinks.
 *
 * A write that meets a full disk gives the reserve back (reserve.c) and is tried again. With that
 * room the WAL comes home and settles go on. From then on the store is `full` until there is room
 * for the floor, an eighth more (so that the answer does not flap), and all of the reserve again,
 * which is then made. Whoever looks judges, so that probes see it end on an idle store.
 */

#include "store/sqlite_store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Of the room above the floor, the share that is given out unseen: one in so many. */
#define UNSEEN_SHARE 8

static uint64_t missing(const struct reserve *reserve)
{
    uint64_t held = reserve->held;

    return held < reserve->want ? reserve->want - held : 0;
}

/* From here on there is room for everything, the reserve included. */
static uint64_t ample(const struct sqlite_disk *disk)
{
    return disk->floor + disk->floor / 8 + missing(&disk->reserve);
}

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
    if (free_bytes >= ample(disk))
        disk->full = false;
}

static bool is_look_due(const struct sqlite_disk *disk, int64_t now)
{
    uint64_t above = disk->free_bytes > disk->floor ? disk->free_bytes - disk->floor : 0;

    return now >= disk->next_look_usec || disk->full ||
           (!disk->below_floor && disk->unseen_bytes > above / UNSEEN_SHARE);
}

/* While the disk is full only the rest is made, for the next start, and from twice the room. */
static void keep_reserve(struct sqlite_disk *disk)
{
    uint64_t held = disk->reserve.held, rest = reserve_rest(&disk->reserve);

    if (disk->leftovers || held >= disk->reserve.want)
        return;
    if (disk->free_bytes >= ample(disk)) {
        if (reserve_grow(&disk->reserve, disk->reserve.want, NULL) == -ENOSPC)
            disk->full = true;
    } else if (held < rest && disk->free_bytes >= 2 * rest) {
        (void)reserve_grow(&disk->reserve, rest, NULL);
    }
}

void room_look(struct sqlite_store *store)
{
    struct sqlite_disk *disk = &store->disk;
    int64_t now = clock_monotonic(store->clock);

    if (!is_look_due(disk, now))
        return;
    disk->next_look_usec = now + USEC_PER_SEC;
    disk->unseen_bytes = 0;
    judge_disk(store);
    keep_reserve(disk);
}

static bool say_no_room(const struct sqlite_disk *disk, struct error *error)
{
    if (disk->full)
        error_set(error, ENOSPC,
            "the store's disk is full: %" PRIu64 " bytes are free, %" PRIu64 " are needed to go on "
            "(store.disk_floor, an eighth more, and the reserve); free some",
            (uint64_t)disk->free_bytes, ample(disk));
    else
        error_set(error, ENOSPC,
            "%" PRIu64 " bytes are free on the store's disk, less than store.disk_floor (%" PRIu64
            "); free some",
            (uint64_t)disk->free_bytes, disk->floor);
    return false;
}

bool sqlite_has_room(struct sqlite_store *store, uint64_t bytes, struct error *error)
{
    store->disk.unseen_bytes += bytes;
    room_look(store);
    if (store->disk.below_floor || store->disk.full)
        return say_no_room(&store->disk, error);
    if (wal_is_too_long(store)) {
        error_set(error, EBUSY,
            "another program reads the database and keeps its WAL of %" PRIu64
            " pages from being brought home; stop it",
            store->wal.frames);
        return false;
    }
    return true;
}

bool room_is_settled(const struct sqlite_store *store, struct error *error)
{
    if (!store->disk.leftovers)
        return true;
    error_set(error, ENOSPC,
        "the store's disk is full: what an earlier process left in the WAL cannot be brought home; "
        "free some room");
    return false;
}

/* SHMSIZE: the -shm file could not grow. */
static bool is_full(int rc)
{
    return (rc & 0xff) == SQLITE_FULL || rc == SQLITE_IOERR_SHMSIZE;
}

bool room_ran_out(struct sqlite_store *store, int rc)
{
    struct reserve *reserve = &store->disk.reserve;
    uint64_t before = reserve->held;

    if (!is_full(rc))
        return false;
    store->disk.full = true;
    if (before > reserve_rest(reserve))
        reserve_shrink(reserve, reserve_rest(reserve));
    return reserve->held < before;
}

bool room_give_all(struct sqlite_store *store)
{
    struct reserve *reserve = &store->disk.reserve;

    store->disk.full = true;
    if (reserve->held == 0)
        return false;
    reserve_shrink(reserve, 0);
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
    stats->reserve = store->disk.reserve.held;
    stats->disk_floor = store->disk.floor;
    stats->below_floor = store->disk.below_floor;
    stats->disk_full = store->disk.full || store->disk.leftovers;
}

void sqlite_get_stats(struct store *base, struct store_stats *ret_stats)
{
    struct sqlite_store *store = sqlite_store(base);

    *ret_stats = (struct store_stats){
        .head = store->now.head,
        .deliveries = store->now.head - store->now.pruned_deliveries,
        .ids = store->now.head - store->now.forgotten_through,
    };
    sqlite_measure(store, ret_stats);
}
