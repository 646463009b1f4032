/*
 * An endpoint's tokens and secrets, and what matches them.
 *
 * Sums are compared in constant time, and no candidate is left out because an earlier one matched.
 * Which secrets are candidates does depend on the request's secret id; ids are no secret.
 */

#include "verify/endpoint.h"

#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int copy_text(const char *text, char **ret_copy)
{
    char *copy = strdup(text);

    if (!copy)
        return -ENOMEM;
    *ret_copy = copy;
    return 0;
}

static int init_tokens(struct verify_endpoint *endpoint,
    const struct verify_endpoint_options *options, struct crypto *crypto, struct error *error)
{
    if (options->n_tokens == 0)
        return 0;
    endpoint->tokens = calloc(options->n_tokens, sizeof(*endpoint->tokens));
    if (!endpoint->tokens)
        return error_errno(error, ENOMEM, "endpoint \"%s\"", options->name);

    for (size_t i = 0; i < options->n_tokens; i++) {
        const struct crypto_part part = {options->tokens[i], strlen(options->tokens[i])};

        if (!header_is_token(part.data, part.length))
            return error_set(error, EINVAL,
                "endpoint \"%s\": partner token %zu is empty or holds a character that a Bearer "
                "token cannot have",
                options->name, i + 1);
        if (crypto_sha256(crypto, &part, 1, endpoint->tokens[i].sum) < 0)
            return error_set(error, EIO,
                "endpoint \"%s\": OpenSSL cannot compute the digest of a token", options->name);
        endpoint->n_tokens++;
    }
    return 0;
}

static int init_secrets(struct verify_endpoint *endpoint,
    const struct verify_endpoint_options *options, struct crypto *crypto, struct error *error)
{
    if (options->n_secrets == 0)
        return error_set(error, EINVAL, "endpoint \"%s\" has no callback secret", options->name);
    endpoint->secrets = calloc(options->n_secrets, sizeof(*endpoint->secrets));
    if (!endpoint->secrets)
        return error_errno(error, ENOMEM, "endpoint \"%s\"", options->name);

    for (size_t i = 0; i < options->n_secrets; i++) {
        const struct verify_secret_options *from = &options->secrets[i];
        struct verify_secret *secret = &endpoint->secrets[endpoint->n_secrets++];

        if (copy_text(from->name, &secret->name) < 0 ||
            (from->id && copy_text(from->id, &secret->id) < 0))
            return error_errno(error, ENOMEM, "endpoint \"%s\"", options->name);
        if (crypto_mac_new(crypto, &from->key, &secret->mac, error) < 0)
            return error_prefix(
                error, "endpoint \"%s\": callback_secret \"%s\"", options->name, from->name);
    }
    return 0;
}

int verify_endpoint_init(struct verify_endpoint *endpoint, size_t index,
    const struct verify_endpoint_options *options, struct crypto *crypto, struct error *error)
{
    int result;

    endpoint->index = index;
    if (copy_text(options->name, &endpoint->name) < 0 ||
        copy_text(options->public_url, &endpoint->public_url) < 0 ||
        copy_text(options->path, &endpoint->path) < 0)
        return error_errno(error, ENOMEM, "endpoint \"%s\"", options->name);
    endpoint->path_length = strlen(endpoint->path);
    endpoint->max_age_usec = options->max_age_usec;
    endpoint->report = options->report;

    result = init_tokens(endpoint, options, crypto, error);
    if (result == 0)
        result = init_secrets(endpoint, options, crypto, error);
    return result;
}

void verify_endpoint_done(struct verify_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->n_secrets; i++) {
        free(endpoint->secrets[i].name);
        free(endpoint->secrets[i].id);
        crypto_mac_free(endpoint->secrets[i].mac);
    }
    free(endpoint->secrets);
    secret_wipe(endpoint->tokens, endpoint->n_tokens * sizeof(*endpoint->tokens));
    free(endpoint->tokens);
    free(endpoint->path);
    free(endpoint->public_url);
    free(endpoint->name);
    *endpoint = (struct verify_endpoint){.name = NULL};
}

