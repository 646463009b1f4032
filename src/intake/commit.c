/*
 * Posting to the writer and taking back; see commit.h.
 */

#include "intake/commit.h"

#include "intake/request.h"
#include "intake/worker.h"

/* So many of a turn go to the writer before it is over, so that it can begin. Fewer cost more than
 * they gain: each wakes it. */
#define PIECE 96

struct commit {
    struct store_work work; /* its mailbox item serves both ways */
    struct worker *worker;
    struct request *request; /* NULL: abandoned */
    struct delivery *delivery;
    size_t charge;
};

struct commit *commit_new(
    struct worker *worker, struct request *request, struct delivery *delivery, size_t charge)
{
    struct shared *shared = worker->shared;
    struct commit *commit = NULL;

    if (atomic_fetch_add_explicit(&shared->commits, 1, memory_order_relaxed) <
        shared->max_connections)
        commit = malloc(sizeof(*commit)); /* not calloc, which passes glibc's caches by */
    if (commit == NULL) {
        atomic_fetch_sub_explicit(&shared->commits, 1, memory_order_relaxed);
        return NULL;
    }
    *commit = (struct commit){
        .work = {.kind = STORE_WORK_APPEND,
            .reply_to = &worker->mailbox,
            .append.delivery = delivery},
        .worker = worker,
        .request = request,
        .delivery = delivery,
        .charge = charge,
    };
    return commit;
}

static void send_outbox(struct worker *worker, int more)
{
    struct mailbox_list *outbox = &worker->outbox;

    if (outbox->first)
        MAILBOX_CONTAINER(outbox->last, struct store_work, item)->more = more;
    store_writer_post_list(worker->shared->writer, outbox);
    worker->n_outbox = 0;
}

/* A piece goes when another follows it, so that there is always one that is the last. */
void commit_post(struct commit *commit)
{
    struct worker *worker = commit->worker;

    if (worker->n_outbox == PIECE) {
        send_outbox(worker, worker->is_expected ? 0 : 1);
        worker->is_expected = true;
    }
    mailbox_list_add(&worker->outbox, &commit->work.item);
    worker->n_outbox++;
    worker->commits++;
}

void commit_send(struct worker *worker)
{
    send_outbox(worker, worker->is_expected ? -1 : 0);
    worker->is_expected = false;
}

void commit_abandon(struct commit *commit)
{
    commit->request = NULL;
}

static enum reason verdict_reason(enum store_verdict verdict)
{
    switch (verdict) {
    case STORE_VERDICT_STORED:
        return REASON_ACCEPTED;
    case STORE_VERDICT_DUPLICATE:
        return REASON_DUPLICATE;
    case STORE_VERDICT_CONFLICT:
        return REASON_CONFLICT;
    case STORE_VERDICT_REFUSED:
        return REASON_STORE;
    }
    return REASON_STORE;
}

static void commit_free(struct commit *commit)
{
    shared_release(commit->worker->shared, commit->charge);
    atomic_fetch_sub_explicit(&commit->worker->shared->commits, 1, memory_order_relaxed);
    delivery_free(commit->delivery);
    free(commit);
}

void commit_take_back(struct worker *worker)
{
    struct mailbox_item *next, *item = mailbox_take(&worker->mailbox);

    for (; item != NULL; item = next) {
        struct store_work *work = MAILBOX_CONTAINER(item, struct store_work, item);
        struct commit *commit = MAILBOX_CONTAINER(work, struct commit, work);

        next = item->next;
        worker->commits--;
        /* Only a result and a verdict that both say so are a yes (G2). */
        if (commit->request != NULL)
            request_settle(commit->request,
                work->result == STORE_OK ? verdict_reason(work->append.verdict) : REASON_STORE);
        commit_free(commit);
    }
}
