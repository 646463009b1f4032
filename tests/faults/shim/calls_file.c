#include "shim.h"

/*
 * Files: opening, reading, writing, syncing, renaming. Both spellings of each function, since
 * programs built with 64-bit offsets call the longer one.
 */

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

SHIM_WRAP_TRANSFER(write, SHIM_WRITE, (int fd, const void *data, size_t length), (fd, data, length))
SHIM_WRAP_TRANSFER(pwrite, SHIM_PWRITE, (int fd, const void *data, size_t length, off_t offset),
    (fd, data, length, offset))
SHIM_WRAP_TRANSFER(pwrite64, SHIM_PWRITE, (int fd, const void *data, size_t length, off64_t offset),
    (fd, data, length, offset))
SHIM_WRAP_TRANSFER(read, SHIM_READ, (int fd, void *data, size_t length), (fd, data, length))
SHIM_WRAP_TRANSFER(pread, SHIM_PREAD, (int fd, void *data, size_t length, off_t offset),
    (fd, data, length, offset))
SHIM_WRAP_TRANSFER(pread64, SHIM_PREAD, (int fd, void *data, size_t length, off64_t offset),
    (fd, data, length, offset))

/* What a program built with _FORTIFY_SOURCE calls instead. */
ssize_t __pread64_chk(int fd, void *data, size_t length, off64_t offset, size_t size);
SHIM_WRAP_TRANSFER(__pread64_chk, SHIM_PREAD,
    (int fd, void *data, size_t length, off64_t offset, size_t size),
    (fd, data, length, offset, size))
ssize_t __read_chk(int fd, void *data, size_t length, size_t size);
SHIM_WRAP_TRANSFER(__read_chk, SHIM_READ, (int fd, void *data, size_t length, size_t size),
    (fd, data, length, size))

SHIM_WRAP(int, fsync, SHIM_FSYNC, fd, NULL, (int fd), (fd))
SHIM_WRAP(int, fdatasync, SHIM_FDATASYNC, fd, NULL, (int fd), (fd))
SHIM_WRAP(int, ftruncate, SHIM_FTRUNCATE, fd, NULL, (int fd, off_t length), (fd, length))
SHIM_WRAP(int, ftruncate64, SHIM_FTRUNCATE, fd, NULL, (int fd, off64_t length), (fd, length))

SHIM_WRAP(int, rename, SHIM_RENAME, -1, to, (const char *from, const char *to), (from, to))
SHIM_WRAP(int, renameat, SHIM_RENAME, -1, to,
    (int from_fd, const char *from, int to_fd, const char *to), (from_fd, from, to_fd, to))
SHIM_WRAP(int, unlink, SHIM_UNLINK, -1, path, (const char *path), (path))
SHIM_WRAP(
    int, unlinkat, SHIM_UNLINK, -1, path, (int fd, const char *path, int flags), (fd, path, flags))

/* The mode is passed on whether it was given or not. */
#define WRAP_OPEN(name)                                               \
    int name(const char *path, int flags, ...)                        \
    {                                                                 \
        static int (*next)(const char *path, int flags, ...);         \
        struct shim_strike strike = shim_before(SHIM_OPEN, -1, path); \
        va_list arguments;                                            \
        mode_t mode;                                                  \
        int result;                                                   \
                                                                      \
        if (shim_fails(&strike))                                      \
            return -1;                                                \
        va_start(arguments, flags);                                   \
        mode = va_arg(arguments, mode_t);                             \
        va_end(arguments);                                            \
        if (!next)                                                    \
            next = shim_next(#name);                                  \
        result = next(path, flags, mode);                             \
        shim_after(&strike);                                          \
        return result;                                                \
    }

#define WRAP_OPENAT(name)                                             \
    int name(int fd, const char *path, int flags, ...)                \
    {                                                                 \
        static int (*next)(int fd, const char *path, int flags, ...); \
        struct shim_strike strike = shim_before(SHIM_OPEN, -1, path); \
        va_list arguments;                                            \
        mode_t mode;                                                  \
        int result;                                                   \
                                                                      \
        if (shim_fails(&strike))                                      \
            return -1;                                                \
        va_start(arguments, flags);                                   \
        mode = va_arg(arguments, mode_t);                             \
        va_end(arguments);                                            \
        if (!next)                                                    \
            next = shim_next(#name);                                  \
        result = next(fd, path, flags, mode);                         \
        shim_after(&strike);                                          \
        return result;                                                \
    }

WRAP_OPEN(open)
WRAP_OPEN(open64)
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)

int __open64_2(const char *path, int flags);
SHIM_WRAP(int, __open64_2, SHIM_OPEN, -1, path, (const char *path, int flags), (path, flags))
