/*
 * Making a backup of the store; see backup.h.
 *
 * Syncs come every few megabytes, on this thread, so that neither the last one is long nor the
 * kernel has so much waiting that it makes the writer wait with its next page of the copy.
 */

#include "admin/backup.h"

#include "admin/backup_path.h"

#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define SYNC_BYTES (8u << 20)

struct backup {
    struct store *store;
    struct store_writer *writer;
    const struct clock *clock;
    _Atomic bool cancelled;
    pthread_mutex_t start_lock; /* before `lock`; held while a start looks at the disk */
    pthread_t thread;           /* this and the next: under it */
    bool has_thread;            /* to be joined */
    struct backup_path path;    /* the thread's, while there is one; else under it */
    int fd;                     /* the same */

    pthread_mutex_t lock; /* a leaf, and never held for long: whoever looks takes it */
    struct backup_report report;
};

/* ---- what is known of it ---- */

const char *backup_state_name(enum backup_state state)
{
    switch (state) {
    case BACKUP_NONE:
        return "none";
    case BACKUP_RUNNING:
        return "running";
    case BACKUP_CHECKING:
        return "checking";
    case BACKUP_DONE:
        return "done";
    case BACKUP_FAILED:
        return "failed";
    case BACKUP_CANCELLED:
        return "cancelled";
    }
    ASSERT(!"a state that is none");
}

static bool is_under_way(enum backup_state state)
{
    return state == BACKUP_RUNNING || state == BACKUP_CHECKING;
}

void backup_get(struct backup *backup, struct backup_report *ret_report)
{
    pthread_mutex_lock(&backup->lock);
    *ret_report = backup->report;
    pthread_mutex_unlock(&backup->lock);
}

static void set_state(struct backup *backup, enum backup_state state)
{
    pthread_mutex_lock(&backup->lock);
    backup->report.state = state;
    pthread_mutex_unlock(&backup->lock);
}

static void set_progress(struct backup *backup, const struct store_backup_progress *progress)
{
    pthread_mutex_lock(&backup->lock);
    backup->report.bytes = progress->bytes;
    backup->report.bytes_done = progress->bytes_done;
    pthread_mutex_unlock(&backup->lock);
}

/* ---- on the writer's thread ---- */

struct visit {
    const char *path;
    struct store_backup *copy;
    struct store_backup_progress progress;
    int result;
    struct error *error;
};

static void visit_begin(struct store *store, void *context)
{
    struct visit *visit = context;

    visit->result = store_backup_begin(store, visit->path, &visit->copy, visit->error);
}

static void visit_step(struct store *store, void *context)
{
    struct visit *visit = context;

    visit->result = store_backup_step(visit->copy, &visit->progress, visit->error);
}

static void visit_end(struct store *store, void *context)
{
    struct visit *visit = context;

    store_backup_end(TAKE(visit->copy));
}

static int on_writer(
    struct backup *backup, void (*call)(struct store *store, void *context), struct visit *visit)
{
    if (store_writer_call(backup->writer, call, visit) != STORE_OK)
        return error_set(visit->error, EIO, "the store has failed");
    return visit->result;
}

/* ---- the thread ---- */

static int sync_copy(struct backup *backup, struct error *error)
{
    int r;

    do
        r = fsync(backup->fd);
    while (r < 0 && errno == EINTR);
    return r < 0 ? error_errno(error, errno, "cannot sync %s", backup->path.part) : 0;
}

static int copy(struct backup *backup, struct visit *visit)
{
    uint64_t synced = 0;
    int r = 0;

    while (r == 0 && !visit->progress.done) {
        if (backup->cancelled)
            return error_set(visit->error, ECANCELED, "cancelled");
        r = on_writer(backup, visit_step, visit);
        if (r < 0)
            return r;
        set_progress(backup, &visit->progress);
        if (visit->progress.bytes_done < synced)
            synced = 0; /* it began anew */
        if (visit->progress.bytes_done - synced >= SYNC_BYTES) {
            r = sync_copy(backup, visit->error);
            synced = visit->progress.bytes_done;
        }
    }
    return r;
}

static int copy_all(struct backup *backup, struct error *error)
{
    struct visit visit = {.path = backup->path.part, .error = error};
    int r = on_writer(backup, visit_begin, &visit);

    if (r == 0)
        r = copy(backup, &visit);
    /* A writer whose store has latched takes no calls, and lets the store alone. */
    if (visit.copy && store_writer_call(backup->writer, visit_end, &visit) != STORE_OK)
        store_backup_end(visit.copy);
    return r < 0 ? r : sync_copy(backup, error);
}

