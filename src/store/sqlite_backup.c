/*
 * A copy of the database while it is in use, with SQLite's online backup.
 *
 * Its source is the one writing connection. That is what makes it fit for a live store: a commit of
 * that connection goes to the pages of the copy as well that are there already, so the copy never
 * has to begin anew under load; and between two steps no lock and no snapshot is held, so the WAL
 * is brought home as always. A reader's snapshot, the other way to copy, would let the WAL grow for
 * as long as the copy takes, up to the length at which callbacks are refused.
 *
 * The copy's own connection writes without a journal and without a sync: a copy that was cut short
 * is thrown away, and the caller syncs where nobody waits for a commit. Trouble with the copy is no
 * trouble of the store: it never latches.
 */

#include "store/backup.h"
#include "store/sqlite_store.h"

#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Memory for pages of the copy. */
#define COPY_CACHE_KIB "256"

/* A commit that is rolled back after its pages went out begins the copy anew. That is rare; a store
 * in which it happens again and again is better copied at another time. */
#define ANEW_MAX 16

/* How often a check looks whether it is still wanted: in instructions of SQLite's machine. */
#define CHECK_INSTRUCTIONS 10000

struct sqlite_backup {
    struct store_backup base;
    struct sqlite_store *from;
    struct db copy; /* no statement is ever prepared for it */
    sqlite3_backup *handle;
    char *path;
    int page_size;
    uint64_t
        room_needed; /* that the copy's disk keeps free: the store's floor, if it is the same */
    int pages_done;
    int anew;
};

static struct sqlite_backup *sqlite_backup(struct store_backup *backup)
{
    return (struct sqlite_backup *)(void *)backup;
}

/* ---- room ---- */

static int free_bytes(const char *path, uint64_t *ret_free, struct error *error)
{
    struct statvfs room;

    if (statvfs(path, &room) < 0)
        return error_errno(error, errno, "cannot look at the disk of %s", path);
    *ret_free = (uint64_t)room.f_bavail * room.f_frsize;
    return 0;
}

/* What the copy must leave free where it goes. */
static uint64_t room_to_leave(const struct sqlite_store *store, const char *path)
{
    struct stat own, copy;
    bool is_same =
        stat(store->path, &own) == 0 && stat(path, &copy) == 0 && own.st_dev == copy.st_dev;

    return is_same ? store->disk.floor : 0;
}

static int check_room(struct sqlite_backup *backup, uint64_t bytes, struct error *error)
{
    uint64_t available = 0;
    int r = free_bytes(backup->path, &available, error);

    if (r < 0)
        return r;
    if (available >= backup->room_needed && available - backup->room_needed >= bytes)
        return 0;
    return error_set(error, ENOSPC,
        "%" PRIu64 " bytes are free there; the copy needs %" PRIu64 " more%s", available, bytes,
        backup->room_needed > 0 ? " above store.disk_floor" : "");
}

/* ---- begin ---- */

static int open_copy(struct sqlite_backup *backup, struct error *error)
{
    struct db *copy = &backup->copy;
    int rc = sqlite3_open_v2(backup->path, &copy->handle,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW,
        NULL);

    if (rc == SQLITE_OK)
        rc = db_exec(copy, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
                           "PRAGMA mmap_size = 0; PRAGMA cache_size = -" COPY_CACHE_KIB);
    return db_errno(copy, rc, error, "write to the copy");
}

static int read_size(struct sqlite_backup *backup, uint64_t *ret_bytes, struct error *error)
{
    char text[24];
    int r = db_pragma(&backup->from->db, "PRAGMA page_size", text, sizeof(text), error);

    if (r < 0)
        return r;
    backup->page_size = (int)strtol(text, NULL, 10);
    r = db_pragma(&backup->from->db, "PRAGMA page_count", text, sizeof(text), error);
    if (r < 0)
        return r;
    *ret_bytes = strtoull(text, NULL, 10) * (uint64_t)backup->page_size;
    return 0;
}

static void free_backup(struct sqlite_backup *backup)
{
    if (!backup)
        return;
    (void)sqlite3_backup_finish(backup->handle); /* what it has to say, a step has said */
    db_close(&backup->copy, false);
    free(backup->path);
    free(backup);
}

