/*
 * Makes a store with a past: bench_fill PATH IDS PENDING SINK.
 *
 * IDS request ids are remembered of deliveries that are long pruned, and PENDING deliveries wait
 * for SINK. All through store.h, so that it is a store as the daemon would have left it, in large
 * batches and with a clock of its own, so that it takes minutes instead of months.
 *
 * Digests are scattered numbers: as even as real ones, unique, and found again in no real request.
 */

#include "store/store.h"
#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 4096
#define CHUNK (16 * BATCH) /* appended between two rounds of pruning */

/* A chunk is over its time at the next round but one. */
#define KEEP_USEC USEC_PER_HOUR
#define ROUND_USEC (2 * USEC_PER_HOUR)

static const char body[] =
    "{\"job_id\":\"0000000000\",\"type\":\"embed-signature\",\"status\":\"completed\","
    "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\"}";

struct fill {
    struct store *store;
    uint64_t n;       /* made so far */
    int64_t now_usec; /* both clocks */
};

_Noreturn static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_fill: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static int64_t tell_time(void *context)
{
    const struct fill *fill = context;

    return fill->now_usec;
}

/* As in requests.c, another stretch of it. */
static uint64_t scatter(uint64_t n)
{
    n += UINT64_C(0x9e3779b97f4a7c15);
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

static struct digest make_digest(uint64_t n)
{
    const uint64_t halves[] = {scatter(2 * n), scatter(2 * n + 1)};
    struct digest digest;

    memcpy(digest.bytes, halves, sizeof(digest.bytes));
    return digest;
}

/* ---- appending ---- */

static void append_batch(struct fill *fill, size_t count)
{
    static struct delivery deliveries[BATCH];
    static struct store_append appends[BATCH];
    static struct store_append *list[BATCH];
    static char texts[BATCH][2][40];
    struct store_batch batch = {.appends = list, .n_appends = count};
    struct error error = ERROR_INIT;

    for (size_t i = 0; i < count; i++, fill->n++) {
        (void)snprintf(texts[i][0], sizeof(texts[i][0]), "%036" PRIx64, fill->n);
        (void)snprintf(texts[i][1], sizeof(texts[i][1]), "filled-%" PRIu64, fill->n);
        deliveries[i] = (struct delivery){
            .received_at_usec = fill->now_usec,
            .updated_at_usec = fill->now_usec,
            .terminal = true,
            .id_digest = make_digest(fill->n),
            .body_digest = make_digest(fill->n),
            .endpoint = "main",
            .request_id = texts[i][0],
            .secret = "current",
            .job_id = texts[i][1],
            .type = "embed-signature",
            .status = "completed",
            .unverified = "",
            .body = (const unsigned char *)body,
            .body_length = strlen(body),
        };
        appends[i] = (struct store_append){.delivery = &deliveries[i]};
        list[i] = &appends[i];
    }
    if (store_commit(fill->store, &batch, &error) != STORE_OK ||
        store_maintain(fill->store, false, &error) != STORE_OK)
        die("commit", error.text);
    for (size_t i = 0; i < count; i++) {
        if (appends[i].verdict != STORE_VERDICT_STORED)
            die("append", error.code != 0 ? error.text : "not stored");
    }
}

static void append(struct fill *fill, uint64_t count)
{
    for (uint64_t left = count; left > 0;) {
        const size_t n = left < BATCH ? (size_t)left : BATCH;

        append_batch(fill, n);
        left -= n;
    }
}

/* ---- forgetting the bodies ---- */

static void prune(struct fill *fill)
{
    const struct store_retention retention = {KEEP_USEC, USEC_INFINITY};
    struct error error = ERROR_INIT;
    bool more = true;

    fill->now_usec += ROUND_USEC;
    while (more) {
        if (store_prune(fill->store, &retention, &more, &error) != STORE_OK ||
            store_maintain(fill->store, false, &error) != STORE_OK)
            die("prune", error.text);
    }
}

static void keep_ids(struct fill *fill, uint64_t ids)
{
    struct error error = ERROR_INIT;

    if (store_set_active_sinks(fill->store, NULL, 0, &error) != STORE_OK)
        die("sinks", error.text);
    for (uint64_t left = ids; left > 0;) {
        const uint64_t n = left < CHUNK ? left : CHUNK;

        append(fill, n);
        prune(fill);
        left -= n;
    }
    prune(fill);
    prune(fill);
}

static void leave_pending(struct fill *fill, const char *name, uint64_t pending)
{
    struct error error = ERROR_INIT;
    struct store_sink sink;

    fill->now_usec = clock_realtime(clock_system());
    if (store_register_sink(fill->store, name, &sink, &error) != STORE_OK)
        die("sink", error.text);
    append(fill, pending);
}

int main(int argc, char **argv)
{
    /* So far back that all rounds fit between then and now. */
    struct fill fill = {.now_usec = clock_realtime(clock_system()) - 400 * USEC_PER_DAY};
    const struct clock clock = {tell_time, tell_time, &fill};
    struct error error = ERROR_INIT;
    struct store_stats stats;
    uint64_t ids, pending;

    if (argc != 5)
        die("usage", "PATH IDS PENDING SINK");
    ids = strtoull(argv[2], NULL, 10);
    pending = strtoull(argv[3], NULL, 10);
    const struct store_options options = {.path = argv[1], .clock = &clock};
    if (store_open_sqlite(&options, &fill.store, &error) < 0)
        die(argv[1], error.text);
    if (ids > 0)
        keep_ids(&fill, ids);
    if (pending > 0)
        leave_pending(&fill, argv[4], pending);
    store_get_stats(fill.store, &stats);
    store_close(fill.store);
    if (stats.ids != ids + pending || stats.deliveries != pending)
        die(argv[1], "it does not hold what it should");
    printf("%" PRIu64 " ids, %" PRIu64 " deliveries, %" PRIu64 " MiB\n", stats.ids,
        stats.deliveries, stats.bytes >> 20);
    return EXIT_SUCCESS;
}
