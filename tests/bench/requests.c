/*
 * Writes a file of signed requests, each of them once: bench_requests SCHEME COUNT SEED FILE URL
 * PATH TOKEN KEY, and prints the length of one.
 *
 * All requests of a file have the same length, so that a load generator needs no index: the n-th
 * one begins at n times that. Each has a request id and a job of its own; two files overlap only
 * when their seeds are equal. SCHEME is who checks the signature:
 *
 *   sasha  HMAC-SHA256 of method, url, request id and body, as SASHA signs
 *   body   HMAC-SHA256 of the body alone, for receivers that check that
 *
 * The key is the text itself. A whole request is about 450 bytes: headers and a Job with nothing
 * but its required fields.
 */

#include "util/hex.h"
#include "verify/crypto.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_MAX 2048

struct scheme {
    bool body_only;
    const char *url, *path, *token;
};

/* A permutation of 64-bit numbers that leaves no pattern (the finaliser of splitmix64): ids that
 * look random and never meet. */
static uint64_t scatter(uint64_t n)
{
    n += UINT64_C(0x9e3779b97f4a7c15);
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);
    return n ^ (n >> 31);
}

/* Of the form of a UUID; REQUEST_ID_SIZE with its NUL. */
#define REQUEST_ID_SIZE 37
static void make_id(uint64_t seed, uint64_t n, char id[static REQUEST_ID_SIZE])
{
    const uint64_t high = scatter(seed), low = scatter(n);

    (void)snprintf(id, REQUEST_ID_SIZE,
        "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64, high >> 32,
        high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffffffffffff);
}

/* 0, or -EIO. */
static int make_signature(struct crypto_mac *mac, const struct scheme *scheme, const char *id,
    const char *body, char signature[static 2 * CRYPTO_SUM_SIZE + 1])
{
    const struct crypto_part parts[] = {
        {"POST", 4},
        {scheme->url, strlen(scheme->url)},
        {id, strlen(id)},
        {body, strlen(body)},
    };
    const size_t skip = scheme->body_only ? ARRAY_SIZE(parts) - 1 : 0;
    unsigned char sum[CRYPTO_SUM_SIZE];
    int r = crypto_mac_sum(mac, parts + skip, ARRAY_SIZE(parts) - skip, sum);

    if (r == 0)
        hex_encode(sum, sizeof(sum), signature);
    return r;
}

/* The request's length, or -EIO. */
static int make_request(struct crypto_mac *mac, const struct scheme *scheme, uint64_t seed,
    uint64_t n, char request[static REQUEST_MAX])
{
    char id[REQUEST_ID_SIZE], signature[2 * CRYPTO_SUM_SIZE + 1], body[256];
    int length;

    make_id(seed, n, id);
    (void)snprintf(body, sizeof(body),
        "{\"job_id\":\"%010" PRIu64 "\",\"type\":\"embed-signature\",\"status\":\"completed\","
        "\"created_at\":\"2025-01-01T00:00:00Z\",\"updated_at\":\"2025-01-01T00:00:00Z\"}",
        n);
    if (make_signature(mac, scheme, id, body, signature) < 0)
        return -EIO;
    length = snprintf(request, REQUEST_MAX,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
        "Content-Type: application/json\r\nSASHA-Request-ID: %s\r\n"
        "SASHA-Request-Signature: %s\r\nContent-Length: %zu\r\n\r\n%s",
        scheme->path, scheme->token, id, signature, strlen(body), body);
    ASSERT(length > 0 && length < REQUEST_MAX);
    return length;
}

/* The length of one request, or a negative number with errno or -EIO. */
static int write_all(
    FILE *file, struct crypto_mac *mac, const struct scheme *scheme, uint64_t seed, uint64_t count)
{
    char request[REQUEST_MAX];
    int first = 0;

    for (uint64_t n = 0; n < count; n++) {
        int length = make_request(mac, scheme, seed, n, request);

        if (length < 0)
            return length;
        if (n == 0)
            first = length;
        ASSERT(length == first);
        if (fwrite(request, 1, (size_t)length, file) != (size_t)length)
            return -errno;
    }
    return first;
}

static int make_mac(const char *key_text, struct crypto_mac **ret_mac, struct error *error)
{
    CLEANUP(crypto_free) struct crypto *crypto = NULL;
    struct secret_key key;
    int r = secret_decode(key_text, strlen(key_text), SECRET_RAW, &key, error);

    if (r == 0)
        r = crypto_new(&crypto, error);
    if (r == 0)
        r = crypto_mac_new(crypto, &key, ret_mac, error);
    return r;
}

static int fail(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_requests: %s: %s\n", what, why);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    CLEANUP(crypto_mac_free) struct crypto_mac *mac = NULL;
    struct error error = ERROR_INIT;
    FILE *file;
    int length;

    if (argc != 9)
        return fail("usage", "SCHEME COUNT SEED FILE URL PATH TOKEN KEY");
    const struct scheme scheme = {
        .body_only = strcmp(argv[1], "body") == 0,
        .url = argv[5],
        .path = argv[6],
        .token = argv[7],
    };
    if (make_mac(argv[8], &mac, &error) < 0)
        return fail("key", error.text);
    file = fopen(argv[4], "we");
    if (file == NULL)
        return fail(argv[4], strerror(errno));
    length =
        write_all(file, mac, &scheme, strtoull(argv[3], NULL, 10), strtoull(argv[2], NULL, 10));
    if (fclose(file) != 0 || length < 0)
        return fail(argv[4], length < 0 ? strerror(-length) : strerror(errno));
    printf("%d\n", length);
    return EXIT_SUCCESS;
}
