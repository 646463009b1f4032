#pragma once

/*
 * Making a backup of the store: one at a time, on a thread of its own.
 *
 * The thread makes the file, has the store's writer copy a little between commits, syncs what was
 * copied so far, and in the end has the copy read and checked. Only then the file gets its name: a
 * backup that has its name is whole, sound and on the disk. Until then it is called <name>.part,
 * and goes away when the backup fails, is cancelled, or the daemon stops. Nothing that exists is
 * ever written over or removed, a .part that a crash left included.
 *
 * Threads: new and free belong to one; the others may be called from any.
 */

#include "store/backup.h"
#include "store/writer.h"

#include <limits.h>

enum backup_state {
    BACKUP_NONE, /* since the start of the daemon */
    BACKUP_RUNNING,
    BACKUP_CHECKING, /* all is copied */
    BACKUP_DONE,
    BACKUP_FAILED,
    BACKUP_CANCELLED,
};

/* The last one. */
struct backup_report {
    enum backup_state state;
    char file[PATH_MAX];
    uint64_t bytes; /* of the store, as of now; 0: not known yet */
    uint64_t bytes_done;
    int64_t started_at_usec;  /* real time; 0: never */
    int64_t ended_at_usec;    /* 0: not yet */
    char why[ERROR_TEXT_MAX]; /* of a failure */
};

struct backup;

/* Borrows all three for its life; they may be NULL if nothing is ever started. NULL: out of
 * memory. */
struct backup *backup_new(
    struct store *store, struct store_writer *writer, const struct clock *clock);

/* Cancels what runs and waits for its end, while the writer still runs. NULL is legal. */
void backup_free(struct backup *backup);

/* Begins one to `path`; `store_path` is where the store is. -EINVAL, -EEXIST and others: the path
 * is not fit, `error` says why; -EBUSY: one is being made. */
int backup_start(
    struct backup *backup, const char *path, const char *store_path, struct error *error);

/* Asks the one that runs to end soon. */
void backup_cancel(struct backup *backup);

void backup_get(struct backup *backup, struct backup_report *ret_report);

const char *backup_state_name(enum backup_state state);
