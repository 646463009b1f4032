#pragma once

/*
 * Stands for every stage that the admin stage looks at: the functions it calls, with answers that a
 * test sets in `fake`, and notes of what they were asked. Defining them here keeps the real ones
 * out of the executable. One set a test; each test is a process of its own.
 *
 * What a listener's thread reads while a test changes it is atomic or under `fake.lock`.
 */

#include "admin/admin.h"
#include "store/backup.h"
#include "store/query.h"
#include "util/cleanup.h"
#include "verify/explain.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define FAKE_NOW (INT64_C(1767225600) * USEC_PER_SEC) /* 2026-01-01T00:00:00Z */
#define FAKE_SINK 7                                   /* its id in the store */

/* ---- what the daemon tells of its conf ---- */

static const char *const fake_tokens[] = {"a-token"};
static const char *const fake_sources[] = {"file:/t"};
static const char *const fake_names[] = {"current"};
static const char *const fake_ids[] = {NULL};
static const char *const fake_listening[] = {"127.0.0.1:8480"};
static const struct verify_secret_options fake_secrets[] = {
    {.name = "current", .key = {.length = 32}}};
static const struct verify_endpoint_options fake_rules[] = {{.name = "main",
    .public_url = "https://x/y",
    .path = "/y",
    .tokens = fake_tokens,
    .n_tokens = 1,
    .secrets = fake_secrets,
    .n_secrets = 1}};
static const struct verify_options fake_verify = {fake_rules, 1};
static const struct admin_endpoint fake_endpoints[] = {{.name = "main",
    .public_url = "https://x/y",
    .token_sources = fake_sources,
    .n_tokens = 1,
    .secret_names = fake_names,
    .secret_ids = fake_ids,
    .n_secrets = 1}};
static const struct admin_view fake_view = {.config_file = "/etc/c",
    .store_path = "/s",
    .listen = fake_listening,
    .n_listen = 1,
    .max_connections = 1024,
    .endpoints = fake_endpoints,
    .n_endpoints = 1,
    .verify = &fake_verify};

/* ---- what the stages answer ---- */

static struct fake {
    pthread_mutex_t lock;
    _Atomic int64_t realtime, monotonic;

    struct intake_stats intake;
    struct intake_endpoint_stats endpoint;
    struct intake_latency latency;
    bool has_refused;

    struct store_writer_stats writer;
    struct store_stats store;
    _Atomic int read_error; /* errno of every read; 0: none */
    struct store_sink sink;
    uint64_t head;
    int64_t oldest_at;
    unsigned int prune_steps; /* that say there is more */
    _Atomic bool hangs;       /* requests to a sink wait until it is false */

    struct dispatch_sink_stats stats;

    _Atomic unsigned int backup_steps; /* to go */
    int backup_error, check_error;     /* errno; 0: none */
    char backup_path[128];
    _Atomic unsigned int backups_ended;

