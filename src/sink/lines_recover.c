#include "sink/lines.h"

/*
 * What was written to a file of lines after its mark: read back after a crash, so that no line is
 * written twice. See lines.h for the contract.
 *
 * Three cases:
 * - The file at the path is the one of the mark. What lies beyond the mark was written by us and
 *   not yet counted. It is in the page cache, but a sync that failed before the crash may have left
 *   pages that the kernel calls clean and the disk never got: so those bytes are written over with
 *   themselves and synced before they are believed. From the first line on that is not whole (a
 *   power cut tore it), everything is cut off; those deliveries will be written again.
 * - The mark's file was renamed: it is looked for by its inode in the same directory, and its lines
 *   beyond the mark are told first. It is not changed. Then the file at the path was begun after
 *   the mark, and is told from its beginning.
 * - There is no mark, its file is not to be found, or the file was cut or edited (the mark does not
 *   lie on the end of a line): the file at the path is told from its beginning. More is told than
 *   was asked for, which does no harm: those were delivered, too.
 * Only what lies beyond the mark in the mark's own file is surely later than the mark. A file begun
 * after it should be, too, but may just as well be an older one that somebody put back.
 * Lines that cannot be ours are skipped in the last two cases, not cut off: much of the file may be
 * somebody else's.
 */

#include "sink/line_scan.h"
#include "util/cleanup.h"
#include "util/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE (64 * 1024)

