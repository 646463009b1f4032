/*
 * What the kernel says of this process; see process.h.
 */

#include "admin/process.h"

#include "util/cleanup.h"
#include "util/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

bool process_parse(
    const char *text, long ticks_per_sec, long page_size, struct process_stats *ret_stats)
{
    /* The second field is the name in parentheses and may hold anything, parentheses too. */
    const char *rest = strrchr(text, ')');
    uint64_t user, system, threads, virtual_bytes, pages;

    if (!rest || sscanf(rest + 1,
                     " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
                     " %*d %*d %*d %*d %" SCNu64 " %*d %*u %" SCNu64 " %" SCNu64,
                     &user, &system, &threads, &virtual_bytes, &pages) != 5)
        return false;
    ret_stats->cpu_usec = (int64_t)((user + system) * (uint64_t)USEC_PER_SEC) / ticks_per_sec;
    ret_stats->threads = threads;
    ret_stats->virtual_bytes = virtual_bytes;
    ret_stats->resident_bytes = pages * (uint64_t)page_size;
    return true;
}

static bool read_stat(char *buffer, size_t size)
{
    CLEANUP(close) int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t length;

    if (fd < 0)
        return false;
    do
        length = read(fd, buffer, size - 1);
    while (length < 0 && errno == EINTR);
    if (length < 0)
        return false;
    buffer[length] = '\0';
    return true;
}

static bool count_fds(uint64_t *ret_n)
{
    DIR *folder = opendir("/proc/self/fd");
    uint64_t n = 0;

    if (!folder)
        return false;
    for (const struct dirent *entry; (entry = readdir(folder));)
        n += entry->d_name[0] != '.';
    (void)closedir(folder);
    *ret_n = n > 0 ? n - 1 : 0;
    return true;
}

bool process_read(struct process_stats *ret_stats)
{
    struct process_stats stats = {.cpu_usec = 0};
    char text[1024];
    struct rlimit limit;

    if (!read_stat(text, sizeof(text)) || !count_fds(&stats.open_fds) ||
        !process_parse(text, sysconf(_SC_CLK_TCK), sysconf(_SC_PAGESIZE), &stats) ||
        getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return false;
    stats.max_fds = limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX : limit.rlim_cur;
    *ret_stats = stats;
    return true;
}
