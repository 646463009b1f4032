#pragma once

/*
 * The head of a request as libmicrohttpd read it, and whether that reading accounts for every byte.
 *
 * libmicrohttpd 0.9 reads headers as C strings in place: a NUL cuts a value short, a folded line is
 * joined to another, a bare LF ends a line, runs of spaces in the request line vanish. None of it
 * shows in what it reports, but it shows in where it reports it: in a head without such oddities
 * each piece begins exactly where the one before ended, plus its separator, and the last ends at
 * the end of the head. head_is_whole checks that by arithmetic on addresses; no memory is read. It
 * is what lets framing_check trust the lengths it is given.
 *
 * Two oddities do not show, because they leave the same bytes behind: a NUL before a bare LF, which
 * is taken for a CRLF, and a line of a colon and a bare LF, which ends the head as an empty one
 * would. A proxy that writes the head anew passes on neither.
 *
 * libmicrohttpd 1.x refuses these oddities itself and lays the head out in its own way: there the
 * check is off (head_layout_is_known).
 */

#include "intake/framing.h"
#include "verify/verify.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

/* One more than allowed, so that framing_check sees that there are too many. */
#define HEAD_FIELDS_MAX (FRAMING_HEADERS_MAX + 1)

/* All borrowed from the connection, valid until its request ends. */
struct head {
    struct framing_header fields[HEAD_FIELDS_MAX];
    size_t n_fields;
    size_t n_seen; /* fields of the request, also those that did not fit */
};

/* Where the request line's parts stand. */
struct head_line {
    const char *method;
    const char *target; /* as the URI callback saw it */
    size_t target_length;
    const char *version;
};

void head_collect(struct MHD_Connection *mhd, struct head *head);

/* Finds the four headers that the proof needs. Names match in any case. */
void head_find(const struct head *head, struct verify_head *ret_verify);

/* Whether the pieces fill `size` bytes from the method on without a gap. Pure. */
bool head_is_whole(const struct head_line *line, const struct head *head, size_t size);

/* Whether the libmicrohttpd that runs is one whose layout head_is_whole knows. */
bool head_layout_is_known(void);
