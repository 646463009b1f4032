#pragma once

/*
 * A fast 64-bit hash for tables in memory and for lanes. Not for anything that must withstand
 * forged input: keys come from signed callbacks only. What hash_bytes returns never
 * reaches the disk.
 */

#include <stddef.h>
#include <stdint.h>

/* FNV-1a with a final mix, over `length` bytes. */
uint64_t hash_bytes(const void *data, size_t length);

/* Spreads a 64-bit key (the finaliser of SplitMix64): one to one, and the same for ever, since the
 * store's index has such values on disk. */
uint64_t hash_u64(uint64_t value);
