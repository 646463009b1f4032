/*
 * The order of the checks, steps 4 to 8 of the table in design §2.
 *
 * Only what is proven so far is looked at: the token before the other headers, the HMAC before the
 * Job (but for report mode, which is there to pass on what is not proven). The signed url is the
 * configured one and the method is POST (step 2 let nothing else in), so nothing of the signed text
 * but id and body comes from the request. A failure of OpenSSL is REASON_INTERNAL, never a verdict
 * about the request.
 *
 * How headers read: headers.c. What tokens and secrets match: endpoint.c. OpenSSL: crypto.c.
 * Whether endpoints are told apart safely (equal paths, one url a prefix of another) is for the
 * conf to check.
 */

#include "verify/verify.h"

#include "job/job.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "verify/crypto.h"
#include "verify/endpoint.h"
#include "verify/headers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct verifier {
    struct crypto *crypto;
    struct verify_endpoint *endpoints;
    size_t n_endpoints;
};

CLEANUP_FUNC(struct verifier, verifier_free);
CLEANUP_FUNC(struct job, job_free);

int verifier_new(
    const struct verify_options *options, struct verifier **ret_verifier, struct error *error)
{
    CLEANUP(verifier_free) struct verifier *verifier = calloc(1, sizeof(*verifier));
    int result;

    if (!verifier)
        return error_errno(error, ENOMEM, "cannot set up verification");
    result = crypto_new(&verifier->crypto, error);
    if (result < 0)
        return result;

    if (options->n_endpoints > 0) {
        verifier->endpoints = calloc(options->n_endpoints, sizeof(*verifier->endpoints));
        if (!verifier->endpoints)
            return error_errno(error, ENOMEM, "cannot set up verification");
    }
    for (size_t i = 0; i < options->n_endpoints; i++) {
        verifier->n_endpoints++;
        result = verify_endpoint_init(
            &verifier->endpoints[i], i, &options->endpoints[i], verifier->crypto, error);
        if (result < 0)
            return result;
    }

    *ret_verifier = TAKE(verifier);
    return 0;
}

void verifier_free(struct verifier *verifier)
{
    if (!verifier)
        return;
    for (size_t i = 0; i < verifier->n_endpoints; i++)
        verify_endpoint_done(&verifier->endpoints[i]);
    free(verifier->endpoints);
    crypto_free(verifier->crypto);
    free(verifier);
}

const struct verify_endpoint *verifier_route(
    const struct verifier *verifier, const char *path, size_t length)
{
    for (size_t i = 0; i < verifier->n_endpoints; i++) {
        const struct verify_endpoint *endpoint = &verifier->endpoints[i];

        if (endpoint->path_length == length && memcmp(endpoint->path, path, length) == 0)
            return endpoint;
    }
    return NULL;
}

size_t verifier_count(const struct verifier *verifier)
{
    return verifier->n_endpoints;
}

const struct verify_endpoint *verifier_get(const struct verifier *verifier, size_t index)
{
    ASSERT(index < verifier->n_endpoints);
    return &verifier->endpoints[index];
}

/* ---- report mode ---- */

/* What verify = "report" lets pass: that the callback is not proven, or too old. */
static bool is_passable(enum reason reason)
{
    return reason == REASON_TOKEN_MISSING || reason == REASON_TOKEN_WRONG ||
           reason == REASON_SIGNATURE_MISSING || reason == REASON_SIGNATURE_MALFORMED ||
           reason == REASON_SIGNATURE_WRONG || reason == REASON_SECRET_UNKNOWN ||
           reason == REASON_STALE;
}

/* The verdict of a check as the endpoint takes it: its own, unless report mode lets it pass. The
 * first that was let pass is what the callback would have been refused for. */
static enum reason judge(
    const struct verify_endpoint *endpoint, struct verify_finding *finding, enum reason reason)
{
    if (!endpoint->report || !is_passable(reason))
        return reason;
    if (finding->unverified == REASON_ACCEPTED)
        finding->unverified = reason;
    return REASON_ACCEPTED;
}

/* ---- step 4 ---- */

