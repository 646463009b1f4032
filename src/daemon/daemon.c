/*
 * The daemon: puts the stages together, runs them, takes them apart.
 *
 * Order of start, each step standing on the ones before: conf, descriptors, store (which heals what
 * an earlier crash left), listening sockets, writer, dispatch, intake, admin, READY. Nothing is
 * answered before the store has healed. Order of stop: intake answers what is in, hooks finish or
 * are ended, while the admin says that it drains and shows what is waited for; it acts no more.
 * Then the admin ends, the writer commits the last outcomes, the store closes. So whoever posts to
 * a thread ends before that thread.
 *
 * The main thread keeps to signals, reload, the watchdog and the status line. Signals are blocked
 * before the first thread starts, so that every thread inherits that.
 *
 * A store that latched (first failed sync) ends the process with EX_IOERR: whatever is unsure on
 * disk is settled by the next start, not by hope.
 */

#include "daemon/daemon.h"

#include "daemon/internal.h"
#include "daemon/resident.h"
#include "daemon/sockets.h"
#include "daemon/wiring.h"

#include "build_config.h"
#include "job/job.h"
#include "util/cleanup.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>

/* How long the last requests may take after the listening sockets are closed, beyond the commit
 * timeout: the answer still has to be sent. */
#define ANSWER_LIMIT (2 * USEC_PER_SEC)

/* The same after the store failed: every answer is a 503 that is there at once. */
#define FAILED_ANSWER_LIMIT (200 * USEC_PER_MSEC)

/* How often the status line is renewed. */
#define STATUS_INTERVAL (10 * USEC_PER_SEC)

void daemon_log_faults(const struct config_faults *faults)
{
    const char *line = (const char *)faults->text.data;
    size_t left = faults->text.length;

    while (left > 0) {
        const char *end = memchr(line, '\n', left);
        size_t length = end ? (size_t)(end - line) : left;

        log_err("conf-fault", "%.*s", (int)length, line);
        length += end ? 1 : 0;
        line += length;
        left -= length;
    }
}

/* ---- reports from the writer's thread ---- */

static void on_stored(void *context)
{
    struct daemon *daemon = context;

    dispatch_wake(daemon->dispatch);
}

static void on_failed(void *context, const struct error *error)
{
    struct daemon *daemon = context;

    daemon->failure_error = *error;
    mailbox_post(&daemon->failures, &daemon->failure);
}

/* ---- events of the main loop ---- */

static int on_failure_posted(sd_event_source *source, int fd, uint32_t revents, void *context)
{
    struct daemon *daemon = context;

    if (mailbox_take(&daemon->failures)) {
        log_err("store-failed",
            "the store failed and cannot be trusted until it is opened anew: %s",
            daemon->failure_error.text);
        daemon->exit_status = EX_IOERR;
        sd_event_exit(daemon->event, 0);
    }
    return 0;
}

static int on_stop_signal(
    sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
    struct daemon *daemon = context;

    log_info("stopping", "SIG%s: stopping", sigabbrev_np((int)info->ssi_signo));
    return sd_event_exit(daemon->event, 0);
}

static int on_reload_signal(
    sd_event_source *source, const struct signalfd_siginfo *info, void *context)
{
    daemon_reload(context);
    return 0;
}

