/*
 * A row of numbers as a row of bars. See plot.h.
 */

#include "ctl/plot.h"

#include "util/cleanup.h"

#include <errno.h>

int plot_append(struct buf *out, const double *values, size_t n, bool ascii)
{
    static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    static const char *const letters[] = {" ", ".", ":", "-", "=", "+", "*", "%", "#"};
    const char *const *marks = ascii ? letters : blocks;
    const size_t top = ARRAY_SIZE(blocks) - 1;
    double highest = 0;

    for (size_t i = 0; i < n; i++)
        highest = values[i] > highest ? values[i] : highest;
    for (size_t i = 0; i < n; i++) {
        size_t mark = 0;

        if (values[i] > 0) {
            mark = (size_t)(values[i] / highest * (double)top + 0.5);
            mark = mark < 1 ? 1 : mark > top ? top : mark;
        }
        buf_append_text(out, marks[mark]);
    }
    return out->failed ? -ENOMEM : 0;
}
