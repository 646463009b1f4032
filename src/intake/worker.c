/*
 * The worker's loop; see worker.h.
 */

#include "intake/worker.h"

#include "intake/commit.h"
#include "intake/connection.h"
#include "intake/spread.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 64

/* How often libmicrohttpd may run before other sources get their turn. One request takes it four
 * runs: read, suspend, resume, write. */
#define MHD_RUNS 4

/* Headers and I/O buffers of a connection. A head beyond it is answered 431; one of 8 KiB in a
 * single field fits beside as many others as there may be. Not more: libmicrohttpd clears all of
 * it, half of it even twice, for each request. */
#define CONNECTION_MEMORY ((size_t)16 << 10)

/* While draining, how long a connection that has not asked anything yet may still do so. */
#define GRACE_USEC USEC_PER_SEC

/* How long a refused peer is read away. */
#define LINGER_USEC USEC_PER_SEC

/* ---- rules ---- */

int rules_new(const struct verify_options *options, struct rules **ret_rules, struct error *error)
{
    struct rules *rules = calloc(1, sizeof(*rules));
    int r;

    if (rules == NULL)
        return error_set(error, ENOMEM, "no memory for the endpoints");
    r = verifier_new(options, &rules->verifier, error);
    if (r < 0) {
        free(rules);
        return r;
    }
    rules->refs = 1;
    *ret_rules = rules;
    return 0;
}

struct rules *rules_ref(struct rules *rules)
{
    rules->refs++;
    return rules;
}

void rules_unref(struct rules *rules)
{
    if (rules == NULL || --rules->refs > 0)
        return;
    verifier_free(rules->verifier);
    counts_unref(rules->counts);
    free(rules);
}

void worker_give_rules(struct worker *worker, struct rules *rules)
{
    /* What was given before and not taken yet is out of date. */
    rules_unref(atomic_exchange(&worker->next_rules, rules));
    mailbox_wake(&worker->mailbox);
}

/* ---- what main asks for ---- */

static void begin_drain(struct worker *worker)
{
    worker->draining = true;
    acceptor_stop(worker);
    for (struct connection *c = worker->connections; c != NULL; c = c->next)
        connection_drain(c);
}

static void take_commands(struct worker *worker)
{
    struct rules *rules = atomic_exchange(&worker->next_rules, NULL);

    if (rules != NULL) {
        rules_unref(worker->rules);
        worker->rules = rules;
    }
    if (!worker->draining && atomic_load(&worker->shared->draining))
        begin_drain(worker);
}

/* Ends when nothing is left, or when intake_stop's limit is over. */
static bool end(struct worker *worker)
{
    const int64_t stop_at = atomic_load(&worker->shared->stop_at_usec);

    if (stop_at == USEC_INFINITY)
        return false;
    return worker->now_usec >= stop_at ||
           (worker->draining && worker->connections == NULL && worker->lingers.n == 0 &&
               worker->commits == 0 && spread_end(worker));
}

/* ---- the loop ---- */

static int wait_msec(const struct worker *worker)
{
    const int64_t stop_at = atomic_load(&worker->shared->stop_at_usec);
    const int64_t rest_at = atomic_load(&worker->shared->report.rest_at_usec);
    int64_t next = deadline_next(&worker->deadlines);
    MHD_UNSIGNED_LONG_LONG mhd_msec;
    int64_t msec = -1, left;

    if (worker->acceptor.resume_at_usec < next)
        next = worker->acceptor.resume_at_usec;
    if (stop_at < next)
        next = stop_at;
    if (rest_at != 0 && rest_at < next)
        next = rest_at;
    if (next != USEC_INFINITY) {
        left = next - clock_monotonic(worker->shared->clock);
        msec = left <= 0 ? 0 : (left - 1) / USEC_PER_MSEC + 1;
    }
    if (MHD_get_timeout(worker->mhd, &mhd_msec) == MHD_YES &&
        (msec < 0 || mhd_msec < (uint64_t)msec))
        msec = mhd_msec > INT_MAX ? INT_MAX : (int64_t)mhd_msec;
    return msec > INT_MAX ? INT_MAX : (int)msec;
}

