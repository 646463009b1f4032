/*
 * Reading what the command line names.
 */

#include "ctl/input.h"

#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 65536

static int read_all(int fd, const char *name, size_t max, struct buf *buf, struct error *error)
{
    size_t total = 0;

    for (;;) {
        ssize_t n;

        if (buf_reserve(buf, CHUNK) < 0)
            return error_errno(error, ENOMEM, "cannot read %s", name);
        n = read(fd, buf->data + buf->length, CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_errno(error, errno, "cannot read %s", name);
        if (n == 0)
            return 0;
        total += (size_t)n;
        if (total > max)
            return error_set(
                error, EFBIG, "%s is too big; at most %zu bytes are possible", name, max);
        buf->length += (size_t)n;
    }
}

static int read_file(const char *path, size_t max, struct buf *buf, struct error *error)
{
    CLEANUP(close) int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return error_errno(error, errno, "cannot open %s", path);
    return read_all(fd, path, max, buf, error);
}

int input_read(const char *path, size_t max, struct buf *buf, struct error *error)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "stdin", max, buf, error);
    return read_file(path, max, buf, error);
}

int input_read_line(const char *path, size_t max, struct buf *buf, struct error *error)
{
    int result = read_file(path, max, buf, error);

    if (result == 0 && buf->length > 0 && buf->data[buf->length - 1] == '\n')
        buf->length--;
    return result;
}
