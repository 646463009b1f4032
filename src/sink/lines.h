#pragma once

/*
 * A file of lines that is only ever added to, each batch all or nothing.
 *
 * Threads: one; it may block in a write and a sync.
 */

#include "job/delivery.h"
#include "sink/mark.h"
#include "util/buf.h"
#include "util/error.h"

#include <sys/stat.h>

struct lines {
    char *path;  /* owned */
    mode_t mode; /* of a file that is created */

    int fd; /* append-only and locked; -1: not open */
    dev_t device;
    ino_t inode;      /* of fd */
    uint64_t settled; /* size of fd after the last batch that succeeded */
    uint64_t written; /* by this batch, beyond `settled` */
    bool dirty;       /* more than `settled` may be in fd */

    struct mark mark; /* what position() tells: follows only batches that succeeded */
    struct buf text;  /* lines not yet written */
};

/* Copies the path. Returns 0 or -ENOMEM; done is legal after either. */
int lines_init(struct lines *lines, const char *path, mode_t mode);
void lines_done(struct lines *lines);

/* A batch: begin, add for each delivery, commit. After a commit that returned 0 all of it is on the
 * disk. When one of them fails the batch must be undone; the errors are fit for an item's result
 * (no path in them). */
int lines_begin(struct lines *lines, struct error *error);
int lines_add(struct lines *lines, const struct delivery *delivery, struct error *error);
int lines_commit(struct lines *lines, struct error *error);
void lines_undo(struct lines *lines);

/* Lets go of the file and opens what is at the path now. */
int lines_reopen(struct lines *lines, struct error *error);

/* After a crash: tells `found` the seq of each whole line beyond the mark, in the file that the
 * mark is about (`after_mark`), which may have been renamed, and then in the one at the path; mends
 * the end of the latter. What was told is on the disk. Not while a batch is under way.
 * (lines_recover.c) */
int lines_recover(struct lines *lines, const struct mark *mark,
    void (*found)(void *context, uint64_t seq, bool after_mark), void *context,
    struct error *error);

/* ---- between lines.c and lines_recover.c ---- */

/* Opens a regular file that exists, not through a link, and locks it. Returns the descriptor, or
 * -errno (-ENOENT: there is none). */
int lines_open_existing(const char *path, int flags, struct stat *ret_status, struct error *error);

/* Cuts off what follows the last newline, or ends it with one if it is not ours. */
int lines_mend_end(
    const struct lines *lines, int fd, uint64_t size, uint64_t *ret_size, struct error *error);
