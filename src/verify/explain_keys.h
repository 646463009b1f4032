#pragma once

/*
 * The keys that a signer could have made out of the conf's secrets: decoded as the conf says, and
 * in every other reading of the same text. Used by the explain_*.c files only.
 */

#include "verify/explain_variants.h"
#include "verify/headers.h"
#include "verify/verify.h"

/* Holds the hex digits of the longest key, and its NUL; base64 is shorter. */
#define EXPLAIN_KEY_TEXT_SIZE (2 * SECRET_KEY_MAX + 1)

/* Writes standard base64 with padding. */
void explain_key_to_base64(const struct secret_key *key, char text[static EXPLAIN_KEY_TEXT_SIZE]);

/* ASCII only, in place. */
void explain_key_to_upper(char *text);

/* Whether step 6 would try this secret. `secret_id`: NULL when the request names none. */
bool explain_is_candidate(const struct verify_endpoint_options *endpoint,
    const struct verify_secret_options *secret, const struct header_text *secret_id);

/* First those keys that the daemon itself would try (*ret_n_base of them), then this endpoint's
 * others, then the other endpoints', each as configured and then in other readings. Each row has
 * its mac. 0 or -EIO; memory latches in `keys`. */
int explain_keys_add(struct explain_variants *keys, struct crypto *crypto,
    const struct verify_options *options, const struct verify_endpoint_options *endpoint,
    const struct header_text *secret_id, size_t *ret_n_base, struct error *error);