static void run_mhd(struct worker *worker)
{
    MHD_UNSIGNED_LONG_LONG msec;

    for (unsigned int i = 0; i < MHD_RUNS; i++) {
        (void)MHD_run(worker->mhd);
        if (MHD_get_timeout(worker->mhd, &msec) != MHD_YES || msec != 0)
            return;
    }
}

static void expire(struct worker *worker)
{
    struct deadline *due;

    while ((due = deadline_take_due(&worker->deadlines, worker->now_usec)) != NULL) {
        if (due->class == DEADLINE_LINGER)
            linger_expire(worker, due);
        else
            connection_expire(MAILBOX_CONTAINER(due, struct connection, deadline));
    }
}

static void dispatch_event(struct worker *worker, struct source *source)
{
    switch (source->kind) {
    case SOURCE_LISTEN:
        acceptor_accept(worker, source);
        break;
    case SOURCE_LINGER:
        linger_read(worker, source);
        break;
    case SOURCE_MAILBOX:
        commit_take_back(worker);
        break;
    case SOURCE_ARRIVALS:
        spread_receive(worker);
        break;
    case SOURCE_MHD: /* runs every turn */
        break;
    }
}

static void turn(struct worker *worker)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(worker->epoll_fd, events, EVENTS_MAX, wait_msec(worker));

    ASSERT(n >= 0 || errno == EINTR);
    worker->now_usec = clock_monotonic(worker->shared->clock);
    for (int i = 0; i < n; i++)
        dispatch_event(worker, events[i].data.ptr);
    take_commands(worker);
    expire(worker);
    acceptor_resume(worker);
    run_mhd(worker);
    commit_send(worker);
    report_rest(worker, false);
}

/* Cuts what is left. libmicrohttpd aborts when it is stopped with a suspended connection, so all of
 * them are settled and resumed first, and nothing is suspended any more. */
static void cut_all(struct worker *worker)
{
    worker->cutting = true;
    for (struct connection *c = worker->connections; c != NULL; c = c->next) {
        if (request_is_waiting(&c->request))
            request_give_up(&c->request);
        connection_cut(c);
    }
    linger_close_all(worker);
    (void)MHD_run(worker->mhd);
    MHD_stop_daemon(worker->mhd);
    worker->mhd = NULL;
    linger_close_all(worker);
}

static void *run(void *context)
{
    struct worker *worker = context;

    worker->now_usec = clock_monotonic(worker->shared->clock);
    do
        turn(worker);
    while (!end(worker));
    spread_cut(worker);
    if (!worker->draining)
        begin_drain(worker);
    cut_all(worker);
    commit_send(worker); /* what came to be proven meanwhile */
    while (worker->commits > 0) {
        struct pollfd wait = {.fd = worker->mailbox.fd, .events = POLLIN};

        (void)poll(&wait, 1, -1);
        commit_take_back(worker);
    }
    report_rest(worker, true);
    return NULL;
}

/* ---- making and ending ---- */

static int start_mhd(struct worker *worker, struct error *error)
{
    const struct shared *shared = worker->shared;
    const int64_t longest = shared->header_timeout_usec > shared->body_timeout_usec
                                ? shared->header_timeout_usec
                                : shared->body_timeout_usec;
    /* Our deadlines are total and come first; this net of the library is for silence only. */
    const int64_t silence =
        (longest > shared->idle_timeout_usec ? longest : shared->idle_timeout_usec) / USEC_PER_SEC +
        2;
    /* In 0.9 being strict means closing without an answer where framing_check gives one; in 1.x it
     * means refusing what head_is_whole finds here. */
    const int strict = worker->layout_known ? 0 : 1;
    const union MHD_DaemonInfo *info;

    worker->mhd =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_SUSPEND_RESUME, 0, NULL,
            NULL, request_handle, worker, MHD_OPTION_CONNECTION_LIMIT, shared->max_connections + 1,
            MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT,
            (unsigned int)(silence > INT_MAX / 1000 ? INT_MAX / 1000 : silence),
            MHD_OPTION_STRICT_FOR_CLIENT, strict, MHD_OPTION_URI_LOG_CALLBACK, request_line, worker,
            MHD_OPTION_NOTIFY_CONNECTION, connection_notify, worker, MHD_OPTION_NOTIFY_COMPLETED,
            request_completed, worker, MHD_OPTION_END);
    if (worker->mhd == NULL)
        return error_set(error, ENOMEM, "cannot start libmicrohttpd");
    info = MHD_get_daemon_info(worker->mhd, MHD_DAEMON_INFO_EPOLL_FD);
    ASSERT(info != NULL);
    worker->mhd_source = (struct source){SOURCE_MHD, info->epoll_fd};
    return 0;
}

