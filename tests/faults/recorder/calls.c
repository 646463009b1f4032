#include "record.h"

/*
 * The calls that change files, and those that make changes last. Both spellings of each, since
 * programs built with 64-bit offsets call the longer one, and those that checked headers call.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* ---- opening ---- */

static int open_file(int folder, const char *path, int flags, mode_t mode)
{
    char full[RECORD_PATH_MAX];
    uint64_t before;
    int fd;

    if (!record_resolve(folder, path, full))
        return (int)syscall(SYS_openat, folder, path, flags, mode);
    record_lock();
    before = record_inode_at(full);
    fd = (int)syscall(SYS_openat, folder, path, flags, mode);
    if (fd >= 0) {
        record_opened(fd, full);
        if (before == 0)
            record_note(RECORD_CREATE, record_name_of(fd)->inode, 0, full, strlen(full));
        else if (flags & O_TRUNC)
            record_note(RECORD_TRUNCATE, before, 0, NULL, 0);
    }
    record_unlock();
    return fd;
}

/* The mode is passed on whether it was given or not. */
#define WRAP_OPEN(name)                                \
    int name(const char *path, int flags, ...)         \
    {                                                  \
        va_list arguments;                             \
        mode_t mode;                                   \
                                                       \
        va_start(arguments, flags);                    \
        mode = va_arg(arguments, mode_t);              \
        va_end(arguments);                             \
        return open_file(AT_FDCWD, path, flags, mode); \
    }
#define WRAP_OPENAT(name)                                  \
    int name(int folder, const char *path, int flags, ...) \
    {                                                      \
        va_list arguments;                                 \
        mode_t mode;                                       \
                                                           \
        va_start(arguments, flags);                        \
        mode = va_arg(arguments, mode_t);                  \
        va_end(arguments);                                 \
        return open_file(folder, path, flags, mode);       \
    }

int __open_2(const char *path, int flags, ...);
int __open64_2(const char *path, int flags, ...);
int __openat_2(int folder, const char *path, int flags, ...);
int __openat64_2(int folder, const char *path, int flags, ...);
WRAP_OPEN(open)
WRAP_OPEN(open64)
WRAP_OPEN(__open_2)
WRAP_OPEN(__open64_2)
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)
WRAP_OPENAT(__openat_2)
WRAP_OPENAT(__openat64_2)

int close(int fd)
{
    /* Before: afterwards the number may be somebody else's. */
    record_closed(fd);
    return (int)syscall(SYS_close, fd);
}

/* ---- changing ---- */

ssize_t write(int fd, const void *data, size_t length)
{
    const struct record_name *name = record_name_of(fd);
    ssize_t result;

    if (name->object != RECORD_FILE)
        return syscall(SYS_write, fd, data, length);
    record_lock();
    result = syscall(SYS_write, fd, data, length);
    if (result > 0) {
        off_t end = lseek(fd, 0, SEEK_CUR);

        record_note(RECORD_WRITE, name->inode, (uint64_t)(end - result), data, (size_t)result);
    }
    record_unlock();
    return result;
}

