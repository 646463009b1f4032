#pragma once

/*
 * Why a callback was refused, and what would have matched: for operators, never for the peer.
 *
 * Goes through the same checks as verify.c on a captured request and tells each one's outcome in
 * words. For a signature that does not hold it tries what usually went wrong, one change at a time
 * and the usual pairs: the url with http for https, another host, port, trailing slash, query, or
 * without the prefix that the proxy strips; each secret of the endpoint (and of the others) in each
 * encoding; the body re-serialised, with CRLF or LF, with or without a newline at its end. What
 * matches is named.
 *
 * Nothing here reveals a secret, a token or an expected signature; findings name secrets by their
 * name in the conf, and what a peer may have put into a url is starred out. Texts are one line
 * each, fit for a terminal. Pure but for memory; bounded: at most EXPLAIN_TRIES_MAX sums over
 * EXPLAIN_BYTES_MAX bytes.
 *
 * The body is parsed as JSON to write it anew, though it is not proven: see job/reserialise.h.
 */

#include "util/buf.h"
#include "util/error.h"
#include "verify/verify.h"

#define EXPLAIN_TRIES_MAX 20000
#define EXPLAIN_BYTES_MAX (256u << 20)
#define EXPLAIN_BODY_MAX (1u << 20)
#define EXPLAIN_HEADERS_MAX 128
#define EXPLAIN_FINDINGS_MAX 12

struct explain_header {
    const char *name, *value;
};

/* A captured request; borrowed. `token_hidden`: Authorization was redacted, so that the token is
 * not judged. `body_cut`: the body is not complete, so that the signature is not judged. */
struct explain_request {
    const char *method;
    const char *target;
    const struct explain_header *headers;
    size_t n_headers;
    const unsigned char *body;
    size_t body_length;
    bool token_hidden;
    bool body_cut;
};

/* Parses a captured request: request line (may have an absolute url), header lines, an empty line,
 * body; lines end with CRLF or LF. The result borrows from `text`, which it changes, and from
 * `headers`. A token that shows as its length only ("Bearer <36 bytes>") counts as hidden. 0 or
 * -EINVAL with the number of the line. */
int explain_parse(char *text, size_t length, struct explain_request *ret_request,
    struct explain_header *headers, size_t max_headers, struct error *error);

enum explain_outcome {
    EXPLAIN_OK,
    EXPLAIN_FAILED,
    EXPLAIN_NOT_JUDGED,
};

struct explain_check {
    const char
        *step; /* "path", "method", "token", "request-id", "signature", "secret", "job", "age" */
    enum explain_outcome outcome;
    char *text; /* owned: what was found, and what would be right */
};

struct explain_report {
    char *endpoint;      /* owned; NULL: none fits */
    enum reason verdict; /* as the daemon would judge; REASON_ACCEPTED if it would take it */
    bool judged;         /* false: no check fails, but one could not be judged; no verdict then */
    struct explain_check *checks;
    size_t n_checks;
    char **findings; /* each what would match, or a likely cause, most likely first */
    size_t n_findings;
    bool failed; /* out of memory once; of no interest to a reader, who then got -ENOMEM */
};

/* `endpoint`: the name, or NULL to go by the path. Returns 0 or -ENOMEM, -EIO (OpenSSL), -ENOENT
 * (no endpoint of that name), -EFBIG (body over EXPLAIN_BODY_MAX). *ret_report is to be given back
 * with explain_report_done. */
int explain_request(const struct verify_options *options, const char *endpoint,
    const struct explain_request *request, int64_t now_usec, struct explain_report *ret_report,
    struct error *error);
void explain_report_done(struct explain_report *report);
