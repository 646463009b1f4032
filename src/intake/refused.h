#pragma once

/*
 * The last refused requests, kept in memory for explain.
 *
 * Kept are requests that were refused for what they are, and such as only report mode let pass; not
 * what our own state refuses (store, overload, internal), which the request does not explain. An
 * entry holds peer, method, target, headers and the beginning of the body as they came, but no
 * token: see refused_redact and refused_redact_name.
 *
 * Bounds: `keep` entries and INTAKE_REFUSED_BYTES_MAX bytes; beyond, the oldest entry goes of the
 * reason that has most of them, so that a flood of one kind does not drive out the single ones of
 * another. Of each reason at most REFUSED_PER_SECOND a second are taken, which bounds what a flood
 * costs: 13 reasons are kept, so a few hundred copies of at most 50 KiB a second. Beyond that a
 * refusal costs two loads of an atomic.
 *
 * Threads: refused_admit and refused_add on the workers; walk and get from any thread. The lock is
 * taken for an entry that was admitted and by readers, never otherwise; no other lock is taken
 * while it is held.
 */

#include "intake/framing.h"
#include "intake/intake.h"
#include "util/buf.h"

#define REFUSED_PER_SECOND 20

struct refused;

/* `keep` may be 0: nothing is ever admitted then. Fails when out of memory. */
int refused_new(unsigned int keep, const struct clock *clock, struct refused **ret_refused,
    struct error *error);
void refused_free(struct refused *refused); /* NULL is legal */

/* Whether a request refused now for this reason is to be kept: then its body should be gathered, up
 * to INTAKE_REFUSED_BODY_MAX, and it comes with refused_add. */
bool refused_admit(struct refused *refused, enum reason reason, int64_t now_usec);

/* Copies; the id is made here. Headers are borrowed, with no redaction yet. Out of memory it is not
 * kept. */
void refused_add(struct refused *refused, const struct intake_refused *from,
    const struct framing_header *headers, size_t n_headers);

void refused_walk(struct refused *refused,
    int (*fn)(const struct intake_refused *refused, void *context), void *context);
int refused_get(struct refused *refused, const char *id, struct intake_refused **ret_refused);

/* Appends a header's value with what may be a token shown as its length only: all of a header whose
 * name speaks of authorization but for the word Bearer or Basic, and of any other what follows the
 * word Bearer (folded lines can move a header into another's value). Pure; 0 or -ENOMEM. */
int refused_redact(struct buf *out, const struct framing_header *header);

/* Appends a header's name, up to the first byte that no name may have, and the length of what
 * follows it: libmicrohttpd joins a folded line to a name as well, with the token that it holds. 0
 * or -ENOMEM.
 */
int refused_redact_name(struct buf *out, const struct framing_header *header);