    /* What was asked. */
    struct store_query query;
    char query_job[64];
    enum dispatch_request request;
    char request_sink[32];
    uint64_t request_seqs[8];
    size_t n_request_seqs;
    int request_answer;
    int paused; /* -1: not asked */
    unsigned int pruned;
    char explained[256];
    bool token_hidden;
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int64_t fake_realtime(void *context)
{
    return fake.realtime;
}

static int64_t fake_monotonic(void *context)
{
    return fake.monotonic;
}

static const struct clock fake_clock = {fake_realtime, fake_monotonic, NULL};

/* Answers as they are when a test begins, and nothing asked. */
static inline void fake_reset(void)
{
    fake = (struct fake){.lock = PTHREAD_MUTEX_INITIALIZER};
    fake.realtime = FAKE_NOW;
    fake.monotonic = 1000 * USEC_PER_SEC;
    fake.paused = -1;
    strcpy(fake.endpoint.name, "main");
    fake.endpoint.n_tokens = 1;
    strcpy(fake.endpoint.tokens[0].name, "1");
    fake.endpoint.n_secrets = 1;
    strcpy(fake.endpoint.secrets[0].name, "current");
    fake.intake.reasons[REASON_ACCEPTED] = fake.endpoint.reasons[REASON_ACCEPTED] = 10;
    fake.intake.reasons[REASON_TOKEN_WRONG] = fake.endpoint.reasons[REASON_TOKEN_WRONG] = 3;
    fake.intake.reasons[REASON_PATH] = 2;
    fake.store = (struct store_stats){.head = 10,
        .deliveries = 9,
        .ids = 10,
        .disk_free = 1000,
        .disk_floor = 64,
        .reserve = 500};
    fake.head = 10;
    fake.sink = (struct store_sink){.id = FAKE_SINK,
        .frontier = 9,
        .delivered = 5,
        .filtered = 2,
        .dead = 1,
        .pending_rows = 1,
        .requeued = 0};
    fake.stats = (struct dispatch_sink_stats){
        .name = "publish", .type = "exec", .id = FAKE_SINK, .running = 1, .attempts = {5, 2, 1, 4}};
}

/* ---- intake ---- */

const int64_t intake_bucket_usec[INTAKE_BUCKETS - 1] = {
    250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 5000000};

const struct intake_stats *intake_stats(const struct intake *intake)
{
    return &fake.intake;
}

size_t intake_get_endpoints(
    const struct intake *intake, struct intake_endpoint_stats *stats, size_t max)
{
    if (max > 0)
        stats[0] = fake.endpoint;
    return 1;
}

void intake_get_latency(const struct intake *intake, struct intake_latency *ret_latency)
{
    *ret_latency = fake.latency;
}

static const struct intake_refused_header fake_headers[] = {
    {"Authorization", "Bearer <36 bytes>"}, {"SASHA-Request-ID", "a\"b"}};
static const struct intake_refused fake_refused = {.id = "1f-3",
    .at_usec = FAKE_NOW,
    .reason = REASON_SIGNATURE_WRONG,
    .endpoint = "main",
    .peer = "127.0.0.1:5",
    .method = "POST",
    .target = "/x",
    .headers = fake_headers,
    .n_headers = 2,
    .body = (const unsigned char *)"{}\n\xff",
    .body_length = 4,
    .body_cut = 5};

void intake_walk_refused(const struct intake *intake,
    int (*fn)(const struct intake_refused *refused, void *context), void *context)
{
    if (fake.has_refused)
        (void)fn(&fake_refused, context);
}

int intake_get_refused(
    const struct intake *intake, const char *id, struct intake_refused **ret_refused)
{
    if (strcmp(id, fake_refused.id) != 0)
        return -ENOENT;
    *ret_refused = malloc(sizeof(fake_refused));
    **ret_refused = fake_refused;
    return 0;
}

/* ---- dispatch ---- */

const int64_t dispatch_bucket_usec[DISPATCH_BUCKETS - 1] = {1000, 5000, 10000, 50000, 100000,
    250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000};

size_t dispatch_get_stats(struct dispatch *dispatch, struct dispatch_sink_stats *stats, size_t max)
{
    if (max > 0)
        stats[0] = fake.stats;
    return 1;
}

int dispatch_request(struct dispatch *dispatch, const char *sink, enum dispatch_request request,
    const uint64_t *seqs, size_t n, struct dispatch_request_result *ret_result, struct error *error)
{
    if (strcmp(sink, "publish") != 0)
        return error_set(error, ENOENT, "there is no sink %s", sink);
    if (fake.request_answer != 0)
        return error_set(error, fake.request_answer, "not now");
    while (fake.hangs)
        poll(NULL, 0, 1);
    fake.request = request;
    strcpy(fake.request_sink, sink);
    fake.n_request_seqs = n;
    for (size_t i = 0; i < n && i < ARRAY_SIZE(fake.request_seqs); i++)
        fake.request_seqs[i] = seqs[i];
    *ret_result = (struct dispatch_request_result){n, 2, 3};
    return 0;
}

const char *dispatch_leaves_out(
    struct dispatch *dispatch, const char *sink, const struct delivery *delivery)
{
    return strcmp(delivery->type, "embed-signature") == 0 ? "types" : NULL;
}

int dispatch_set_paused(
    struct dispatch *dispatch, const char *sink, bool paused, struct error *error)
{
    if (strcmp(sink, "publish") != 0)
        return error_set(error, ENOENT, "there is no sink %s", sink);
    fake.paused = paused;
    return 0;
}

/* ---- store ---- */

int store_reader_open(struct store *store, struct store_reader **ret_reader, struct error *error)
{
    *ret_reader = malloc(1);
    return 0;
}

void store_reader_close(struct store_reader *reader)
{
    free(reader);
}

static int fake_read(struct error *error)
{
    return fake.read_error == 0 ? 0 : error_set(error, fake.read_error, "the disk is odd");
}

int store_read_stats(
    struct store_reader *reader, struct store_stats *ret_stats, struct error *error)
{
    int r = fake_read(error);

