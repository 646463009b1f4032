/*
 * Checksums against what disks do to bytes at rest; see checksum.h.
 */

#include "store/checksum.h"

#include <endian.h>
#include <string.h>

/* Odd, so that multiplying is undone by its inverse; the golden ratio's digits mix well. */
#define FACTOR UINT64_C(0x9e3779b97f4a7c15)

static uint64_t add_word(uint64_t sum, uint64_t word)
{
    sum = (sum ^ word) * FACTOR;
    return sum ^ (sum >> 32);
}

/* The length goes first, so that bytes cannot move from one field to the next unnoticed. */
static uint64_t add_bytes(uint64_t sum, const void *data, size_t length)
{
    const unsigned char *bytes = data;
    uint64_t word;

    sum = add_word(sum, length);
    for (; length >= sizeof(word); bytes += sizeof(word), length -= sizeof(word)) {
        memcpy(&word, bytes, sizeof(word));
        sum = add_word(sum, le64toh(word));
    }
    if (length > 0) {
        word = 0;
        memcpy(&word, bytes, length);
        sum = add_word(sum, le64toh(word));
    }
    return sum;
}

uint64_t checksum_bytes(const void *data, size_t length)
{
    return add_bytes(0, data, length);
}

static uint64_t add_text(uint64_t sum, const char *text)
{
    return add_bytes(sum, text, strlen(text));
}

uint64_t checksum_delivery(const struct delivery *delivery, uint64_t seq, bool stale)
{
    uint64_t sum = add_word(0, seq);

    sum = add_word(sum, (uint64_t)delivery->received_at_usec);
    sum = add_word(sum, (uint64_t)delivery->updated_at_usec);
    sum = add_word(sum, (delivery->terminal ? 2u : 0u) | (stale ? 1u : 0u));
    sum = add_bytes(sum, delivery->id_digest.bytes, DIGEST_SIZE);
    sum = add_bytes(sum, delivery->body_digest.bytes, DIGEST_SIZE);
    sum = add_text(sum, delivery->endpoint);
    sum = add_text(sum, delivery->request_id);
    sum = add_text(sum, delivery->secret);
    sum = add_text(sum, delivery->job_id);
    sum = add_text(sum, delivery->type);
    sum = add_text(sum, delivery->status);
    /* Not there in rows that were written before it was, so it must not count when empty. */
    if (delivery->unverified && delivery->unverified[0])
        sum = add_text(sum, delivery->unverified);
    return add_bytes(sum, delivery->body, delivery->body_length);
}
