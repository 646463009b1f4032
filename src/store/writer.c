/*
 * The store's only writer.
 *
 * One thread: take what was posted, commit it, give it back, tidy up, wait. The loop never works on
 * the store's upkeep while somebody waits for a verdict: checkpoints come after the verdicts,
 * pruning takes one small step and yields to work. Nothing but the mailbox and the counters is
 * shared with other threads.
 *
 * It waits while there is work only for somebody who said that more of it is on the way. Until that
 * has come the batch is staged, so that then little is left to be done but the sync.
 */

#include "store/writer.h"

#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

/* How long is waited for somebody who has more. A worker's turn takes less when all of its
 * connections ask at once; of one that takes longer the rest makes a commit of its own. */
#define EXPECT_USEC (5 * USEC_PER_MSEC)

/* Between two rounds of pruning. */
#define PRUNE_USEC USEC_PER_MIN

/* Between two steps of one round while work keeps coming. */
#define PRUNE_STEP_USEC (100 * USEC_PER_MSEC)

/* A disk at its floor, or a lock that others take, can come and go with every commit. */
#define UNAVAILABLE_LOG_USEC (10 * USEC_PER_SEC)

/* Without work for so long, the store is told once more that it may tidy up. */
#define QUIET_USEC USEC_PER_SEC

const int64_t store_commit_bucket_usec[STORE_COMMIT_BUCKETS - 1] = {
    250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 5000000};

struct store_writer {
    struct store_writer_options options;
    struct mailbox mailbox;
    _Atomic bool stopping; /* set before the last wake-up */
    struct store_writer_stats stats;
    pthread_t thread;

    /* The thread's own. */
    struct mailbox_item *queue; /* taken from the mailbox, in order */
    struct mailbox_item **queue_tail;
    int expected;                /* how many have more to post */
    int64_t expected_since_usec; /* monotonic; when the last of them said so */
    struct store_batch batch;    /* being gathered */
    struct store_append *appends[STORE_BATCH_MAX];
    const struct store_settle *settles[STORE_BATCH_MAX];
    struct store_work *works[STORE_BATCH_MAX]; /* of the batch */
    size_t n_works;
    size_t batch_bytes;
    bool failed; /* the store latched and `failed` was told */
    struct log_state unavailable;
    bool lacks_room;         /* it is unavailable for want of room on the disk */
    bool settled_down;       /* tidied up since the last work */
    int64_t next_prune_usec; /* monotonic */
};

static struct store_work *work_of(struct mailbox_item *item)
{
    return MAILBOX_CONTAINER(item, struct store_work, item);
}

/* ---- what became of the store ---- */

static void tell_failed(struct store_writer *writer, const struct error *error)
{
    ASSERT(!writer->failed); /* nothing is asked of the store after it */
    writer->failed = true;
    writer->options.failed(writer->options.context, error);
}

static bool is_without_room(const struct store_writer *writer, struct store_stats *ret_stats)
{
    store_get_stats(writer->options.store, ret_stats);
    return ret_stats->below_floor || ret_stats->disk_full;
}

/* One line on the way into unavailability and one on the way out, now and then. The error is set
 * whenever the store could not take what it normally takes, also where that touched no append of
 * the batch; a body that is too big says nothing about the store. */
static void note_availability(
    struct store_writer *writer, enum store_result result, const struct error *error)
{
    const bool is_unavailable = result != STORE_OK || (error->code != 0 && error->code != EFBIG);
    const int64_t now = clock_monotonic(writer->options.clock);
    struct store_stats stats;
    struct log_rest rest;
    enum log_state_line line;
    uint64_t left_out = 0;

    atomic_store_explicit(
        &writer->stats.unavailable_at_usec, is_unavailable ? now : 0, memory_order_relaxed);
    if (!is_unavailable)
        writer->lacks_room = false;
    else if (!writer->lacks_room)
        writer->lacks_room = is_without_room(writer, &stats);
    line =
        log_state_step(&writer->unavailable, is_unavailable, now, UNAVAILABLE_LOG_USEC, &left_out);
    log_rest_tell(&rest, left_out);
    if (line == LOG_STATE_ENTERED)
        log_event(LOG_LEVEL_WARNING, "store-unavailable", LOG_FIELDS({"left_out", rest.field}),
            "deliveries are refused for now: %s%s", error->text, rest.words);
    else if (line == LOG_STATE_LEFT)
        log_info("store-available", "deliveries are accepted again");
}

