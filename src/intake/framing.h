#pragma once

/*
 * Step 1: is this exactly one HTTP request, with no second reading?
 *
 * libmicrohttpd 0.9.75 accepts ambiguous framing even when told to be strict. This check runs on
 * what it parsed, before anything is believed, and closes what it leaves open. It is pure: a list
 * of headers in, a verdict out; it knows nothing of libmicrohttpd.
 *
 * Sources: RFC 9110 §5 (field names and values), RFC 9112 §2-6 (request line, framing).
 */

#include <stdbool.h>
#include <stddef.h>

struct framing_header {
    const char *name;
    size_t name_length;
    const char *value; /* may be NULL when value_length is 0 */
    size_t value_length;
};

struct framing_request {
    const char *version; /* "HTTP/1.1" */
    const char *method;
    const char *target; /* raw, as it stood in the request line; NULL: unknown, refused */
    size_t target_length;
    const struct framing_header *headers;
    size_t n_headers;
};

/* What the rest of the intake may rely on once the request is well framed. */
struct framing {
    bool chunked;
    bool has_length;
    unsigned long long content_length; /* when has_length */
    size_t path_length;                /* bytes of the target before '?' */
};

/* The most header fields a request may have. */
#define FRAMING_HEADERS_MAX 64

/* NULL when the request is well framed, and *ret_framing is set; else a static text for the log
 * that says what is wrong ("two Content-Length headers"). The rules:
 * - version HTTP/1.1 or HTTP/1.0; HTTP/1.0 may not have Transfer-Encoding;
 * - method is a token; target is origin-form: starts with '/', only visible ASCII, no '#';
 * - at most FRAMING_HEADERS_MAX fields; names are tokens; values hold no control byte but tab
 *   inside (so no NUL, CR, LF, DEL);
 * - exactly one Host in HTTP/1.1, at most one in 1.0; at most one Content-Type;
 * - Content-Length at most once, 1 to 18 digits and nothing else;
 * - Transfer-Encoding at most once, exactly "chunked" (any case);
 * - not both of them; POST, PUT and PATCH have exactly one of them. */
const char *framing_check(const struct framing_request *request, struct framing *ret_framing);

/* Whether a method or a header's name may hold the byte (RFC 9110 §5.6.2). */
bool framing_is_token_byte(char byte);
