#pragma once

/*
 * Sinks made of paper, for testing dispatch.
 *
 * A fake is found by its name; it notes what it got and answers as told. What it notes is under its
 * lock, because runners have threads of their own. Included by dispatch_rig.h.
 */

#include "sink/sink.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FAKES = 4, RECORDS_MAX = 20000, HELD_MAX = 512 };

enum fake_mode {
    FAKE_AT_ONCE, /* done within deliver */
    FAKE_LATER,   /* done after `delay_usec` */
    FAKE_HOLDS,   /* done when cancelled */
};

struct record {
    uint64_t seq;
    char job[16];
    unsigned int attempt;
    bool replay;
    unsigned int maker; /* which making of the sink got it */
    enum sink_result result;
    bool ended;
};

struct fake {
    char name[16];
    struct sink_ops ops;
    enum fake_mode mode;
    int64_t delay_usec;
    /* What becomes of an item; NULL: delivered. Under the lock. */
    enum sink_result (*decide)(struct fake *fake, const struct sink_item *item);
    const char *output;
    sem_t *gate; /* deliver waits for it, each time */
    /* On the runner's thread, around each deliver. */
    void (*before)(struct fake *fake);
    void (*after)(struct fake *fake);
    void (*recovered)(void); /* on the runner's thread, after recover */

    pthread_mutex_t lock;
    unsigned int makes, frees, starts, start_failures, reopens, cancels;
    struct record records[RECORDS_MAX];
    size_t n_records;
    size_t n_delivered;
    unsigned int running, running_max, batch_max;
    bool order_broken; /* two of one job at a time */
    unsigned char mark[8];
    size_t mark_length;
    uint64_t found[64];
    size_t n_found;
    bool found_after_mark;
    unsigned char recovered_from[8];
    size_t recovered_length;
};

struct fake_item {
    struct fake_sink *sink;
    struct sink_item *item;
    size_t record;
    sd_event_source *timer;
};

struct fake_sink {
    struct sink base;
    struct fake *fake;
    struct sink_host host;
    unsigned int maker;
    struct fake_item held[HELD_MAX];
};

static struct fake fakes[FAKES];

static inline enum sink_result fake_verdict(struct fake *fake, const struct sink_item *item)
{
    return fake->decide ? fake->decide(fake, item) : SINK_DELIVERED;
}

static inline void fake_finish(struct fake_item *held, enum sink_result result)
{
    struct fake_sink *sink = held->sink;
    struct fake *fake = sink->fake;
    struct sink_item *item = held->item;

    sd_event_source_disable_unref(held->timer);
    held->timer = NULL;
    held->item = NULL;
    snprintf(item->result, sizeof(item->result), "%s", result == SINK_DELIVERED ? "ok" : "told so");
    item->duration_usec = 7;
    if (fake->output) {
        item->output = strdup(fake->output);
        item->output_length = strlen(fake->output);
    }
    pthread_mutex_lock(&fake->lock);
    fake->records[held->record].result = result;
    fake->records[held->record].ended = true;
    fake->running--;
    fake->n_delivered += result == SINK_DELIVERED;
    pthread_mutex_unlock(&fake->lock);
    sink->host.done(sink->host.context, item, result);
}

static inline int fake_on_timer(sd_event_source *source, uint64_t usec, void *context)
{
    struct fake_item *held = context;
    struct fake *fake = held->sink->fake;

    pthread_mutex_lock(&fake->lock);
    enum sink_result result = fake_verdict(fake, held->item);
    pthread_mutex_unlock(&fake->lock);
    fake_finish(held, result);
    return 0;
}

/* Notes the item and takes it in. */
static inline struct fake_item *fake_take(struct fake_sink *sink, struct sink_item *item)
{
    struct fake *fake = sink->fake;
    struct fake_item *held = sink->held;

    while (held->item)
        held++;
    item->started_at_usec = clock_realtime(sink->host.clock);
    pthread_mutex_lock(&fake->lock);
    ck_assert_uint_lt(fake->n_records, RECORDS_MAX);
    for (size_t i = 0; i < fake->n_records; i++)
        if (!fake->records[i].ended && strcmp(fake->records[i].job, item->delivery->job_id) == 0)
            fake->order_broken |= fake->ops.order == SINK_ORDER_JOB;
    struct record *record = &fake->records[fake->n_records];
    *record = (struct record){
        .seq = item->delivery->seq,
        .attempt = item->attempt,
        .replay = item->replay,
        .maker = sink->maker,
    };
    snprintf(record->job, sizeof(record->job), "%s", item->delivery->job_id);
    *held = (struct fake_item){.sink = sink, .item = item, .record = fake->n_records++};
    if (++fake->running > fake->running_max)
        fake->running_max = fake->running;
    pthread_mutex_unlock(&fake->lock);
    return held;
}