/* ---- the queue ---- */

static void take_posted(struct store_writer *writer)
{
    struct mailbox_item *items = mailbox_take(&writer->mailbox);

    *writer->queue_tail = items;
    for (; items; items = items->next)
        writer->queue_tail = &items->next;
}

static struct store_work *pop(struct store_writer *writer)
{
    struct mailbox_item *item = writer->queue;

    writer->queue = item->next;
    if (!writer->queue)
        writer->queue_tail = &writer->queue;
    item->next = NULL;
    return work_of(item);
}

/* Works that go to the same mailbox one after the other go in one piece, so that their owner is
 * woken once. From here on the works are their owners'. */
static void give_back(struct store_work *const *works, size_t n, enum store_result result)
{
    struct mailbox_list replies = {NULL};
    struct mailbox *to = NULL;

    for (size_t i = 0; i < n; i++) {
        struct store_work *work = works[i];

        work->result = result;
        if (result != STORE_OK && work->kind == STORE_WORK_APPEND)
            work->append.verdict = STORE_VERDICT_REFUSED;
        if (work->done) {
            work->done(work);
            continue;
        }
        if (work->reply_to != to)
            mailbox_post_list(to, &replies);
        to = work->reply_to;
        mailbox_list_add(&replies, &work->item);
    }
    mailbox_post_list(to, &replies);
}

/* ---- batches ---- */

static void begin_batch(struct store_writer *writer)
{
    writer->batch = (struct store_batch){.appends = writer->appends, .settles = writer->settles};
    writer->n_works = 0;
    writer->batch_bytes = 0;
}

/* Takes appends and settles from the queue up to the bounds or the next call. Returns whether the
 * batch can take no more. */
static bool gather(struct store_writer *writer)
{
    struct store_batch *batch = &writer->batch;

    while (writer->queue && writer->n_works < STORE_BATCH_MAX) {
        struct store_work *work = work_of(writer->queue);

        if (work->kind == STORE_WORK_CALL)
            return true;
        if (work->kind == STORE_WORK_APPEND) {
            size_t length = work->append.delivery->body_length;

            if (writer->batch_bytes + length > STORE_BATCH_BYTES && batch->n_appends > 0)
                return true;
            writer->batch_bytes += length;
            writer->appends[batch->n_appends++] = &work->append;
        } else {
            writer->settles[batch->n_settles++] = &work->settle;
        }
        writer->works[writer->n_works++] = pop(writer);
        writer->expected += work->more;
        if (work->more > 0)
            writer->expected_since_usec = clock_monotonic(writer->options.clock);
    }
    return writer->n_works == STORE_BATCH_MAX;
}

static bool expects_more(const struct store_writer *writer)
{
    return writer->expected > 0 && !atomic_load(&writer->stopping) &&
           clock_monotonic(writer->options.clock) - writer->expected_since_usec < EXPECT_USEC;
}

/* Stages what has come and waits for more. False: it cannot be, and the commit will say why. */
static bool stage_batch(struct store_writer *writer)
{
    const struct store_batch *batch = &writer->batch;
    struct pollfd fd = {.fd = writer->mailbox.fd, .events = POLLIN};

    if (batch->n_staged < batch->n_appends)
        store_stage(writer->options.store, &writer->batch, NULL);
    if (batch->n_staged < batch->n_appends)
        return false;
    (void)poll(&fd, 1, 1);
    return true;
}

static size_t count_stored(const struct store_batch *batch)
{
    size_t n = 0;

    for (size_t i = 0; i < batch->n_appends; i++)
        n += batch->appends[i]->verdict == STORE_VERDICT_STORED;
    return n;
}

static size_t commit_bucket(int64_t usec)
{
    size_t i = 0;

    while (i < STORE_COMMIT_BUCKETS - 1 && usec > store_commit_bucket_usec[i])
        i++;
    return i;
}

static size_t batch_bucket(size_t works)
{
    size_t i = 0;

    while (i < STORE_BATCH_BUCKETS - 1 && works > (size_t)1 << i)
        i++;
    return i;
}

