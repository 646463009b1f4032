/*
 * Counters of endpoints and credentials; see counts.h.
 *
 * All counting is relaxed: a reader sees each counter as it was a moment ago, not all of one
 * moment.
 */

#include "intake/counts.h"

#include "util/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void release_use(struct counts_use *use)
{
    if (use == NULL || atomic_fetch_sub(&use->refs, 1) != 1)
        return;
    secret_wipe(&use->digest, sizeof(use->digest));
    free(use);
}

static void release_endpoint(struct counts_endpoint *endpoint)
{
    if (endpoint != NULL && atomic_fetch_sub(&endpoint->refs, 1) == 1)
        free(endpoint);
}

struct counts *counts_ref(struct counts *counts)
{
    atomic_fetch_add(&counts->refs, 1);
    return counts;
}

void counts_unref(struct counts *counts)
{
    if (counts == NULL || atomic_fetch_sub(&counts->refs, 1) != 1)
        return;
    for (size_t i = 0; i < counts->n_pages; i++) {
        struct counts_page *page = &counts->pages[i];

        for (size_t t = 0; t < page->n_tokens; t++)
            release_use(page->tokens[t]);
        for (size_t s = 0; s < page->n_secrets; s++)
            release_use(page->secrets[s]);
        release_endpoint(page->endpoint);
    }
    free(counts->pages);
    free(counts);
}

/* ---- making ---- */

/* The one of `uses` that stands for the same credential, with a new reference; else a new one. NULL
 * when out of memory. From the end, for of equal tokens the last is the one that matches. */
static struct counts_use *share_use(
    struct counts_use *const *uses, size_t n, const struct digest *digest, const char *name)
{
    struct counts_use *use;

    while (n-- > 0) {
        if (memcmp(&uses[n]->digest, digest, sizeof(*digest)) != 0 ||
            strcmp(uses[n]->name, name) != 0)
            continue;
        atomic_fetch_add(&uses[n]->refs, 1);
        return uses[n];
    }
    use = calloc(1, sizeof(*use));
    if (use == NULL)
        return NULL;
    use->refs = 1;
    use->digest = *digest;
    (void)snprintf(use->name, sizeof(use->name), "%s", name);
    return use;
}

static struct counts_endpoint *share_endpoint(const struct counts_page *before, const char *name)
{
    struct counts_endpoint *endpoint;

    if (before != NULL) {
        atomic_fetch_add(&before->endpoint->refs, 1);
        return before->endpoint;
    }
    endpoint = calloc(1, sizeof(*endpoint));
    if (endpoint == NULL)
        return NULL;
    endpoint->refs = 1;
    (void)snprintf(endpoint->name, sizeof(endpoint->name), "%s", name);
    return endpoint;
}

static const struct counts_page *find_page(const struct counts *counts, const char *name)
{
    for (size_t i = 0; counts != NULL && i < counts->n_pages; i++) {
        if (strcmp(counts->pages[i].endpoint->name, name) == 0)
            return &counts->pages[i];
    }
    return NULL;
}

/* The page is zeroed memory before; whatever it holds afterwards is released with it. */
static int make_page(struct counts_page *page, const struct verify_endpoint *endpoint,
    const struct counts *all_before)
{
    static const struct counts_page nothing;
    const char *name = verify_endpoint_name(endpoint);
    const struct counts_page *before = find_page(all_before, name);

    page->report = verify_endpoint_reports(endpoint);
    page->endpoint = share_endpoint(before, name);
    if (page->endpoint == NULL)
        return -ENOMEM;
    if (before == NULL)
        before = &nothing;
    for (; page->n_tokens < verify_endpoint_count_tokens(endpoint); page->n_tokens++) {
        const struct digest digest = verify_endpoint_get_token(endpoint, page->n_tokens);
        struct counts_use *use = share_use(before->tokens, before->n_tokens, &digest, "");

        if (use == NULL)
            return -ENOMEM;
        page->tokens[page->n_tokens] = use;
    }
    for (; page->n_secrets < verify_endpoint_count_secrets(endpoint); page->n_secrets++) {
        static const struct digest none;
        struct counts_use *use = share_use(before->secrets, before->n_secrets, &none,
            verify_endpoint_get_secret(endpoint, page->n_secrets));

        if (use == NULL)
            return -ENOMEM;
        page->secrets[page->n_secrets] = use;
    }
    return 0;
}

int counts_new(const struct verifier *verifier, const struct counts *before,
    struct counts **ret_counts, struct error *error)
{
    CLEANUP(counts_unref) struct counts *counts = calloc(1, sizeof(*counts));