    if (r < 0)
        return r;
    pthread_mutex_lock(&fake.lock);
    *ret_stats = fake.store;
    pthread_mutex_unlock(&fake.lock);
    return 0;
}

int store_read_sink(
    struct store_reader *reader, uint32_t sink, struct store_sink *ret_sink, struct error *error)
{
    ck_assert_uint_eq(sink, FAKE_SINK);
    *ret_sink = fake.sink;
    return fake_read(error);
}

int store_read_head(struct store_reader *reader, uint64_t *ret_head, struct error *error)
{
    *ret_head = fake.head;
    return fake_read(error);
}

int store_read_oldest_pending(
    struct store_reader *reader, uint32_t sink, int64_t *ret_received_at_usec, struct error *error)
{
    if (fake.oldest_at == 0)
        return error_set(error, ENOENT, "none");
    *ret_received_at_usec = fake.oldest_at;
    return fake_read(error);
}

static const struct delivery fake_delivery = {.seq = 9,
    .received_at_usec = FAKE_NOW,
    .updated_at_usec = FAKE_NOW,
    .endpoint = "main",
    .request_id = "r-9",
    .secret = "current",
    .job_id = "j",
    .type = "embed-signature",
    .status = "completed",
    .unverified = "",
    .body_length = 117};

static const char fake_body[] =
    "{\"job_id\":\"j\",\"type\":\"t\",\"status\":\"s\",\"created_at\":\"2026-01-01T00:00:00Z\","
    "\"updated_at\":\"2026-01-01T00:00:00Z\",\"n\":0.1}\n";

ssize_t store_query(struct store_reader *reader, const struct store_query *query,
    store_delivery_fn fn, void *context, uint64_t *ret_next, struct error *error)
{
    struct delivery delivery = fake_delivery;
    size_t n = 0;
    int r = fake_read(error);

    if (r < 0)
        return r;
    fake.query = *query;
    strncpy(fake.query_job, query->job_id ? query->job_id : "", sizeof(fake.query_job) - 1);
    while (n < query->limit && delivery.seq > 0) {
        n++;
        if (fn(&delivery, context) != 0)
            break;
        delivery.seq--;
    }
    *ret_next = delivery.seq == 0 ? 0 : delivery.seq + 1;
    return (ssize_t)n;
}

int store_fetch(
    struct store_reader *reader, uint64_t seq, struct delivery **ret_delivery, struct error *error)
{
    struct delivery delivery = fake_delivery;
    int r = fake_read(error);

