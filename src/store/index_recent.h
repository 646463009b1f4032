#pragma once

/*
 * The youngest entries of the index, in memory: added one by one, taken back in reverse order when
 * a transaction fails, and at last sorted to be written. Pure.
 *
 * Two forms of the same: `recent` takes entries and finds by a hash table; `frozen` is sorted,
 * takes none and finds by halving. Memory is bounded by the capacity, and is touched as it fills.
 */

#include "store/index_entry.h"

struct index_recent {
    struct index_entry *entries; /* as added */
    uint32_t *previous; /* of each: place + 1 of the one of the same key and kind before it */
    uint32_t *slots;    /* place + 1 of the latest of a key and kind; 0: free */
    size_t n, capacity;
    size_t mask; /* of slots */
};

/* 0 or -ENOMEM. */
int index_recent_init(struct index_recent *recent, size_t capacity);
void index_recent_done(struct index_recent *recent);

/* There must be room. */
void index_recent_add(struct index_recent *recent, const struct index_entry *entry);

/* Takes back what was added beyond the first `n`. */
void index_recent_truncate(struct index_recent *recent, size_t n);

/* Asks for the memory that adding or finding will read first. It may be asked for in any state. */
void index_recent_expect(
    const struct index_recent *recent, const struct index_key *key, enum index_kind kind);

/* NULL: there is none. Of a job: the entry of the newest. Borrowed until the next change. */
const struct index_entry *index_recent_find(
    const struct index_recent *recent, const struct index_key *key, enum index_kind kind);

struct index_frozen {
    struct index_entry *entries; /* sorted; NULL: there is none */
    size_t n;
};

/* Moves all entries over and leaves `recent` empty. 0 or -ENOMEM: nothing changed. */
int index_recent_freeze(struct index_recent *recent, struct index_frozen *ret_frozen);
void index_frozen_done(struct index_frozen *frozen);

/* As index_recent_find, until index_frozen_done. */
const struct index_entry *index_frozen_find(
    const struct index_frozen *frozen, const struct index_key *key, enum index_kind kind);

/* The first of a run of sorted entries with this key and kind, or NULL. */
const struct index_entry *index_sorted_find(
    const struct index_entry *entries, size_t n, const struct index_key *key, enum index_kind kind);
