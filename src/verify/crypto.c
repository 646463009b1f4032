/*
 * OpenSSL, kept in one file.
 *
 * Its functions answer 1 for success and all sorts of things else, so every call is compared with
 * 1. Its error queue is emptied after each failure: it belongs to the thread, and an old entry
 * would be told as the reason of a later failure.
 *
 * A keyed EVP_MAC context is re-armed by EVP_MAC_init with a NULL key. That keeps the key's inner
 * and outer states, which neither update nor final change; so a sum that failed half way (out of
 * memory) does not spoil the next one.
 */

#include "verify/crypto.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

struct crypto {
    EVP_MAC *hmac;
    EVP_MD *sha256;
    EVP_MD_CTX *digest; /* scratch of crypto_sha256 */
};

struct crypto_mac {
    EVP_MAC_CTX *context; /* keyed */
};

/* Describes the oldest entry of OpenSSL's queue, and empties the queue. */
static int library_error(struct error *error, const char *what)
{
    const char *why = ERR_reason_error_string(ERR_peek_error());

    ERR_clear_error();
    return error_set(error, EIO, "OpenSSL: %s: %s", what, why ? why : "no reason given");
}

int crypto_new(struct crypto **ret_crypto, struct error *error)
{
    CLEANUP(crypto_free) struct crypto *crypto = calloc(1, sizeof(*crypto));

    if (!crypto)
        return error_errno(error, ENOMEM, "cannot set up verification");
    crypto->hmac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    if (!crypto->hmac)
        return library_error(error, "cannot get HMAC");
    crypto->sha256 = EVP_MD_fetch(NULL, OSSL_DIGEST_NAME_SHA2_256, NULL);
    if (!crypto->sha256)
        return library_error(error, "cannot get SHA-256");
    crypto->digest = EVP_MD_CTX_new();
    if (!crypto->digest)
        return library_error(error, "cannot make a digest context");

    *ret_crypto = TAKE(crypto);
    return 0;
}

void crypto_free(struct crypto *crypto)
{
    if (!crypto)
        return;
    EVP_MD_CTX_free(crypto->digest);
    EVP_MD_free(crypto->sha256);
    EVP_MAC_free(crypto->hmac);
    free(crypto);
}

int crypto_sha256(struct crypto *crypto, const struct crypto_part *parts, size_t n_parts,
    unsigned char ret_sum[static CRYPTO_SUM_SIZE])
{
    unsigned char sum[CRYPTO_SUM_SIZE];
    unsigned int length = 0;
    bool ok = EVP_DigestInit_ex2(crypto->digest, crypto->sha256, NULL) == 1;

    for (size_t i = 0; ok && i < n_parts; i++)
        ok = EVP_DigestUpdate(crypto->digest, parts[i].data, parts[i].length) == 1;
    ok = ok && EVP_DigestFinal_ex(crypto->digest, sum, &length) == 1 && length == sizeof(sum);
    if (!ok) {
        ERR_clear_error();
        return -EIO;
    }
    memcpy(ret_sum, sum, sizeof(sum));
    return 0;
}

int crypto_mac_new(struct crypto *crypto, const struct secret_key *key, struct crypto_mac **ret_mac,
    struct error *error)
{
    CLEANUP(crypto_mac_free) struct crypto_mac *mac = NULL;
    char digest_name[] = OSSL_DIGEST_NAME_SHA2_256;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
        OSSL_PARAM_construct_end(),
    };

    if (key->length < SECRET_KEY_MIN || key->length > SECRET_KEY_MAX)
        return error_set(error, EINVAL, "a key of %zu bytes; %d to %d are possible", key->length,
            SECRET_KEY_MIN, SECRET_KEY_MAX);

    mac = calloc(1, sizeof(*mac));
    if (!mac)
        return error_errno(error, ENOMEM, "cannot set up a callback secret");
    mac->context = EVP_MAC_CTX_new(crypto->hmac);
    if (!mac->context)
        return library_error(error, "cannot make an HMAC context");
    if (EVP_MAC_init(mac->context, key->bytes, key->length, params) != 1)
        return library_error(error, "cannot take an HMAC key");
    if (EVP_MAC_CTX_get_mac_size(mac->context) != CRYPTO_SUM_SIZE)
        return library_error(error, "HMAC-SHA256 has an unexpected size");

    *ret_mac = TAKE(mac);
    return 0;
}

void crypto_mac_free(struct crypto_mac *mac)
{
    if (!mac)
        return;
    EVP_MAC_CTX_free(mac->context); /* wipes the key */
    free(mac);
}

int crypto_mac_sum(struct crypto_mac *mac, const struct crypto_part *parts, size_t n_parts,
    unsigned char ret_sum[static CRYPTO_SUM_SIZE])
{
    unsigned char sum[CRYPTO_SUM_SIZE];
    size_t length = 0;
    bool ok = EVP_MAC_init(mac->context, NULL, 0, NULL) == 1;

    for (size_t i = 0; ok && i < n_parts; i++)
        ok = EVP_MAC_update(mac->context, parts[i].data, parts[i].length) == 1;
    ok = ok && EVP_MAC_final(mac->context, sum, &length, sizeof(sum)) == 1 && length == sizeof(sum);
    if (!ok) {
        ERR_clear_error();
        return -EIO;
    }
    memcpy(ret_sum, sum, sizeof(sum));
    return 0;
}

bool crypto_sum_equal(
    const unsigned char a[static CRYPTO_SUM_SIZE], const unsigned char b[static CRYPTO_SUM_SIZE])
{
    return CRYPTO_memcmp(a, b, CRYPTO_SUM_SIZE) == 0;
}

int crypto_random(void *bytes, size_t length)
{
    if (length > INT_MAX || RAND_bytes(bytes, (int)length) != 1) {
        ERR_clear_error();
        return -EIO;
    }
    return 0;
}