static int make(struct backup *backup, struct error *error)
{
    int r = copy_all(backup, error);

    if (r < 0)
        return r;
    set_state(backup, BACKUP_CHECKING);
    r = store_backup_check(backup->store, backup->path.part, &backup->cancelled, error);
    return r < 0 ? r : backup_path_finish(&backup->path, error);
}

static void log_end(const struct backup_report *report)
{
    char bytes[24];

    (void)snprintf(bytes, sizeof(bytes), "%" PRIu64, report->bytes);
    if (report->state == BACKUP_DONE)
        log_event(LOG_LEVEL_INFO, "backup-made",
            LOG_FIELDS({"file", report->file}, {"bytes", bytes}),
            "made the backup %s of %s bytes in %.1f s", report->file, bytes,
            (double)(report->ended_at_usec - report->started_at_usec) / USEC_PER_SEC);
    else
        log_event(LOG_LEVEL_WARNING, "backup-not-made", LOG_FIELDS({"file", report->file}),
            "did not make the backup %s: %s", report->file, report->why);
}

static void *run(void *context)
{
    struct backup *backup = context;
    struct backup_report report;
    struct error error = ERROR_INIT;
    int r = make(backup, &error);

    if (r < 0)
        backup_path_remove(&backup->path);
    close(TAKE_FD(backup->fd));
    pthread_mutex_lock(&backup->lock);
    backup->report.state = r == 0            ? BACKUP_DONE
                           : r == -ECANCELED ? BACKUP_CANCELLED
                                             : BACKUP_FAILED;
    backup->report.ended_at_usec = clock_realtime(backup->clock);
    (void)snprintf(backup->report.why, sizeof(backup->report.why), "%s", error.text);
    report = backup->report;
    pthread_mutex_unlock(&backup->lock);
    log_end(&report);
    return NULL;
}

/* ---- start, cancel, end ---- */

/* Under the start lock, as the next. */
static int start_thread(struct backup *backup, struct error *error)
{
    sigset_t all, before;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    r = pthread_create(&backup->thread, NULL, run, backup);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return error_errno(error, r, "cannot start a thread for the backup");
    (void)pthread_setname_np(backup->thread, "backup");
    backup->has_thread = true;
    return 0;
}

static void set_report(struct backup *backup, enum backup_state state, const char *file)
{
    struct backup_report report = {.state = state};

    if (state == BACKUP_RUNNING)
        report.started_at_usec = clock_realtime(backup->clock);
    (void)snprintf(report.file, sizeof(report.file), "%s", file);
    pthread_mutex_lock(&backup->lock);
    backup->report = report;
    pthread_mutex_unlock(&backup->lock);
}

static int start(
    struct backup *backup, const char *path, const char *store_path, struct error *error)
{
    struct backup_report before;
    int r;

    backup_get(backup, &before);
    if (is_under_way(before.state))
        return error_set(error, EBUSY, "a backup to %s is being made", before.file);
    if (backup->has_thread)
        pthread_join(backup->thread, NULL); /* it has given its report and does nothing more */
    backup->has_thread = false;
    if ((r = backup_path_find(path, store_path, &backup->path, error)) < 0 ||
        (r = backup_path_create(&backup->path, &backup->fd, error)) < 0)
        return r;
    backup->cancelled = false;
    set_report(backup, BACKUP_RUNNING, backup->path.final);
    r = start_thread(backup, error);
    if (r < 0) {
        set_report(backup, BACKUP_NONE, "");
        backup_path_remove(&backup->path);
        close(TAKE_FD(backup->fd));
    }
    return r;
}

int backup_start(
    struct backup *backup, const char *path, const char *store_path, struct error *error)
{
    int r;

    pthread_mutex_lock(&backup->start_lock);
    r = start(backup, path, store_path, error);
    pthread_mutex_unlock(&backup->start_lock);
    return r;
}

void backup_cancel(struct backup *backup)
{
    backup->cancelled = true;
}

struct backup *backup_new(
    struct store *store, struct store_writer *writer, const struct clock *clock)
{
    struct backup *backup = calloc(1, sizeof(*backup));

    if (!backup)
        return NULL;
    backup->store = store;
    backup->writer = writer;
    backup->clock = clock;
    backup->fd = -1;
    pthread_mutex_init(&backup->start_lock, NULL);
    pthread_mutex_init(&backup->lock, NULL);
    return backup;
}

void backup_free(struct backup *backup)
{
    if (!backup)
        return;
    backup_cancel(backup);
    if (backup->has_thread)
        pthread_join(backup->thread, NULL);
    pthread_mutex_destroy(&backup->lock);
    pthread_mutex_destroy(&backup->start_lock);
    free(backup);
}
