/*
 * Step 5 in words, and which secrets the request asks for: its headers but the token.
 *
 * A signature in a form that is not taken is still understood where it can be, so that the search
 * may go on with it.
 */

#include "verify/explain_internal.h"

#include "util/buf.h"
#include "util/cleanup.h"
#include "verify/explain_urls.h"

#include <string.h>

static size_t count_headers(const struct explain_request *request, const char *name)
{
    size_t n = 0;

    for (size_t i = 0; i < request->n_headers; i++)
        n += strcasecmp(request->headers[i].name, name) == 0;
    return n;
}

struct header_text explain_header_text(const struct explain_request *request, const char *name)
{
    const char *value = explain_header_get(request, name);

    return value ? header_trim(value, strlen(value)) : (struct header_text){NULL, 0};
}

/* Adds a finding when it does. */
static bool is_repeated(struct explain *explain, const char *name)
{
    if (count_headers(explain->request, name) < 2)
        return false;
    explain_report_find(
        explain->report, "%s stands there more than once: something on the way adds it", name);
    return true;
}

void explain_check_request_id(struct explain *explain)
{
    static const char name[] = "SASHA-Request-ID";
    size_t count = count_headers(explain->request, name);
    struct header_text id = explain_header_text(explain->request, name);
    char quoted[EXPLAIN_QUOTE_SIZE];

    if (count == 0) {
        EXPLAIN_FAIL(explain, "request-id", REASON_ID_MISSING, "there is no %s", name);
        explain_report_find(explain->report,
            "there is no %s: either this does not come from SASHA, or the proxy drops the header",
            name);
    } else if (is_repeated(explain, name)) {
        EXPLAIN_FAIL(explain, "request-id", REASON_ID_MALFORMED,
            "%s stands there %zu times; once is right", name, count);
    } else if (!header_is_request_id(id.data, id.length)) {
        EXPLAIN_FAIL(explain, "request-id", REASON_ID_MALFORMED,
            "\"%s\" (%zu bytes) is not 1 to %d visible ASCII characters without { and \"",
            explain_quote(id.data, id.length, quoted), id.length, HEADER_REQUEST_ID_MAX);
        explain_report_find(explain->report,
            "SASHA-Request-ID is none that SASHA makes: something on the way changes it, or this "
            "does not come from SASHA");
    } else {
        explain_report_check(explain->report, "request-id", EXPLAIN_OK, "\"%s\"",
            explain_quote(id.data, id.length, quoted));
    }
}

/* 32 bytes as base64, in the alphabet of mails or that of urls, with or without padding. */
static bool parse_base64_sum(struct header_text text, unsigned char sum[static CRYPTO_SUM_SIZE])
{
    char padded[45];
    struct secret_key bytes;

    if (text.length < 43 || text.length > 44)
        return false;
    memcpy(padded, text.data, text.length);
    padded[43] = '=';
    padded[44] = '\0';
    for (size_t i = 0; i < 43; i++)
        padded[i] = padded[i] == '-' ? '+' : padded[i] == '_' ? '/' : padded[i];
    if (secret_decode(padded, 44, SECRET_BASE64, &bytes, NULL) < 0 ||
        bytes.length != CRYPTO_SUM_SIZE)
        return false;
    memcpy(sum, bytes.bytes, CRYPTO_SUM_SIZE);
    return true;
}

/* A signature in a form that the daemon does not take. Returns what it is, or NULL. */
static const char *parse_other_signature(
    struct header_text text, unsigned char sum[static CRYPTO_SUM_SIZE])
{
    static const char *const prefixes[] = {"sha256=", "sha-256=", "SHA256=", "v1=", "hmac=", "0x"};

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        size_t length = strlen(prefixes[i]);
        struct header_text rest = {text.data + length, text.length - length};

        if (text.length > length && memcmp(text.data, prefixes[i], length) == 0 &&
            (header_parse_signature(rest, sum) || parse_base64_sum(rest, sum)))
            return "has a prefix that does not belong there";
    }
    if (text.length > 2 && text.data[0] == '"' && text.data[text.length - 1] == '"' &&
        header_parse_signature((struct header_text){text.data + 1, text.length - 2}, sum))
        return "stands in quotes";
    if (parse_base64_sum(text, sum))
        return "is in base64";
    return NULL;
}

