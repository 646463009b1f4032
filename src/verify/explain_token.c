/*
 * The partner token: which one came, and what is usually wrong with it. See explain_token.h.
 *
 * The text never quotes the header: a token that is wrong by one letter is still a secret.
 */

#include "verify/explain_token.h"

#include "util/cleanup.h"
#include "verify/headers.h"

#include <errno.h>
#include <string.h>

/* Compared by digest, so that time does not tell how far a guess was right. */
static int is_equal(
    struct crypto *crypto, struct header_text text, const char *token, bool *ret_equal)
{
    const struct crypto_part parts[] = {{text.data, text.length}, {token, strlen(token)}};
    unsigned char sums[2][CRYPTO_SUM_SIZE];

    for (size_t i = 0; i < 2; i++) {
        if (crypto_sha256(crypto, &parts[i], 1, sums[i]) < 0)
            return -EIO;
    }
    *ret_equal = crypto_sum_equal(sums[0], sums[1]);
    return 0;
}

/* Whether it is one of the endpoint's; *ret_number counts from 1 and is 0 if it is none. */
static int find_token(const struct verify_endpoint_options *endpoint, struct crypto *crypto,
    struct header_text text, size_t *ret_number)
{
    *ret_number = 0;
    for (size_t i = 0; i < endpoint->n_tokens; i++) {
        bool equal;

        if (is_equal(crypto, text, endpoint->tokens[i], &equal) < 0)
            return -EIO;
        if (equal)
            *ret_number = i + 1;
    }
    return 0;
}

/* What follows the scheme, whatever the scheme. */
static struct header_text without_scheme(struct header_text value)
{
    const char *blank = memchr(value.data, ' ', value.length);

    if (!blank)
        return value;
    return header_trim(blank, value.length - (size_t)(blank - value.data));
}

static struct header_text without_quotes(struct header_text text)
{
    if (text.length >= 2 && (text.data[0] == '"' || text.data[0] == '\'' || text.data[0] == '<'))
        return (struct header_text){text.data + 1, text.length - 2};
    return text;
}

/* What else the value may be; adds a finding. 0 or -EIO. */
static int guess(const struct verify_options *options,
    const struct verify_endpoint_options *endpoint, struct header_text value, bool is_bearer,
    struct crypto *crypto, struct explain_report *report)
{
    struct header_text token = without_scheme(value);
    struct header_text bare = without_quotes(token);
    size_t number;

    if (find_token(endpoint, crypto, token, &number) < 0)
        return -EIO;
    if (number > 0) {
        explain_report_find(report,
            "the token is right, but Authorization must be \"Bearer\", one blank and the token");
        return 0;
    }
    if (bare.length != token.length) {
        if (find_token(endpoint, crypto, bare, &number) < 0)
            return -EIO;
        if (number > 0) {
            explain_report_find(report, "the token is right but for the quotes around it");
            return 0;
        }
    }
    for (size_t i = 0; i < options->n_endpoints; i++) {
        const struct verify_endpoint_options *other = &options->endpoints[i];

        if (other == endpoint)
            continue;
        if (find_token(other, crypto, token, &number) < 0)
            return -EIO;
        if (number > 0) {
            explain_report_find(report,
                "the token is one of endpoint \"%s\": did the callback come to the wrong endpoint, "
                "or are the tokens mixed up?",
                other->name);
            return 0;
        }
    }
    if (!is_bearer)
        explain_report_find(report,
            "Authorization is not \"Bearer\" and a token: does the proxy ask for a password of its "
            "own and pass that on?");
    else
        explain_report_find(report,
            "the token is none that the conf has: renewed at SASHA? Put the new one beside the old "
            "into partner_token and reload");
    return 0;
}

static void fail(struct explain_report *report, enum reason reason, const char *text)
{
    if (report->verdict == REASON_ACCEPTED)
        report->verdict = reason;
    explain_report_check(report, "token", EXPLAIN_FAILED, "%s", text);
}

int explain_token(const struct verify_options *options,
    const struct verify_endpoint_options *endpoint, const struct explain_request *request,
    struct crypto *crypto, struct explain_report *report, bool *judged, struct error *error)
{
    struct header_text value = {NULL, 0}, token;
    size_t count = 0, number = 0;
    bool is_bearer;

    for (size_t i = 0; i < request->n_headers; i++) {
        if (strcasecmp(request->headers[i].name, "Authorization") != 0)
            continue;
        if (count++ == 0)
            value = header_trim(request->headers[i].value, strlen(request->headers[i].value));
    }

    if (endpoint->n_tokens == 0) {
        explain_report_check(report, "token", EXPLAIN_OK,
            "endpoint \"%s\" asks for none (partner_token = {\"none\"})", endpoint->name);
        return 0;
    }
    if (count == 0) {
        fail(report, REASON_TOKEN_MISSING, "there is no Authorization");
        explain_report_find(report,
            "there is no Authorization: the proxy drops it, or your SASHA API is 1.4, which sends "
            "no token any more; then set partner_token = {\"none\"}");
        return 0;
    }
    if (count > 1) {
        fail(report, REASON_TOKEN_WRONG, "Authorization stands there more than once");
        explain_report_find(
            report, "Authorization stands there more than once: something on the way adds it");
        return 0;
    }
    if (request->token_hidden) {
        *judged = false;
        explain_report_check(
            report, "token", EXPLAIN_NOT_JUDGED, "there is one, but it was not kept");
        return 0;
    }

    is_bearer = header_parse_bearer(value, &token);
    if (is_bearer && find_token(endpoint, crypto, token, &number) < 0)
        return error_set(error, EIO, "OpenSSL cannot compute the digest of a token");
    if (number > 0) {
        explain_report_check(report, "token", EXPLAIN_OK, "is number %zu of endpoint \"%s\"",
            number, endpoint->name);
        return 0;
    }
    fail(report, REASON_TOKEN_WRONG,
        is_bearer ? "is none of the endpoint's" : "Authorization is not \"Bearer\" and a token");
    if (guess(options, endpoint, value, is_bearer, crypto, report) < 0)
        return error_set(error, EIO, "OpenSSL cannot compute the digest of a token");
    return 0;
}
