/*
 * The front of a backup: nothing is copied from a store that has latched, for what it holds is in
 * doubt; and a backend need not know how.
 */

#include "store/backup.h"
#include "store/backend.h"

#include <errno.h>

static int is_fit(const struct store *store, struct error *error)
{
    if (!store->failed)
        return 0;
    if (error)
        *error = store->failure;
    return -EIO;
}

int store_backup_begin(
    struct store *store, const char *path, struct store_backup **ret_backup, struct error *error)
{
    int r = is_fit(store, error);

    if (r < 0)
        return r;
    if (!store->ops->backup_begin)
        return error_set(error, ENOTSUP, "this kind of store has backup tools of its own");
    r = store->ops->backup_begin(store, path, ret_backup, error);
    if (r == 0)
        (*ret_backup)->store = store;
    return r;
}

int store_backup_step(
    struct store_backup *backup, struct store_backup_progress *ret_progress, struct error *error)
{
    int r = is_fit(backup->store, error);

    return r < 0 ? r : backup->store->ops->backup_step(backup, ret_progress, error);
}

void store_backup_end(struct store_backup *backup)
{
    if (backup)
        backup->store->ops->backup_end(backup);
}

int store_backup_check(
    struct store *store, const char *path, const _Atomic bool *cancelled, struct error *error)
{
    return store->ops->backup_check(path, cancelled, error);
}