static ssize_t write_at(int fd, const void *data, size_t length, off64_t offset)
{
    const struct record_name *name = record_name_of(fd);
    ssize_t result;

    if (name->object != RECORD_FILE)
        return syscall(SYS_pwrite64, fd, data, length, offset);
    record_lock();
    result = syscall(SYS_pwrite64, fd, data, length, offset);
    if (result > 0)
        record_note(RECORD_WRITE, name->inode, (uint64_t)offset, data, (size_t)result);
    record_unlock();
    return result;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    return write_at(fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    return write_at(fd, data, length, offset);
}

static int change_size(int fd, enum record_kind kind, long result, uint64_t size)
{
    if (result == 0)
        record_note(kind, record_name_of(fd)->inode, size, NULL, 0);
    return (int)result;
}

static int cut(int fd, off64_t size)
{
    int result;

    if (record_name_of(fd)->object != RECORD_FILE)
        return (int)syscall(SYS_ftruncate, fd, size);
    record_lock();
    result = change_size(fd, RECORD_TRUNCATE, syscall(SYS_ftruncate, fd, size), (uint64_t)size);
    record_unlock();
    return result;
}

int ftruncate(int fd, off_t size)
{
    return cut(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return cut(fd, size);
}

static int cut_path(const char *path, off64_t size)
{
    char full[RECORD_PATH_MAX];
    int result;

    if (!record_resolve(AT_FDCWD, path, full))
        return (int)syscall(SYS_truncate, path, size);
    record_lock();
    result = (int)syscall(SYS_truncate, path, size);
    if (result == 0)
        record_note(RECORD_TRUNCATE, record_inode_at(full), (uint64_t)size, NULL, 0);
    record_unlock();
    return result;
}

int truncate(const char *path, off_t size)
{
    return cut_path(path, size);
}

int truncate64(const char *path, off64_t size)
{
    return cut_path(path, size);
}

static int allocate(int fd, int mode, off64_t offset, off64_t length)
{
    int result;

    if (record_name_of(fd)->object != RECORD_FILE)
        return (int)syscall(SYS_fallocate, fd, mode, offset, length);
    record_lock();
    result = change_size(fd, RECORD_ALLOCATE, syscall(SYS_fallocate, fd, mode, offset, length),
        (uint64_t)(offset + length));
    record_unlock();
    return result;
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    return allocate(fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
    return allocate(fd, mode, offset, length);
}

static int move(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    char paths[2 * RECORD_PATH_MAX], full_to[RECORD_PATH_MAX];
    size_t length;
    int result;

    if (!record_resolve(from_folder, from, paths) || !record_resolve(to_folder, to, full_to))
        return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    record_lock();
    result = (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
    if (result == 0) {
        length = strlen(paths) + 1;
        memcpy(paths + length, full_to, strlen(full_to));
        record_note(RECORD_RENAME, record_inode_at(full_to), 0, paths, length + strlen(full_to));
    }
    record_unlock();
    return result;
}

int rename(const char *from, const char *to)
{
    return move(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return move(from_folder, from, to_folder, to, 0);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned int flags)
{
    return move(from_folder, from, to_folder, to, flags);
}

static int remove_file(int folder, const char *path, int flags)
{
    char full[RECORD_PATH_MAX];
    uint64_t inode;
    int result;

    if (!record_resolve(folder, path, full))
        return (int)syscall(SYS_unlinkat, folder, path, flags);
    record_lock();
    inode = record_inode_at(full);
    result = (int)syscall(SYS_unlinkat, folder, path, flags);
    if (result == 0)
        record_note(RECORD_UNLINK, inode, 0, full, strlen(full));
    record_unlock();
    return result;
}

int unlink(const char *path)
{
    return remove_file(AT_FDCWD, path, 0);
}

int unlinkat(int folder, const char *path, int flags)
{
    return remove_file(folder, path, flags);
}

/* ---- making it last ---- */

static void note_sync(const struct record_name *name, bool is_end, uint64_t token)
{
    record_lock();
    if (name->object == RECORD_FILE)
        record_note(is_end ? RECORD_SYNC_END : RECORD_SYNC_BEGIN, name->inode, token, NULL, 0);
    else
        record_note(is_end ? RECORD_FOLDER_END : RECORD_FOLDER_BEGIN, 0, token, name->path,
            strlen(name->path));
    record_unlock();
}

static int sync_file(int fd, long number)
{
    static _Atomic uint64_t tokens;
    const struct record_name *name = record_name_of(fd);
    uint64_t token;
    int result;

    if (name->object == RECORD_NOTHING || record_skips_sync(name))
        return (int)syscall(number, fd);
    token = (uint64_t)getpid() << 32 | ++tokens;
    note_sync(name, false, token);
    result = (int)syscall(number, fd);
    if (result == 0)
        note_sync(name, true, token);
    return result;
}

int fsync(int fd)
{
    return sync_file(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_file(fd, SYS_fdatasync);
}
