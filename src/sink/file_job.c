#include "sink/file.h"

/*
 * The file sink with one file a job: the job's latest state, as the same object as a line (line.h).
 *
 * A file is written under another name in the same directory, synced, and renamed over the old one;
 * then the directory is synced. A reader sees the old state or the new one, never half of one, and
 * after a power cut one of the two is there.
 *
 * "Latest" is judged against what the file says: a Job with an older updated_at, or with the same
 * and a status that is not final after one that is, does not replace it, and counts as delivered.
 * So neither a stale notification nor a replayed one takes a job back to where it was. A file that
 * cannot be read as one of ours is replaced.
 *
 * Files fail each on its own. What fails the directory, or all of a batch alike (a full disk), ends
 * the batch as in a file of lines: an attempt is counted for the first only.
 */

#include "job/job.h"
#include "sink/file_name.h"
#include "sink/item.h"
#include "sink/line.h"
#include "util/cleanup.h"
#include "util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* One sync of the directory is shared by so many files. */
#define JOB_BATCH 32

/* No body is larger (max_body is bounded by the conf); a larger file is not ours. */
#define JOB_FILE_MAX ((size_t)64 * 1024 * 1024)

CLEANUP_FUNC(struct job, job_free);

struct job_sink {
    struct sink sink;
    char *path;      /* owned: the directory, with '/' at its end */
    char *template;  /* owned: the last part of the path */
    char *temporary; /* owned: name under which a file is written */
    mode_t mode;
    struct buf line; /* the one that is being made */
    struct sink_host host;
};

static struct job_sink *job_sink(struct sink *sink)
{
    return (struct job_sink *)(void *)sink;
}

static int open_directory(const struct job_sink *sink, struct error *error)
{
    int fd = open(sink->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? error_errno(error, errno, "open of directory") : fd;
}

/* Reads a regular file whole. *ret_data stays NULL when there is none, or none of a sane size. */
static int read_file(int directory, const char *name, char **ret_data, size_t *ret_length)
{
    CLEANUP(close) int fd = -1;
    CLEANUP(free) char *data = NULL;
    struct stat status;
    size_t used = 0;

    fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT || errno == ELOOP ? 0 : -errno;
    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) || status.st_size <= 0 || (size_t)status.st_size > JOB_FILE_MAX)
        return 0;

    data = malloc((size_t)status.st_size);
    if (!data)
        return -ENOMEM;
    while (used < (size_t)status.st_size) {
        ssize_t count = read(fd, data + used, (size_t)status.st_size - used);

        if (count < 0 && errno != EINTR)
            return -errno;
        if (count == 0)
            break;
        if (count > 0)
            used += (size_t)count;
    }
    *ret_data = TAKE(data);
    *ret_length = used;
    return 0;
}

/* Reads the Job in a file of ours. *ret_job stays NULL when there is none. Not being able to tell
 * is an error: it must not pass for "no newer state". */
static int read_job(int directory, const char *name, struct job **ret_job, struct error *error)
{
    CLEANUP(free) char *line = NULL;
    const unsigned char *body;
    size_t length = 0;
    const char *why;
    int r;

    r = read_file(directory, name, &line, &length);
    if (r < 0)
        return error_errno(error, -r, "read of the old file");
    if (!line || line_parse_job(line, length, &body, &length) < 0)
        return 0;
    if (job_parse(body, length, ret_job, &why) == JOB_NO_MEMORY)
        return error_errno(error, ENOMEM, "read of the old file");
    return 0;
}

static bool is_older(const struct delivery *delivery, const struct job *job)
{
    if (delivery->updated_at_usec != job->updated_at_usec)
        return delivery->updated_at_usec < job->updated_at_usec;
    return !delivery->terminal && job_status_is_terminal(job->status);
}

static int write_temporary(
    const struct job_sink *sink, int directory, const struct buf *line, struct error *error)
{
    CLEANUP(close) int fd = -1;
    int r;

    unlinkat(directory, sink->temporary, 0); /* left by a crash */
    fd = openat(directory, sink->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
        sink->mode);
    if (fd < 0)
        return error_errno(error, errno, "create");
    if (fchmod(fd, sink->mode) < 0) /* the mode of the conf, whatever the umask */
        return error_errno(error, errno, "create");
    r = fd_write_all(fd, line->data, line->length);
    if (r < 0)
        return error_errno(error, -r, "write");
    if (fsync(fd) < 0)
        return error_errno(error, errno, "sync");
    return 0;
}

static int replace(struct job_sink *sink, int directory, const char *name,
    const struct delivery *delivery, struct error *error)
{
    int r;

    buf_clear(&sink->line);
    line_append(&sink->line, delivery);
    if (buf_append(&sink->line, "\n", 1) < 0)
        return error_errno(error, ENOMEM, "line");

    r = write_temporary(sink, directory, &sink->line, error);
    if (r == 0 && renameat(directory, sink->temporary, directory, name) < 0)
        r = error_errno(error, errno, "rename");
    if (r < 0)
        unlinkat(directory, sink->temporary, 0);
    return r;
}

