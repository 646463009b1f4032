#pragma once

/*
 * The proof that a callback is genuine: steps 4 to 8 of the table in design §2.
 *
 * A `struct verifier` belongs to one thread: it holds one keyed HMAC context a secret, re-armed for
 * each request (measured: 3.5 times faster than a one-shot HMAC). Reload builds new verifiers and
 * hands each worker its own. Options are copied; a verifier is immutable but for its scratch
 * contexts, so requests in flight finish with the one they started with.
 *
 * Order is cheapest and least trusting first. Headers are judged before a body is read. Every
 * candidate token and secret is evaluated, and comparison is constant-time over digests, so that
 * the time tells neither which one matched nor how far.
 */

#include "job/delivery.h"
#include "util/error.h"
#include "verify/reason.h"
#include "verify/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct verify_secret_options {
    const char *name; /* title in the conf */
    const char *id;   /* SASHA's Callback Secret ID; NULL if none is set */
    struct secret_key key;
};

struct verify_endpoint_options {
    const char *name;
    const char *public_url; /* signed as it stands here */
    const char *path;       /* raw bytes of the request target before '?' */
    const char *const *tokens;
    size_t n_tokens; /* 0: partner_token = {"none"} */
    const struct verify_secret_options *secrets;
    size_t n_secrets;
    int64_t max_age_usec; /* USEC_INFINITY: none */
};

struct verify_options {
    const struct verify_endpoint_options *endpoints;
    size_t n_endpoints;
};

struct verifier;
struct verify_endpoint;

/* Copies the options. Fails on a key shorter than SECRET_KEY_MIN (conf refuses it before), when out
 * of memory, or when OpenSSL does not work. The result belongs to one thread, but may be made on
 * another. */
int verifier_new(
    const struct verify_options *options, struct verifier **ret_verifier, struct error *error);

/* Wipes keys and digests. */
void verifier_free(struct verifier *verifier);

/* The endpoint whose path is exactly these bytes, or NULL. Borrowed from the verifier. */
const struct verify_endpoint *verifier_route(
    const struct verifier *verifier, const char *path, size_t length);

const char *verify_endpoint_name(const struct verify_endpoint *endpoint);

/* A header's value as it came. `count` is how often the header stood in the request; value and
 * length are of the first. Absent: count 0. */
struct verify_header {
    const char *value;
    size_t length;
    unsigned int count;
};

/* The four headers that matter; borrowed. */
struct verify_head {
    struct verify_header authorization; /* Authorization */
    struct verify_header request_id;    /* SASHA-Request-ID */
    struct verify_header signature;     /* SASHA-Request-Signature */
    struct verify_header secret_id;     /* SASHA-Callback-Secret-ID */
};

/* Steps 4 and 5, and whether any secret fits the id: before the body is read.
 * Returns REASON_ACCEPTED to go on, or why not. Repeated:
 * Authorization is token-wrong, request id id-malformed, signature signature-malformed, secret id
 * secret-unknown. */
enum reason verify_check_head(struct verifier *verifier, const struct verify_endpoint *endpoint,
    const struct verify_head *head);

/* Steps 6 to 8. On REASON_ACCEPTED, *ret_delivery is owned by the caller: complete but for seq and
 * stale. Otherwise *ret_detail may be a static text for the log that quotes nothing of the request
 * ("created_at is not an RFC 3339 date-time"), else NULL. The head must have passed
 * verify_check_head. `now_usec` is real time and becomes received_at. */
enum reason verify_check_body(struct verifier *verifier, const struct verify_endpoint *endpoint,
    const struct verify_head *head, const unsigned char *body, size_t length, int64_t now_usec,
    struct delivery **ret_delivery, const char **ret_detail);
