#pragma once

/*
 * Checksums over a delivery and over bytes, against what disks do to bytes at rest. Pure.
 *
 * SQLite checks its WAL but not its pages. Each 8-byte word goes through a step that can be undone,
 * so damage within one word is always found, and any other with all but 2^-64. It is no defence
 * against somebody who can write to the file. The value is on disk: never change it without a
 * migration.
 */

#include "job/delivery.h"

#include <stddef.h>
#include <stdint.h>

/* Over plain bytes. */
uint64_t checksum_bytes(const void *data, size_t length);

/* `stale` and `seq` are those it is stored under. */
uint64_t checksum_delivery(const struct delivery *delivery, uint64_t seq, bool stale);
