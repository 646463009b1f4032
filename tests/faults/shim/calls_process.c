#include "shim.h"

/*
 * What a hook is started with.
 */

#include <spawn.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <unistd.h>

SHIM_WRAP(int, pipe2, SHIM_PIPE, -1, NULL, (int fds[2], int flags), (fds, flags))
SHIM_WRAP(
    int, memfd_create, SHIM_MEMFD, -1, NULL, (const char *name, unsigned int flags), (name, flags))
SHIM_WRAP(int, pidfd_open, SHIM_PIDFD, -1, NULL, (pid_t pid, unsigned int flags), (pid, flags))

/* Returns the error itself. */
int posix_spawn(pid_t *restrict pid, const char *restrict path,
    const posix_spawn_file_actions_t *restrict actions,
    const posix_spawnattr_t *restrict attributes, char *const argv[restrict],
    char *const envp[restrict])
{
    static int (*next)(pid_t *restrict, const char *restrict,
        const posix_spawn_file_actions_t *restrict, const posix_spawnattr_t *restrict,
        char *const[restrict], char *const[restrict]);
    struct shim_strike strike = shim_before(SHIM_SPAWN, -1, path);
    int result;

    if (shim_fails(&strike))
        return (int)strike.value;
    if (!next)
        next = shim_next("posix_spawn");
    result = next(pid, path, actions, attributes, argv, envp);
    shim_after(&strike);
    return result;
}
