#pragma once

/*
 * A copy of the store in a file of its own, made while everything goes on.
 *
 * The copy is made a few pages at a time between commits, and takes in each commit that is made
 * meanwhile: it is the store as of its last step. No reader stands in the WAL's way, so that it
 * stays as short as ever, however big the store and however slow the copy's disk.
 *
 * Threads: begin, step and end belong to the writer's thread, like a commit. When the store has
 * latched the writer touches it no more, and end may be called from any one thread. check belongs
 * to any thread and disturbs nobody.
 *
 * Not done here: names, modes, syncs. The caller makes the file, and syncs it off the writer's
 * thread.
 */

#include "store/store.h"

struct store_backup;

struct store_backup_progress {
    uint64_t bytes; /* of the store, as of now */
    uint64_t bytes_done;
    bool done;
};

/* How much one step copies. */
#define STORE_BACKUP_STEP_BYTES (256u << 10)

/* Begins a copy to `path`, an empty file of the caller's that nobody else writes to. -ENOSPC: there
 * is not room for it, on the store's own disk above its floor. -ENOTSUP: this backend has none.
 * Other failures: 0 or -errno. The backup is to be ended in any case before the store is closed. */
int store_backup_begin(
    struct store *store, const char *path, struct store_backup **ret_backup, struct error *error);

/* Copies a little. After done the file holds a whole store; it is not yet synced. After a failure
 * the copy is worth nothing. -ENOSPC, -EAGAIN: so many commits were rolled back that the copy never
 * came to its end; -EIO and others. */
int store_backup_step(
    struct store_backup *backup, struct store_backup_progress *ret_progress, struct error *error);

/* Lets go of the file, which stays. NULL is legal. */
void store_backup_end(struct store_backup *backup);

/* Reads all of a copy and says whether it is sound. -ECANCELED soon after `cancelled` is set.
 * -EBADMSG: it is damaged. */
int store_backup_check(
    struct store *store, const char *path, const _Atomic bool *cancelled, struct error *error);
