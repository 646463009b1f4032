#pragma once

/*
 * Eight bytes of a text at a time, in a 64-bit word, for loops that look at every byte of a
 * callback. Pure; inline; no alignment is asked for.
 *
 * A find sets the top bit of the first byte that it is about, and maybe bits above that one, none
 * below: so a result is 0 when there is no such byte, and word_first tells which is the first one,
 * also of several results that were joined by `|`. (After "Bit Twiddling Hacks", Sean Anderson,
 * "Determine if a word has a byte less than n".)
 */

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WORD_SIZE sizeof(uint64_t)

/* A word of one byte only. */
#define WORD_OF(byte) (UINT64_C(0x0101010101010101) * (unsigned char)(byte))

/* The first byte is the lowest, on every machine. */
static inline uint64_t word_load(const void *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof(word));
    return le64toh(word);
}

/* A byte below `limit`, which is 1 to 128. */
static inline uint64_t word_find_below(uint64_t word, unsigned char limit)
{
    return (word - WORD_OF(limit)) & ~word & WORD_OF(0x80);
}

static inline uint64_t word_find(uint64_t word, unsigned char byte)
{
    return word_find_below(word ^ WORD_OF(byte), 1);
}

/* A byte of 128 or more. */
static inline uint64_t word_find_high(uint64_t word)
{
    return word & WORD_OF(0x80);
}

/* Which byte a find found first. `found` is not 0. */
static inline size_t word_first(uint64_t found)
{
    return (size_t)__builtin_ctzll(found) / 8;
}
