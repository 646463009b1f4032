/*
 * The sender's half: signatures and request ids as SASHA makes them.
 *
 * The four parts are joined with nothing between them (SASHA API reference 1.0.0), which is why
 * verify.c has rules for what a request id may hold. Made for a sender and for tests, so it keys a
 * context for each call; the receiver's fast way is in endpoint.c.
 */

#include "verify/sign.h"

#include "util/hex.h"
#include "verify/crypto.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int sign_callback(const struct secret_key *key, const char *method, const char *url,
    const char *request_id, const void *body, size_t length,
    char ret_signature[static SIGNATURE_SIZE], struct error *error)
{
    CLEANUP(crypto_free) struct crypto *crypto = NULL;
    CLEANUP(crypto_mac_free) struct crypto_mac *mac = NULL;
    const struct crypto_part parts[] = {
        {method, strlen(method)},
        {url, strlen(url)},
        {request_id, strlen(request_id)},
        {body, length},
    };
    unsigned char sum[CRYPTO_SUM_SIZE];
    int result = crypto_new(&crypto, error);

    if (result == 0)
        result = crypto_mac_new(crypto, key, &mac, error);
    if (result < 0)
        return result;
    if (crypto_mac_sum(mac, parts, ARRAY_SIZE(parts), sum) < 0)
        return error_set(error, EIO, "OpenSSL cannot compute the signature");
    hex_encode(sum, sizeof(sum), ret_signature);
    return 0;
}

int sign_new_request_id(char ret_id[static REQUEST_ID_SIZE], struct error *error)
{
    unsigned char bytes[16];
    char hex[2 * sizeof(bytes) + 1];

    if (crypto_random(bytes, sizeof(bytes)) < 0)
        return error_set(error, EIO, "OpenSSL has no random bytes for a request id");
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40); /* version 4, RFC 9562 §5.4 */
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80); /* its variant */
    hex_encode(bytes, sizeof(bytes), hex);
    snprintf(ret_id, REQUEST_ID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
        hex + 20);
    return 0;
}
