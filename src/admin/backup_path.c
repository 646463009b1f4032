/*
 * Where a backup may go, and how it gets its name. See backup_path.h.
 *
 * Whoever may ask for a backup chooses a path that the daemon's user writes to, so what exists is
 * never touched, a .part included, which may be anybody's, and a name that SQLite would take for a
 * part of the live store is refused: a file called <store>-journal beside it would be played back
 * into it at the next open.
 */

#include "admin/backup_path.h"

#include "util/cleanup.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MODE 0640
#define PART ".part"

/* The folder without links, a slash, and the name. */
static int resolve(const char *text, char resolved[static PATH_MAX], struct error *error)
{
    CLEANUP(free) char *folder = NULL;
    CLEANUP(free) char *real = NULL;
    const char *slash = strrchr(text, '/');
    const char *name = slash ? slash + 1 : "";

    if (text[0] != '/' || !slash || *name == '\0' || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return error_set(error, EINVAL, "%s is not the absolute path of a file", text);
    folder = strndup(text, (size_t)(slash - text) + 1);
    if (!folder)
        return error_set(error, ENOMEM, "out of memory");
    real = realpath(folder, NULL);
    if (!real)
        return error_errno(error, errno, "folder %s", folder);
    if (strlen(real) + strlen(name) + sizeof("/" PART) > PATH_MAX)
        return error_set(error, ENAMETOOLONG, "the path is too long");
    (void)snprintf(resolved, PATH_MAX, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name);
    return 0;
}

/* By what they are, for a bind mount gives a folder a second name. Both paths are resolved. */
static bool is_same_folder(const char *path, const char *other)
{
    const char *const paths[] = {path, other};
    struct stat status[2];
    char folder[PATH_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        (void)snprintf(
            folder, sizeof(folder), "%.*s/", (int)(strrchr(paths[i], '/') - paths[i]), paths[i]);
        if (stat(folder, &status[i]) < 0)
            return false;
    }
    return status[0].st_dev == status[1].st_dev && status[0].st_ino == status[1].st_ino;
}

/* Whether `path` is the store's file or one that is, or may come to be, beside it: SQLite's
 * (-wal, -shm, -journal) and the store's own. */
static bool is_of_store(const char *path, const char *store)
{
    const char *name = strrchr(path, '/') + 1, *store_name = strrchr(store, '/') + 1;
    size_t length = strlen(store_name);
    const char *end = name + length;

    return strncmp(name, store_name, length) == 0 &&
           (*end == '\0' || *end == '-' || strcmp(end, ".lock") == 0 ||
               strcmp(end, ".reserve") == 0) &&
           is_same_folder(path, store);
}

int backup_path_find(
    const char *text, const char *store_path, struct backup_path *ret_path, struct error *error)
{
    struct backup_path path;
    char store[PATH_MAX];
    struct stat status;
    size_t length;
    int r;

    if ((r = resolve(text, path.final, error)) < 0 || (r = resolve(store_path, store, error)) < 0)
        return r;
    if (is_of_store(path.final, store))
        return error_set(error, EINVAL,
            "%s is a name of the store's own files; choose one that does not begin with it", text);
    if (lstat(path.final, &status) == 0)
        return error_set(error, EEXIST, "%s exists, and nothing is written over", text);
    if (errno != ENOENT)
        return error_errno(error, errno, "%s", text);
    length = strlen(path.final);
    memcpy(path.part, path.final, length);
    memcpy(path.part + length, PART, sizeof(PART));
    *ret_path = path;
    return 0;
}

int backup_path_create(const struct backup_path *path, int *ret_fd, struct error *error)
{
    CLEANUP(close) int fd = -1;

    fd = open(path->part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0 && errno == EEXIST)
        return error_set(error, EEXIST,
            "%s exists; if no other backup is being made it was cut short by a crash: remove it, "
            "or choose another name",
            path->part);
    if (fd < 0)
        return error_errno(error, errno, "cannot make %s", path->part);
    if (fchmod(fd, FILE_MODE) < 0) {
        error_errno(error, errno, "cannot set the mode of %s", path->part);
        backup_path_remove(path);
        return -error->code;
    }
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int rename_to_new(const char *from, const char *to)
{
    struct stat status;

    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    /* Some file systems only know the other kind (NFS), and some of those no links (VFAT). */
    if (errno != EINVAL)
        return -errno;
    if (link(from, to) == 0)
        return unlink(from) < 0 ? -errno : 0;
    if (errno != EPERM && errno != EOPNOTSUPP && errno != ENOSYS)
        return -errno;
    if (lstat(to, &status) == 0)
        return -EEXIST;
    return rename(from, to) < 0 ? -errno : 0;
}

int backup_path_finish(const struct backup_path *path, struct error *error)
{
    int r = rename_to_new(path->part, path->final);

    if (r < 0)
        return error_errno(error, -r, "cannot give the backup its name %s", path->final);
    r = fd_sync_parent(path->final);
    if (r == 0)
        return 0;
    (void)unlink(path->final); /* what has its name is on the disk */
    return error_errno(error, -r, "cannot sync the folder of %s", path->final);
}

void backup_path_remove(const struct backup_path *path)
{
    (void)unlink(path->part);
}
