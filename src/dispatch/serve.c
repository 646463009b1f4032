/*
 * Carrying out what operators ask for: retry, replay, drop.
 *
 * Requests wait until all that is pending is in memory, along with what the sink had written before
 * a crash (a replay must not be mixed up with that), and no settle is under way. Then every
 * delivery asked for either has a task, which is the truth about it, or it is what the store says:
 * settled, dead, or gone. What becomes of it goes into the queue like any other outcome, and the
 * asker hears of it when the settle that has it is on disk.
 *
 * Bounded: a request looks at REQUEST_MAX deliveries, and none brings back deliveries while half of
 * TASKS_MAX is in memory. The other half is left for what arrives, so that asking for very much
 * never holds up the reading of new ones.
 *
 * A retry is judged by the conf as everything pending is: what the filter leaves out now is
 * skipped. A replay passes, as on the way from the store, and so does the retry of one.
 */

#include "dispatch/runner_private.h"

#include "dispatch/filter.h"

#include <errno.h>
#include <stdlib.h>

enum { ROOM = TASKS_MAX / 2 };

enum served {
    SERVED_DONE,
    SERVED_SKIPPED,
    SERVED_BUSY,
};

/* ---- what the store says of one that has no task ---- */

struct look {
    const struct runner *runner;
    uint64_t seq;
    bool found;
    bool wanted; /* passes the filter */
    bool replay; /* is dead as one */
    uint64_t key;
};

static int on_delivery(const struct delivery *delivery, void *context)
{
    struct look *look = context;

    if (delivery->seq == look->seq) {
        look->found = true;
        look->wanted = filter_passes(look->runner->options, delivery);
        look->key = claim_key(look->runner, delivery);
    }
    return 0;
}

static int on_row(const struct store_row *row, void *context)
{
    struct look *look = context;

    look->replay = row->replay;
    return on_delivery(row->delivery, context);
}

/* Fills in `look`. Returns 0 or -errno. */
static int look_at(
    struct runner *runner, uint64_t seq, bool only_dead, struct look *look, struct error *error)
{
    *look = (struct look){.runner = runner, .seq = seq};
    ssize_t n = only_dead ? store_scan_rows(runner->reader, runner->id, STORE_STATE_DEAD, seq - 1,
                                1, on_row, look, error)
                          : store_scan(runner->reader, seq - 1, 1, on_delivery, look, error);
    return n < 0 ? (int)n : 0;
}

/* ---- one delivery ---- */

static enum served requeue(
    struct runner *runner, const struct look *look, enum dispatch_request what)
{
    struct queue *queue = &runner->queue;
    int r = 0;

    switch (what) {
    case DISPATCH_RETRY:
        if (!look->wanted && !look->replay)
            return SERVED_SKIPPED;
        r = queue_requeue(queue, look->seq, look->key, look->replay, runner_now(runner));
        break;
    case DISPATCH_REPLAY:
        r = queue_requeue(queue, look->seq, look->key, true, runner_now(runner));
        break;
    case DISPATCH_DROP:
        r = queue_settle_row(queue, look->seq, WRITE_DROPPED);
        break;
    }
    return r < 0 ? SERVED_BUSY : SERVED_DONE;
}

/* Without a task. An error is the store's, which could not be read. */
static enum served serve_stored(
    struct runner *runner, uint64_t seq, enum dispatch_request what, struct error *error)
{
    struct look look;

    if (seq == 0 || seq > runner->queue.frontier)
        return SERVED_SKIPPED;
    if (what != DISPATCH_DROP && runner->queue.n_tasks >= ROOM)
        return SERVED_BUSY;
    if (look_at(runner, seq, what != DISPATCH_REPLAY, &look, error) < 0)
        return SERVED_BUSY;
    return look.found ? requeue(runner, &look, what) : SERVED_SKIPPED;
}

