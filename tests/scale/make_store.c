/*
 * Makes a store as it stands after weeks of work, for tests of what an operator does with it:
 *
 *   make_store PATH COUNT PUBLIC_URL
 *
 * COUNT deliveries of endpoint "main" (as PUBLIC_URL signs them) and every tenth of "other", evenly
 * over the last SPAN_DAYS days: two of a job, a pending one and a final one; and one job, "busy",
 * that has every hundredth delivery. Four sinks:
 *
 *   archive   has delivered all
 *   publish   every tenth is dead, each after two attempts; the others are delivered
 *   mail      is paused; every tenth of the older half waits for its next attempt, and all of the
 *             newer half is above the frontier
 *   quiet     is paused; of all there is every twentieth pending, the others are filtered
 *
 * It goes through store.h like the daemon, in large batches, on a clock of its own.
 */

#include "store/store.h"
#include "util/rfc3339.h"
#include "verify/crypto.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPAN_DAYS 40
#define BATCH 10000
#define BODY_BYTES 450

static const char output[] = "publish: the server said 503 Service Unavailable\n";

static _Atomic int64_t now_usec;

static int64_t read_now(void *context)
{
    return atomic_load(&now_usec);
}

static const struct clock made_clock = {read_now, read_now, NULL};

static void fail(const char *what, const struct error *error)
{
    fprintf(stderr, "make_store: %s: %s\n", what, error->text);
    exit(1);
}

/* ---- deliveries ---- */

/* What a delivery of a batch borrows from. */
struct text {
    char request_id[40];
    char job_id[24];
    char body[BODY_BYTES + 200];
};

static struct digest digest_of(struct crypto *crypto, const struct crypto_part *parts, size_t n)
{
    unsigned char sum[CRYPTO_SUM_SIZE];
    struct digest digest;

    if (crypto_sha256(crypto, parts, n, sum) < 0)
        abort();
    memcpy(digest.bytes, sum, sizeof(digest.bytes));
    return digest;
}

static size_t write_body(struct text *text, const char *type, const char *status, int64_t at_usec)
{
    char at[RFC3339_SIZE];
    int length;

    rfc3339_format(at_usec, at);
    length = snprintf(text->body, sizeof(text->body),
        "{\"job_id\":\"%s\",\"type\":\"%s\",\"status\":\"%s\",\"created_at\":\"%s\","
        "\"updated_at\":\"%s\",\"signature_id\":\"340558932877813735\","
        "\"output_url\":\"https://storage.example/%s?signature=",
        text->job_id, type, status, at, at, text->job_id);
    for (; length < BODY_BYTES - 2; length++)
        text->body[length] = (char)('a' + length % 26);
    memcpy(text->body + length, "\"}", 3);
    return (size_t)length + 2;
}

static struct delivery make(
    struct crypto *crypto, const char *public_url, uint64_t number, struct text *text)
{
    const bool final = number % 2 == 0, busy = number % 100 == 0, other = number % 10 == 5;
    const char *status = !final ? "pending" : number % 50 == 0 ? "failed" : "completed";
    const char *type = number / 2 % 10 < 7 ? "embed-signature" : "lookup-signature";
    const char *url = other ? "https://other.example/sasha" : public_url;
    struct delivery delivery;

    snprintf(text->request_id, sizeof(text->request_id), "request-%012" PRIu64, number);
    snprintf(text->job_id, sizeof(text->job_id), busy ? "busy" : "job-%09" PRIu64, number / 2);
    delivery = (struct delivery){
        .received_at_usec = read_now(NULL),
        .updated_at_usec = read_now(NULL),
        .terminal = final,
        .endpoint = other ? "other" : "main",
        .request_id = text->request_id,
        .secret = "current",
        .job_id = text->job_id,
        .type = type,
        .status = status,
        .body_length = write_body(text, type, status, read_now(NULL)),
        .body = (const unsigned char *)text->body,
    };
    const struct crypto_part id[] = {
        {url, strlen(url) + 1}, {text->request_id, strlen(text->request_id)}};
    const struct crypto_part body = {delivery.body, delivery.body_length};
    delivery.id_digest = digest_of(crypto, id, 2);
    delivery.body_digest = digest_of(crypto, &body, 1);
    return delivery;
}

/* ---- sinks ---- */

enum { ARCHIVE, PUBLISH, MAIL, QUIET, N_SINKS };
static const char *const sink_names[N_SINKS] = {"archive", "publish", "mail", "quiet"};

/* What a sink makes of the deliveries (first, last]. */
struct progress {
    struct store_settle settle;
    struct store_outcome outcomes[2 * BATCH];
};

static void add(struct progress *progress, uint64_t seq, enum store_state state,
    unsigned int attempts, const struct store_attempt *attempt)
{
    progress->outcomes[progress->settle.n_outcomes++] = (struct store_outcome){
        .seq = seq,
        .state = state,
        .attempts = attempts,
        .next_at_usec = state == STORE_STATE_PENDING ? read_now(NULL) + USEC_PER_DAY * 365 : 0,
        .attempt = attempt,
    };
}

