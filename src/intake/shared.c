/*
 * The bound on body memory, and the end of the listening sockets; see shared.h.
 */

#include "intake/shared.h"

#include <unistd.h>

bool shared_charge(struct shared *shared, size_t bytes, size_t total)
{
    const size_t max = total > SHARED_SMALL_BODY
                           ? shared->body_bytes_max - shared->body_bytes_max / 8
                           : shared->body_bytes_max;
    const size_t before =
        atomic_fetch_add_explicit(&shared->body_bytes, bytes, memory_order_relaxed);

    if (bytes <= max && before <= max - bytes)
        return true;
    shared_release(shared, bytes);
    return false;
}

void shared_release(struct shared *shared, size_t bytes)
{
    atomic_fetch_sub_explicit(&shared->body_bytes, bytes, memory_order_relaxed);
}

void shared_stop_listening(struct shared *shared)
{
    if (atomic_fetch_sub(&shared->listen_users, 1) != 1)
        return;
    for (size_t i = 0; i < shared->n_listen_fds; i++)
        close(shared->listen_fds[i]);
    shared->n_listen_fds = 0;
}
