/*
 * Urls: every scheme with every authority with every path that may have been meant. See
 * explain_urls.h.
 *
 * An authority comes from the conf, from Host, from what proxies add, and from an absolute target;
 * a path from the conf, from the target, and from what proxies keep of the original one. All of it
 * is tried as it stands; nothing of it is believed.
 */

#include "verify/explain_urls.h"

#include "util/buf.h"
#include "util/hex.h"
#include "verify/explain_report.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* More than a request can sensibly offer; what is over is not tried. */
#define AUTHORITIES_MAX 40
#define PATHS_MAX 32

#define ADVICE_URL                                                                              \
    "public_url must be exactly what SASHA has as callback_url; set it to this, or correct it " \
    "there"
#define ADVICE_QUERY                                                                      \
    "SASHA signs the url without its query, so whoever signed this is not SASHA, or the " \
    "query is part of public_url"
#define ADVICE_PART \
    "SASHA signs the whole url with scheme and host; whoever signed this took a part of it"

const char *explain_header_get(const struct explain_request *request, const char *name)
{
    for (size_t i = 0; i < request->n_headers; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0)
            return request->headers[i].value;
    }
    return NULL;
}

struct explain_target explain_target_split(const char *url)
{
    struct explain_target target = {.scheme = url, .authority = url};
    const char *authority = strstr(url, "://");
    const char *path = url;

    if (url[0] != '/' && authority) {
        target.scheme_length = (size_t)(authority - url) + strlen("://");
        target.authority = url + target.scheme_length;
        target.authority_length = strcspn(target.authority, "/?#");
        path = target.authority + target.authority_length;
    }
    target.path = path;
    target.path_length = strcspn(path, "?#");
    target.query = path + target.path_length;
    return target;
}

/* ---- paths ---- */

static void add_decoded(struct explain_variants *paths, const char *path, size_t length)
{
    struct buf out = BUF_INIT;

    for (size_t i = 0; i < length; i++) {
        unsigned char byte;

        if (path[i] == '%' && i + 2 < length && hex_decode(path + i + 1, 2, &byte, 1) == 0) {
            buf_append(&out, &byte, 1);
            i += 2;
        } else {
            buf_append(&out, path + i, 1);
        }
    }
    paths->failed |= out.failed;
    if (!out.failed)
        explain_variants_add(paths, out.data, out.length, ADVICE_URL, "with its escapes decoded");
    buf_done(&out);
}

static void add_merged(struct explain_variants *paths, const char *path, size_t length)
{
    struct buf out = BUF_INIT;

    for (size_t i = 0; i < length; i++) {
        if (i == 0 || path[i] != '/' || path[i - 1] != '/')
            buf_append(&out, path + i, 1);
    }
    paths->failed |= out.failed;
    if (!out.failed)
        explain_variants_add(paths, out.data, out.length, ADVICE_URL, "with its slashes merged");
    buf_done(&out);
}