static void count_commit(struct store_writer *writer, enum store_result result, size_t works,
    size_t stored, int64_t usec)
{
    struct store_writer_stats *stats = &writer->stats;

    atomic_fetch_add_explicit(&stats->commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->appended, stored, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->commit_usec, (uint64_t)usec, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->works, works, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->commit_buckets[commit_bucket(usec)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&stats->batch_buckets[batch_bucket(works)], 1, memory_order_relaxed);
    if (result == STORE_UNAVAILABLE)
        atomic_fetch_add_explicit(&stats->unavailable, 1, memory_order_relaxed);
}

static void commit_batch(struct store_writer *writer)
{
    const struct clock *clock = writer->options.clock;
    struct store_batch *batch = &writer->batch;
    struct error error = ERROR_INIT;
    int64_t begin = clock_monotonic(clock);
    enum store_result result = store_commit(writer->options.store, batch, &error);
    size_t n = writer->n_works;
    size_t stored = result == STORE_OK ? count_stored(batch) : 0;

    count_commit(writer, result, n, stored, clock_monotonic(clock) - begin);
    if (result == STORE_FAILED)
        tell_failed(writer, &error);
    else if (batch->n_appends > 0 || result != STORE_OK)
        note_availability(writer, result, &error);

    begin_batch(writer);
    give_back(writer->works, n, result);
    if (stored > 0)
        writer->options.stored(writer->options.context);
}

static void call_one(struct store_writer *writer)
{
    struct store *store = writer->options.store;
    struct store_work *work = pop(writer);
    struct error error = ERROR_INIT;

    work->call(store, work);
    if (store_has_failed(store)) {
        (void)store_maintain(store, false, &error); /* a latched store says why */
        tell_failed(writer, &error);
    }
    give_back(&work, 1, STORE_OK);
}

static void refuse_one(struct store_writer *writer)
{
    struct store_work *work = pop(writer);

    give_back(&work, 1, STORE_FAILED);
}

static bool has_work(const struct store_writer *writer)
{
    return writer->queue || writer->n_works > 0;
}

/* Returns whether something was given back. */
static bool work_off(struct store_writer *writer)
{
    writer->settled_down = false;
    if (writer->failed) {
        refuse_one(writer);
    } else if (writer->n_works == 0 && work_of(writer->queue)->kind == STORE_WORK_CALL) {
        call_one(writer);
    } else if (gather(writer) || !expects_more(writer) || !stage_batch(writer)) {
        commit_batch(writer);
    } else {
        return false;
    }
    return true;
}

/* ---- upkeep ---- */

static void note_upkeep(
    struct store_writer *writer, enum store_result result, const struct error *error)
{
    if (result == STORE_FAILED)
        tell_failed(writer, error);
    else if (result == STORE_UNAVAILABLE && error->code == ENOSPC)
        note_availability(writer, result, error);
}

/* A full disk is noticed before anybody is refused, and its end before anybody asks again. */
static void look_for_room(struct store_writer *writer)
{
    struct error error = ERROR_INIT;
    struct store_stats stats;

    if (!is_without_room(writer, &stats)) {
        if (writer->lacks_room)
            note_availability(writer, STORE_OK, &error);
        return;
    }
    error_set(&error, ENOSPC, "%" PRIu64 " bytes are free on the store's disk, which is too little",
        stats.disk_free);
    note_availability(writer, STORE_UNAVAILABLE, &error);
}

static void maintain(struct store_writer *writer, bool idle)
{
    struct error error = ERROR_INIT;

    if (writer->failed)
        return;
    note_upkeep(writer, store_maintain(writer->options.store, idle, &error), &error);
    if (idle && writer->lacks_room && !writer->failed)
        look_for_room(writer);
}

static void prune_if_due(struct store_writer *writer, bool busy)
{
    int64_t now = clock_monotonic(writer->options.clock);
    struct error error = ERROR_INIT;
    bool more = false;

    if (writer->failed || now < writer->next_prune_usec)
        return;
    enum store_result result =
        store_prune(writer->options.store, &writer->options.retention, &more, &error);
    note_upkeep(writer, result, &error);
    if (result == STORE_OK && error.code != 0)
        log_warning("prune-held", "%s", error.text);
    if (!more)
        writer->next_prune_usec = now + PRUNE_USEC;
    else if (busy)
        writer->next_prune_usec = now + PRUNE_STEP_USEC;
}

/* How long to wait for work, in milliseconds for poll(). */
static int patience(const struct store_writer *writer)
{
    int64_t left = writer->next_prune_usec - clock_monotonic(writer->options.clock);

    if (writer->failed)
        return -1;
    if (left <= 0)
        return 0;
    if (!writer->settled_down && left > QUIET_USEC)
        left = QUIET_USEC;
    return (int)(left / USEC_PER_MSEC) + 1;
}

static void wait_for_work(struct store_writer *writer)
{
    struct pollfd fd = {.fd = writer->mailbox.fd, .events = POLLIN};
    int timeout = patience(writer);

    /* When nothing came the loop tidies up on its way back here; without room it does so again and
     * again, for that is how room is noticed. */
    if (poll(&fd, 1, timeout) == 0 && timeout > 0)
        writer->settled_down = !writer->lacks_room;
}

/* ---- the thread ---- */

static void *run(void *argument)
{
    struct store_writer *writer = argument;

    look_for_room(writer);
    for (;;) {
        /* Read before the mailbox: what was posted before the stop is then seen in it. */
        bool is_stopping = atomic_load(&writer->stopping);

        take_posted(writer);
        if (has_work(writer)) {
            if (!work_off(writer))
                continue;
            maintain(writer, false);
            prune_if_due(writer, true);
        } else if (is_stopping) {
            return NULL;
        } else {
            prune_if_due(writer, false);
            maintain(writer, true);
            wait_for_work(writer);
        }
    }
}

static int start_thread(struct store_writer *writer, struct error *error)
{
    sigset_t all, old;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&writer->thread, NULL, run, writer);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r != 0)
        return error_errno(error, r, "cannot start the store's writer");
    pthread_setname_np(writer->thread, "store");
    return 0;
}

