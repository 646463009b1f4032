/*
 * The bound on body memory, the time to the verdict, and the end of the listening sockets; see
 * shared.h.
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

/* A commit takes one sync of a disk: from a fraction of a millisecond (flash with a cache that is
 * safe) over some ten (a spinning disk) to the limit of commit_timeout. */
const int64_t intake_bucket_usec[INTAKE_BUCKETS - 1] = {
    250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 5000000};

void shared_note_latency(struct shared *shared, int64_t usec)
{
    size_t i = 0;

    while (i < INTAKE_BUCKETS - 1 && usec > intake_bucket_usec[i])
        i++;
    atomic_fetch_add_explicit(&shared->latency[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->latency_sum_usec, usec, memory_order_relaxed);
}

void shared_stop_listening(struct shared *shared)
{
    if (atomic_fetch_sub(&shared->listen_users, 1) != 1)
        return;
    for (size_t i = 0; i < shared->n_listen_fds; i++)
        close(shared->listen_fds[i]);
    shared->n_listen_fds = 0;
}
