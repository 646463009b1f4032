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
#include <string.h>

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

static size_t first_slot(
    const struct index_recent *recent, const struct index_key *key, enum index_kind kind)
{
    return (size_t)(hash_u64(key->hi ^ key->lo) + kind) & recent->mask;
}

void index_recent_expect(
    const struct index_recent *recent, const struct index_key *key, enum index_kind kind)
{
    __builtin_prefetch(&recent->slots[first_slot(recent, key, kind)]);
}

static size_t slot_of(
    const struct index_recent *recent, const struct index_key *key, enum index_kind kind)
{
    size_t slot = first_slot(recent, key, kind);

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

/* ---- sorting ---- */

/* Fewer than these are quicker sorted by moving each to its place. */
#define FEW 16

static int compare(const void *a, const void *b)
{
    return index_entry_compare(a, b);
}

static void sort_some(struct index_entry *entries, size_t n)
{
    if (n >= FEW) {
        qsort(entries, n, sizeof(*entries), compare);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        struct index_entry entry = entries[i];
        size_t at = i;

        for (; at > 0 && index_entry_compare(&entries[at - 1], &entry) > 0; at--)
            entries[at] = entries[at - 1];
        entries[at] = entry;
    }
}

/* Sorts by distribution: keys are spread evenly, so that by their first bits they come apart into
 * heaps of about two, but for those of one job. `ends` has room for 2^bits. */
static void sort_into(struct index_entry *ret_sorted, const struct index_entry *entries, size_t n,
    uint32_t *ends, unsigned int bits)
{
    const unsigned int shift = 64 - bits;
    const size_t n_heaps = (size_t)1 << bits;
    uint32_t begin = 0;

    for (size_t i = 0; i < n; i++)
        ends[entries[i].key.hi >> shift]++;
    for (size_t heap = 0; heap < n_heaps; heap++) {
        uint32_t size = ends[heap];

        ends[heap] = begin; /* grows to its end as the entries come */
        begin += size;
    }
    for (size_t i = 0; i < n; i++)
        ret_sorted[ends[entries[i].key.hi >> shift]++] = entries[i];
    begin = 0;
    for (size_t heap = 0; heap < n_heaps; heap++) {
        sort_some(ret_sorted + begin, ends[heap] - begin);
        begin = ends[heap];
    }
}

int index_recent_freeze(struct index_recent *recent, struct index_frozen *ret_frozen)
{
    const size_t n = recent->n;
    struct index_entry *sorted = malloc((n > 0 ? n : 1) * sizeof(*sorted));
    unsigned int bits = 1;
    uint32_t *ends;

    while (((size_t)2 << bits) < n)
        bits++;
    ends = calloc((size_t)1 << bits, sizeof(*ends));
    if (!sorted || !ends) {
        free(sorted);
        free(ends);
        return -ENOMEM;
    }
    sort_into(sorted, recent->entries, n, ends, bits);
    free(ends);
    for (size_t i = 0; i < n; i++)
        if (index_entry_kind(&sorted[i]) == INDEX_JOB)
            sorted[i].data[1] = 0;
    *ret_frozen = (struct index_frozen){sorted, n};
    recent->n = 0;
    memset(recent->slots, 0, (recent->mask + 1) * sizeof(*recent->slots));
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