int store_writer_start(const struct store_writer_options *options, struct store_writer **ret_writer,
    struct error *error)
{
    CLEANUP(free) struct store_writer *writer = calloc(1, sizeof(*writer));
    int r;

    if (!writer)
        return error_set(error, ENOMEM, "out of memory");
    writer->options = *options;
    writer->queue_tail = &writer->queue;
    begin_batch(writer);
    writer->next_prune_usec = clock_monotonic(options->clock) + PRUNE_USEC;
    r = mailbox_init(&writer->mailbox, error);
    if (r < 0)
        return r;
    r = start_thread(writer, error);
    if (r < 0) {
        mailbox_done(&writer->mailbox);
        return r;
    }
    *ret_writer = TAKE(writer);
    return 0;
}

void store_writer_stop(struct store_writer *writer)
{
    if (!writer)
        return;
    atomic_store(&writer->stopping, true);
    mailbox_wake(&writer->mailbox);
    pthread_join(writer->thread, NULL);
    mailbox_done(&writer->mailbox);
    free(writer);
}

void store_writer_post(struct store_writer *writer, struct store_work *work)
{
    mailbox_post(&writer->mailbox, &work->item);
}

void store_writer_post_list(struct store_writer *writer, struct mailbox_list *works)
{
    mailbox_post_list(&writer->mailbox, works);
}

const struct store_writer_stats *store_writer_stats(const struct store_writer *writer)
{
    return &writer->stats;
}

/* ---- calls that wait ---- */

struct waiting_call {
    struct store_work work;
    void (*call)(struct store *store, void *context);
    void *context;
    sem_t done;
};

static struct waiting_call *waiting_call(struct store_work *work)
{
    return (struct waiting_call *)(void *)work;
}

static void make_call(struct store *store, struct store_work *work)
{
    struct waiting_call *call = waiting_call(work);

    call->call(store, call->context);
}

static void call_done(struct store_work *work)
{
    sem_post(&waiting_call(work)->done);
}

enum store_result store_writer_call(
    struct store_writer *writer, void (*call)(struct store *store, void *context), void *context)
{
    struct waiting_call waiting = {
        .work = {.kind = STORE_WORK_CALL, .done = call_done, .call = make_call},
        .call = call,
        .context = context,
    };

    ASSERT(!pthread_equal(pthread_self(), writer->thread));
    ASSERT(sem_init(&waiting.done, 0, 0) == 0);
    store_writer_post(writer, &waiting.work);
    while (sem_wait(&waiting.done) < 0)
        ASSERT(errno == EINTR);
    sem_destroy(&waiting.done);
    return waiting.work.result;
}
