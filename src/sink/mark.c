#include "sink/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t mark_encode(const struct mark *mark, char text[static MARK_MAX])
{
    if (!mark->set)
        return 0;
    return (size_t)snprintf(
        text, MARK_MAX, "lines-1 %" PRIu64 " %" PRIu64, mark->inode, mark->offset);
}

int mark_decode(const void *text, size_t length, struct mark *ret_mark)
{
    struct mark mark = {.set = true};
    char given[MARK_MAX] = "";
    char again[MARK_MAX];

    if (length == 0) {
        *ret_mark = (struct mark){0};
        return 0;
    }
    if (length >= sizeof(given))
        return -EINVAL;
    memcpy(given, text, length);
    if (sscanf(given, "lines-1 %" SCNu64 " %" SCNu64, &mark.inode, &mark.offset) != 2)
        return -EINVAL;
    /* sscanf is lenient about signs, spaces and what follows. */
    if (mark_encode(&mark, again) != length || memcmp(given, again, length) != 0)
        return -EINVAL;
    *ret_mark = mark;
    return 0;
}