static void add_lower(struct explain_variants *texts, const char *text, size_t length)
{
    char *lower = strndup(text, length);

    if (!lower) {
        texts->failed = true;
        return;
    }
    for (char *at = lower; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    explain_variants_add(texts, lower, strlen(lower), ADVICE_URL, "in lower case");
    free(lower);
}

void explain_paths_respell(struct explain_variants *paths, const char *path, size_t length)
{
    struct buf longer = BUF_INIT;

    if (length > 0 && path[length - 1] == '/')
        explain_variants_add(paths, path, length - 1, ADVICE_URL, "without the slash at its end");
    buf_append(&longer, path, length);
    buf_append(&longer, "/", 1);
    paths->failed |= longer.failed;
    if (!longer.failed)
        explain_variants_add(
            paths, longer.data, longer.length, ADVICE_URL, "with a slash at its end");
    buf_done(&longer);
    add_decoded(paths, path, length);
    add_merged(paths, path, length);
    add_lower(paths, path, length);
}

static void add_joined(struct explain_variants *paths, const char *a, size_t a_length,
    const char *b, size_t b_length, const char *advice)
{
    struct buf joined = BUF_INIT;

    buf_append(&joined, a, a_length);
    buf_append(&joined, b, b_length);
    paths->failed |= joined.failed;
    if (!joined.failed)
        explain_variants_add(paths, joined.data, joined.length, advice, "%s", "");
    buf_done(&joined);
}

static void add_target(struct explain_variants *paths, const char *text, const char *configured)
{
    struct explain_target target = explain_target_split(text);

    explain_variants_add(paths, target.path, target.path_length, ADVICE_URL, "%s", "");
    explain_paths_respell(paths, target.path, target.path_length);
    if (*target.query != '\0') {
        add_joined(paths, target.path, target.path_length, target.query, strlen(target.query),
            ADVICE_QUERY);
        add_joined(paths, configured, strlen(configured), target.query, strlen(target.query),
            ADVICE_QUERY);
    }
}

static void add_paths(struct explain_variants *paths, const struct explain_target *public,
    const struct verify_endpoint_options *endpoint, const struct explain_request *request)
{
    static const char *const kept[] = {
        "X-Original-URI", "X-Original-URL", "X-Forwarded-Uri", "X-Forwarded-Path", "X-Rewrite-URL"};
    const char *prefix = explain_header_get(request, "X-Forwarded-Prefix");
    struct explain_target target = explain_target_split(request->target);

    explain_variants_add(paths, public->path, public->path_length, "", "%s", "");
    explain_paths_respell(paths, public->path, public->path_length);
    explain_variants_add(paths, endpoint->path, strlen(endpoint->path), ADVICE_URL, "%s", "");
    add_target(paths, request->target, public->path);
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        const char *value = explain_header_get(request, kept[i]);

        if (value)
            add_target(paths, value, public->path);
    }
    if (prefix)
        add_joined(paths, prefix, strlen(prefix), target.path, target.path_length, ADVICE_URL);
    explain_variants_add(paths, "", 0, ADVICE_URL, "%s", "");
}

/* ---- authorities ---- */

static size_t port_at(const char *authority, size_t length)
{
    size_t at = length;

    while (at > 0 && authority[at - 1] >= '0' && authority[at - 1] <= '9')
        at--;
    return at > 0 && at < length && authority[at - 1] == ':' ? at - 1 : length;
}

static void add_authority(struct explain_variants *authorities, const char *text, size_t length,
    const struct explain_request *request)
{
    const char *forwarded_port = explain_header_get(request, "X-Forwarded-Port");
    size_t host_length = port_at(text, length);
    static const char *const ports[] = {":443", ":80", ":8480"};

    if (length == 0)
        return;
    explain_variants_add(authorities, text, length, "", "%s", "");
    explain_variants_add(authorities, text, host_length, "", "%s", "");
    add_lower(authorities, text, length);
    for (size_t i = 0; i < ARRAY_SIZE(ports); i++)
        add_joined(authorities, text, host_length, ports[i], strlen(ports[i]), "");
    if (forwarded_port) {
        char port[8];

        if (snprintf(port, sizeof(port), ":%s", forwarded_port) < (int)sizeof(port))
            add_joined(authorities, text, host_length, port, strlen(port), "");
    }
    if (length > 4 && strncasecmp(text, "www.", 4) == 0)
        explain_variants_add(authorities, text + 4, length - 4, "", "%s", "");
    else
        add_joined(authorities, "www.", 4, text, length, "");
}

/* The host of "Forwarded: for=…;host=…;proto=…", RFC 7239. */
static void add_forwarded(
    struct explain_variants *authorities, const struct explain_request *request)
{
    const char *value = explain_header_get(request, "Forwarded");
    const char *host = value ? strcasestr(value, "host=") : NULL;

    if (!host)
        return;
    host += strlen("host=");
    host += *host == '"';
    add_authority(authorities, host, strcspn(host, "\",; "), request);
}

static void add_authorities(struct explain_variants *authorities,
    const struct explain_target *public, const struct explain_request *request)
{
    static const char *const names[] = {
        "Host", "X-Forwarded-Host", "X-Original-Host", "X-Forwarded-Server"};
    struct explain_target target = explain_target_split(request->target);

    add_authority(authorities, public->authority, public->authority_length, request);
    add_authority(authorities, target.authority, target.authority_length, request);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *value = explain_header_get(request, names[i]);

        /* Of a list the first is the one nearest to the client. */
        if (value)
            add_authority(authorities, value, strcspn(value, ", "), request);
    }
    add_forwarded(authorities, request);
}

