/*
 * The youngest entries of the index; see index_recent.h.
 *
 * Open addressing with linear probing, at most half full. Entries leave in the reverse order of
 * their coming only, so that a slot which is freed was the last to be taken, and no probe of an
 * entry that stays went over it.
 *
 * The newest of a job is found without a walk over all of the job's: data[1] of a job's entry,
 * which means nothing on disk, holds the place + 1 of the newest so far.
 */

#include "store/index_recent.h"

#include "util/hash.h"

#include <errno.h>
#include <stdlib.h>

int index_recent_init(struct index_recent *recent, size_t capacity)
{
    size_t size = 64;

    while (size < 2 * capacity)
        size *= 2;
    *recent = (struct index_recent){
        .entries = malloc(capacity * sizeof(*recent->entries)),
        .previous = malloc(capacity * sizeof(*recent->previous)),
        .slots = calloc(size, sizeof(*recent->slots)),
        .capacity = capacity,
        .mask = size - 1,
    };
    return recent->entries && recent->previous && recent->slots ? 0 : -ENOMEM;
}

void index_recent_done(struct index_recent *recent)
{
    free(recent->entries);
    free(recent->previous);
    free(recent->slots);
    *recent = (struct index_recent){NULL};
}

static bool is_for(
    const struct index_entry *entry, const struct index_key *key, enum index_kind kind)
{
    return index_key_compare(&entry->key, key) == 0 && index_entry_kind(entry) == kind;
}

static size_t slot_of(
    const struct index_recent *recent, const struct index_key *key, enum index_kind kind)
{
    size_t slot = (size_t)(hash_u64(key->hi ^ key->lo) + kind) & recent->mask;

    while (
        recent->slots[slot] != 0 && !is_for(&recent->entries[recent->slots[slot] - 1], key, kind))
        slot = (slot + 1) & recent->mask;
    return slot;
}

static void note_newest(struct index_recent *recent, size_t place, uint32_t previous)
{
    struct index_entry *entry = &recent->entries[place];
    uint64_t newest = place + 1;

    if (previous != 0) {
        uint64_t before = recent->entries[previous - 1].data[1];

        if ((int64_t)recent->entries[before - 1].data[0] >= (int64_t)entry->data[0])
            newest = before;
    }
    entry->data[1] = newest;
}

void index_recent_add(struct index_recent *recent, const struct index_entry *entry)
{
    size_t place = recent->n;
    size_t slot = slot_of(recent, &entry->key, index_entry_kind(entry));
    uint32_t previous = recent->slots[slot];

    ASSERT(place < recent->capacity);
    recent->entries[place] = *entry;
    recent->previous[place] = previous;
    if (index_entry_kind(entry) == INDEX_JOB)
        note_newest(recent, place, previous);
    recent->slots[slot] = (uint32_t)place + 1;
    recent->n++;
}

void index_recent_truncate(struct index_recent *recent, size_t n)
{
    while (recent->n > n) {
        const struct index_entry *entry = &recent->entries[--recent->n];

        recent->slots[slot_of(recent, &entry->key, index_entry_kind(entry))] =
            recent->previous[recent->n];
    }
}

const struct index_entry *index_recent_find(
    const struct index_recent *recent, const struct index_key *key, enum index_kind kind)
{
    uint32_t latest = recent->slots[slot_of(recent, key, kind)];

    if (latest == 0)
        return NULL;
    if (kind == INDEX_JOB)
        latest = (uint32_t)recent->entries[latest - 1].data[1];
    return &recent->entries[latest - 1];
}

static int compare(const void *a, const void *b)
{
    return index_entry_compare(a, b);
}

int index_recent_freeze(struct index_recent *recent, struct index_frozen *ret_frozen)
{
    struct index_recent fresh;

    if (index_recent_init(&fresh, recent->capacity) < 0) {
        index_recent_done(&fresh);
        return -ENOMEM;
    }
    *ret_frozen = (struct index_frozen){recent->entries, recent->n};
    for (size_t i = 0; i < ret_frozen->n; i++)
        if (index_entry_kind(&ret_frozen->entries[i]) == INDEX_JOB)
            ret_frozen->entries[i].data[1] = 0;
    qsort(ret_frozen->entries, ret_frozen->n, sizeof(*ret_frozen->entries), compare);
    recent->entries = NULL;
    index_recent_done(recent);
    *recent = fresh;
    return 0;
}

void index_frozen_done(struct index_frozen *frozen)
{
    free(frozen->entries);
    *frozen = (struct index_frozen){NULL, 0};
}

const struct index_entry *index_sorted_find(
    const struct index_entry *entries, size_t n, const struct index_key *key, enum index_kind kind)
{
    size_t low = 0, high = n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (index_key_compare(&entries[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < n && index_key_compare(&entries[low].key, key) == 0; low++)
        if (index_entry_kind(&entries[low]) == kind)
            return &entries[low];
    return NULL;
}

const struct index_entry *index_frozen_find(
    const struct index_frozen *frozen, const struct index_key *key, enum index_kind kind)
{
    return index_sorted_find(frozen->entries, frozen->n, key, kind);
}