static inline void fake_deliver(struct sink *base, struct sink_item **items, size_t n)
{
    struct fake_sink *sink = (struct fake_sink *)base;
    struct fake *fake = sink->fake;
    struct fake_item *taken[HELD_MAX];
    enum sink_result result = SINK_DELIVERED;

    if (fake->before)
        fake->before(fake);
    if (fake->gate)
        sem_wait(fake->gate);
    pthread_mutex_lock(&fake->lock);
    if (n > fake->batch_max)
        fake->batch_max = (unsigned int)n;
    enum fake_mode mode = fake->mode;
    pthread_mutex_unlock(&fake->lock);
    for (size_t i = 0; i < n; i++) {
        ck_assert_ptr_nonnull(items[i]->delivery->body);
        taken[i] = fake_take(sink, items[i]);
    }
    for (size_t i = 0; i < n; i++) {
        switch (mode) {
        case FAKE_AT_ONCE:
            /* Of a batch, what comes after a failure was not tried. */
            pthread_mutex_lock(&fake->lock);
            result = result == SINK_DELIVERED ? fake_verdict(fake, taken[i]->item) : SINK_DEFERRED;
            if (result == SINK_DELIVERED && fake->ops.has_position) {
                memcpy(fake->mark, &taken[i]->item->delivery->seq, sizeof(fake->mark));
                fake->mark_length = sizeof(fake->mark);
            }
            pthread_mutex_unlock(&fake->lock);
            fake_finish(taken[i], result);
            break;
        case FAKE_LATER:
            ck_assert_int_ge(
                sd_event_add_time_relative(sink->host.event, &taken[i]->timer, CLOCK_MONOTONIC,
                    (uint64_t)fake->delay_usec, 1, fake_on_timer, taken[i]),
                0);
            break;
        case FAKE_HOLDS:
            break;
        }
    }
    if (fake->after)
        fake->after(fake);
}

static inline void fake_cancel(struct sink *base)
{
    struct fake_sink *sink = (struct fake_sink *)base;

    pthread_mutex_lock(&sink->fake->lock);
    sink->fake->cancels++;
    pthread_mutex_unlock(&sink->fake->lock);
    for (size_t i = 0; i < HELD_MAX; i++)
        if (sink->held[i].item)
            fake_finish(&sink->held[i], SINK_DEFERRED);
}

static inline int fake_start(struct sink *base, const struct sink_host *host, struct error *error)
{
    struct fake_sink *sink = (struct fake_sink *)base;
    struct fake *fake = sink->fake;

    sink->host = *host;
    pthread_mutex_lock(&fake->lock);
    fake->starts++;
    bool fails = fake->start_failures > 0;
    fake->start_failures -= fails;
    pthread_mutex_unlock(&fake->lock);
    return fails ? error_set(error, ENOENT, "not yet") : 0;
}

static inline void fake_destroy(struct sink *base)
{
    struct fake_sink *sink = (struct fake_sink *)base;

    for (size_t i = 0; i < HELD_MAX; i++)
        ck_assert_msg(!sink->held[i].item, "destroyed while something runs");
    pthread_mutex_lock(&sink->fake->lock);
    sink->fake->frees++;
    pthread_mutex_unlock(&sink->fake->lock);
    free(sink);
}

static inline int fake_reopen(struct sink *base, struct error *error)
{
    struct fake *fake = ((struct fake_sink *)base)->fake;

    pthread_mutex_lock(&fake->lock);
    fake->reopens++;
    pthread_mutex_unlock(&fake->lock);
    return 0;
}

static inline size_t fake_position(struct sink *base, void *mark)
{
    struct fake *fake = ((struct fake_sink *)base)->fake;

    pthread_mutex_lock(&fake->lock);
    size_t length = fake->mark_length;
    memcpy(mark, fake->mark, length);
    pthread_mutex_unlock(&fake->lock);
    return length;
}

static inline int fake_recover(struct sink *base, const void *mark, size_t length,
    sink_found_fn found, void *context, struct error *error)
{
    struct fake *fake = ((struct fake_sink *)base)->fake;

    pthread_mutex_lock(&fake->lock);
    memcpy(fake->recovered_from, mark, length);
    fake->recovered_length = length;
    for (size_t i = 0; i < fake->n_found; i++)
        found(context, fake->found[i], fake->found_after_mark);
    pthread_mutex_unlock(&fake->lock);
    if (fake->recovered)
        fake->recovered();
    return 0;
}

static inline int fake_new(
    const struct sink_options *options, struct sink **ret_sink, struct error *error)
{
    for (size_t i = 0; i < FAKES; i++) {
        struct fake *fake = &fakes[i];
        if (strcmp(fake->name, options->name) != 0)
            continue;
        struct fake_sink *sink = calloc(1, sizeof(*sink));
        if (!sink)
            return error_set(error, ENOMEM, "out of memory");
        pthread_mutex_lock(&fake->lock);
        sink->base.ops = &fake->ops;
        sink->fake = fake;
        sink->maker = ++fake->makes;
        pthread_mutex_unlock(&fake->lock);
        *ret_sink = &sink->base;
        return 0;
    }
    return error_set(error, EINVAL, "no fake named %s", options->name);
}

/* What sink_free of the real registry does goes through ops->destroy, so the fakes need no more. */
static inline struct fake *fake_init(size_t i, const char *name)
{
    struct fake *fake = &fakes[i];

    memset(fake, 0, sizeof(*fake));
    snprintf(fake->name, sizeof(fake->name), "%s", name);
    fake->ops = (struct sink_ops){
        .type = "fake",
        .order = SINK_ORDER_JOB,
        .batch = 1,
        .destroy = fake_destroy,
        .start = fake_start,
        .deliver = fake_deliver,
        .cancel = fake_cancel,
        .reopen = fake_reopen,
        .position = fake_position,
        .recover = fake_recover,
    };
    pthread_mutex_init(&fake->lock, NULL);
    return fake;
}

static inline size_t fake_delivered(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    size_t n = fake->n_delivered;
    pthread_mutex_unlock(&fake->lock);
    return n;
}

static inline size_t fake_seen(struct fake *fake)
{
    pthread_mutex_lock(&fake->lock);
    size_t n = fake->n_records;
    pthread_mutex_unlock(&fake->lock);
    return n;
}

/* How often the sink was handed `seq`. */
static inline size_t fake_times(struct fake *fake, uint64_t seq)
{
    size_t n = 0;

    pthread_mutex_lock(&fake->lock);
    for (size_t i = 0; i < fake->n_records; i++)
        n += fake->records[i].seq == seq;
    pthread_mutex_unlock(&fake->lock);
    return n;
}
