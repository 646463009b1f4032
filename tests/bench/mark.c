/*
 * A hook that proves that it ran: bench_mark FILE appends a line of MARK_LENGTH bytes, the request
 * id of its delivery and the time in microseconds at which it began. So runs are counted by what
 * was completed, whoever started them.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MARK_LENGTH (36 + 1 + 16 + 1)

int main(int argc, char **argv)
{
    const char *id = getenv("SASHA_REQUEST_ID");
    char line[MARK_LENGTH + 1];
    struct timespec now;
    int fd;

    clock_gettime(CLOCK_REALTIME, &now);
    if (argc != 2)
        return EXIT_FAILURE;
    fd = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return EXIT_FAILURE;
    (void)snprintf(line, sizeof(line), "%-36.36s %016lld\n", id == NULL ? "-" : id,
        (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    return write(fd, line, MARK_LENGTH) == MARK_LENGTH ? EXIT_SUCCESS : EXIT_FAILURE;
}