static inline void closedirp(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

struct recovery {
    void (*found)(void *context, uint64_t seq, bool after_mark);
    void *context;
    bool after_mark; /* the lines at hand are beyond the mark in the mark's file */
    bool strict;     /* stop at the first line that is not whole */
    uint64_t end;    /* of the last line that was gone through */
};

static ssize_t read_at(int fd, char *buffer, size_t length, uint64_t offset)
{
    ssize_t count;

    do
        count = pread(fd, buffer, length, (off_t)offset);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

/* Makes every byte from `offset` on go to the disk, whatever the kernel thinks of its page. */
static int write_over(int fd, uint64_t offset, char *buffer)
{
    ssize_t length;

    while ((length = read_at(fd, buffer, READ_SIZE, offset)) > 0) {
        ssize_t count = pwrite(fd, buffer, (size_t)length, (off_t)offset);

        if (count < 0 && errno != EINTR)
            return -errno;
        if (count > 0)
            offset += (uint64_t)count;
    }
    return (int)length;
}

static int on_line(void *context, const struct line_scan_line *line)
{
    struct recovery *recovery = context;

    if (!line->whole && recovery->strict)
        return 1;
    if (line->whole)
        recovery->found(recovery->context, line->seq, recovery->after_mark);
    recovery->end = line->end;
    return 0;
}

/* Tells the lines from `offset` on, up to a torn one or, when strict, one that is not whole;
 * recovery->end is where that begins. */
static int tell(int fd, uint64_t offset, struct recovery *recovery, char *buffer)
{
    struct line_scan scan;
    ssize_t length;

    recovery->end = offset;
    line_scan_init(&scan, offset);
    while ((length = read_at(fd, buffer, READ_SIZE, scan.offset)) > 0)
        if (line_scan_feed(&scan, buffer, (size_t)length, on_line, recovery) != 0)
            break;
    return length < 0 ? (int)length : 0;
}

/* A mark lies on the end of a line, or at the beginning of the file; never beyond its end. */
static bool mark_fits(const struct mark *mark, int fd)
{
    char byte;

    return mark->offset == 0 || (read_at(fd, &byte, 1, mark->offset - 1) == 1 && byte == '\n');
}

/* Finds the mark's file beside the path. Returns a descriptor, or -ENOENT, or -errno. */
static int open_renamed(const struct lines *lines, const struct mark *mark)
{
    CLEANUP(closedir) DIR *directory = NULL;
    CLEANUP(free) char *parent = NULL;
    const struct dirent *entry;

    parent = strndup(lines->path, (size_t)(strrchr(lines->path, '/') - lines->path) + 1);
    if (!parent)
        return -ENOMEM;
    directory = opendir(parent);
    if (!directory)
        return -errno;

    while ((entry = readdir(directory))) {
        CLEANUP(close) int fd = -1;
        struct stat status;

        if (fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
            status.st_ino != mark->inode || !S_ISREG(status.st_mode))
            continue;
        fd = openat(dirfd(directory), entry->d_name,
            O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0)
            return -errno;
        if (fstat(fd, &status) < 0 || status.st_ino != mark->inode || !mark_fits(mark, fd))
            return -ENOENT;
        return TAKE_FD(fd);
    }
    return -ENOENT;
}

static int recover_renamed(const struct lines *lines, const struct mark *mark,
    struct recovery *recovery, char *buffer, struct error *error)
{
    CLEANUP(close) int fd = open_renamed(lines, mark);
    int r;

    if (fd == -ENOENT) {
        log_warning("file-lost",
            "the file that was %s is gone; lines written to it right before a crash may be "
            "written again",
            lines->path);
        return 0;
    }
    if (fd < 0)
        return error_errno(error, -fd, "search for the renamed file");
    if (fsync(fd) < 0)
        return error_errno(error, errno, "sync of the renamed file");
    recovery->after_mark = true;
    r = tell(fd, mark->offset, recovery, buffer);
    return r < 0 ? error_errno(error, -r, "read of the renamed file") : 0;
}

/* The file at the path, when it is the mark's own. */
static int recover_marked(int fd, const struct lines *lines, uint64_t offset, uint64_t size,
    struct recovery *recovery, char *buffer, struct error *error)
{
    int r;

    r = write_over(fd, offset, buffer);
    if (r < 0)
        return error_errno(error, -r, "write");
    if (fdatasync(fd) < 0)
        return error_errno(error, errno, "sync");

    recovery->strict = true;
    recovery->after_mark = true;
    r = tell(fd, offset, recovery, buffer);
    if (r < 0)
        return error_errno(error, -r, "read");
    if (recovery->end == size)
        return 0;
    log_warning("file-mended", "%s: cut off %" PRIu64 " bytes that a crash left torn", lines->path,
        size - recovery->end);
    if (ftruncate(fd, (off_t)recovery->end) < 0)
        return error_errno(error, errno, "truncate");
    return 0;
}

static int recover_whole(int fd, const struct lines *lines, uint64_t size,
    struct recovery *recovery, char *buffer, struct error *error)
{
    uint64_t end;
    int r;

    r = lines_mend_end(lines, fd, size, &end, error);
    if (r < 0)
        return r;
    if (fdatasync(fd) < 0)
        return error_errno(error, errno, "sync");
    recovery->after_mark = false;
    r = tell(fd, 0, recovery, buffer);
    return r < 0 ? error_errno(error, -r, "read") : 0;
}

static int recover_current(int fd, struct lines *lines, const struct stat *status,
    const struct mark *mark, struct recovery *recovery, char *buffer, struct error *error)
{
    uint64_t size = (uint64_t)status->st_size;
    struct stat after;
    int r;

    if (mark->set && status->st_ino == mark->inode && mark_fits(mark, fd)) {
        r = recover_marked(fd, lines, mark->offset, size, recovery, buffer, error);
    } else {
        if (mark->set && status->st_ino == mark->inode)
            log_warning("file-changed", "%s: was cut or edited by somebody else; reading all of it",
                lines->path);
        r = recover_whole(fd, lines, size, recovery, buffer, error);
    }
    if (r < 0)
        return r;
    if (fdatasync(fd) < 0)
        return error_errno(error, errno, "sync");
    if (fstat(fd, &after) < 0)
        return error_errno(error, errno, "stat");
    lines->mark = (struct mark){
        .set = true,
        .inode = after.st_ino,
        .offset = (uint64_t)after.st_size,
    };
    return 0;
}

int lines_recover(struct lines *lines, const struct mark *mark,
    void (*found)(void *context, uint64_t seq, bool after_mark), void *context, struct error *error)
{
    CLEANUP(close) int fd = -1;
    CLEANUP(free) char *buffer = malloc(READ_SIZE);
    struct recovery recovery = {.found = found, .context = context};
    struct stat status = {0};
    int r = 0;

    if (!buffer)
        return error_errno(error, ENOMEM, "recovery");
    fd = lines_open_existing(lines->path, 0, &status, error);
    if (fd < 0 && fd != -ENOENT)
        return fd;

    lines->mark = *mark;
    if (mark->set && (fd < 0 || status.st_ino != mark->inode))
        r = recover_renamed(lines, mark, &recovery, buffer, error);
    if (r == 0 && fd >= 0)
        r = recover_current(fd, lines, &status, mark, &recovery, buffer, error);
    return r;
}
