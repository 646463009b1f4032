#pragma once

/*
 * The search for what a signature does match: one change at a time, then pairs. Used by the
 * explain_*.c files only.
 *
 * Each axis is a list of variants whose first rows are what the daemon itself tries. A match is
 * told once, as a finding; single changes that match make an end, so that no pair repeats them.
 */

#include "verify/explain_report.h"
#include "verify/explain_variants.h"

enum explain_axis {
    EXPLAIN_KEY,
    EXPLAIN_URL,
    EXPLAIN_BODY,
    EXPLAIN_ID,
    EXPLAIN_METHOD,
    EXPLAIN_JOIN, /* data: letters of "muib" in order, '/', the separator */
    EXPLAIN_AXES,
};

struct explain_search {
    struct explain_variants axes[EXPLAIN_AXES];
    size_t n_base_keys; /* of the other axes the first row */
    unsigned char want_sum[CRYPTO_SUM_SIZE];
    size_t tries;
    size_t max_tries;
};

/* Whether what the daemon itself would try matches; *ret_secret is the row of the key, or
 * untouched. */
int explain_search_base(struct explain_search *search, bool *ret_match, size_t *ret_key);

/* Adds findings to the report. 0 or -EIO. */
int explain_search_run(struct explain_search *search, struct explain_report *report);

/* Fills the axes of id, method and way to join; the others are filled by their own files. */
void explain_search_add_rest(struct explain_search *search, const struct explain_request *request);

void explain_search_done(struct explain_search *search);
