#pragma once

/*
 * What one part of the signed text (method, url, id, body), its key, or the way the parts are
 * joined could also have been: a list without repetitions, most likely first, each entry with the
 * words in which it is told when it matches.
 *
 * Used by the explain_*.c files only. Owns everything but the advice. Bounded: entries over
 * EXPLAIN_VARIANTS_MAX are dropped. Memory that fails latches, and is asked for once at the end.
 */

#include "verify/crypto.h"

#include <stdbool.h>
#include <stddef.h>

#define EXPLAIN_VARIANTS_MAX 1024

struct explain_variant {
    unsigned char *data; /* may be NULL when length is 0; of a key: wiped */
    size_t length;
    char *says;             /* goes on after "the signature matches if " */
    const char *advice;     /* static: what to make of it */
    struct crypto_mac *mac; /* of a key; else NULL */
};

struct explain_variants {
    struct explain_variant *rows;
    size_t n;
    bool failed; /* out of memory once */
};

/* Adds a copy of `data`, unless it is there already. Returns whether it was added. */
bool explain_variants_add(struct explain_variants *variants, const void *data, size_t length,
    const char *advice, const char *says, ...) __attribute__((format(printf, 5, 6)));

/* Wipes. */
void explain_variants_done(struct explain_variants *variants);
