/*
 * The framing check: every rule that keeps one message from having two readings.
 *
 * It looks at all fields once and judges the counts afterwards. Verdicts are static texts, so that
 * nothing of the request gets into the log through them. It does not judge what verify.c judges
 * (Authorization and SASHA-* fields, which may stand once only) nor whether the path exists.
 */

#include "intake/framing.h"

#include "util/word.h"

#include <string.h>
#include <strings.h>

/* Below 2^63, and no operator's max_body comes near. */
#define LENGTH_DIGITS_MAX 18

/* RFC 9110 §5.6.2, tchar. A table, for each byte of each name is looked at. */
static const bool token_bytes[256] = {
    ['!'] = true,
    ['#'] = true,
    ['$'] = true,
    ['%'] = true,
    ['&'] = true,
    ['\''] = true,
    ['*'] = true,
    ['+'] = true,
    ['-'] = true,
    ['.'] = true,
    ['^'] = true,
    ['_'] = true,
    ['`'] = true,
    ['|'] = true,
    ['~'] = true,
    ['0' ... '9'] = true,
    ['A' ... 'Z'] = true,
    ['a' ... 'z'] = true,
};

bool framing_is_token_byte(char byte)
{
    return token_bytes[(unsigned char)byte];
}

/* Visible ASCII but '#'. */
static const bool target_bytes[256] = {
    ['!' ... '"'] = true,
    ['$' ... '~'] = true,
};

/* Looks at all bytes in any case: nearly always all are. */
static bool consists_of(const bool bytes[static 256], const char *text, size_t length)
{
    bool all = true;

    for (size_t i = 0; i < length; i++)
        all &= bytes[(unsigned char)text[i]];
    return all;
}

static bool is_token(const char *text, size_t length)
{
    return length > 0 && consists_of(token_bytes, text, length);
}

static bool is_control(unsigned char byte)
{
    return byte < ' ' || byte == 0x7f;
}

/* How many bytes there are before the first control byte. */
static size_t count_plain(const char *value, size_t length)
{
    size_t i = 0;

    for (; length - i >= WORD_SIZE; i += WORD_SIZE) {
        const uint64_t word = word_load(value + i);
        const uint64_t found = word_find_below(word, ' ') | word_find(word, 0x7f);

        if (found != 0)
            return i + word_first(found);
    }
    while (i < length && !is_control((unsigned char)value[i]))
        i++;
    return i;
}

/* Bytes above 0x7f pass (obs-text), tabs between other bytes do. */
static bool is_value(const char *value, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        i += count_plain(value + i, length - i);
        if (i < length && (value[i] != '\t' || i == 0 || i + 1 == length))
            return false;
    }
    return true;
}

static bool is_text(const char *text, size_t length, const char *want)
{
    return length == strlen(want) && strncasecmp(text, want, length) == 0;
}

static bool is_named(const struct framing_header *header, const char *name)
{
    return is_text(header->name, header->name_length, name);
}

static bool parse_length(const struct framing_header *header, unsigned long long *ret_length)
{
    unsigned long long length = 0;

    if (header->value_length == 0 || header->value_length > LENGTH_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < header->value_length; i++) {
        char digit = header->value[i];

        if (digit < '0' || digit > '9')
            return false;
        length = length * 10 + (unsigned int)(digit - '0');
    }
    *ret_length = length;
    return true;
}

/* The request line; *ret_path_length on success. */
static const char *check_request_line(
    const struct framing_request *request, bool is_http_1_1, size_t *ret_path_length)
{
    const char *query;

    if (!is_http_1_1 && strcmp(request->version, "HTTP/1.0") != 0)
        return "version is not HTTP/1.1 or HTTP/1.0";
    if (!is_token(request->method, strlen(request->method)))
        return "method is not a token";
    if (!request->target)
        return "request target is not known";
    if (request->target_length == 0 || request->target[0] != '/')
        return "request target does not start with '/'";
    if (!consists_of(target_bytes, request->target, request->target_length))
        return "request target holds a byte that it cannot have";
    query = memchr(request->target, '?', request->target_length);
    *ret_path_length = query ? (size_t)(query - request->target) : request->target_length;
    return NULL;
}

/* What the check needs to know of all fields. */
struct fields {
    size_t n_host;
    size_t n_content_type;
    size_t n_content_length;
    size_t n_transfer_encoding;
    const struct framing_header *content_length;    /* the last */
    const struct framing_header *transfer_encoding; /* the last */
};

static const char *read_fields(const struct framing_request *request, struct fields *ret_fields)
{
    struct fields fields = {0};

    if (request->n_headers > FRAMING_HEADERS_MAX)
        return "more than 64 header fields";
    for (size_t i = 0; i < request->n_headers; i++) {
        const struct framing_header *header = &request->headers[i];

        if (!is_token(header->name, header->name_length))
            return "a header name is not a token";
        if (!is_value(header->value, header->value_length))
            return "a header value holds a control byte";

        if (is_named(header, "Host")) {
            fields.n_host++;
        } else if (is_named(header, "Content-Type")) {
            fields.n_content_type++;
        } else if (is_named(header, "Content-Length")) {
            fields.n_content_length++;
            fields.content_length = header;
        } else if (is_named(header, "Transfer-Encoding")) {
            fields.n_transfer_encoding++;
            fields.transfer_encoding = header;
        }
    }
    *ret_fields = fields;
    return NULL;
}

static const char *check_counts(const struct fields *fields, bool is_http_1_1)
{
    if (fields->n_host > 1)
        return "more than one Host header";
    if (is_http_1_1 && fields->n_host == 0)
        return "no Host header";
    if (fields->n_content_type > 1)
        return "more than one Content-Type header";
    if (fields->n_content_length > 1)
        return "more than one Content-Length header";
    if (fields->n_transfer_encoding > 1)
        return "more than one Transfer-Encoding header";
    if (fields->n_content_length > 0 && fields->n_transfer_encoding > 0)
        return "both Content-Length and Transfer-Encoding";
    if (!is_http_1_1 && fields->n_transfer_encoding > 0)
        return "Transfer-Encoding in HTTP/1.0";
    return NULL;
}

static bool must_have_body(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "PATCH") == 0;
}

const char *framing_check(const struct framing_request *request, struct framing *ret_framing)
{
    bool is_http_1_1 = strcmp(request->version, "HTTP/1.1") == 0;
    struct framing framing = {0};
    struct fields fields;
    const char *fault = check_request_line(request, is_http_1_1, &framing.path_length);

    if (!fault)
        fault = read_fields(request, &fields);
    if (!fault)
        fault = check_counts(&fields, is_http_1_1);
    if (fault)
        return fault;

    framing.has_length = fields.n_content_length == 1;
    framing.chunked = fields.n_transfer_encoding == 1;
    if (framing.has_length && !parse_length(fields.content_length, &framing.content_length))
        return "Content-Length is not 1 to 18 digits";
    if (framing.chunked && !is_text(fields.transfer_encoding->value,
                               fields.transfer_encoding->value_length, "chunked"))
        return "Transfer-Encoding is not \"chunked\"";
    if (must_have_body(request->method) && !framing.has_length && !framing.chunked)
        return "neither Content-Length nor Transfer-Encoding";

    *ret_framing = framing;
    return NULL;
}
