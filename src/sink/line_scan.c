#include "sink/line_scan.h"

/*
 * Reading lines back after a crash. See line_scan.h for the contract.
 *
 * A power cut may leave a line whose head reached the disk and whose middle did not; the gap reads
 * as NUL bytes. Such a line must not pass for a delivered one, so a line counts as whole only
 * without control characters, which line_append never writes.
 */

#include <string.h>

static void line_scan_begin(struct line_scan *scan)
{
    scan->begin = scan->offset;
    scan->head_length = 0;
    scan->last = '\0';
    scan->control = false;
}

void line_scan_init(struct line_scan *scan, uint64_t offset)
{
    *scan = (struct line_scan){.offset = offset};
    line_scan_begin(scan);
}

static bool has_control(const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)data[i] < 0x20)
            return true;
    return false;
}

/* Takes bytes that hold no newline. */
static void line_scan_take(struct line_scan *scan, const char *data, size_t length)
{
    size_t head = sizeof(scan->head) - scan->head_length;

    if (length == 0)
        return;
    if (head > length)
        head = length;
    memcpy(scan->head + scan->head_length, data, head);
    scan->head_length += head;
    scan->last = data[length - 1];
    scan->control = scan->control || has_control(data, length);
    scan->offset += length;
}

int line_scan_feed(
    struct line_scan *scan, const char *data, size_t length, line_scan_fn fn, void *context)
{
    while (length > 0) {
        const char *newline = memchr(data, '\n', length);
        size_t taken = newline ? (size_t)(newline - data) : length;
        struct line_scan_line line;
        int r;

        line_scan_take(scan, data, taken);
        if (!newline)
            break;

        line = (struct line_scan_line){.begin = scan->begin, .end = scan->offset + 1};
        line.whole = !scan->control && scan->last == '}' &&
                     line_parse_seq(scan->head, scan->head_length, &line.seq) == 0;
        scan->offset++;
        line_scan_begin(scan);
        r = fn(context, &line);
        if (r != 0)
            return r;
        data += taken + 1;
        length -= taken + 1;
    }
    return 0;
}
