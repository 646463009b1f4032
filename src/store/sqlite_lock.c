/*
 * The file system around the database: one process at a time, and a file made as it should be.
 *
 * The lock is an flock on a file of its own, held as long as the store is open and given back by
 * the kernel with the process. The lock file is never removed: removing it would let two processes
 * lock two different files of the same name.
 *
 * A daemon that is killed while it starts a hook leaves a child behind that shares its descriptors,
 * and with them the lock, until the child has become the hook. So a lock that is held is asked for
 * again for a while.
 */

#include "store/sqlite_store.h"

#include "util/cleanup.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#define FILE_MODE 0640

/* How long a lock that is held is asked for again, and how often. */
#define LOCK_TRIES 50
#define LOCK_PAUSE_NSEC (20 * 1000 * 1000)

/* Makes the database file while nothing of this process has it open yet. An empty file is an empty
 * database to SQLite, which gives the WAL and its index the same mode. The directory is synced in
 * any case: an earlier process may have died between making the file and syncing. */
static int make_database(const char *path, struct error *error)
{
    CLEANUP(close) int fd = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, FILE_MODE);
    int r;

    if (fd < 0 && errno != EEXIST)
        return error_errno(error, errno, "cannot make the file");
    if (fd >= 0 && fchmod(fd, FILE_MODE) < 0)
        return error_errno(error, errno, "cannot set the mode of the file");
    r = fd_sync_parent(path);
    if (r < 0)
        return error_errno(error, -r, "cannot sync the directory");
    return 0;
}

/* 0 or -errno; -EWOULDBLOCK: another process has it. */
static int lock_file(int fd)
{
    for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno == EINTR)
            continue;
        if (errno != EWOULDBLOCK || i >= LOCK_TRIES)
            return -errno;
        (void)nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NSEC}, NULL);
    }
    return 0;
}

int sqlite_lock(const char *path, int *ret_lock_fd, struct error *error)
{
    CLEANUP(free) char *lock_path = NULL;
    CLEANUP(close) int fd = -1;
    int r;

    if (asprintf(&lock_path, "%s.lock", path) < 0) {
        lock_path = NULL;
        return error_set(error, ENOMEM, "out of memory");
    }
    fd = open(lock_path, O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return error_errno(error, errno, "cannot open its lock file %s", lock_path);
    (void)fchmod(fd, FILE_MODE); /* somebody else's file that we may open is good enough */
    r = lock_file(fd);
    if (r == -EWOULDBLOCK)
        return error_set(error, EBUSY, "is in use by another process, which holds %s", lock_path);
    if (r < 0)
        return error_errno(error, -r, "cannot lock %s", lock_path);
    r = make_database(path, error);
    if (r < 0)
        return r;
    *ret_lock_fd = TAKE_FD(fd);
    return 0;
}