const char *verify_endpoint_name(const struct verify_endpoint *endpoint)
{
    return endpoint->name;
}

size_t verify_endpoint_index(const struct verify_endpoint *endpoint)
{
    return endpoint->index;
}

bool verify_endpoint_reports(const struct verify_endpoint *endpoint)
{
    return endpoint->report;
}

size_t verify_endpoint_count_tokens(const struct verify_endpoint *endpoint)
{
    return endpoint->n_tokens;
}

struct digest verify_endpoint_get_token(const struct verify_endpoint *endpoint, size_t index)
{
    struct digest digest;

    ASSERT(index < endpoint->n_tokens);
    memcpy(digest.bytes, endpoint->tokens[index].sum, sizeof(digest.bytes));
    return digest;
}

size_t verify_endpoint_count_secrets(const struct verify_endpoint *endpoint)
{
    return endpoint->n_secrets;
}

const char *verify_endpoint_get_secret(const struct verify_endpoint *endpoint, size_t index)
{
    ASSERT(index < endpoint->n_secrets);
    return endpoint->secrets[index].name;
}

int verify_endpoint_match_token(const struct verify_endpoint *endpoint, struct crypto *crypto,
    struct header_text token, const struct verify_token **ret_token)
{
    const struct crypto_part part = {token.data, token.length};
    unsigned char sum[CRYPTO_SUM_SIZE];
    const struct verify_token *match = NULL;

    if (crypto_sha256(crypto, &part, 1, sum) < 0)
        return -EIO;
    for (size_t i = 0; i < endpoint->n_tokens; i++) {
        if (crypto_sum_equal(sum, endpoint->tokens[i].sum))
            match = &endpoint->tokens[i];
    }
    *ret_token = match;
    return 0;
}

enum verify_candidates verify_endpoint_candidates(
    const struct verify_endpoint *endpoint, const struct header_text *secret_id)
{
    bool has_without_id = false;

    if (!secret_id)
        return VERIFY_CANDIDATES_ALL;
    for (size_t i = 0; i < endpoint->n_secrets; i++) {
        const char *id = endpoint->secrets[i].id;

        if (id && header_is_secret_id(*secret_id, id))
            return VERIFY_CANDIDATES_BY_ID;
        has_without_id |= !id;
    }
    return has_without_id ? VERIFY_CANDIDATES_WITHOUT_ID : VERIFY_CANDIDATES_NONE;
}

static bool is_candidate(const struct verify_secret *secret, enum verify_candidates candidates,
    const struct header_text *secret_id)
{
    switch (candidates) {
    case VERIFY_CANDIDATES_NONE:
        return false;
    case VERIFY_CANDIDATES_ALL:
        return true;
    case VERIFY_CANDIDATES_BY_ID:
        return secret->id && header_is_secret_id(*secret_id, secret->id);
    case VERIFY_CANDIDATES_WITHOUT_ID:
        return !secret->id;
    }
    ASSERT(!"a set of candidates that is none of the enum's");
}

int verify_endpoint_match_secret(const struct verify_endpoint *endpoint,
    const struct header_text *secret_id, const struct crypto_part *parts, size_t n_parts,
    const unsigned char want_sum[static CRYPTO_SUM_SIZE], const struct verify_secret **ret_secret)
{
    enum verify_candidates candidates = verify_endpoint_candidates(endpoint, secret_id);
    const struct verify_secret *match = NULL;

    for (size_t i = 0; i < endpoint->n_secrets; i++) {
        const struct verify_secret *secret = &endpoint->secrets[i];
        unsigned char sum[CRYPTO_SUM_SIZE];

        if (!is_candidate(secret, candidates, secret_id))
            continue;
        if (crypto_mac_sum(secret->mac, parts, n_parts, sum) < 0)
            return -EIO;
        if (crypto_sum_equal(sum, want_sum))
            match = secret;
    }
    *ret_secret = match;
    return 0;
}
