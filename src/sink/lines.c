#include "sink/lines.h"

/*
 * A file of lines. See lines.h for the contract.
 *
 * A line is in the file once, or it was not delivered. How:
 * - A batch is written with one write (one a MiB), then synced, then counted. `settled` is the
 *   size up to which that has happened.
 * - When anything fails, the file is cut back to `settled`, and the cut is synced. If even that
 *   fails, the file stays open and `dirty`, and the cut is tried again before anything else is
 *   done, also before a rotated file is let go. A process that dies in between leaves it to
 *   lines_recover, which has the mark.
 * - After a failed sync the kernel may call pages clean that never reached the disk. Nothing that
 *   was in the file beyond `settled` is therefore trusted or kept: the lines are written anew.
 * - Before each batch the path is compared with the open file. Another inode, or none: it was
 *   rotated, and the path is opened anew. Another size: somebody else cut it (copytruncate) or
 *   wrote to it; the new size is taken as settled, with a warning, because those bytes are not
 *   ours to remove.
 * - A lock (flock) on the file keeps a second sink or daemon out, for each would cut off the lines
 *   of the other.
 * - A file that is created, or met for the first time, has its directory synced.
 * - What follows the last newline is a torn line of ours, and is cut off, if it looks like one or
 *   like the gap that a power cut leaves. Else it is somebody's text, and gets its newline.
 */

#include "sink/line.h"
#include "util/cleanup.h"
#include "util/fd.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

/* Lines are collected up to here, so that memory does not grow with the batch. */
#define WRITE_SIZE (1024 * 1024)

int lines_init(struct lines *lines, const char *path, mode_t mode)
{
    *lines = (struct lines){.path = strdup(path), .mode = mode, .fd = -1, .text = BUF_INIT};
    return lines->path ? 0 : -ENOMEM;
}

static void lines_close(struct lines *lines)
{
    closep(&lines->fd);
    lines->fd = -1;
}

static int sync_data(int fd)
{
    while (fdatasync(fd) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

/* Cuts the file back to where the last good batch ended. */
static int lines_heal(struct lines *lines, struct error *error)
{
    int r;

    if (!lines->dirty)
        return 0;
    if (ftruncate(lines->fd, (off_t)lines->settled) < 0)
        return error_errno(error, errno, "truncate");
    r = sync_data(lines->fd);
    if (r < 0)
        return error_errno(error, -r, "sync");
    lines->dirty = false;
    return 0;
}

void lines_done(struct lines *lines)
{
    lines_heal(lines, NULL);
    lines_close(lines);
    buf_done(&lines->text);
    free(lines->path);
    lines->path = NULL;
}

static int lock_file(int fd, struct error *error)
{
    while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) /* nothing was tried yet: EAGAIN counts no attempt */
            return error_set(error, EAGAIN, "open: in use by another sink or daemon");
        if (errno != EINTR)
            return error_errno(error, errno, "lock");
    }
    return 0;
}

int lines_open_existing(const char *path, int flags, struct stat *ret_status, struct error *error)
{
    CLEANUP(close) int fd = -1;
    struct stat status;
    int r;

    /* O_NONBLOCK: a FIFO must not hang us before it is refused. */
    fd = open(path, flags | O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0 && errno == ELOOP)
        return error_set(error, ELOOP, "open: is a symbolic link");
    if (fd < 0)
        return error_errno(error, errno, "open");
    if (fstat(fd, &status) < 0)
        return error_errno(error, errno, "open");
    if (!S_ISREG(status.st_mode))
        return error_set(error, EINVAL, "open: not a regular file");
    r = lock_file(fd, error);
    if (r < 0)
        return r;
    if (fstat(fd, &status) < 0) /* again: now that nobody else changes it */
        return error_errno(error, errno, "open");
    *ret_status = status;
    return TAKE_FD(fd);
}

static int create_file(const char *path, mode_t mode, struct error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    int r = 0;

    if (fd < 0)
        return errno == EEXIST ? 0 : error_errno(error, errno, "create");
    if (fchmod(fd, mode) < 0) /* the mode of the conf, whatever the umask */
        r = error_errno(error, errno, "create");
    close(fd);
    return r;
}

/* Where the last line begins that has no newline; `size` when there is none. */
static int find_torn(int fd, uint64_t size, uint64_t *ret_begin)
{
    char block[4096];
    uint64_t end = size;

    while (end > 0) {
        uint64_t begin = end > sizeof(block) ? end - sizeof(block) : 0;
        ssize_t length = pread(fd, block, (size_t)(end - begin), (off_t)begin);
        const char *newline;

        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return -errno;
        if ((uint64_t)length != end - begin)
            return -EIO; /* somebody cuts it at this moment */
        newline = memrchr(block, '\n', (size_t)length);
        if (newline) {
            *ret_begin = begin + (uint64_t)(newline - block) + 1;
            return 0;
        }
        end = begin;
    }
    *ret_begin = 0;
    return 0;
}

/* Whether bytes at the end of the file can be the beginning of a line of ours, or a gap. */
static bool looks_ours(const char *head, size_t length)
{
    static const char start[] = "{\"seq\":";
    size_t compared = length < sizeof(start) - 1 ? length : sizeof(start) - 1;

    return length == 0 || head[0] == '\0' || memcmp(head, start, compared) == 0;
}

