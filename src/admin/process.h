#pragma once

/*
 * What the kernel says of this process: time, memory, descriptors, threads. For /metrics.
 *
 * process_parse is pure; process_read looks at /proc/self. Any thread.
 */

#include <stdbool.h>
#include <stdint.h>

struct process_stats {
    int64_t cpu_usec; /* user and system, all threads */
    uint64_t threads;
    uint64_t virtual_bytes;
    uint64_t resident_bytes;
    uint64_t open_fds; /* without the one that it takes to count them */
    uint64_t max_fds;  /* RLIMIT_NOFILE, soft; UINT64_MAX: none */
};

/* Reads what stands in the text of /proc/PID/stat (proc(5)); leaves the descriptors alone. False:
 * it is not such a text. */
bool process_parse(
    const char *text, long ticks_per_sec, long page_size, struct process_stats *ret_stats);

/* False where there is no /proc. */
bool process_read(struct process_stats *ret_stats);