enum outcome {
    OUTCOME_REPLACED,
    OUTCOME_KEPT_NEWER,
    OUTCOME_FAILED,
};

struct verdict {
    enum outcome outcome;
    struct error error;
};

static void deliver_one(
    struct job_sink *sink, int directory, const struct delivery *delivery, struct verdict *verdict)
{
    CLEANUP(job_free) struct job *job = NULL;
    char name[FILE_NAME_SIZE];

    file_name_make(sink->template, delivery->job_id, name);
    if (read_job(directory, name, &job, &verdict->error) < 0)
        verdict->outcome = OUTCOME_FAILED;
    else if (job && is_older(delivery, job))
        verdict->outcome = OUTCOME_KEPT_NEWER;
    else if (replace(sink, directory, name, delivery, &verdict->error) < 0)
        verdict->outcome = OUTCOME_FAILED;
    else
        verdict->outcome = OUTCOME_REPLACED;
}

static void finish_one(const struct job_sink *sink, struct sink_item *item, int64_t begun_usec,
    const struct verdict *verdict)
{
    switch (verdict->outcome) {
    case OUTCOME_REPLACED:
        item_end(item, &sink->host, begun_usec, SINK_DELIVERED, "ok");
        break;
    case OUTCOME_KEPT_NEWER:
        item_end(item, &sink->host, begun_usec, SINK_DELIVERED, "ok: a newer state was kept");
        break;
    case OUTCOME_FAILED:
        item_end(item, &sink->host, begun_usec, item_judge_error(verdict->error.code), "%s",
            verdict->error.text);
        break;
    }
}

/* Whether all failed, and in the same way: then it is not about any one of them. */
static bool failed_alike(const struct verdict *verdicts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (verdicts[i].outcome != OUTCOME_FAILED ||
            verdicts[i].error.code != verdicts[0].error.code)
            return false;
    return true;
}

/* Files are independent of each other: one that fails does not hold up the others. */
static void job_deliver(struct sink *base, struct sink_item **items, size_t n)
{
    struct job_sink *sink = job_sink(base);
    CLEANUP(close) int directory = -1;
    struct verdict verdicts[JOB_BATCH] = {0};
    struct error error = ERROR_INIT;
    int64_t begun_usec = 0;

    ASSERT(n <= JOB_BATCH);
    for (size_t i = 0; i < n; i++)
        begun_usec = item_begin(items[i], &sink->host);

    directory = open_directory(sink, &error);
    if (directory >= 0) {
        for (size_t i = 0; i < n; i++)
            deliver_one(sink, directory, items[i]->delivery, &verdicts[i]);
        if (failed_alike(verdicts, n))
            error = verdicts[0].error;
        else if (fsync(directory) < 0)
            error_errno(&error, errno, "sync of directory");
    }
    if (error.code) {
        item_end_failed_batch(items, n, &sink->host, begun_usec, &error);
        return;
    }
    for (size_t i = 0; i < n; i++)
        finish_one(sink, items[i], begun_usec, &verdicts[i]);
}

static int job_start(struct sink *sink, const struct sink_host *host, struct error *error)
{
    job_sink(sink)->host = *host;
    return 0;
}

static void job_destroy(struct sink *base)
{
    struct job_sink *sink;

    if (!base)
        return;
    sink = job_sink(base);
    free(sink->path);
    free(sink->template);
    free(sink->temporary);
    buf_done(&sink->line);
    free(sink);
}

static const struct sink_ops job_sink_ops = {
    .type = "file",
    .order = SINK_ORDER_JOB,
    .batch = JOB_BATCH,
    .create = file_create_job,
    .destroy = job_destroy,
    .start = job_start,
    .deliver = job_deliver,
};

/* A name that no job's file has: there, '%' is followed by two hex digits. The sink's own name is
 * in it, so that two sinks may share a directory. */
static char *make_temporary(const char *sink_name)
{
    static const char template[] = ".%tmp-" FILE_NAME_FIELD;
    char name[FILE_NAME_SIZE];

    file_name_make(template, sink_name, name);
    return strdup(name);
}

int file_create_job(const struct sink_options *options, struct sink **ret_sink, struct error *error)
{
    const char *last = strrchr(options->file.path, '/') + 1;
    struct job_sink *sink;
    int r;

    r = file_name_check(last, error);
    if (r < 0)
        return r;
    if (strstr(options->file.path, FILE_NAME_FIELD) < last)
        return error_set(error, EINVAL,
            "path: " FILE_NAME_FIELD " must stand once, in the last part of the path");

    sink = calloc(1, sizeof(*sink));
    if (!sink)
        return error_errno(error, ENOMEM, "sink");
    sink->sink.ops = &job_sink_ops;
    sink->mode = (mode_t)options->file.mode;
    sink->line = (struct buf)BUF_INIT;
    sink->path = strndup(options->file.path, (size_t)(last - options->file.path));
    sink->template = strdup(last);
    sink->temporary = make_temporary(options->name);
    if (!sink->path || !sink->template || !sink->temporary) {
        job_destroy(&sink->sink);
        return error_errno(error, ENOMEM, "sink");
    }
    *ret_sink = &sink->sink;
    return 0;
}