    if (counts == NULL)
        return error_set(error, ENOMEM, "no memory for the counters");
    counts->refs = 1;
    counts->pages = calloc(verifier_count(verifier) + 1, sizeof(*counts->pages));
    if (counts->pages == NULL)
        return error_set(error, ENOMEM, "no memory for the counters");
    for (size_t i = 0; i < verifier_count(verifier); i++) {
        const struct verify_endpoint *endpoint = verifier_get(verifier, i);

        if (verify_endpoint_count_tokens(endpoint) > INTAKE_CREDENTIALS_MAX ||
            verify_endpoint_count_secrets(endpoint) > INTAKE_CREDENTIALS_MAX)
            return error_set(error, EINVAL, "endpoint \"%s\" has more than %d tokens or secrets",
                verify_endpoint_name(endpoint), INTAKE_CREDENTIALS_MAX);
        counts->n_pages++;
        if (make_page(&counts->pages[i], endpoint, before) < 0)
            return error_set(error, ENOMEM, "no memory for the counters");
    }
    *ret_counts = TAKE(counts);
    return 0;
}

/* ---- counting ---- */

struct counts_page *counts_get(struct counts *counts, const struct verify_endpoint *endpoint)
{
    const size_t index = verify_endpoint_index(endpoint);

    ASSERT(index < counts->n_pages);
    return &counts->pages[index];
}

static void count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void counts_outcome(struct counts_page *page, enum reason reason)
{
    count(&page->endpoint->reasons[reason]);
}

static void note_use(struct counts_use *use, int64_t now_usec)
{
    count(&use->used);
    atomic_store_explicit(&use->last_used_at_usec, now_usec, memory_order_relaxed);
}

void counts_passed(
    struct counts_page *page, const struct verify_finding *finding, int64_t now_realtime_usec)
{
    if (finding->token != VERIFY_NO_MATCH)
        note_use(page->tokens[finding->token], now_realtime_usec);
    if (finding->secret != VERIFY_NO_MATCH)
        note_use(page->secrets[finding->secret], now_realtime_usec);
    if (finding->unverified == REASON_ACCEPTED)
        atomic_store_explicit(
            &page->endpoint->last_valid_at_usec, now_realtime_usec, memory_order_relaxed);
}

void counts_unverified(struct counts_page *page)
{
    count(&page->endpoint->unverified);
}

/* ---- reading ---- */

void counts_swap(struct counts_shelf *shelf, struct counts *counts)
{
    struct counts *before;

    pthread_mutex_lock(&shelf->lock);
    before = shelf->counts;
    shelf->counts = counts;
    pthread_mutex_unlock(&shelf->lock);
    counts_unref(before);
}

struct counts *counts_take(struct counts_shelf *shelf)
{
    struct counts *counts;

    pthread_mutex_lock(&shelf->lock);
    counts = counts_ref(shelf->counts);
    pthread_mutex_unlock(&shelf->lock);
    return counts;
}

static void read_use(const struct counts_use *use, struct intake_use *ret_use)
{
    memcpy(ret_use->name, use->name, sizeof(ret_use->name));
    ret_use->used = atomic_load_explicit(&use->used, memory_order_relaxed);
    ret_use->last_used_at_usec =
        atomic_load_explicit(&use->last_used_at_usec, memory_order_relaxed);
}

void counts_read(const struct counts_page *page, struct intake_endpoint_stats *ret_stats)
{
    const struct counts_endpoint *endpoint = page->endpoint;
    struct intake_endpoint_stats stats = {
        .report = page->report,
        .unverified = atomic_load_explicit(&endpoint->unverified, memory_order_relaxed),
        .last_valid_at_usec =
            atomic_load_explicit(&endpoint->last_valid_at_usec, memory_order_relaxed),
        .n_tokens = page->n_tokens,
        .n_secrets = page->n_secrets,
    };

    memcpy(stats.name, endpoint->name, sizeof(stats.name));
    for (size_t i = 0; i < REASON_COUNT; i++)
        stats.reasons[i] = atomic_load_explicit(&endpoint->reasons[i], memory_order_relaxed);
    for (size_t i = 0; i < page->n_tokens; i++) {
        read_use(page->tokens[i], &stats.tokens[i]);
        (void)snprintf(stats.tokens[i].name, sizeof(stats.tokens[i].name), "%zu", i + 1);
    }
    for (size_t i = 0; i < page->n_secrets; i++)
        read_use(page->secrets[i], &stats.secrets[i]);
    *ret_stats = stats;
}