static const char *guess_algorithm(size_t length)
{
    switch (length) {
    case 32:
        return "is as long as one of MD5; HMAC-SHA256 is needed";
    case 40:
        return "is as long as one of SHA-1; HMAC-SHA256 is needed";
    case 128:
        return "is as long as one of SHA-512; HMAC-SHA256 is needed";
    default:
        return length < 64 ? "is cut short, or no signature" : "is too long, or no signature";
    }
}

/* The form of the signature; whether it holds comes later. */
void explain_check_signature_form(struct explain *explain)
{
    static const char name[] = "SASHA-Request-Signature";
    size_t count = count_headers(explain->request, name);
    struct header_text text = explain_header_text(explain->request, name);
    unsigned char *sum = explain->search.want_sum;
    const char *other;

    if (count == 0) {
        EXPLAIN_FAIL(explain, "signature", REASON_SIGNATURE_MISSING, "there is no %s", name);
        explain_report_find(explain->report,
            "there is no %s: either this does not come from SASHA, or the proxy drops the header",
            name);
        return;
    }
    if (is_repeated(explain, name)) {
        EXPLAIN_FAIL(explain, "signature", REASON_SIGNATURE_MALFORMED,
            "%s stands there %zu times; once is right", name, count);
        return;
    }
    if (header_parse_signature(text, sum)) {
        explain->has_sum = explain->is_form_right = true;
        return;
    }
    other = parse_other_signature(text, sum);
    explain->has_sum = other != NULL;
    EXPLAIN_FAIL(explain, "signature", REASON_SIGNATURE_MALFORMED,
        "%s is %zu bytes that are not 64 hex digits", name, text.length);
    explain_report_find(explain->report,
        "the signature %s; SASHA sends 64 hex digits and nothing else",
        other ? other : guess_algorithm(text.length));
}

/* "current (id …), old (no id)" */
static void append_secrets(struct buf *buf, const struct verify_endpoint_options *endpoint)
{
    for (size_t i = 0; i < endpoint->n_secrets; i++) {
        const struct verify_secret_options *secret = &endpoint->secrets[i];

        buf_append_format(buf, "%s\"%s\" (%s%s)", i > 0 ? ", " : "", secret->name,
            secret->id ? "id " : "no id", secret->id ? secret->id : "");
    }
    buf_append(buf, "", 1);
}

void explain_check_secret_id(struct explain *explain)
{
    static const char name[] = "SASHA-Callback-Secret-ID";
    const struct verify_endpoint_options *endpoint = explain->endpoint;
    size_t count = count_headers(explain->request, name);
    struct header_text id = explain_header_text(explain->request, name);
    char quoted[EXPLAIN_QUOTE_SIZE];
    struct buf secrets = BUF_INIT;

    append_secrets(&secrets, endpoint);
    explain->report->failed |= secrets.failed;
    if (secrets.failed) {
        buf_done(&secrets);
        return;
    }
    explain_quote(id.data ? id.data : "", id.length, quoted);
    if (is_repeated(explain, name)) {
        EXPLAIN_FAIL(explain, "secret", REASON_SECRET_UNKNOWN,
            "%s stands there %zu times; once is right", name, count);
    } else if (count == 0) {
        explain_report_check(explain->report, "secret", EXPLAIN_OK,
            "the request names no secret: each of the endpoint's counts: %s", (char *)secrets.data);
    } else if (explain->search.n_base_keys == 0) {
        EXPLAIN_FAIL(explain, "secret", REASON_SECRET_UNKNOWN,
            "the request names secret id \"%s\"; endpoint \"%s\" has %s", quoted, endpoint->name,
            (char *)secrets.data);
        explain_report_find(explain->report,
            "secret id \"%s\" is not in the conf: add the secret that SASHA shows under this id, "
            "or "
            "correct the id of the one you have",
            quoted);
    } else {
        explain_report_check(explain->report, "secret", EXPLAIN_OK,
            "the request names secret id \"%s\"; endpoint \"%s\" has %s", quoted, endpoint->name,
            (char *)secrets.data);
    }
    buf_done(&secrets);
}