static void settle_batch(
    struct progress *progress, int sink, uint64_t first, uint64_t last, uint64_t count)
{
    static struct store_attempt failure = {
        .duration_usec = 123456, .number = 1, .result = "exit 1", .output = output};
    static struct store_attempt end = {
        .duration_usec = 234567, .number = 2, .result = "exit 65", .output = output};
    const uint64_t every = sink == QUIET ? 20 : 10;
    uint64_t n_rows = 0;

    progress->settle.outcomes = progress->outcomes;
    progress->settle.n_outcomes = 0;
    progress->settle.frontier = last;
    failure.started_at_usec = end.started_at_usec = read_now(NULL);
    failure.output_length = end.output_length = sizeof(output) - 1;
    for (uint64_t seq = first + 1; sink != ARCHIVE && seq <= last; seq++) {
        if (seq % every != 0)
            continue;
        n_rows++;
        if (sink == PUBLISH)
            add(progress, seq, STORE_STATE_DEAD, 2, &end);
        else
            add(progress, seq, STORE_STATE_PENDING, 1, sink == MAIL ? &failure : NULL);
    }
    progress->settle.delivered = sink == QUIET ? 0 : (int64_t)(last - first - n_rows);
    progress->settle.filtered = sink == QUIET ? (int64_t)(last - first - n_rows) : 0;
    if (sink == MAIL && last > count / 2) { /* stays where it was */
        progress->settle.n_outcomes = 0;
        progress->settle.frontier = 0;
        progress->settle.delivered = 0;
    }
}

/* ---- the whole ---- */

static void register_sinks(struct store *store, struct progress *progresses, struct error *error)
{
    uint32_t ids[N_SINKS];

    for (int i = 0; i < N_SINKS; i++) {
        struct store_sink sink;

        if (store_register_sink(store, sink_names[i], &sink, error) != STORE_OK)
            fail("register a sink", error);
        progresses[i].settle.sink = ids[i] = sink.id;
    }
    if (store_set_active_sinks(store, ids, N_SINKS, error) != STORE_OK ||
        store_set_paused(store, ids[MAIL], true, error) != STORE_OK ||
        store_set_paused(store, ids[QUIET], true, error) != STORE_OK)
        fail("set the sinks up", error);
}

/* What the daemon does now and then; it is pruning that makes the marks by which it goes later. */
static void maintain(struct store *store, struct error *error)
{
    const struct store_retention keep_all = {2 * SPAN_DAYS * USEC_PER_DAY, USEC_INFINITY};
    bool more;

    if (store_prune(store, &keep_all, &more, error) != STORE_OK ||
        store_maintain(store, false, error) != STORE_OK)
        fail("maintain the store", error);
}

static void fill(struct store *store, struct crypto *crypto, const char *public_url,
    struct progress *progresses, uint64_t count)
{
    static struct text texts[BATCH];
    static struct delivery deliveries[BATCH];
    static struct store_append appends[BATCH];
    struct store_append *pointers[BATCH];
    struct error error = ERROR_INIT;
    const int64_t step = SPAN_DAYS * USEC_PER_DAY / (int64_t)count;

    for (uint64_t first = 0; first < count; first += BATCH) {
        const uint64_t last = first + BATCH < count ? first + BATCH : count;
        const struct store_settle *settles[N_SINKS];
        struct store_batch appended = {.appends = pointers, .n_appends = (size_t)(last - first)};
        struct store_batch settled = {.settles = settles, .n_settles = N_SINKS};

        for (uint64_t i = first; i < last; i++) {
            atomic_fetch_add(&now_usec, step);
            deliveries[i - first] = make(crypto, public_url, i + 1, &texts[i - first]);
            appends[i - first] = (struct store_append){.delivery = &deliveries[i - first]};
            pointers[i - first] = &appends[i - first];
        }
        if (store_commit(store, &appended, &error) != STORE_OK)
            fail("append", &error);
        for (int i = 0; i < N_SINKS; i++) {
            settle_batch(&progresses[i], i, first, last, count);
            settles[i] = &progresses[i].settle;
        }
        if (store_commit(store, &settled, &error) != STORE_OK)
            fail("settle", &error);
        maintain(store, &error);
    }
}

int main(int argc, char **argv)
{
    static struct progress progresses[N_SINKS];
    CLEANUP(crypto_free) struct crypto *crypto = NULL;
    struct store_options options = {.clock = &made_clock};
    struct error error = ERROR_INIT;
    struct store *store = NULL;
    uint64_t count;

    if (argc != 4 || (count = strtoull(argv[2], NULL, 10)) == 0) {
        fprintf(stderr, "usage: make_store PATH COUNT PUBLIC_URL\n");
        return 64;
    }
    options.path = argv[1];
    atomic_store(&now_usec, clock_realtime(clock_system()) - SPAN_DAYS * USEC_PER_DAY);
    if (crypto_new(&crypto, &error) < 0 || store_open_sqlite(&options, &store, &error) < 0)
        fail(argv[1], &error);
    register_sinks(store, progresses, &error);
    fill(store, crypto, argv[3], progresses, count);
    if (store_maintain(store, true, &error) != STORE_OK)
        fail("maintain the store", &error);
    store_close(store);
    return 0;
}
