#include "shim.h"

/*
 * What a hook is started with.
 */

#include <sched.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

SHIM_WRAP(int, pipe2, SHIM_PIPE, -1, NULL, (int fds[2], int flags), (fds, flags))
SHIM_WRAP(
    int, memfd_create, SHIM_MEMFD, -1, NULL, (const char *name, unsigned int flags), (name, flags))

/* With what the daemon passes: a place for a descriptor of the process. The child never comes back
 * to here, it has a stack of its own. */
int clone(int (*run)(void *), void *stack, int flags, void *context, ...)
{
    static int (*next)(int (*)(void *), void *, int, void *, ...);
    struct shim_strike strike = shim_before(SHIM_SPAWN, -1, NULL);
    va_list arguments;
    int *pidfd;
    int result;

    if (shim_fails(&strike))
        return -1;
    if (!next)
        next = shim_next("clone");
    va_start(arguments, context);
    pidfd = va_arg(arguments, int *);
    va_end(arguments);
    result = next(run, stack, flags, context, pidfd);
    shim_after(&strike);
    return result;
}
