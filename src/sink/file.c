#include "sink/types.h"

/*
 * The file sink: one JSON line a delivery (line.h), on the disk before it counts as delivered.
 *
 * A path with {job_id} makes the other kind, one file a job (file_job.c); it has its own ops table.
 *
 * A batch is all or nothing. When it fails, its first delivery is retried and the rest deferred,
 * and the file is as it was; so an outage costs attempts of one delivery only, and order is kept.
 * The file itself is lines.c, what happens after a crash lines_recover.c.
 */

#include "sink/file.h"
#include "sink/file_name.h"
#include "sink/item.h"
#include "sink/lines.h"
#include "util/cleanup.h"
#include "util/log.h"

#include <errno.h>
#include <string.h>

/* One sync is shared by so many lines. */
#define FILE_BATCH 64

_Static_assert(MARK_MAX <= 64, "sink.h allows a position of 64 bytes");

struct file_sink {
    struct sink sink;
    struct lines lines;
    struct sink_host host;
};

static struct file_sink *file_sink(struct sink *sink)
{
    return (struct file_sink *)(void *)sink;
}

static int file_write(struct lines *lines, struct sink_item **items, size_t n, struct error *error)
{
    int r;

    r = lines_begin(lines, error);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = lines_add(lines, items[i]->delivery, error);
    if (r == 0)
        r = lines_commit(lines, error);
    return r;
}

static void file_deliver(struct sink *base, struct sink_item **items, size_t n)
{
    struct file_sink *sink = file_sink(base);
    struct error error = ERROR_INIT;
    int64_t begun_usec = 0;

    for (size_t i = 0; i < n; i++)
        begun_usec = item_begin(items[i], &sink->host);

    if (file_write(&sink->lines, items, n, &error) < 0) {
        lines_undo(&sink->lines);
        item_end_failed_batch(items, n, &sink->host, begun_usec, &error);
        return;
    }
    for (size_t i = 0; i < n; i++)
        item_end(items[i], &sink->host, begun_usec, SINK_DELIVERED, "ok");
}

static int file_start(struct sink *sink, const struct sink_host *host, struct error *error)
{
    file_sink(sink)->host = *host;
    return 0;
}

static int file_reopen(struct sink *sink, struct error *error)
{
    struct lines *lines = &file_sink(sink)->lines;

    if (lines_reopen(lines, error) < 0)
        return error_prefix(error, "%s", lines->path);
    return 0;
}

static size_t file_position(struct sink *sink, void *mark)
{
    return mark_encode(&file_sink(sink)->lines.mark, mark);
}

static int file_recover(struct sink *sink, const void *mark, size_t length, sink_found_fn found,
    void *context, struct error *error)
{
    struct lines *lines = &file_sink(sink)->lines;
    struct mark decoded = {0};

    if (mark_decode(mark, length, &decoded) < 0)
        log_warning("file-mark", "%s: the stored position cannot be read; reading the whole file",
            lines->path);
    if (lines_recover(lines, &decoded, found, context, error) < 0)
        return error_prefix(error, "%s", lines->path);
    return 0;
}

static void file_destroy(struct sink *sink)
{
    if (!sink)
        return;
    lines_done(&file_sink(sink)->lines);
    free(sink);
}

static int file_create(
    const struct sink_options *options, struct sink **ret_sink, struct error *error)
{
    const char *path = options->file.path;

    if (path[0] != '/' || path[strlen(path) - 1] == '/')
        return error_set(error, EINVAL, "path: \"%s\" is not the absolute path of a file", path);
    if (strstr(path, FILE_NAME_FIELD))
        return file_create_job(options, ret_sink, error);
    return file_create_lines(options, ret_sink, error);
}

const struct sink_ops file_sink_ops = {
    .type = "file",
    .order = SINK_ORDER_ARRIVAL,
    .batch = FILE_BATCH,
    .has_position = true,
    .create = file_create,
    .destroy = file_destroy,
    .start = file_start,
    .deliver = file_deliver,
    .reopen = file_reopen,
    .position = file_position,
    .recover = file_recover,
};

int file_create_lines(
    const struct sink_options *options, struct sink **ret_sink, struct error *error)
{
    struct file_sink *sink = calloc(1, sizeof(*sink));

    if (!sink)
        return error_errno(error, ENOMEM, "sink");
    sink->sink.ops = &file_sink_ops;
    if (lines_init(&sink->lines, options->file.path, (mode_t)options->file.mode) < 0) {
        file_destroy(&sink->sink);
        return error_errno(error, ENOMEM, "sink");
    }
    *ret_sink = &sink->sink;
    return 0;
}
