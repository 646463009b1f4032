#pragma once

/*
 * A preload library that writes down, in order, all that a program does to the files of one folder,
 * so that the disk can be put into any state that a power cut could have left (lab/disk.py).
 *
 * The plan spoke of a recording SQLite VFS. This stands one level lower, at libc, because that sees
 * everything that has to survive: SQLite's files, the file sinks', renames, and the syncs of
 * directories, in one order and from the real daemon. A VFS would have seen the first only, and in
 * a program that is not the daemon.
 *
 * SASHA_RECORD        the log; appended to, so that one log can hold several lives
 * SASHA_RECORD_ROOT   the folder, absolute; what is in it at the start must be in the log, too
 * SASHA_RECORD_DIE    after so many events the process ends by SIGKILL, between two of them
 * SASHA_RECORD_BREAK  a fault to put into the program, to see whether it is found (breaks.c)
 * SASHA_RECORD_INODES a table of inode numbers to show in place of the real ones (inodes.c)
 *
 * What makes the log sound: every call that changes a file is made, and noted, under one lock, so
 * there is one order and nothing between a change and its note. A sync is made outside of it and
 * noted twice, before and after: it covers the changes noted before its begin, and has taken effect
 * when its end is noted. What a client is told is noted before it is sent. So a cut at any place of
 * the log is a cut that could have happened, and an answer in the log is one that the client may
 * have.
 *
 * -shm files are left out: SQLite makes them anew at every first open.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* lab/record.py has the same list. `number` and `at` are what the comment says. */
enum record_kind {
    RECORD_LIFE = 1,   /* a process began; number: pid */
    RECORD_CREATE,     /* number: inode; data: path */
    RECORD_WRITE,      /* number: inode; at: offset; data: bytes */
    RECORD_TRUNCATE,   /* number: inode; at: size */
    RECORD_ALLOCATE,   /* number: inode; at: size that it has at least */
    RECORD_SYNC_BEGIN, /* number: inode; at: token, of one sync over all lives */
    RECORD_SYNC_END,
    RECORD_FOLDER_BEGIN, /* at: token; data: path */
    RECORD_FOLDER_END,
    RECORD_RENAME, /* number: inode; data: from, NUL, to */
    RECORD_UNLINK, /* number: inode; data: path */
    RECORD_ANSWER, /* number: port of the client; at: status */
};

/* ---- log.c ---- */

/* Whether this process is recorded. */
bool record_is_on(void);

void record_lock(void);
void record_unlock(void);

/* With the lock held. */
void record_note(
    enum record_kind kind, uint64_t number, uint64_t at, const void *data, size_t length);

/* The function that would have been called without us. */
void *record_next(const char *name);

/* ---- names.c: which descriptors and paths are of the folder ---- */

enum record_object {
    RECORD_NOTHING, /* not of the folder */
    RECORD_FILE,
    RECORD_FOLDER,
};

#define RECORD_PATH_MAX 512
#define RECORD_FD_MAX 4096

struct record_name {
    enum record_object object;
    uint64_t inode;
    char path[RECORD_PATH_MAX];
};

/* Of an open descriptor; RECORD_NOTHING for others. */
const struct record_name *record_name_of(int fd);

/* Resolves what openat(2) and its like were given; false: not of the folder. */
bool record_resolve(int folder, const char *path, char ret_path[RECORD_PATH_MAX]);

/* The inode at a path; 0: nothing is there. */
uint64_t record_inode_at(const char *path);

void record_opened(int fd, const char *path);
void record_closed(int fd);

/* ---- breaks.c: faults to be found ---- */

bool record_is_broken(const char *fault);

/* Whether a sync is to be believed by the program, but not to be noted. */
bool record_skips_sync(const struct record_name *name);