int lines_mend_end(
    const struct lines *lines, int fd, uint64_t size, uint64_t *ret_size, struct error *error)
{
    char head[LINE_HEAD_MAX];
    uint64_t begin = size;
    ssize_t length;
    int r;

    r = find_torn(fd, size, &begin);
    if (r < 0)
        return error_errno(error, -r, "read");
    if (begin == size) {
        *ret_size = size;
        return 0;
    }

    do
        length = pread(fd, head, sizeof(head), (off_t)begin);
    while (length < 0 && errno == EINTR);
    if (length < 0)
        return error_errno(error, errno, "read");

    if (looks_ours(head, (size_t)length)) {
        log_warning("file-mended", "%s: cut off a torn last line of %" PRIu64 " bytes", lines->path,
            size - begin);
        if (ftruncate(fd, (off_t)begin) < 0)
            return error_errno(error, errno, "truncate");
        *ret_size = begin;
        return 0;
    }
    log_warning("file-mended", "%s: ended a last line that is not ours", lines->path);
    if (pwrite(fd, "\n", 1, (off_t)size) != 1)
        return error_errno(error, errno, "write");
    *ret_size = size + 1;
    return 0;
}

static int lines_open(struct lines *lines, struct error *error)
{
    CLEANUP(close) int fd = -1;
    struct stat status = {0};
    uint64_t size = 0;
    int r;

    fd = lines_open_existing(lines->path, O_APPEND, &status, error);
    if (fd == -ENOENT) {
        r = create_file(lines->path, lines->mode, error);
        if (r < 0)
            return r;
        fd = lines_open_existing(lines->path, O_APPEND, &status, error);
    }
    if (fd < 0)
        return fd;
    r = lines_mend_end(lines, fd, (uint64_t)status.st_size, &size, error);
    if (r < 0)
        return r;
    r = fd_sync_parent(lines->path);
    if (r < 0)
        return error_errno(error, -r, "sync of directory");

    lines->fd = TAKE_FD(fd);
    lines->device = status.st_dev;
    lines->inode = status.st_ino;
    lines->settled = size;
    return 0;
}

/* Lets go of a file that is no longer the one at the path, or no longer as we left it. */
static int lines_check_path(struct lines *lines, struct error *error)
{
    struct stat status;

    if (lstat(lines->path, &status) < 0) {
        if (errno != ENOENT)
            return error_errno(error, errno, "stat");
        log_info("file-rotated", "%s: is gone; starting a new one", lines->path);
        lines_close(lines);
    } else if (status.st_ino != lines->inode || status.st_dev != lines->device) {
        log_info("file-rotated", "%s: is another file now; going on with that", lines->path);
        lines_close(lines);
    } else if ((uint64_t)status.st_size != lines->settled) {
        log_warning("file-changed",
            "%s: was %s by somebody else (%" PRIu64 " bytes, now %" PRIu64 ")", lines->path,
            (uint64_t)status.st_size < lines->settled ? "cut" : "written to", lines->settled,
            (uint64_t)status.st_size);
        lines_close(lines);
    }
    return 0;
}

int lines_begin(struct lines *lines, struct error *error)
{
    int r;

    r = lines_heal(lines, error);
    if (r < 0)
        return r;
    if (lines->fd >= 0) {
        r = lines_check_path(lines, error);
        if (r < 0)
            return r;
    }
    return lines->fd >= 0 ? 0 : lines_open(lines, error);
}

static int lines_flush(struct lines *lines, struct error *error)
{
    int r;

    lines->dirty = true;
    r = fd_write_all(lines->fd, lines->text.data, lines->text.length);
    if (r < 0)
        return error_errno(error, -r, "write");
    lines->written += lines->text.length;
    buf_clear(&lines->text);
    return 0;
}

int lines_add(struct lines *lines, const struct delivery *delivery, struct error *error)
{
    line_append(&lines->text, delivery);
    if (buf_append(&lines->text, "\n", 1) < 0)
        return error_errno(error, ENOMEM, "line");
    return lines->text.length < WRITE_SIZE ? 0 : lines_flush(lines, error);
}

int lines_commit(struct lines *lines, struct error *error)
{
    int r;

    r = lines_flush(lines, error);
    if (r < 0)
        return r;
    r = sync_data(lines->fd);
    if (r < 0)
        return error_errno(error, -r, "sync");

    lines->settled += lines->written;
    lines->written = 0;
    lines->dirty = false;
    lines->mark = (struct mark){
        .set = true,
        .inode = lines->inode,
        .offset = lines->settled,
    };
    return 0;
}

void lines_undo(struct lines *lines)
{
    buf_clear(&lines->text);
    lines->written = 0;
    if (lines->dirty && lines_heal(lines, NULL) == 0)
        lines_close(lines); /* opened anew, and looked at anew, by the next batch */
}

int lines_reopen(struct lines *lines, struct error *error)
{
    int r;

    r = lines_heal(lines, error);
    if (r < 0)
        return r;
    lines_close(lines);
    return lines_open(lines, error);
}
