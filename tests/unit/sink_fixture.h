#pragma once

/*
 * What the tests of sinks share: a host that notes what comes back, deliveries, a folder that goes
 * away again. One fixture a test; each test is a process of its own.
 */

#include "job/job.h"
#include "sink/sink.h"
#include "util/cleanup.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIXTURE_ITEMS 256

struct fixture {
    char folder[64];
    sd_event *event;
    struct sink_host host;
    struct sink *sink;

    struct sink_item items[FIXTURE_ITEMS];
    size_t n_items;
    enum sink_result results[FIXTURE_ITEMS]; /* by the item's index */
    unsigned int ended[FIXTURE_ITEMS];       /* how often done was called for it */
    size_t n_done;
};

static inline void fixture_on_done(void *context, struct sink_item *item, enum sink_result result)
{
    struct fixture *fixture = context;
    size_t i = (size_t)(item - fixture->items);

    ck_assert_uint_lt(i, fixture->n_items);
    fixture->results[i] = result;
    fixture->ended[i]++;
    fixture->n_done++;
    ck_assert_uint_eq(fixture->ended[i], 1);
}

static inline struct fixture *fixture_new(void)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));

    ck_assert_ptr_nonnull(fixture);
    strcpy(fixture->folder, "/tmp/sink-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(fixture->folder));
    ck_assert_int_ge(sd_event_new(&fixture->event), 0);
    fixture->host = (struct sink_host){
        .event = fixture->event,
        .clock = clock_system(),
        .done = fixture_on_done,
        .context = fixture,
    };
    return fixture;
}

static inline int fixture_remove(
    const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    return remove(path);
}

static inline void fixture_free_items(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->n_items; i++) {
        delivery_free((struct delivery *)fixture->items[i].delivery);
        free(fixture->items[i].output);
    }
    fixture->n_items = 0;
    fixture->n_done = 0;
    memset(fixture->items, 0, sizeof(fixture->items));
    memset(fixture->ended, 0, sizeof(fixture->ended));
}

static inline void fixture_free(struct fixture *fixture)
{
    fixture_free_items(fixture);
    sink_free(fixture->sink);
    sd_event_unref(fixture->event);
    nftw(fixture->folder, fixture_remove, 8, FTW_DEPTH | FTW_PHYS);
    free(fixture);
}

static inline void fixture_make_sink(struct fixture *fixture, const struct sink_options *options)
{
    struct error error = ERROR_INIT;

    sink_free(fixture->sink);
    fixture->sink = NULL;
    ck_assert_msg(sink_new(options, &fixture->sink, &error) == 0, "%s", error.text);
    ck_assert_int_eq(fixture->sink->ops->start(fixture->sink, &fixture->host, &error), 0);
}

/* "<folder>/<name>", in one of a few static buffers. */
static inline const char *fixture_path(const struct fixture *fixture, const char *name)
{
    static char paths[8][512];
    static unsigned int next;
    char *path = paths[next++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", fixture->folder, name);
    return path;
}

static inline struct delivery *make_delivery_of(
    uint64_t seq, const char *job_id, const char *status, int64_t updated_at_usec, const char *body)
{
    struct delivery *delivery = delivery_new(&(struct delivery){
        .seq = seq,
        .received_at_usec = INT64_C(1764000000000000),
        .updated_at_usec = updated_at_usec,
        .terminal = job_status_is_terminal(status),
        .endpoint = "main",
        .request_id = "aa-b-c-d-ee",
        .secret = "current",
        .job_id = job_id,
        .type = "embed-signature",
        .status = status,
        .body = (const unsigned char *)body,
        .body_length = strlen(body),
    });

    ck_assert_ptr_nonnull(delivery);
    return delivery;
}

/* A Job with an updated_at of 2025-01-01T00:00:<second>Z. */
static inline struct delivery *make_delivery_at(
    uint64_t seq, const char *job_id, const char *status, int second)
{
    char body[512];

    snprintf(body, sizeof(body),
        "{\"job_id\":\"%s\",\"type\":\"embed-signature\",\"status\":\"%s\","
        "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:%02dZ\"}",
        job_id, status, second);
    return make_delivery_of(
        seq, job_id, status, INT64_C(1735689600000000) + second * USEC_PER_SEC, body);
}

static inline struct delivery *make_delivery(uint64_t seq)
{
    return make_delivery_at(seq, "1234567890", "pending", 0);
}

/* Takes the delivery. Returns the item's index. */
static inline size_t fixture_add(struct fixture *fixture, struct delivery *delivery)
{
    ck_assert_uint_lt(fixture->n_items, FIXTURE_ITEMS);
    fixture->items[fixture->n_items] = (struct sink_item){.delivery = delivery, .attempt = 1};
    return fixture->n_items++;
}

/* Hands over the items from `first` on, in batches as large as the sink takes. */
static inline void fixture_deliver(struct fixture *fixture, size_t first)
{
    while (first < fixture->n_items) {
        struct sink_item *items[FIXTURE_ITEMS];
        size_t n = fixture->n_items - first;

        if (n > fixture->sink->ops->batch)
            n = fixture->sink->ops->batch;
        for (size_t i = 0; i < n; i++)
            items[i] = &fixture->items[first + i];
        fixture->sink->ops->deliver(fixture->sink, items, n);
        first += n;
    }
}

/* Runs the loop until all items are back, at most `limit_msec`. Returns whether they are. */
static inline bool fixture_run(struct fixture *fixture, int64_t limit_msec)
{
    int64_t end = clock_monotonic(clock_system()) + limit_msec * USEC_PER_MSEC;

    while (fixture->n_done < fixture->n_items) {
        int64_t left = end - clock_monotonic(clock_system());

        if (left <= 0)
            return false;
        ck_assert_int_ge(sd_event_run(fixture->event, (uint64_t)left), 0);
    }
    return true;
}

static inline size_t count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    size_t n = 0;

    ck_assert_ptr_nonnull(directory);
    while (readdir(directory))
        n++;
    closedir(directory);
    return n - 3; /* ".", "..", and the directory itself */
}

static inline void write_text(const char *path, const char *text, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, length), (ssize_t)length);
    close(fd);
}

/* NUL-terminated, owned by the caller; "" when there is no such file. */
static inline char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = calloc(1, 1 << 22);

    ck_assert_ptr_nonnull(text);
    if (file) {
        ck_assert_uint_lt(fread(text, 1, (1 << 22) - 1, file), (1 << 22) - 1);
        fclose(file);
    }
    return text;
}

/* NUL-terminated, owned by the caller. Not strndup, which may look beyond what has no NUL. */
static inline char *copy_text(const void *data, size_t length)
{
    char *text = calloc(1, length + 1);

    ck_assert_ptr_nonnull(text);
    if (length > 0)
        memcpy(text, data, length);
    return text;
}
