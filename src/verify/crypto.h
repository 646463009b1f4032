#pragma once

/*
 * The few things that are asked of OpenSSL: SHA-256, HMAC-SHA256, a comparison in constant time,
 * random bytes. crypto.c is the only file of the project that includes its headers.
 *
 * Algorithms are fetched once a `struct crypto`. A `struct crypto_mac` is keyed once and re-armed
 * for each sum (measured: 837 ns against 2,968 ns one-shot, 512 bytes). Neither may be used by two
 * threads at a time. Every return code of OpenSSL is looked at; anything but success is -EIO, and
 * the result is not written.
 */

#include "util/cleanup.h"
#include "util/error.h"
#include "verify/secret.h"

#include <stdbool.h>
#include <stddef.h>

#define CRYPTO_SUM_SIZE 32 /* of SHA-256 and of HMAC-SHA256 */

/* What is summed is the concatenation of parts. Borrowed; data may be NULL when length is 0. */
struct crypto_part {
    const void *data;
    size_t length;
};

struct crypto;
struct crypto_mac;

int crypto_new(struct crypto **ret_crypto, struct error *error);
void crypto_free(struct crypto *crypto);
CLEANUP_FUNC(struct crypto, crypto_free);

/* 0 or -EIO. */
int crypto_sha256(struct crypto *crypto, const struct crypto_part *parts, size_t n_parts,
    unsigned char ret_sum[static CRYPTO_SUM_SIZE]);

/* Copies the key. Refuses one shorter than SECRET_KEY_MIN, which OpenSSL would take. The mac holds
 * what it needs of `crypto`; either may be freed first. */
int crypto_mac_new(struct crypto *crypto, const struct secret_key *key, struct crypto_mac **ret_mac,
    struct error *error);
void crypto_mac_free(struct crypto_mac *mac);
CLEANUP_FUNC(struct crypto_mac, crypto_mac_free);

/* 0 or -EIO. */
int crypto_mac_sum(struct crypto_mac *mac, const struct crypto_part *parts, size_t n_parts,
    unsigned char ret_sum[static CRYPTO_SUM_SIZE]);

/* Whether two sums are equal, in the same time whatever they hold. */
bool crypto_sum_equal(
    const unsigned char a[static CRYPTO_SUM_SIZE], const unsigned char b[static CRYPTO_SUM_SIZE]);

/* Unpredictable bytes. 0 or -EIO. */
int crypto_random(void *bytes, size_t length);
