#pragma once

/*
 * How far a file of lines was settled: the mark that the store keeps with the sink's frontier.
 *
 * The file is known by its inode number, which a rename (log rotation) keeps. The device number is
 * left out on purpose: it may be another one after a reboot, which is just when the mark is needed;
 * and whoever looks for the inode looks in one directory, so on one file system. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest encoded mark; must not exceed what sink.h allows a position. */
#define MARK_MAX 64

struct mark {
    bool set;
    uint64_t inode;
    uint64_t offset; /* everything in front of it is on the disk and settled */
};

/* Writes the mark as text, "lines-1 <inode> <offset>", without NUL. Returns its length; 0 for one
 * that is not set. */
size_t mark_encode(const struct mark *mark, char text[static MARK_MAX]);

/* Returns 0, or -EINVAL for what mark_encode (of this version) does not write. Length 0 is a mark
 * that is not set. */
int mark_decode(const void *text, size_t length, struct mark *ret_mark);
