#pragma once

/*
 * What the store's index is made of: entries, blocks of sorted entries, and what is kept in memory
 * of a block. Pure.
 *
 * Each delivery makes two entries: one under its id digest, by which copies are recognised, and one
 * under its job, by which stale ones are, and a job's deliveries are found. How entries get to the
 * disk and are found again is sqlite_index.h's.
 *
 * The forms of entries and blocks are on disk: never change them without a migration.
 */

#include "job/delivery.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum index_kind {
    INDEX_ID,
    INDEX_JOB,
};

/* Keys are spread evenly: digests, or hashes. */
struct index_key {
    uint64_t hi; /* of a job: from its job_id */
    uint64_t lo; /* of a job: from its endpoint */
};

struct index_entry {
    struct index_key key;
    uint64_t tag;     /* seq and kind */
    uint64_t data[2]; /* ID: the body's digest. JOB: its rank, and 0 */
};

struct index_key index_key_of_id(const struct digest *id_digest);
struct index_key index_key_of_job(const char *job_id, const char *endpoint);

struct index_entry index_entry_of_id(const struct delivery *delivery, uint64_t seq);
struct index_entry index_entry_of_job(const struct delivery *delivery, uint64_t seq);

static inline enum index_kind index_entry_kind(const struct index_entry *entry)
{
    return entry->tag & 1 ? INDEX_JOB : INDEX_ID;
}

static inline uint64_t index_entry_seq(const struct index_entry *entry)
{
    return entry->tag >> 1;
}

bool index_entry_has_body(const struct index_entry *entry, const struct digest *body_digest);

/* Of a JOB entry: when the delivery's Job was updated, and whether its status is final. */
int64_t index_entry_updated_at(const struct index_entry *entry);
bool index_entry_terminal(const struct index_entry *entry);

int index_key_compare(const struct index_key *a, const struct index_key *b);

/* By key, then kind. Of an id the latest first: one that was forgotten and came again has two
 * entries for a while. Of a job the newest first, and a final one before one that is not. */
int index_entry_compare(const struct index_entry *a, const struct index_entry *b);

/* ---- blocks ---- */

#define INDEX_ENTRY_SIZE 40

/* As many as let a block's row fill a page of 4096 bytes, of which a row without overflow takes at
 * most 4057, and two of them one of 8192. */
#define INDEX_BLOCK_ENTRIES 100
#define INDEX_BLOCK_SIZE_MAX (8 + INDEX_BLOCK_ENTRIES * INDEX_ENTRY_SIZE)

/* Writes 1 to INDEX_BLOCK_ENTRIES entries and a checksum; returns the size. */
size_t index_block_encode(const struct index_entry *entries, size_t n,
    unsigned char ret_data[static INDEX_BLOCK_SIZE_MAX]);

/* Returns how many entries there are; 0: this is not what was written. */
size_t index_block_decode(const unsigned char *data, size_t size,
    struct index_entry ret_entries[static INDEX_BLOCK_ENTRIES]);

/* ---- summaries of blocks ---- */

/* A Bloom filter of 1024 bits with 6 a key: of the keys that are not in a full block it lets 1 in
 * 130 pass. */
#define INDEX_FILTER_WORDS 16

struct index_filter {
    uint64_t words[INDEX_FILTER_WORDS];
};

struct index_summary {
    uint64_t first_hi; /* of the block's first key */
    struct index_filter filter;
};

#define INDEX_SUMMARY_SIZE (8 + 8 * INDEX_FILTER_WORDS)

/* As many as fill that, too. */
#define INDEX_SUMMARIES 29
#define INDEX_SUMMARIES_SIZE_MAX (8 + INDEX_SUMMARIES * INDEX_SUMMARY_SIZE)

struct index_summary index_summarise(const struct index_entry *entries, size_t n);

/* A second filter of a block, in memory only, for the keys that its summary's filter lets pass. Of
 * a key it has other bits, so that of those that are not in the block 1 in 130 passes again. */
struct index_filter index_second_filter(const struct index_entry *entries, size_t n);

/* What a key sets in the filter of a summary and in a second one, for one look into many. */
struct index_filter_bits {
    uint64_t first;
    uint64_t second;
};

struct index_filter_bits index_filter_bits(const struct index_key *key);

/* False: no entry of the block has the key that these are the bits of. */
bool index_filter_may_have(const struct index_filter *filter, uint64_t bits);

/* As the functions for blocks. */
size_t index_summaries_encode(const struct index_summary *summaries, size_t n,
    unsigned char ret_data[static INDEX_SUMMARIES_SIZE_MAX]);
size_t index_summaries_decode(const unsigned char *data, size_t size,
    struct index_summary ret_summaries[static INDEX_SUMMARIES]);
