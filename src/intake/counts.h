#pragma once

/*
 * What is counted for each endpoint: outcomes, and when each token and secret was last of use.
 *
 * A `struct counts` belongs to one set of rules and is shared by all workers. The counters in it
 * are shared with the counts before it, as far as they count the same: an endpoint is the same by
 * its name, in it a secret by its name and a token by its digest. So they go on across a reload,
 * and a request that ends under old rules still counts. What the newest rules no longer have ends
 * with the last of their requests.
 *
 * Threads: counts_new, counts_swap on main; counting on any worker, without a lock; counts_read
 * from any thread. The lock of a shelf guards its pointer only, and is never taken to count.
 */

#include "intake/intake.h"
#include "util/cleanup.h"

#include <pthread.h>
#include <stdatomic.h>

/* One token or secret. */
struct counts_use {
    _Atomic unsigned int refs;
    struct digest digest; /* of a token */
    char name[65];        /* of a secret */
    _Atomic uint64_t used;
    _Atomic int64_t last_used_at_usec;
};

/* One endpoint. */
struct counts_endpoint {
    _Atomic unsigned int refs;
    char name[65];
    _Atomic uint64_t reasons[REASON_COUNT];
    _Atomic uint64_t unverified;
    _Atomic int64_t last_valid_at_usec;
};

/* One endpoint under one set of rules; immutable but for the counters it holds references to. */
struct counts_page {
    struct counts_endpoint *endpoint;
    bool report;
    struct counts_use *tokens[INTAKE_CREDENTIALS_MAX];
    size_t n_tokens;
    struct counts_use *secrets[INTAKE_CREDENTIALS_MAX];
    size_t n_secrets;
};

struct counts {
    _Atomic unsigned int refs;
    struct counts_page *pages; /* by the index of the endpoint */
    size_t n_pages;
};

/* For the endpoints of `verifier`; takes over what `before` (may be NULL) counts already. */
int counts_new(const struct verifier *verifier, const struct counts *before,
    struct counts **ret_counts, struct error *error);
struct counts *counts_ref(struct counts *counts);
void counts_unref(struct counts *counts); /* NULL is legal */

CLEANUP_FUNC(struct counts, counts_unref);

struct counts_page *counts_get(struct counts *counts, const struct verify_endpoint *endpoint);

void counts_outcome(struct counts_page *page, enum reason reason);

/* A callback that verify passed: notes the credentials that matched, and whether all is proven. */
void counts_passed(
    struct counts_page *page, const struct verify_finding *finding, int64_t now_realtime_usec);

/* It was stored although it is not proven. */
void counts_unverified(struct counts_page *page);

/* Where the newest counts stand for readers. */
struct counts_shelf {
    pthread_mutex_t lock;  /* no other is taken while it is held */
    struct counts *counts; /* a reference */
};

void counts_swap(struct counts_shelf *shelf, struct counts *counts); /* takes the reference */
struct counts *counts_take(struct counts_shelf *shelf);              /* a new reference */

void counts_read(const struct counts_page *page, struct intake_endpoint_stats *ret_stats);
