#pragma once

/*
 * What the tests of looking into the store share: a query, once or to its end in pages.
 */

#include "store/query.h"
#include "store_rig.h"

#define QUERY_ANY_TIME .since_usec = INT64_MIN, .until_usec = INT64_MAX

static inline ssize_t query_once(
    const struct store_query *query, struct rig_seqs *seqs, uint64_t *ret_next)
{
    return store_query(rig.reader, query, rig_on_delivery, seqs, ret_next, &rig.error);
}

/* Walks from query->from to the end in pages of `limit`; adds to `seqs`. */
static inline void query_all(const struct store_query *query, size_t limit, struct rig_seqs *seqs)
{
    struct store_query page = *query;
    uint64_t next = 0;

    page.limit = limit;
    do {
        size_t n = seqs->n;
        ssize_t r = query_once(&page, seqs, &next);

        ck_assert_msg(r >= 0, "%s", rig.error.text);
        ck_assert_uint_eq((size_t)r, seqs->n - n);
        ck_assert_uint_le((size_t)r, limit);
        ck_assert(next != page.from || next == 0); /* or it would never end */
        page.from = next;
    } while (next != 0);
}

/* The seqs that fit, a digit each, in whatever pages they come. */
static inline void query_want(const struct store_query *query, const char *want)
{
    for (size_t limit = 1; limit < 12; limit++) {
        struct rig_seqs seqs = {.n = 0};
        char got[16] = "";

        query_all(query, limit, &seqs);
        ck_assert_uint_lt(seqs.n, sizeof(got));
        for (size_t i = 0; i < seqs.n; i++)
            got[i] = (char)('0' + seqs.seqs[i]);
        ck_assert_str_eq(got, want);
    }
}
