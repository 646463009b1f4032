#include "util/hash.h"

/*
 * FNV-1a (64 bit) and the finaliser of SplitMix64.
 *
 * FNV-1a alone is weak in its low bits for short keys, and tables take the low bits: hence the mix
 * at the end.
 */

#define FNV_OFFSET UINT64_C(0xCBF29CE484222325)
#define FNV_PRIME UINT64_C(0x100000001B3)

uint64_t hash_bytes(const void *data, size_t length)
{
    const unsigned char *bytes = data;
    uint64_t hash = FNV_OFFSET;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * FNV_PRIME;
    return hash_u64(hash);
}

uint64_t hash_u64(uint64_t value)
{
    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}
