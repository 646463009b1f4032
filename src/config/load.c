/*
 * One open, one fstat, one read to the end.
 */

#include "config/load.h"

#include "util/cleanup.h"
#include "verify/secret.h"

#include <errno.h>
#include <fcntl.h>

/* Reads up to `max` bytes. Returns the count or -errno. */
static ssize_t read_up_to(int fd, char *buffer, size_t max)
{
    size_t length = 0;

    while (length < max) {
        ssize_t n = read(fd, buffer + length, max - length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        length += (size_t)n;
    }
    return (ssize_t)length;
}

int load_file(const char *path, size_t max, char **ret_text, size_t *ret_length,
    struct stat *ret_stat, struct error *error)
{
    CLEANUP(close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    char *text;
    ssize_t n;

    if (fd < 0)
        return error_errno(error, errno, "cannot be opened");
    if (fstat(fd, ret_stat) < 0)
        return error_errno(error, errno, "cannot be looked at");
    if (!S_ISREG(ret_stat->st_mode))
        return error_set(error, EINVAL, "is not a regular file");

    text = malloc(max + 2);
    if (!text)
        return error_errno(error, ENOMEM, "cannot be read");
    n = read_up_to(fd, text, max + 1);
    if (n < 0 || (size_t)n > max) {
        secret_wipe(text, max + 2);
        free(text);
        if (n < 0)
            return error_errno(error, (int)-n, "cannot be read");
        return error_set(error, EFBIG, "is larger than %zu bytes", max);
    }
    text[n] = '\0';
    *ret_text = text;
    *ret_length = (size_t)n;
    return 0;
}