int worker_init(
    struct worker *worker, struct shared *shared, struct rules *rules, struct error *error)
{
    const int64_t durations[DEADLINE_CLASS_COUNT] = {
        [DEADLINE_HEAD] = shared->header_timeout_usec,
        [DEADLINE_BODY] = shared->body_timeout_usec,
        [DEADLINE_COMMIT] = shared->commit_timeout_usec,
        [DEADLINE_ANSWER] = shared->header_timeout_usec,
        [DEADLINE_IDLE] = shared->idle_timeout_usec,
        [DEADLINE_GRACE] = GRACE_USEC,
        [DEADLINE_LINGER] = LINGER_USEC,
    };
    int r;

    *worker = (struct worker){
        .shared = shared,
        .rules = rules,
        .epoll_fd = -1,
        .mailbox.fd = -1,
        .arrivals.fd = -1,
    };
    worker->layout_known = head_layout_is_known();
    deadline_set_init(&worker->deadlines, durations);
    r = mailbox_init(&worker->mailbox, error);
    if (r < 0) {
        worker->mailbox.fd = -1;
        return r;
    }
    r = mailbox_init(&worker->arrivals, error);
    if (r < 0) {
        worker->arrivals.fd = -1;
        return r;
    }
    worker->mailbox_source = (struct source){SOURCE_MAILBOX, worker->mailbox.fd};
    worker->arrivals_source = (struct source){SOURCE_ARRIVALS, worker->arrivals.fd};
    worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (worker->epoll_fd < 0)
        return error_errno(error, errno, "epoll_create1");
    if ((r = answers_new(&worker->answers, error)) < 0 || (r = start_mhd(worker, error)) < 0)
        return r;
    if ((r = source_watch(&worker->mailbox_source, worker->epoll_fd, 0)) < 0 ||
        (r = source_watch(&worker->arrivals_source, worker->epoll_fd, 0)) < 0 ||
        (r = source_watch(&worker->mhd_source, worker->epoll_fd, 0)) < 0)
        return error_errno(error, -r, "epoll_ctl");
    return acceptor_start(worker, error);
}

int worker_start(struct worker *worker, unsigned int number, struct error *error)
{
    char name[16];
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&worker->thread, NULL, run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return error_errno(error, r, "cannot start a thread for the intake");
    worker->started = true;
    (void)snprintf(name, sizeof(name), "intake-%u", number);
    (void)pthread_setname_np(worker->thread, name);
    return 0;
}

void worker_join(struct worker *worker)
{
    if (!worker->started)
        return;
    mailbox_wake(&worker->mailbox);
    pthread_join(worker->thread, NULL);
    worker->started = false;
}

void worker_done(struct worker *worker)
{
    if (worker->mhd != NULL)
        MHD_stop_daemon(worker->mhd);
    answers_free(worker->answers);
    rules_unref(worker->rules);
    rules_unref(atomic_exchange(&worker->next_rules, NULL));
    free(worker->acceptor.sources);
    if (worker->epoll_fd >= 0)
        close(worker->epoll_fd);
    if (worker->arrivals.fd >= 0)
        mailbox_done(&worker->arrivals);
    if (worker->mailbox.fd >= 0)
        mailbox_done(&worker->mailbox);
}