/* ---- urls ---- */

static void add_url(struct explain_variants *urls, const struct explain_variant *scheme,
    const struct explain_variant *authority, const struct explain_variant *path)
{
    char quoted[EXPLAIN_QUOTE_SIZE];
    struct buf url = BUF_INIT;

    buf_append(&url, scheme->data, scheme->length);
    buf_append(&url, authority->data, authority->length);
    buf_append(&url, path->data, path->length);
    urls->failed |= url.failed;
    if (!url.failed)
        explain_variants_add(urls, url.data, url.length,
            *path->advice != '\0' ? path->advice : ADVICE_URL, "the url is \"%s\"",
            escape_field((const char *)url.data, url.length, quoted, sizeof(quoted)));
    buf_done(&url);
}

/* Parts whose first row is the configured one: fewest changes first. */
static void add_products(struct explain_variants *urls, const struct explain_variants *schemes,
    const struct explain_variants *authorities, const struct explain_variants *paths)
{
    size_t n_authorities = authorities->n < AUTHORITIES_MAX ? authorities->n : AUTHORITIES_MAX;
    size_t n_paths = paths->n < PATHS_MAX ? paths->n : PATHS_MAX;

    for (size_t changes = 0; changes <= 3; changes++) {
        for (size_t s = 0; s < schemes->n; s++) {
            for (size_t a = 0; a < n_authorities; a++) {
                for (size_t p = 0; p < n_paths; p++) {
                    if ((size_t)(s > 0) + (a > 0) + (p > 0) == changes)
                        add_url(urls, &schemes->rows[s], &authorities->rows[a], &paths->rows[p]);
                }
            }
        }
    }
}

static void add_parts(
    struct explain_variants *urls, const char *url, const struct explain_request *request)
{
    static const char host_and_path[] = "the url is signed without its scheme";
    struct explain_target public = explain_target_split(url);

    explain_variants_add(
        urls, public.path, public.path_length, ADVICE_PART, "of the url only the path is signed");
    explain_variants_add(urls, request->target, strlen(request->target), ADVICE_PART,
        "the url is the target of "
        "the request line");
    explain_variants_add(
        urls, public.authority, strlen(public.authority), ADVICE_PART, host_and_path);
    explain_variants_add(urls, "", 0, ADVICE_PART, "the url is left out");
}

void explain_urls_add(struct explain_variants *urls, const struct verify_options *options,
    const struct verify_endpoint_options *endpoint, const struct explain_request *request)
{
    struct explain_variants schemes = {.rows = NULL};
    struct explain_variants authorities = {.rows = NULL};
    struct explain_variants paths = {.rows = NULL};
    struct explain_target public = explain_target_split(endpoint->public_url);

    explain_variants_add(&schemes, public.scheme, public.scheme_length, "", "%s", "");
    explain_variants_add(&schemes, "https://", strlen("https://"), "", "%s", "");
    explain_variants_add(&schemes, "http://", strlen("http://"), "", "%s", "");
    add_authorities(&authorities, &public, request);
    add_paths(&paths, &public, endpoint, request);
    urls->failed |= schemes.failed || authorities.failed || paths.failed;

    explain_variants_add(
        urls, endpoint->public_url, strlen(endpoint->public_url), "", "the url is the public_url");
    for (size_t i = 0; i < options->n_endpoints; i++) {
        const struct verify_endpoint_options *other = &options->endpoints[i];

        explain_variants_add(urls, other->public_url, strlen(other->public_url),
            "the callback was signed for the other endpoint and came in here: look at the "
            "proxy's routes, and at \"path\" of both endpoints",
            "the url is the public_url of endpoint \"%s\"", other->name);
    }
    add_parts(urls, endpoint->public_url, request);
    if (!urls->failed && schemes.n > 0 && authorities.n > 0 && paths.n > 0)
        add_products(urls, &schemes, &authorities, &paths);

    explain_variants_done(&schemes);
    explain_variants_done(&authorities);
    explain_variants_done(&paths);
}
