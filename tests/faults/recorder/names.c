#include "record.h"

/*
 * Which descriptors and paths are of the recorded folder, and what they are called. Paths are taken
 * as they are written: the daemon's conf has absolute ones without symbolic links.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct record_name names[RECORD_FD_MAX];

static const char *root(void)
{
    static const char *path;

    if (!path)
        path = getenv("SASHA_RECORD_ROOT");
    return path ? path : "";
}

static bool is_of_folder(const char *path)
{
    size_t length = strlen(root()), end = strlen(path);

    if (length == 0 || strncmp(path, root(), length) != 0)
        return false;
    if (path[length] != '\0' && path[length] != '/')
        return false;
    return end < 4 || strcmp(path + end - 4, "-shm") != 0;
}

bool record_resolve(int folder, const char *path, char ret_path[RECORD_PATH_MAX])
{
    const struct record_name *base = record_name_of(folder);
    int length;

    if (!record_is_on())
        return false;
    if (path[0] == '/')
        length = snprintf(ret_path, RECORD_PATH_MAX, "%s", path);
    else if (base->object == RECORD_FOLDER)
        length = snprintf(ret_path, RECORD_PATH_MAX, "%s/%s", base->path, path);
    else
        return false;
    /* "/folder/" is "/folder". */
    while (length > 1 && length < RECORD_PATH_MAX && ret_path[length - 1] == '/')
        ret_path[--length] = '\0';
    return length < RECORD_PATH_MAX && is_of_folder(ret_path);
}

static bool look_at(int fd, const char *path, struct stat *status)
{
    return syscall(SYS_newfstatat, fd, path, status,
               path[0] == '\0' ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW) == 0;
}

uint64_t record_inode_at(const char *path)
{
    struct stat status;

    return look_at(AT_FDCWD, path, &status) ? status.st_ino : 0;
}

const struct record_name *record_name_of(int fd)
{
    static const struct record_name nothing;

    return fd >= 0 && fd < RECORD_FD_MAX ? &names[fd] : &nothing;
}

void record_opened(int fd, const char *path)
{
    struct stat status;

    if (fd >= RECORD_FD_MAX || !look_at(fd, "", &status))
        abort();
    names[fd].inode = status.st_ino;
    snprintf(names[fd].path, sizeof(names[fd].path), "%s", path);
    names[fd].object = S_ISDIR(status.st_mode)   ? RECORD_FOLDER
                       : S_ISREG(status.st_mode) ? RECORD_FILE
                                                 : RECORD_NOTHING;
}

void record_closed(int fd)
{
    if (fd >= 0 && fd < RECORD_FD_MAX)
        names[fd].object = RECORD_NOTHING;
}
