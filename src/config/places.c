/*
 * Which files paths lead to. See places.h for the contract.
 *
 * A file is known by the inode of its directory and its name, since it need not be there yet; one
 * that is there also by its own inode, for it may be reached through a link. SQLite follows a link
 * to the database and keeps its WAL beside what the link leads to, so the store is looked for there
 * too.
 */

#include "config/places.h"

#include "config/texts.h"
#include "util/cleanup.h"

#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static bool is_same_inode(const char *path, const char *other, bool *ret_known)
{
    struct stat status, other_status;

    *ret_known = stat(path, &status) == 0 && stat(other, &other_status) == 0;
    return *ret_known && status.st_dev == other_status.st_dev &&
           status.st_ino == other_status.st_ino;
}

/* The directory with its last slash. */
static void copy_directory(const char *path, char directory[static PATH_MAX])
{
    snprintf(directory, PATH_MAX, "%.*s", (int)(last_part(path) - path), path);
}

static bool is_same_directory(const char *path, const char *other)
{
    char directory[PATH_MAX], other_directory[PATH_MAX];
    bool is_known, is_same;

    copy_directory(path, directory);
    copy_directory(other, other_directory);
    is_same = is_same_inode(directory, other_directory, &is_known);
    return is_known ? is_same : strcmp(directory, other_directory) == 0;
}

/* Whether the name of some job's file is `name`. */
static bool covers(const char *template, const char *name)
{
    const char *field = strstr(template, TEXT_JOB_ID);
    size_t before, after, length = strlen(name);

    if (!field)
        return false;
    before = (size_t)(field - template);
    field += strlen(TEXT_JOB_ID);
    after = strlen(field);
    return length > before + after && strncmp(name, template, before) == 0 &&
           strcmp(name + length - after, field) == 0;
}

bool place_is_shared(const char *path, const char *other)
{
    const char *name = last_part(path), *other_name = last_part(other);
    bool is_known;

    if (is_same_inode(path, other, &is_known))
        return true;
    return (strcmp(name, other_name) == 0 || covers(name, other_name) ||
               covers(other_name, name)) &&
           is_same_directory(path, other);
}

static const char *find_beside(const char *path, const char *store)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-journal", ".lock"};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        char own[PATH_MAX];

        snprintf(own, sizeof(own), "%s%s", store, ends[i]);
        if (place_is_shared(path, own))
            return ends[i];
    }
    return NULL;
}

const char *place_in_store(const char *path, const char *store)
{
    char resolved[PATH_MAX];
    const char *end = find_beside(path, store);

    if (!end && realpath(store, resolved))
        end = find_beside(path, resolved);
    return end;
}