static int on_status_timer(sd_event_source *source, uint64_t usec, void *context)
{
    notify_status(context);
    sd_event_source_set_time_relative(source, STATUS_INTERVAL);
    return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int set_up_loop(struct daemon *daemon, struct error *error)
{
    int r = mailbox_init(&daemon->failures, error);

    if (r < 0)
        return r;
    daemon->failures_open = true;

    if ((r = sd_event_new(&daemon->event)) < 0 ||
        (r = sd_event_add_signal(daemon->event, NULL, SIGTERM, on_stop_signal, daemon)) < 0 ||
        (r = sd_event_add_signal(daemon->event, NULL, SIGINT, on_stop_signal, daemon)) < 0 ||
        (r = sd_event_add_signal(daemon->event, NULL, SIGHUP, on_reload_signal, daemon)) < 0 ||
        (r = sd_event_add_io(
             daemon->event, NULL, daemon->failures.fd, EPOLLIN, on_failure_posted, daemon)) < 0 ||
        (r = sd_event_add_time_relative(daemon->event, NULL, CLOCK_MONOTONIC, STATUS_INTERVAL, 0,
             on_status_timer, daemon)) < 0 ||
        (r = sd_event_set_watchdog(daemon->event, true)) < 0)
        return error_errno(error, -r, "cannot set up the main loop");
    return 0;
}

/* ---- start ---- */

/* Signals for the loop are blocked in every thread; a closed connection or pipe is an error code,
 * never a signal. Hooks get clean ones.
 *
 * So is SIGCHLD, which nobody wants, for a hook's end is told by its descriptor: unblocked in one
 * thread, it would wake that one for each hook. Ignored, as a parent may have left it, it would
 * have the kernel reap hooks before they are asked how they ended. */
static void set_up_process(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    umask(0027);
    job_init_library();
}

/* Raises the soft limit as far as the conf needs it; refuses a conf that the hard limit cannot
 * bear, rather than failing under load. */
int daemon_ensure_descriptors(const struct config *config, struct error *error)
{
    size_t needed = wiring_count_descriptors(config);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return error_errno(error, errno, "cannot read the limit of open files");
    if (limit.rlim_cur >= needed)
        return 0;
    if (limit.rlim_max < needed)
        return error_set(error, EMFILE,
            "max_connections and the sinks' concurrency need %zu open files, %ju are allowed; "
            "raise LimitNOFILE= in the unit or lower them",
            needed, (uintmax_t)limit.rlim_max);
    limit.rlim_cur = needed;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return error_errno(error, errno, "cannot raise the limit of open files to %zu", needed);
    return 0;
}

static int start_writer(struct daemon *daemon, struct error *error)
{
    const struct config_store *store = &daemon->config->store;
    const struct store_writer_options options = {
        .store = daemon->store,
        .clock = clock_system(),
        .retention = {store->keep_deliveries_usec, store->keep_ids_usec},
        .stored = on_stored,
        .failed = on_failed,
        .context = daemon,
    };

    return store_writer_start(&options, &daemon->writer, error);
}

static int start_dispatch(struct daemon *daemon, const struct wiring *wiring, struct error *error)
{
    const struct dispatch_options options = {
        .store = daemon->store,
        .writer = daemon->writer,
        .clock = clock_system(),
        .sinks = wiring->sinks,
        .n_sinks = wiring->n_sinks,
    };

    return dispatch_start(&options, &daemon->dispatch, error);
}

static int start_intake(struct daemon *daemon, const struct wiring *wiring, struct sockets *sockets,
    struct error *error)
{
    const struct config_server *server = &daemon->config->server;
    const struct intake_options options = {
        .listen_fds = sockets->fds,
        .n_listen_fds = sockets->n,
        .workers = server->workers,
        .max_body = server->max_body,
        .max_connections = server->max_connections,
        .header_timeout_usec = server->header_timeout_usec,
        .body_timeout_usec = server->body_timeout_usec,
        .idle_timeout_usec = server->idle_timeout_usec,
        .commit_timeout_usec = server->commit_timeout_usec,
        .keep_refused = server->keep_refused,
        .verify = &wiring->verify,
        .writer = daemon->writer,
        .clock = clock_system(),
    };
    int r = intake_start(&options, &daemon->intake, error);

    if (r == 0)
        sockets->n = 0; /* intake's now */
    return r;
}

/* `view` tells where the intake listens. */
static int start_admin(struct daemon *daemon, const struct admin_view *view,
    struct sockets *sockets, struct error *error)
{
    const struct config_store *store = &daemon->config->store;
    const struct admin_options options = {
        .listen_fds = sockets->fds,
        .n_listen_fds = sockets->n,
        .store = daemon->store,
        .writer = daemon->writer,
        .retention = {store->keep_deliveries_usec, store->keep_ids_usec},
        .intake = daemon->intake,
        .dispatch = daemon->dispatch,
        .clock = clock_system(),
        .view = view,
    };
    int r;

    if (sockets->n == 0)
        return 0;
    r = admin_start(&options, &daemon->admin, error);
    if (r == 0)
        sockets->n = 0; /* the admin's now */
    return r;
}

static int start_stages(struct daemon *daemon, struct sockets *sockets,
    struct sockets *admin_sockets, struct error *error)
{
    char names[SOCKETS_MAX][SOCKETS_NAME_MAX];
    const char *listen[SOCKETS_MAX];
    struct wiring wiring = WIRING_INIT;
    int r = wiring_make(&wiring, daemon->config);

    if (r < 0)
        (void)error_errno(error, -r, "cannot take in the conf");
    sockets_name(sockets, names);
    for (size_t i = 0; i < sockets->n; i++)
        listen[i] = names[i];
    wiring.view.listen = listen;
    wiring.view.n_listen = sockets->n;
    if (r == 0)
        r = start_writer(daemon, error);
    if (r == 0)
        r = start_dispatch(daemon, &wiring, error);
    if (r == 0)
        r = start_intake(daemon, &wiring, sockets, error);
    if (r == 0)
        r = start_admin(daemon, &wiring.view, admin_sockets, error);
    wiring_done(&wiring);
    return r;
}

/* Returns the exit status for what went wrong, EX_OK when everything runs. */
static int start(struct daemon *daemon)
{
    struct sockets sockets = {.n = 0}, admin_sockets = {.n = 0};
    struct error error = ERROR_INIT;
    int status = EX_OK;

    const struct store_options store_options = {
        .path = daemon->config->store.path,
        .clock = clock_system(),
        .disk_floor = daemon->config->store.disk_floor,
        .reserve = STORE_RESERVE,
    };
    if (daemon_ensure_descriptors(daemon->config, &error) < 0)
        status = EX_CONFIG;
    else if (set_up_loop(daemon, &error) < 0)
        status = EX_OSERR;
    else if (store_open_sqlite(&store_options, &daemon->store, &error) < 0)
        status = EX_IOERR;
    else if (sockets_open(daemon->config, &sockets, &error) < 0 ||
             sockets_open_admin(daemon->config, &admin_sockets, &error) < 0)
        status = EX_UNAVAILABLE;
    else {
        sockets_log(&sockets, "listening");
        sockets_log(&admin_sockets, "admin-listening");
        if (start_stages(daemon, &sockets, &admin_sockets, &error) < 0)
            status = store_has_failed(daemon->store) ? EX_IOERR : EX_OSERR;
    }
    if (status != EX_OK)
        log_err("start-failed", "%s", error.text);
    sockets_close(&sockets);
    sockets_close(&admin_sockets);
    return status;
}

/* ---- stop ---- */

static void stop(struct daemon *daemon)
{
    bool failed = daemon->exit_status != EX_OK; /* nothing can be kept any more: be quick */

    if (daemon->admin)
        admin_drain(daemon->admin);
    if (daemon->intake)
        intake_end(
            daemon->intake, failed ? FAILED_ANSWER_LIMIT
                                   : daemon->started->server.commit_timeout_usec + ANSWER_LIMIT);
    if (daemon->dispatch)
        dispatch_end(daemon->dispatch, failed ? 0 : daemon->config->server.drain_timeout_usec);
    /* Until here whoever looks is told that it drains, and for what it still waits. */
    admin_stop(daemon->admin);
    if (daemon->intake)
        intake_stop(daemon->intake, 0);
    dispatch_stop(daemon->dispatch, 0);
    if (daemon->writer)
        store_writer_stop(daemon->writer);
    if (daemon->store)
        store_close(daemon->store);
    sd_event_unref(daemon->event);
    if (daemon->failures_open) {
        mailbox_take(&daemon->failures);
        mailbox_done(&daemon->failures);
    }
}

int daemon_run(const char *config_file)
{
    struct daemon daemon = {.exit_status = EX_OK};
    struct config_faults faults = CONFIG_FAULTS_INIT;

    log_init(LOG_LEVEL_INFO, LOG_FORMAT_AUTO);
    if (config_load(config_file, CONFIG_FOR_DAEMON, &daemon.config, &faults) < 0) {
        daemon_log_faults(&faults);
        config_faults_done(&faults);
        return EX_CONFIG;
    }
    config_faults_done(&faults);
    daemon.started = daemon.config;
    log_init(daemon.config->log.level, daemon.config->log.format);
    set_up_process();

    daemon.exit_status = start(&daemon);
    if (daemon.exit_status == EX_OK) {
        resident_trim();
        log_info("ready", "sasha-callbackd " PROJECT_VERSION " is ready");
        notify_ready();
        notify_status(&daemon);
        int r = sd_event_loop(daemon.event);
        if (r < 0) {
            log_err("loop-failed", "the main loop failed: %s", strerror(-r));
            daemon.exit_status = EX_OSERR;
        }
        notify_stopping("Draining");
    }
    stop(&daemon);
    if (daemon.started != daemon.config)
        config_free(daemon.started);
    config_free(daemon.config);
    if (daemon.exit_status == EX_OK)
        log_info("stopped", "stopped");
    return daemon.exit_status;
}
