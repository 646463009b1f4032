/*
 * The store in memory: its tables by request id and by job. Open addressing with linear probing;
 * at most half full.
 *
 * The table of jobs goes by a hash of the job id alone: deliveries of jobs that hash alike, and of
 * one job at several endpoints, are chained through their slots, and whoever walks the chain
 * compares the names.
 */

#include "store/memory_store.h"

#include "util/hash.h"

#include <errno.h>
#include <string.h>

static uint32_t hash_of_job(const struct delivery *delivery)
{
    return (uint32_t)hash_bytes(delivery->job_id, strlen(delivery->job_id));
}

static struct memory_id *place_of_id(
    struct memory_id *ids, size_t size, const struct digest *digest)
{
    size_t i = (size_t)hash_bytes(digest->bytes, DIGEST_SIZE) & (size - 1);

    while (ids[i].seq != 0 && memcmp(&ids[i].digest, digest, sizeof(*digest)) != 0)
        i = (i + 1) & (size - 1);
    return &ids[i];
}

static struct memory_job *place_of_job(struct memory_job *jobs, size_t size, uint32_t hash)
{
    size_t i = hash & (size - 1);

    while (jobs[i].seq != 0 && jobs[i].hash != hash)
        i = (i + 1) & (size - 1);
    return &jobs[i];
}

static size_t size_for(size_t n, size_t size)
{
    if (size == 0)
        size = 64;
    while (size < 2 * n)
        size *= 2;
    return size;
}

static int grow_slots(struct memory_store *store, size_t n)
{
    size_t size = size_for(n, store->slots_size);
    struct memory_slot *slots;

    if (n <= store->slots_size)
        return 0;
    slots = realloc(store->slots, size * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    memset(slots + store->slots_size, 0, (size - store->slots_size) * sizeof(*slots));
    store->slots = slots;
    store->slots_size = size;
    return 0;
}

static int grow_ids(struct memory_store *store, size_t n)
{
    size_t size = size_for(n, store->ids_size);
    struct memory_id *ids;

    if (size == store->ids_size)
        return 0;
    ids = calloc(size, sizeof(*ids));
    if (!ids)
        return -ENOMEM;
    for (size_t i = 0; i < store->ids_size; i++)
        if (store->ids[i].seq != 0)
            *place_of_id(ids, size, &store->ids[i].digest) = store->ids[i];
    free(store->ids);
    store->ids = ids;
    store->ids_size = size;
    return 0;
}

static int grow_jobs(struct memory_store *store, size_t n)
{
    size_t size = size_for(n, store->jobs_size);
    struct memory_job *jobs;

    if (size == store->jobs_size)
        return 0;
    jobs = calloc(size, sizeof(*jobs));
    if (!jobs)
        return -ENOMEM;
    for (size_t i = 0; i < store->jobs_size; i++)
        if (store->jobs[i].seq != 0)
            *place_of_job(jobs, size, store->jobs[i].hash) = store->jobs[i];
    free(store->jobs);
    store->jobs = jobs;
    store->jobs_size = size;
    return 0;
}

int memory_reserve(struct memory_store *store, size_t more)
{
    if (grow_slots(store, store->head + more) < 0 || grow_ids(store, store->n_ids + more) < 0 ||
        grow_jobs(store, store->n_jobs + more) < 0)
        return -ENOMEM;
    return 0;
}

struct memory_id *memory_find_id(struct memory_store *store, const struct digest *digest)
{
    struct memory_id *id = place_of_id(store->ids, store->ids_size, digest);

    return id->seq == 0 ? NULL : id;
}

void memory_put_id(struct memory_store *store, const struct delivery *delivery, uint64_t seq)
{
    *place_of_id(store->ids, store->ids_size, &delivery->id_digest) = (struct memory_id){
        .digest = delivery->id_digest,
        .body_digest = delivery->body_digest,
        .seq = seq,
    };
    store->n_ids++;
}

/* Takes all out and puts those back that stay: what probing passed over must not get holes. */
void memory_forget_ids(struct memory_store *store, uint64_t through)
{
    struct memory_id *old = store->ids;
    struct memory_id *ids = calloc(store->ids_size, sizeof(*ids));

    if (!ids)
        return; /* the next round tries again */
    store->n_ids = 0;
    for (size_t i = 0; i < store->ids_size; i++) {
        if (old[i].seq <= through)
            continue;
        *place_of_id(ids, store->ids_size, &old[i].digest) = old[i];
        store->n_ids++;
    }
    store->ids = ids;
    free(old);
}

uint64_t memory_find_job(struct memory_store *store, const struct delivery *delivery)
{
    return place_of_job(store->jobs, store->jobs_size, hash_of_job(delivery))->seq;
}

void memory_put_job(struct memory_store *store, const struct delivery *delivery, uint64_t seq)
{
    uint32_t hash = hash_of_job(delivery);
    struct memory_job *job = place_of_job(store->jobs, store->jobs_size, hash);

    store->n_jobs += job->seq == 0;
    *job = (struct memory_job){.hash = hash, .seq = seq};
}
