#pragma once

/*
 * Reading lines back after a crash: finds where each begins and ends, and whether it is whole.
 *
 * Fed with a file's bytes in pieces of any size; keeps only the head of the line that it is in.
 * Pure.
 */

#include "sink/line.h"

struct line_scan_line {
    uint64_t begin; /* offset in the file */
    uint64_t end;   /* after the newline */
    bool whole;     /* it can be one that we wrote: the head is right, there is no control
                     * character in it, and it ends in '}' */
    uint64_t seq;   /* when whole */
};

struct line_scan {
    uint64_t begin;  /* of the line that is being read; at the end, of the torn one */
    uint64_t offset; /* of the next byte */
    char head[LINE_HEAD_MAX];
    size_t head_length;
    char last; /* byte of this line */
    bool control;
};

/* Return non-zero to stop. */
typedef int (*line_scan_fn)(void *context, const struct line_scan_line *line);

/* `offset`: where in the file the first byte will be from. */
void line_scan_init(struct line_scan *scan, uint64_t offset);

/* Calls `fn` for each line that ends within `data`. Returns 0, or what `fn` stopped it with; then
 * scan->begin is the end of the line that stopped it. */
int line_scan_feed(
    struct line_scan *scan, const char *data, size_t length, line_scan_fn fn, void *context);
