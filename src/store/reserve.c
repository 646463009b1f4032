/*
 * The reserve: a file of allocated blocks that nobody needs.
 *
 * What is in the WAL can need room in the database before it can leave the WAL, and a disk that is
 * full has none: checkpoint and even DELETE fail (pitfalls of SQLite), and what waits stays where
 * it is until somebody else frees something. The reserve is the room that we can free ourselves.
 *
 * It goes in two parts. While the store is open all but a small rest is given back. The rest is for
 * a start on a disk that is still full: SQLite cannot open a database in WAL mode without 32 KiB
 * for its -shm file (and as much again for each 4,096 pages of WAL), which are freed by every end
 * and needed by every start.
 *
 * The file must have blocks, not only a size: fallocate, or written zeros where the file system
 * cannot. On one that compresses or copies on write it may hold less than it says; then the floor
 * of the disk is all there is. Nothing in here knows of SQLite; the descriptor is closed after each
 * use, for the space of a removed file is freed with its last descriptor.
 *
 * Threads: the writer's, but for `held`.
 */

#include "store/reserve.h"

#include "util/cleanup.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define FILE_MODE 0640

/* At most one in so many bytes of the file system. */
#define DISK_SHARE 16

/* Of a reserve that is small, because its disk is, one in so many bytes is the rest. */
#define REST_SHARE 4

#define PAGE 4096

int reserve_init(
    struct reserve *reserve, const char *store_path, uint64_t want, struct error *error)
{
    struct statvfs disk;

    *reserve = (struct reserve)RESERVE_INIT;
    if (asprintf(&reserve->path, "%s.reserve", store_path) < 0) {
        reserve->path = NULL;
        return error_set(error, ENOMEM, "out of memory");
    }
    if (want > 0 && statvfs(store_path, &disk) == 0) {
        uint64_t share = (uint64_t)disk.f_blocks * disk.f_frsize / DISK_SHARE;

        if (share < want)
            want = share;
    }
    reserve->want = want / PAGE * PAGE;
    return 0;
}

void reserve_done(struct reserve *reserve)
{
    free(reserve->path);
    *reserve = (struct reserve)RESERVE_INIT;
}

uint64_t reserve_rest(const struct reserve *reserve)
{
    uint64_t share = reserve->want / REST_SHARE / PAGE * PAGE;

    return share < RESERVE_REST ? share : RESERVE_REST;
}

void reserve_look(struct reserve *reserve)
{
    struct stat status;
    uint64_t held = 0;

    if (lstat(reserve->path, &status) == 0 && S_ISREG(status.st_mode)) {
        uint64_t blocks = (uint64_t)status.st_blocks * 512;

        held = (uint64_t)status.st_size < blocks ? (uint64_t)status.st_size : blocks;
    }
    reserve->held = held;
}

static int write_zeros(int fd, uint64_t bytes)
{
    static const char zeros[64 * 1024];

    if (lseek(fd, 0, SEEK_SET) < 0)
        return -errno;
    while (bytes > 0) {
        size_t length = bytes < sizeof(zeros) ? (size_t)bytes : sizeof(zeros);
        int r = fd_write_all(fd, zeros, length);

        if (r < 0)
            return r;
        bytes -= length;
    }
    return 0;
}

/* fallocate(2) and not posix_fallocate(3): that writes a byte into each block where the file system
 * cannot, which some of those forget again. */
static int allocate(int fd, uint64_t bytes)
{
    int r;

    do
        r = fallocate(fd, 0, 0, (off_t)bytes);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return 0;
    return errno == EOPNOTSUPP || errno == ENOSYS ? write_zeros(fd, bytes) : -errno;
}

static int fill(const char *path, uint64_t bytes)
{
    CLEANUP(close) int fd = -1;
    int r;

    fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return -errno;
    r = allocate(fd, bytes);
    if (r < 0)
        return r;
    if (fsync(fd) < 0)
        return -errno;
    return fd_sync_parent(path);
}

int reserve_grow(struct reserve *reserve, uint64_t bytes, struct error *error)
{
    uint64_t before = reserve->held;
    int r = fill(reserve->path, bytes);

    if (r < 0) {
        reserve_shrink(reserve, before); /* a full disk can leave a part */
        return error_errno(error, -r, "cannot allocate %s", reserve->path);
    }
    reserve->held = bytes;
    return 0;
}

void reserve_shrink(struct reserve *reserve, uint64_t bytes)
{
    if (bytes == 0)
        (void)unlink(reserve->path);
    else if (truncate(reserve->path, (off_t)bytes) < 0)
        return;
    /* Some file systems hand freed blocks out again only when that they are free is on disk. */
    (void)fd_sync_parent(reserve->path);
    reserve_look(reserve);
}