static enum reason check_token(struct verifier *verifier, const struct verify_endpoint *endpoint,
    const struct verify_header *header, struct verify_finding *finding)
{
    const struct verify_token *match;
    struct header_text token;

    if (endpoint->n_tokens == 0)
        return REASON_ACCEPTED;
    if (header->count == 0)
        return REASON_TOKEN_MISSING;
    if (header->count > 1 ||
        !header_parse_bearer(header_trim(header->value, header->length), &token))
        return REASON_TOKEN_WRONG;
    if (verify_endpoint_match_token(endpoint, verifier->crypto, token, &match) < 0)
        return REASON_INTERNAL;
    if (!match)
        return REASON_TOKEN_WRONG;
    finding->token = (size_t)(match - endpoint->tokens);
    return REASON_ACCEPTED;
}

/* ---- step 5, and which secrets step 6 will try ---- */

/* What a request offers as proof. Borrowed from its headers. */
struct proof {
    unsigned char sum[CRYPTO_SUM_SIZE];
    struct header_text secret_id;
    bool has_secret_id;
};

static const struct header_text *proof_secret_id(const struct proof *proof)
{
    return proof->has_secret_id ? &proof->secret_id : NULL;
}

static enum reason parse_request_id(
    const struct verify_head *head, struct header_text *ret_request_id)
{
    const struct header_text id = header_trim(head->request_id.value, head->request_id.length);

    if (head->request_id.count == 0)
        return REASON_ID_MISSING;
    if (head->request_id.count > 1 || !header_is_request_id(id.data, id.length))
        return REASON_ID_MALFORMED;
    *ret_request_id = id;
    return REASON_ACCEPTED;
}

/* *ret_proof is filled in on REASON_ACCEPTED only. */
static enum reason parse_proof(
    const struct verify_endpoint *endpoint, const struct verify_head *head, struct proof *ret_proof)
{
    struct proof proof = {.has_secret_id = head->secret_id.count > 0};

    if (head->signature.count == 0)
        return REASON_SIGNATURE_MISSING;
    if (head->signature.count > 1 ||
        !header_parse_signature(
            header_trim(head->signature.value, head->signature.length), proof.sum))
        return REASON_SIGNATURE_MALFORMED;

    if (head->secret_id.count > 1)
        return REASON_SECRET_UNKNOWN;
    if (proof.has_secret_id)
        proof.secret_id = header_trim(head->secret_id.value, head->secret_id.length);
    if (verify_endpoint_candidates(endpoint, proof_secret_id(&proof)) == VERIFY_CANDIDATES_NONE)
        return REASON_SECRET_UNKNOWN;

    *ret_proof = proof;
    return REASON_ACCEPTED;
}

enum reason verify_check_head(struct verifier *verifier, const struct verify_endpoint *endpoint,
    const struct verify_head *head, struct verify_finding *ret_finding)
{
    struct verify_finding finding = {REASON_ACCEPTED, VERIFY_NO_MATCH, VERIFY_NO_MATCH};
    struct header_text request_id;
    struct proof proof;
    enum reason reason =
        judge(endpoint, &finding, check_token(verifier, endpoint, &head->authorization, &finding));

    if (reason == REASON_ACCEPTED)
        reason = parse_request_id(head, &request_id);
    if (reason == REASON_ACCEPTED)
        reason = judge(endpoint, &finding, parse_proof(endpoint, head, &proof));
    *ret_finding = finding;
    return reason;
}

/* ---- steps 6 to 8 ---- */

static enum reason check_signature(const struct verify_endpoint *endpoint,
    const struct verify_head *head, struct header_text request_id, const unsigned char *body,
    size_t length, struct verify_finding *finding)
{
    static const char method[] = "POST";
    const struct crypto_part parts[] = {
        {method, strlen(method)},
        {endpoint->public_url, strlen(endpoint->public_url)},
        {request_id.data, request_id.length},
        {body, length},
    };
    const struct verify_secret *secret;
    struct proof proof;
    enum reason reason = parse_proof(endpoint, head, &proof);

    if (reason != REASON_ACCEPTED)
        return reason;
    if (verify_endpoint_match_secret(
            endpoint, proof_secret_id(&proof), parts, ARRAY_SIZE(parts), proof.sum, &secret) < 0)
        return REASON_INTERNAL;
    if (!secret)
        return REASON_SIGNATURE_WRONG;
    finding->secret = (size_t)(secret - endpoint->secrets);
    return REASON_ACCEPTED;
}

