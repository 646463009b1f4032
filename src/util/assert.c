#include "util/cleanup.h"
#include "util/fd.h"

/*
 * The way out when one of our own invariants is broken: say where, then abort(3), so that systemd
 * restarts the daemon and a core names the culprit. Everything accepted so far is on disk (G1).
 *
 * Uses neither the log nor the heap, for either may be what is broken. Any thread.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void assert_failed(const char *condition, const char *file, int line, const char *function)
{
    char text[512];

    snprintf(text, sizeof(text), "err assert-failed: %s:%d: %s: %s does not hold\n", file, line,
        function, condition);
    (void)fd_write_all(STDERR_FILENO, text, strlen(text));
    abort();
}
