/*
 * The intake as the daemon sees it: start, reload, drain, stop. The work is in worker.c.
 *
 * Lifecycle: workers share `struct shared`, which outlives them. intake_drain and intake_stop only
 * set flags and wake; each worker acts on them in its own turn, so that nothing here touches what
 * belongs to a worker's thread.
 *
 * What is not done here: policy (verify/), durability (store/), HTTP (libmicrohttpd).
 */

#include "intake/intake.h"

#include "intake/spread.h"
#include "intake/worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

struct intake {
    struct shared shared;
    struct counts_shelf *shelf; /* owned; apart, since readers have the intake as const */
    struct worker *workers;
    unsigned int n_workers;
    bool draining;
    bool ended;
};

struct intake_change {
    struct rules **rules; /* one a worker; given away one by one */
    unsigned int n;
    struct counts *counts; /* what they share */
};

void intake_abandon(struct intake_change *change)
{
    if (change == NULL)
        return;
    for (unsigned int i = 0; i < change->n; i++)
        rules_unref(change->rules[i]);
    free(change->rules);
    counts_unref(change->counts);
    free(change);
}

CLEANUP_FUNC(struct intake_change, intake_abandon);

/* Rules for `n` workers, which go on with what `before` (may be NULL) counted. */
static int make_change(const struct verify_options *verify, unsigned int n,
    const struct counts *before, struct intake_change **ret_change, struct error *error)
{
    CLEANUP(intake_abandon) struct intake_change *change = calloc(1, sizeof(*change));
    int r;

    if (change == NULL)
        return error_set(error, ENOMEM, "no memory for the endpoints");
    change->rules = calloc(n, sizeof(struct rules *));
    if (change->rules == NULL)
        return error_set(error, ENOMEM, "no memory for the endpoints");
    for (; change->n < n; change->n++) {
        r = rules_new(verify, &change->rules[change->n], error);
        if (r < 0)
            return r;
    }
    r = counts_new(change->rules[0]->verifier, before, &change->counts, error);
    if (r < 0)
        return r;
    for (unsigned int i = 0; i < n; i++)
        change->rules[i]->counts = counts_ref(change->counts);
    *ret_change = TAKE(change);
    return 0;
}

/* Loud, for whoever left it on: such an endpoint lets anybody in. */
static void warn_of_report_mode(const struct counts *counts)
{
    for (size_t i = 0; i < counts->n_pages; i++) {
        if (counts->pages[i].report)
            log_event(LOG_LEVEL_WARNING, "report-mode",
                LOG_FIELDS({"endpoint", counts->pages[i].endpoint->name}),
                "endpoint \"%s\" has verify = \"report\": callbacks that are not proven are passed "
                "on, marked as unverified",
                counts->pages[i].endpoint->name);
    }
}

static void shelf_free(struct counts_shelf *shelf)
{
    if (shelf == NULL)
        return;
    counts_unref(shelf->counts);
    pthread_mutex_destroy(&shelf->lock);
    free(shelf);
}

static void intake_free(struct intake *intake)
{
    if (intake == NULL)
        return;
    for (unsigned int i = 0; i < intake->n_workers; i++)
        worker_done(&intake->workers[i]);
    free(intake->workers);
    free(intake->shared.listen_fds);
    refused_free(intake->shared.refused);
    shelf_free(intake->shelf);
    free(intake);
}

static void stop_workers(struct intake *intake)
{
    for (unsigned int i = 0; i < intake->n_workers; i++)
        mailbox_wake(&intake->workers[i].mailbox);
    for (unsigned int i = 0; i < intake->n_workers; i++)
        worker_join(&intake->workers[i]);
    for (unsigned int i = 0; i < intake->n_workers; i++)
        spread_discard(&intake->workers[i]);
}

/* Runs on the writer's thread after everything that was posted before it. */
static void pass(struct store *store, void *context)
{
    (void)store;
    (void)context;
}

/* That a worker has taken its last verdict back does not mean that the writer is done with it: it
 * may still be about to wake that worker's mailbox, or to tell that something was stored. Once a
 * call has come through behind it, it is. */
static void wait_for_writer(struct store_writer *writer)
{
    (void)store_writer_call(writer, pass, NULL);
}

/* Answers are small and written whole: nothing is gained by waiting to fill a packet. Accepted
 * sockets inherit it. */
static void set_nodelay(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    const int on = 1;

    if (getsockname(fd, (struct sockaddr *)&address, &length) == 0 &&
        (address.ss_family == AF_INET || address.ss_family == AF_INET6))
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int check_listening(int fd, struct error *error)
{
    int listening = 0;
    socklen_t length = sizeof(listening);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) < 0)
        return error_errno(error, errno, "descriptor %d is no socket", fd);
    if (!listening)
        return error_set(error, EINVAL, "descriptor %d is no listening stream socket", fd);
    return 0;
}

static int shared_init(
    struct shared *shared, const struct intake_options *options, struct error *error)
{
    const size_t five = 5 * options->max_body; /* seven eighths of it hold four */
    int r;

    *shared = (struct shared){
        .max_body = options->max_body,
        .max_connections = options->max_connections,
        .header_timeout_usec = options->header_timeout_usec,
        .body_timeout_usec = options->body_timeout_usec,
        .idle_timeout_usec = options->idle_timeout_usec,
        .commit_timeout_usec = options->commit_timeout_usec,
        .writer = options->writer,
        .clock = options->clock,
        .n_listen_fds = options->n_listen_fds,
        .body_bytes_max = five > SHARED_BODY_BYTES ? five : SHARED_BODY_BYTES,
        .full_lock = PTHREAD_MUTEX_INITIALIZER,
        .report.lock = PTHREAD_MUTEX_INITIALIZER,
        .stop_at_usec = USEC_INFINITY,
        .listen_users = options->workers + 1,
    };
    shared->listen_fds = calloc(options->n_listen_fds + 1, sizeof(*shared->listen_fds));
    if (shared->listen_fds == NULL)
        return error_set(error, ENOMEM, "no memory for the listening sockets");
    for (size_t i = 0; i < options->n_listen_fds; i++) {
        r = check_listening(options->listen_fds[i], error);
        if (r < 0)
            return r;
        set_nodelay(options->listen_fds[i]);
        shared->listen_fds[i] = options->listen_fds[i];
    }
    return refused_new(options->keep_refused, options->clock, &shared->refused, error);
}