    if (r < 0)
        return r;
    if (seq < 8 || seq > 9)
        return error_set(error, ENOENT, "none");
    delivery.seq = seq;
    delivery.unverified = seq == 8 ? "signature-wrong" : "";
    delivery.body = (const unsigned char *)(seq == 8 ? "not \"JSON\"" : fake_body);
    delivery.body_length = strlen((const char *)delivery.body);
    *ret_delivery = delivery_new(&delivery);
    return 0;
}

int store_read_sink_row(struct store_reader *reader, uint32_t sink, uint64_t seq,
    struct store_sink_row *ret_row, struct error *error)
{
    *ret_row = (struct store_sink_row){STORE_SINK_PENDING, 2, FAKE_NOW, true};
    return 0;
}

ssize_t store_scan_attempts(struct store_reader *reader, uint64_t seq, store_attempt_fn fn,
    void *context, struct error *error)
{
    const struct store_attempt attempt = {.started_at_usec = FAKE_NOW,
        .duration_usec = 12345,
        .number = 1,
        .result = "exit 1",
        .output = "no\nway",
        .output_length = 6};

    (void)fn(FAKE_SINK, &attempt, context);
    (void)fn(FAKE_SINK + 1, &attempt, context);
    return 2;
}

ssize_t store_scan_conflicts(struct store_reader *reader, uint64_t seq, store_conflict_fn fn,
    void *context, struct error *error)
{
    const struct store_conflict conflict = {.seq = seq,
        .received_at_usec = FAKE_NOW,
        .secret = "current",
        .body = (const unsigned char *)"{}",
        .body_length = 2,
        .full_length = 447};

    (void)fn(&conflict, context);
    return 1;
}

const int64_t store_commit_bucket_usec[STORE_COMMIT_BUCKETS - 1] = {
    250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 5000000};

const struct store_writer_stats *store_writer_stats(const struct store_writer *writer)
{
    return &fake.writer;
}

enum store_result store_writer_call(
    struct store_writer *writer, void (*call)(struct store *store, void *context), void *context)
{
    call(NULL, context);
    return STORE_OK;
}

void store_get_stats(struct store *store, struct store_stats *ret_stats)
{
    *ret_stats =
        (struct store_stats){.deliveries = 1000 - 10 * fake.pruned, .ids = 1000 - fake.pruned};
}

enum store_result store_prune(struct store *store, const struct store_retention *retention,
    bool *ret_more, struct error *error)
{
    ck_assert_int_eq(retention->keep_deliveries_usec, 5);
    fake.pruned++;
    *ret_more = fake.pruned <= fake.prune_steps;
    return STORE_OK;
}

/* ---- explain ---- */

int explain_parse(char *text, size_t length, struct explain_request *ret_request,
    struct explain_header *headers, size_t max_headers, struct error *error)
{
    if (strncmp(text, "POST ", 5) != 0)
        return error_set(error, EINVAL, "line 1: is no request line");
    *ret_request = (struct explain_request){.method = "POST", .target = text + 5};
    return 0;
}

int explain_request(const struct verify_options *options, const char *endpoint,
    const struct explain_request *request, int64_t now_usec, struct explain_report *ret_report,
    struct error *error)
{
    if (endpoint && strcmp(endpoint, "main") != 0)
        return error_set(error, ENOENT, "there is no endpoint %s", endpoint);
    /* The whole of what is judged by came along. */
    ck_assert_uint_eq(options->n_endpoints, 1);
    ck_assert_str_eq(options->endpoints[0].secrets[0].name, "current");
    ck_assert_uint_eq(options->endpoints[0].secrets[0].key.length, 32);
    ck_assert_str_eq(options->endpoints[0].tokens[0], "a-token");
    snprintf(fake.explained, sizeof(fake.explained), "%s %s %zu %zu", request->method,
        request->target, request->n_headers, request->body_length);
    fake.token_hidden = request->token_hidden && request->body_cut;
    ret_report->endpoint = strdup("main");
    ret_report->verdict = REASON_SIGNATURE_WRONG;
    ret_report->judged = true;
    ret_report->n_checks = 2;
    ret_report->checks = calloc(2, sizeof(*ret_report->checks));
    ret_report->checks[0] = (struct explain_check){"token", EXPLAIN_NOT_JUDGED, strdup("hidden")};
    ret_report->checks[1] = (struct explain_check){"signature", EXPLAIN_FAILED, strdup("wrong")};
    ret_report->n_findings = 1;
    ret_report->findings = calloc(1, sizeof(char *));
    ret_report->findings[0] = strdup("the url with http");
    return 0;
}

void explain_report_done(struct explain_report *report)
{
    for (size_t i = 0; i < report->n_checks; i++)
        free(report->checks[i].text);
    for (size_t i = 0; i < report->n_findings; i++)
        free(report->findings[i]);
    free(report->checks);
    free(report->findings);
    free(report->endpoint);
}

/* ---- backups: a store of `fake.backup_steps` steps ---- */

int store_backup_begin(
    struct store *store, const char *path, struct store_backup **ret_backup, struct error *error)
{
    if (fake.backup_error != 0)
        return error_set(error, fake.backup_error, "cannot begin");
    snprintf(fake.backup_path, sizeof(fake.backup_path), "%s", path);
    *ret_backup = (struct store_backup *)(void *)&fake;
    return 0;
}

int store_backup_step(
    struct store_backup *backup, struct store_backup_progress *ret_progress, struct error *error)
{
    if (fake.backup_steps > 0)
        fake.backup_steps--;
    *ret_progress = (struct store_backup_progress){
        .bytes = 4096, .bytes_done = 1024, .done = fake.backup_steps == 0};
    return 0;
}

void store_backup_end(struct store_backup *backup)
{
    fake.backups_ended++;
}

int store_backup_check(
    struct store *store, const char *path, const _Atomic bool *cancelled, struct error *error)
{
    return fake.check_error == 0 ? 0 : error_set(error, fake.check_error, "is damaged");
}
