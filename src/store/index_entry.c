/*
 * Entries, blocks and summaries of the index; see index_entry.h.
 *
 * On disk everything is 64-bit little-endian words: a checksum over those that follow, then them.
 */

#include "store/index_entry.h"

#include "store/checksum.h"
#include "util/hash.h"

#include <endian.h>
#include <string.h>

#define WORD sizeof(uint64_t)

_Static_assert(sizeof(struct index_entry) == INDEX_ENTRY_SIZE, "an entry is its words");
_Static_assert(sizeof(struct index_summary) == INDEX_SUMMARY_SIZE, "a summary is its words");

static uint64_t word_of(const unsigned char *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return be64toh(word);
}

/* ---- entries ---- */

struct index_key index_key_of_id(const struct digest *id_digest)
{
    return (struct index_key){word_of(id_digest->bytes), word_of(id_digest->bytes + WORD)};
}

static uint64_t spread(const char *text)
{
    return hash_u64(checksum_bytes(text, strlen(text)));
}

struct index_key index_key_of_job(const char *job_id, const char *endpoint)
{
    return (struct index_key){spread(job_id), spread(endpoint)};
}

static uint64_t tag_of(uint64_t seq, enum index_kind kind)
{
    return seq << 1 | (kind == INDEX_JOB ? 1 : 0);
}

struct index_entry index_entry_of_id(const struct delivery *delivery, uint64_t seq)
{
    const unsigned char *body = delivery->body_digest.bytes;

    return (struct index_entry){
        .key = index_key_of_id(&delivery->id_digest),
        .tag = tag_of(seq, INDEX_ID),
        .data = {word_of(body), word_of(body + WORD)},
    };
}

/* Times of four-digit years are within ±2^59 µs, so one bit more fits. */
struct index_entry index_entry_of_job(const struct delivery *delivery, uint64_t seq)
{
    return (struct index_entry){
        .key = index_key_of_job(delivery->job_id, delivery->endpoint),
        .tag = tag_of(seq, INDEX_JOB),
        .data = {(uint64_t)delivery->updated_at_usec << 1 | (delivery->terminal ? 1 : 0), 0},
    };
}

bool index_entry_has_body(const struct index_entry *entry, const struct digest *body_digest)
{
    return entry->data[0] == word_of(body_digest->bytes) &&
           entry->data[1] == word_of(body_digest->bytes + WORD);
}

int64_t index_entry_updated_at(const struct index_entry *entry)
{
    return (int64_t)entry->data[0] >> 1;
}

bool index_entry_terminal(const struct index_entry *entry)
{
    return (entry->data[0] & 1) != 0;
}

static int compare(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int index_key_compare(const struct index_key *a, const struct index_key *b)
{
    int by_hi = compare(a->hi, b->hi);

    return by_hi != 0 ? by_hi : compare(a->lo, b->lo);
}

int index_entry_compare(const struct index_entry *a, const struct index_entry *b)
{
    int by_key = index_key_compare(&a->key, &b->key);
    int by_kind = compare(index_entry_kind(a), index_entry_kind(b));
    int64_t rank_a = (int64_t)a->data[0], rank_b = (int64_t)b->data[0];

    if (by_key != 0)
        return by_key;
    if (by_kind != 0)
        return by_kind;
    if (index_entry_kind(a) == INDEX_ID)
        return compare(b->tag, a->tag);
    if (rank_a != rank_b)
        return rank_a > rank_b ? -1 : 1;
    return compare(a->tag, b->tag);
}

/* ---- words on disk ---- */

static size_t encode(const void *from, size_t size, unsigned char *data)
{
    uint64_t word;

    for (size_t at = 0; at < size; at += WORD) {
        memcpy(&word, (const unsigned char *)from + at, WORD);
        word = htole64(word);
        memcpy(data + WORD + at, &word, WORD);
    }
    word = htole64(checksum_bytes(data + WORD, size));
    memcpy(data, &word, WORD);
    return WORD + size;
}

/* Decodes what is `item` bytes an item and at most `max` of them; returns how many. */
static size_t decode(
    const unsigned char *data, size_t size, size_t item, size_t max, void *ret_items)
{
    uint64_t word;

    if (size <= WORD || (size - WORD) % item != 0 || (size - WORD) / item > max)
        return 0;
    memcpy(&word, data, WORD);
    if (le64toh(word) != checksum_bytes(data + WORD, size - WORD))
        return 0;
    for (size_t at = WORD; at < size; at += WORD) {
        memcpy(&word, data + at, WORD);
        word = le64toh(word);
        memcpy((unsigned char *)ret_items + at - WORD, &word, WORD);
    }
    return (size - WORD) / item;
}

size_t index_block_encode(const struct index_entry *entries, size_t n,
    unsigned char ret_data[static INDEX_BLOCK_SIZE_MAX])
{
    ASSERT(n > 0 && n <= INDEX_BLOCK_ENTRIES);
    return encode(entries, n * INDEX_ENTRY_SIZE, ret_data);
}

size_t index_block_decode(const unsigned char *data, size_t size,
    struct index_entry ret_entries[static INDEX_BLOCK_ENTRIES])
{
    return decode(data, size, INDEX_ENTRY_SIZE, INDEX_BLOCK_ENTRIES, ret_entries);
}

/* ---- summaries ---- */

/* Six groups of ten bits each, every one the number of a bit of the filter. */
struct index_filter_bits index_filter_bits(const struct index_key *key)
{
    uint64_t bits = hash_u64(key->hi ^ hash_u64(key->lo));

    return (struct index_filter_bits){.first = bits, .second = hash_u64(bits)};
}

#define FILTER_PROBES 6

static void filter_add(struct index_filter *filter, uint64_t bits)
{
    for (unsigned int probe = 0; probe < FILTER_PROBES; probe++, bits >>= 10)
        filter->words[bits >> 6 & (INDEX_FILTER_WORDS - 1)] |= UINT64_C(1) << (bits & 63);
}

struct index_summary index_summarise(const struct index_entry *entries, size_t n)
{
    struct index_summary summary = {.first_hi = entries[0].key.hi};

    for (size_t i = 0; i < n; i++)
        filter_add(&summary.filter, index_filter_bits(&entries[i].key).first);
    return summary;
}

struct index_filter index_second_filter(const struct index_entry *entries, size_t n)
{
    struct index_filter filter = {{0}};

    for (size_t i = 0; i < n; i++)
        filter_add(&filter, index_filter_bits(&entries[i].key).second);
    return filter;
}

bool index_filter_may_have(const struct index_filter *filter, uint64_t bits)
{
    for (unsigned int probe = 0; probe < FILTER_PROBES; probe++, bits >>= 10)
        if (!(filter->words[bits >> 6 & (INDEX_FILTER_WORDS - 1)] >> (bits & 63) & 1))
            return false;
    return true;
}

size_t index_summaries_encode(const struct index_summary *summaries, size_t n,
    unsigned char ret_data[static INDEX_SUMMARIES_SIZE_MAX])
{
    ASSERT(n > 0 && n <= INDEX_SUMMARIES);
    return encode(summaries, n * INDEX_SUMMARY_SIZE, ret_data);
}

size_t index_summaries_decode(const unsigned char *data, size_t size,
    struct index_summary ret_summaries[static INDEX_SUMMARIES])
{
    return decode(data, size, INDEX_SUMMARY_SIZE, INDEX_SUMMARIES, ret_summaries);
}
