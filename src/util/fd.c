#include "util/fd.h"

/*
 * What every stage needs of descriptors and files. See fd.h for the contract.
 *
 * A path that comes from the conf may name anything: files are opened non-blocking and must be
 * regular, so that a FIFO or a device cannot hang the start.
 */

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int fd_write_all(int fd, const void *data, size_t length)
{
    const char *at = data;

    while (length > 0) {
        ssize_t count = write(fd, at, length);

        if (count < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        at += count;
        length -= (size_t)count;
    }
    return 0;
}

int fd_set_nonblocking(int fd, bool nonblocking)
{
    int flags;
    int wanted;

    flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    wanted = nonblocking ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    if (wanted != flags && fcntl(fd, F_SETFL, wanted) < 0)
        return -errno;
    return 0;
}

static int fd_open(const char *path, int flags)
{
    int fd;

    do
        fd = open(path, flags | O_CLOEXEC | O_NOCTTY);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

/* Reads up to `length` bytes, fewer only at the end of the file. Returns the count or -errno. */
static ssize_t fd_read_full(int fd, char *data, size_t length)
{
    size_t used = 0;

    while (used < length) {
        ssize_t count = read(fd, data + used, length - used);

        if (count < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (count == 0)
            break;
        used += (size_t)count;
    }
    return (ssize_t)used;
}

int fd_read_file(
    const char *path, size_t max, char **ret_data, size_t *ret_length, struct error *error)
{
    CLEANUP(close) int fd = -1;
    CLEANUP(free) char *data = NULL;
    size_t capacity = max;
    struct stat status;
    ssize_t length;

    ASSERT(max < SSIZE_MAX);

    fd = fd_open(path, O_RDONLY | O_NONBLOCK);
    if (fd < 0)
        return error_errno(error, -fd, "%s: cannot open", path);
    if (fstat(fd, &status) < 0)
        return error_errno(error, errno, "%s: cannot read", path);
    if (!S_ISREG(status.st_mode))
        return error_set(error, EINVAL, "%s: not a regular file", path);
    if (status.st_size > (off_t)max)
        return error_set(error, EFBIG, "%s: larger than %zu bytes", path, max);

    /* A size of 0 says nothing (/proc, /sys). One byte more than is expected tells whether that was
     * all; its place is then the NUL's. */
    if (status.st_size > 0)
        capacity = (size_t)status.st_size;
    data = malloc(capacity + 1);
    if (!data)
        return error_errno(error, ENOMEM, "%s: cannot read", path);
    length = fd_read_full(fd, data, capacity + 1);
    if (length < 0)
        return error_errno(error, (int)-length, "%s: cannot read", path);
    if ((size_t)length > capacity) {
        if (capacity == max)
            return error_set(error, EFBIG, "%s: larger than %zu bytes", path, max);
        return error_set(error, EBUSY, "%s: grew while it was read", path);
    }

    data[length] = '\0';
    *ret_data = TAKE(data);
    if (ret_length)
        *ret_length = (size_t)length;
    return 0;
}

int fd_sync_parent(const char *path)
{
    CLEANUP(close) int fd = -1;
    CLEANUP(free) char *parent = NULL;
    const char *slash = strrchr(path, '/');

    if (!slash)
        parent = strdup(".");
    else if (slash == path)
        parent = strdup("/");
    else
        parent = strndup(path, (size_t)(slash - path));
    if (!parent)
        return -ENOMEM;

    fd = fd_open(parent, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    while (fsync(fd) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}