static int make_digest(struct crypto *crypto, const struct crypto_part *parts, size_t n_parts,
    struct digest *ret_digest)
{
    unsigned char sum[CRYPTO_SUM_SIZE];
    int result = crypto_sha256(crypto, parts, n_parts, sum);

    if (result == 0)
        memcpy(ret_digest->bytes, sum, sizeof(ret_digest->bytes));
    return result;
}

static enum reason make_delivery(struct verifier *verifier, const struct verify_endpoint *endpoint,
    const struct delivery *from, struct delivery **ret_delivery)
{
    /* What the signature covers, so that a renamed endpoint still knows its ids. With the NUL of
     * the url, so that no url and id read as another url and id. */
    const struct crypto_part id_parts[] = {
        {endpoint->public_url, strlen(endpoint->public_url) + 1},
        {from->request_id, strlen(from->request_id)},
    };
    const struct crypto_part body_part = {from->body, from->body_length};
    struct delivery complete = *from;
    struct delivery *delivery;

    if (make_digest(verifier->crypto, id_parts, ARRAY_SIZE(id_parts), &complete.id_digest) < 0 ||
        make_digest(verifier->crypto, &body_part, 1, &complete.body_digest) < 0)
        return REASON_INTERNAL;
    delivery = delivery_new(&complete);
    if (!delivery)
        return REASON_OVERLOAD;
    *ret_delivery = delivery;
    return REASON_ACCEPTED;
}

static bool is_too_old(
    const struct verify_endpoint *endpoint, const struct job *job, int64_t now_usec)
{
    return endpoint->max_age_usec != USEC_INFINITY &&
           now_usec - job->updated_at_usec > endpoint->max_age_usec;
}

enum reason verify_check_body(struct verifier *verifier, const struct verify_endpoint *endpoint,
    const struct verify_head *head, const unsigned char *body, size_t length, int64_t now_usec,
    struct verify_finding *finding, struct delivery **ret_delivery, const char **ret_detail)
{
    CLEANUP(job_free) struct job *job = NULL;
    char request_id[HEADER_REQUEST_ID_MAX + 1];
    struct header_text id;
    enum reason reason;

    *ret_detail = NULL;
    reason = parse_request_id(head, &id);
    if (reason == REASON_ACCEPTED)
        reason =
            judge(endpoint, finding, check_signature(endpoint, head, id, body, length, finding));
    if (reason != REASON_ACCEPTED)
        return reason;

    switch (job_parse(body, length, &job, ret_detail)) {
    case JOB_OK:
        break;
    case JOB_MALFORMED:
        return REASON_JOB_MALFORMED;
    case JOB_NO_MEMORY:
        return REASON_OVERLOAD;
    }

    if (is_too_old(endpoint, job, now_usec) &&
        judge(endpoint, finding, REASON_STALE) != REASON_ACCEPTED) {
        *ret_detail = "updated_at is older than max_age";
        return REASON_STALE;
    }

    memcpy(request_id, id.data, id.length);
    request_id[id.length] = '\0';
    return make_delivery(verifier, endpoint,
        &(struct delivery){
            .received_at_usec = now_usec,
            .updated_at_usec = job->updated_at_usec,
            .terminal = job_status_is_terminal(job->status),
            .endpoint = endpoint->name,
            .request_id = request_id,
            .secret =
                finding->secret == VERIFY_NO_MATCH ? NULL : endpoint->secrets[finding->secret].name,
            .job_id = job->job_id,
            .type = job->type,
            .status = job->status,
            .unverified =
                finding->unverified == REASON_ACCEPTED ? NULL : reason_name(finding->unverified),
            .body = body,
            .body_length = length,
        },
        ret_delivery);
}
