#pragma once

/*
 * The urls that a signer could have meant, from what the conf and the request's headers tell.
 * Used by the explain_*.c files only.
 */

#include "verify/explain.h"
#include "verify/explain_variants.h"

/* The value of a request's first header of that name, in any case; NULL when it has none. */
const char *explain_header_get(const struct explain_request *request, const char *name);

/* The path of a request's target, without query, and what precedes it. Borrowed. */
struct explain_target {
    const char *scheme; /* "" or one that ends in "://" */
    size_t scheme_length;
    const char *authority;
    size_t authority_length;
    const char *path;
    size_t path_length;
    const char *query; /* from '?' on; "" */
};
struct explain_target explain_target_split(const char *url);

/* First the public_url, then others, those with fewer changes first. Memory latches in `urls`. */
void explain_urls_add(struct explain_variants *urls, const struct verify_options *options,
    const struct verify_endpoint_options *endpoint, const struct explain_request *request);

/* Other ways to write a path: with and without slash, merged slashes, decoded, other case. Each
 * row's `says` is only what was done. */
void explain_paths_respell(struct explain_variants *paths, const char *path, size_t length);