static int start_all(
    struct intake *intake, const struct intake_options *options, struct error *error)
{
    CLEANUP(intake_abandon) struct intake_change *change = NULL;
    int r = shared_init(&intake->shared, options, error);

    if (r < 0)
        return r;
    intake->shelf = calloc(1, sizeof(*intake->shelf));
    if (intake->shelf == NULL)
        return error_set(error, ENOMEM, "no memory for the counters");
    pthread_mutex_init(&intake->shelf->lock, NULL);
    r = make_change(options->verify, options->workers, NULL, &change, error);
    if (r < 0)
        return r;
    intake->shelf->counts = counts_ref(change->counts);
    intake->workers = calloc(options->workers, sizeof(*intake->workers));
    if (intake->workers == NULL)
        return error_set(error, ENOMEM, "no memory for the intake workers");
    intake->shared.workers = intake->workers;
    intake->shared.n_workers = options->workers;
    for (; intake->n_workers < options->workers; intake->n_workers++) {
        struct worker *worker = &intake->workers[intake->n_workers];

        r = worker_init(worker, &intake->shared, TAKE(change->rules[intake->n_workers]), error);
        if (r < 0) {
            worker_done(worker);
            return r;
        }
    }
    for (unsigned int i = 0; i < intake->n_workers; i++) {
        r = worker_start(&intake->workers[i], i, error);
        if (r < 0)
            return r;
    }
    return 0;
}

int intake_start(
    const struct intake_options *options, struct intake **ret_intake, struct error *error)
{
    struct intake *intake = calloc(1, sizeof(*intake));
    int r;

    if (intake == NULL)
        return error_set(error, ENOMEM, "no memory for the intake");
    r = start_all(intake, options, error);
    if (r < 0) {
        /* Main's share in listen_users stays: the sockets remain the caller's. */
        atomic_store(&intake->shared.stop_at_usec, 0);
        stop_workers(intake);
        wait_for_writer(intake->shared.writer);
        intake_free(intake);
        return r;
    }
    warn_of_report_mode(intake->shelf->counts);
    *ret_intake = intake;
    return 0;
}

int intake_prepare(struct intake *intake, const struct verify_options *verify,
    struct intake_change **ret_change, struct error *error)
{
    /* Main's own thread is the only one that puts counts on the shelf. */
    return make_change(verify, intake->n_workers, intake->shelf->counts, ret_change, error);
}

void intake_commit(struct intake *intake, struct intake_change *change)
{
    ASSERT(change->n == intake->n_workers);
    for (unsigned int i = 0; i < change->n; i++)
        worker_give_rules(&intake->workers[i], TAKE(change->rules[i]));
    warn_of_report_mode(change->counts);
    counts_swap(intake->shelf, TAKE(change->counts));
    intake_abandon(change);
}

void intake_drain(struct intake *intake)
{
    if (intake->draining)
        return;
    intake->draining = true;
    atomic_store(&intake->shared.draining, true);
    shared_stop_listening(&intake->shared);
    for (unsigned int i = 0; i < intake->n_workers; i++)
        mailbox_wake(&intake->workers[i].mailbox);
}

void intake_end(struct intake *intake, int64_t limit_usec)
{
    int64_t stop_at = 0;

    if (intake->ended)
        return;
    intake->ended = true;
    intake_drain(intake);
    if (__builtin_add_overflow(clock_monotonic(intake->shared.clock), limit_usec, &stop_at) ||
        stop_at == USEC_INFINITY)
        stop_at = USEC_INFINITY - 1;
    atomic_store(&intake->shared.stop_at_usec, stop_at);
    stop_workers(intake);
    wait_for_writer(intake->shared.writer);
}

void intake_stop(struct intake *intake, int64_t limit_usec)
{
    intake_end(intake, limit_usec);
    intake_free(intake);
}

const struct intake_stats *intake_stats(const struct intake *intake)
{
    return &intake->shared.stats;
}

size_t intake_get_endpoints(
    const struct intake *intake, struct intake_endpoint_stats *stats, size_t max)
{
    CLEANUP(counts_unref) struct counts *counts = counts_take(intake->shelf);

    for (size_t i = 0; i < counts->n_pages && i < max; i++)
        counts_read(&counts->pages[i], &stats[i]);
    return counts->n_pages;
}

void intake_get_latency(const struct intake *intake, struct intake_latency *ret_latency)
{
    const struct shared *shared = &intake->shared;

    for (size_t i = 0; i < INTAKE_BUCKETS; i++)
        ret_latency->buckets[i] = atomic_load_explicit(&shared->latency[i], memory_order_relaxed);
    ret_latency->sum_usec = atomic_load_explicit(&shared->latency_sum_usec, memory_order_relaxed);
}

void intake_walk_refused(const struct intake *intake,
    int (*fn)(const struct intake_refused *refused, void *context), void *context)
{
    refused_walk(intake->shared.refused, fn, context);
}

int intake_get_refused(
    const struct intake *intake, const char *id, struct intake_refused **ret_refused)
{
    return refused_get(intake->shared.refused, id, ret_refused);
}
