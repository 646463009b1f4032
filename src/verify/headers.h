#pragma once

/*
 * What the headers of a callback may hold. Pure; any thread.
 *
 * Sources: RFC 9110 §5.5 (white space around values), RFC 6750 §2.1 (Bearer);
 * for the request id, SASHA's signed text: it is joined without separators, so an id that holds
 * only visible ASCII without '{' and '"' can swallow no byte of a JSON object.
 */

#include "verify/crypto.h"

#include <stdbool.h>
#include <stddef.h>

#define HEADER_REQUEST_ID_MAX 255

/* Borrowed bytes of a header's value. */
struct header_text {
    const char *data;
    size_t length;
};

/* Without the spaces and tabs around it, which are no part of a field's value. */
struct header_text header_trim(const char *value, size_t length);

/* "Bearer" in any case, one space or more, a token. Returns whether it is that, with the token
 * in *ret_token. */
bool header_parse_bearer(struct header_text value, struct header_text *ret_token);

/* Visible ASCII, at least one byte. RFC 6750 §2.1 allows less, but SASHA does not publish what its
 * tokens are made of, and one that a header can carry is not to be refused here. Also what a token
 * of the conf must look like. */
bool header_is_token(const char *text, size_t length);

/* 1 to 255 visible ASCII bytes, no '{', no '"'. */
bool header_is_request_id(const char *text, size_t length);

/* Exactly 64 hex digits. SASHA sends lower case; either case is taken, as it names the same sum. */
bool header_parse_signature(
    struct header_text value, unsigned char ret_sum[static CRYPTO_SUM_SIZE]);

/* Whether a value names this secret id: equal but for the case of ASCII letters (ids are UUIDs). */
bool header_is_secret_id(struct header_text value, const char *id);
