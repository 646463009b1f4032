#pragma once

/*
 * One endpoint as the verifier holds it: copied options, tokens as digests, secrets as keyed
 * contexts. It answers two questions about a request's proof, each over all candidates so that the
 * time tells neither which one matched nor how far.
 *
 * Used by verify.c only. Belongs to one thread, with its verifier.
 */

#include "verify/crypto.h"
#include "verify/headers.h"
#include "verify/verify.h"

struct verify_token {
    unsigned char sum[CRYPTO_SUM_SIZE]; /* SHA-256 of the token: of one length for all tokens */
};

struct verify_secret {
    char *name;
    char *id; /* NULL: none */
    struct crypto_mac *mac;
};

struct verify_endpoint {
    size_t index; /* in the options */
    char *name;
    char *public_url;
    char *path;
    size_t path_length;
    struct verify_token *tokens; /* none: the endpoint asks for no token */
    size_t n_tokens;
    struct verify_secret *secrets; /* at least one */
    size_t n_secrets;
    int64_t max_age_usec;
    bool report;
};

/* The endpoint is zeroed memory before. On failure it may be half built: call done all the same.
 * Refuses an endpoint without secrets, and a token that no Bearer header could carry. */
int verify_endpoint_init(struct verify_endpoint *endpoint, size_t index,
    const struct verify_endpoint_options *options, struct crypto *crypto, struct error *error);

/* Wipes. */
void verify_endpoint_done(struct verify_endpoint *endpoint);

/* Which of the endpoint's tokens it is; NULL when none. 0, or -EIO with *ret_token untouched. */
int verify_endpoint_match_token(const struct verify_endpoint *endpoint, struct crypto *crypto,
    struct header_text token, const struct verify_token **ret_token);

/* Which secrets may have signed a request. */
enum verify_candidates {
    VERIFY_CANDIDATES_NONE,       /* the id names none, and every secret has an id */
    VERIFY_CANDIDATES_ALL,        /* the request names no secret */
    VERIFY_CANDIDATES_BY_ID,      /* the secrets with the request's id */
    VERIFY_CANDIDATES_WITHOUT_ID, /* it names one that is not known: those whose id is not set */
};

/* `secret_id` is the value of SASHA-Callback-Secret-ID, NULL when absent. */
enum verify_candidates verify_endpoint_candidates(
    const struct verify_endpoint *endpoint, const struct header_text *secret_id);

/* The secret under which the parts have this sum, among the candidates; NULL when none. 0, or -EIO
 * with *ret_secret untouched. */
int verify_endpoint_match_secret(const struct verify_endpoint *endpoint,
    const struct header_text *secret_id, const struct crypto_part *parts, size_t n_parts,
    const unsigned char want_sum[static CRYPTO_SUM_SIZE], const struct verify_secret **ret_secret);