CLEANUP_FUNC(struct sqlite_backup, free_backup);

int sqlite_backup_begin(
    struct store *store, const char *path, struct store_backup **ret_backup, struct error *error)
{
    CLEANUP(free_backup) struct sqlite_backup *backup = calloc(1, sizeof(*backup));
    uint64_t bytes = 0;
    int r;

    if (!backup || !(backup->path = strdup(path)))
        return error_set(error, ENOMEM, "out of memory");
    backup->from = sqlite_store(store);
    backup->room_needed = room_to_leave(backup->from, path);
    if ((r = read_size(backup, &bytes, error)) < 0 || (r = check_room(backup, bytes, error)) < 0 ||
        (r = open_copy(backup, error)) < 0)
        return r;
    backup->handle =
        sqlite3_backup_init(backup->copy.handle, "main", backup->from->db.handle, "main");
    if (!backup->handle)
        return db_errno(
            &backup->copy, sqlite3_errcode(backup->copy.handle), error, "begin the copy");
    *ret_backup = &TAKE(backup)->base;
    return 0;
}

/* ---- step and end ---- */

int sqlite_backup_step(
    struct store_backup *base, struct store_backup_progress *ret_progress, struct error *error)
{
    struct sqlite_backup *backup = sqlite_backup(base);
    int rc, pages, done;
    int r = check_room(backup, STORE_BACKUP_STEP_BYTES, error);

    if (r < 0)
        return r;
    rc = sqlite3_backup_step(backup->handle, (int)STORE_BACKUP_STEP_BYTES / backup->page_size);
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        return db_errno(&backup->copy, rc, error, "copy the store");

    pages = sqlite3_backup_pagecount(backup->handle);
    done = pages - sqlite3_backup_remaining(backup->handle);
    if (done < backup->pages_done && ++backup->anew > ANEW_MAX)
        return error_set(error, EAGAIN,
            "commits were rolled back so often that the copy never came to its end; is the disk "
            "full? try again later");
    backup->pages_done = done;
    *ret_progress = (struct store_backup_progress){
        .bytes = (uint64_t)pages * (uint64_t)backup->page_size,
        .bytes_done = (uint64_t)done * (uint64_t)backup->page_size,
        .done = rc == SQLITE_DONE,
    };
    return 0;
}

void sqlite_backup_end(struct store_backup *backup)
{
    free_backup(sqlite_backup(backup));
}

/* ---- check ---- */

static int is_cancelled(void *context)
{
    const _Atomic bool *cancelled = context;

    return *cancelled;
}

/* "file:<path>?immutable=1": nobody writes to the copy, so it is opened without lock, WAL and
 * index, and nothing is left beside it. */
static char *immutable_uri(const char *path)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";
    static const char tail[] = "?immutable=1";
    char *uri = malloc(sizeof("file:") + 3 * strlen(path) + sizeof(tail));
    char *to = uri;

    if (!uri)
        return NULL;
    to += sprintf(to, "file:");
    for (; *path != '\0'; path++)
        to += sprintf(to, strchr(plain, *path) ? "%c" : "%%%02X", (unsigned char)*path);
    memcpy(to, tail, sizeof(tail));
    return uri;
}

static int check_rows(struct db *db, const char *path, struct error *error)
{
    char text[128];
    int r = db_pragma(db, "PRAGMA quick_check(1)", text, sizeof(text), error);

    if (r < 0)
        return r == -EINTR ? error_set(error, ECANCELED, "cancelled") : r;
    if (strcmp(text, "ok") != 0)
        return error_set(error, EBADMSG,
            "the copy %s is damaged, and so is the store most likely: %s", path, text);
    return 0;
}

int sqlite_backup_check(const char *path, const _Atomic bool *cancelled, struct error *error)
{
    CLEANUP(free) char *uri = immutable_uri(path);
    struct db db = {NULL};
    int r;

    if (!uri)
        return error_set(error, ENOMEM, "out of memory");
    r = db_open(&db, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, 2048, error);
    if (r == 0) {
        /* SQLite takes a plain pointer and only passes it on. */
        sqlite3_progress_handler(db.handle, CHECK_INSTRUCTIONS, is_cancelled, (void *)cancelled);
        r = check_rows(&db, path, error);
    }
    db_close(&db, false);
    return r;
}
