/*
 * Letting go of memory that only the start needed; see resident.h.
 *
 * Libraries that come along with others (gnutls and its kin with libmicrohttpd, whatever libsystemd
 * compresses journals with) and the start of OpenSSL touch most of what a new process has mapped.
 * The kernel would take it back when it is short of memory. Done here it costs a new process a
 * millisecond, and what is seen to be resident afterwards is what the daemon works with.
 *
 * Only mappings of files are dropped that cannot be written to and hold no page of their own, as
 * the kernel tells it: not relocated constants, not text that a debugger or a preloaded library has
 * put something else in place of.
 */

#include "daemon/resident.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

struct mapping {
    uintptr_t begin, end;
    bool is_of_file; /* and only read */
};

/* The line that begins a mapping: "begin-end rwxp offset device inode path". */
static bool read_begin(const char *line, struct mapping *mapping)
{
    uintptr_t begin, end;
    char access[5], path[2];
    int n =
        sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s %*s %*s %*s %1s", &begin, &end, access, path);

    if (n < 3)
        return false;
    *mapping = (struct mapping){begin, end, n == 4 && path[0] == '/' && access[1] == '-'};
    return true;
}

static bool is_untouched(const char *line)
{
    unsigned long kib;

    return sscanf(line, "Anonymous: %lu", &kib) == 1 && kib == 0;
}

static void trim_mappings(FILE *file)
{
    struct mapping mapping = {.is_of_file = false};
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, file) > 0) {
        if (!read_begin(line, &mapping) && mapping.is_of_file && is_untouched(line))
            (void)madvise((void *)mapping.begin, mapping.end - mapping.begin, MADV_DONTNEED);
    }
    free(line);
}

void resident_trim(void)
{
    FILE *file = fopen("/proc/self/smaps", "re");

    (void)malloc_trim(0);
    if (file == NULL)
        return;
    trim_mappings(file);
    (void)fclose(file);
}
