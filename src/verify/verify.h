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
 *
 * Report mode is an endpoint's: what fails steps 4 to 6 or 8 there passes all the same, and the
 * finding says for what it would have been refused. The request id must be well-formed and the body
 * a Job in any case. With `report` off in the options the verdicts are the strict ones.
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
    bool report;          /* verify = "report": what fails steps 4 to 6 and 8 passes, marked */
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

/* All endpoints, by their index in the options. */
size_t verifier_count(const struct verifier *verifier);
const struct verify_endpoint *verifier_get(const struct verifier *verifier, size_t index);
size_t verify_endpoint_index(const struct verify_endpoint *endpoint);

/* What is counted of an endpoint goes by these: whether it reports, its secrets by name, its tokens
 * by digest, for a token has no name. In the order of the options; borrowed. */
bool verify_endpoint_reports(const struct verify_endpoint *endpoint);
size_t verify_endpoint_count_tokens(const struct verify_endpoint *endpoint);
struct digest verify_endpoint_get_token(const struct verify_endpoint *endpoint, size_t index);
size_t verify_endpoint_count_secrets(const struct verify_endpoint *endpoint);
const char *verify_endpoint_get_secret(const struct verify_endpoint *endpoint, size_t index);

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

/* What the checks found out about a request, for counting and marking; it goes from the head's to
 * the body's. */
struct verify_finding {
    enum reason unverified; /* the first check that failed and that report mode let pass;
                               REASON_ACCEPTED: none, all is proven */
    size_t token;           /* index of the token that matched, or VERIFY_NO_MATCH */
    size_t secret;          /* index of the secret that signed, or VERIFY_NO_MATCH */
};

#define VERIFY_NO_MATCH SIZE_MAX

/* Steps 4 and 5, and whether any secret fits the id: before the body is read.
 * Returns REASON_ACCEPTED to go on, or why not; *ret_finding is set in any case. Repeated:
 * Authorization is token-wrong, request id id-malformed, signature signature-malformed, secret id
 * secret-unknown. */
enum reason verify_check_head(struct verifier *verifier, const struct verify_endpoint *endpoint,
    const struct verify_head *head, struct verify_finding *ret_finding);

/* Steps 6 to 8. On REASON_ACCEPTED, *ret_delivery is owned by the caller: complete but for seq and
 * stale. Otherwise *ret_detail may be a static text for the log that quotes nothing of the request
 * ("created_at is not an RFC 3339 date-time"), else NULL. The head must have passed
 * verify_check_head, which made the finding; this adds to it. `now_usec` is real time and becomes
 * received_at. */
enum reason verify_check_body(struct verifier *verifier, const struct verify_endpoint *endpoint,
    const struct verify_head *head, const unsigned char *body, size_t length, int64_t now_usec,
    struct verify_finding *finding, struct delivery **ret_delivery, const char **ret_detail);