static enum served serve_seq(struct runner *runner, struct queue_search *search,
    enum dispatch_request what, struct error *error)
{
    if (search->spent)
        return SERVED_SKIPPED;
    if (search->task) {
        bool hastened = what == DISPATCH_RETRY && queue_hasten(&runner->queue, search->task);
        search->spent = hastened;
        return hastened ? SERVED_DONE : SERVED_SKIPPED;
    }
    enum served served = serve_stored(runner, search->seq, what, error);
    search->spent = served == SERVED_DONE;
    return served;
}

/* ---- one request ---- */

/* The seqs in order and each once. Returns how many there are. */
static size_t sort_searches(const uint64_t *seqs, size_t n, struct queue_search *searches)
{
    size_t n_searches = 0;

    for (size_t i = 0; i < n; i++)
        searches[i] = (struct queue_search){.seq = seqs[i]};
    qsort(searches, n, sizeof(*searches), queue_compare_searches);
    for (size_t i = 0; i < n; i++)
        if (n_searches == 0 || searches[n_searches - 1].seq != searches[i].seq)
            searches[n_searches++] = searches[i];
    return n_searches;
}

static void serve_each(struct runner *runner, struct request *request,
    struct queue_search *searches, struct error *error)
{
    struct dispatch_request_result *result = request_result(request);
    size_t n;
    const uint64_t *seqs = request_seqs(request, &n);
    size_t n_searches = sort_searches(seqs, n, searches);

    queue_find(&runner->queue, searches, n_searches);
    for (size_t i = 0; i < n; i++) {
        const struct queue_search key = {.seq = seqs[i]};
        struct queue_search *search =
            bsearch(&key, searches, n_searches, sizeof(key), queue_compare_searches);

        ASSERT(search);
        switch (serve_seq(runner, search, request_what(request), error)) {
        case SERVED_DONE:
            result->done++;
            break;
        case SERVED_SKIPPED:
            result->skipped++;
            break;
        case SERVED_BUSY:
            result->busy += n - i;
            return;
        }
    }
}

static void serve_one(struct runner *runner, struct request *request)
{
    struct error error = ERROR_INIT;
    size_t n;

    (void)request_seqs(request, &n);
    CLEANUP(free) struct queue_search *searches = calloc(n + 1, sizeof(*searches));
    if (!searches) {
        request_end(request, EAGAIN, "out of memory");
        return;
    }
    serve_each(runner, request, searches, &error);
    if (request_result(request)->done > 0)
        request_list_push(&runner->written, request);
    else if (error.code != 0)
        request_end(request, EAGAIN, "%s", error.text);
    else
        request_end(request, 0, "done");
}

void serve_step(struct runner *runner)
{
    struct request *request;

    if (runner->settling)
        return;
    if (runner->store_failed) {
        serve_refuse(runner, "the store has failed");
        return;
    }
    if (!runner->rows_done && runner_now(runner) < runner->read_at) {
        serve_refuse(runner, "the store cannot be read");
        return;
    }
    if (!runner->full && (!runner->rows_done || claim_has_found(runner)))
        return;
    while ((request = request_list_pop(&runner->asked))) {
        if (request_begin(request))
            serve_one(runner, request);
        else
            request_release(request);
    }
    atomic_store(&runner->n_asked, 0);
}

/* ---- answers ---- */

void serve_settled(struct runner *runner, bool written)
{
    struct request *request;

    while ((request = request_list_pop(&runner->written))) {
        if (written)
            request_end(request, 0, "done");
        else
            request_end(request, EAGAIN,
                "the store is not available; what was asked for is done as soon as it is");
    }
}

void serve_refuse(struct runner *runner, const char *why)
{
    struct request *request;

    while ((request = request_list_pop(&runner->asked))) {
        if (request_begin(request))
            request_end(request, EAGAIN, "sink %s: %s", runner->name, why);
        else
            request_release(request);
    }
    atomic_store(&runner->n_asked, 0);
}
