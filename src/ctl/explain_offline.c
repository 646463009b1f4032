/*
 * Explaining without a daemon: conf or options → verify_options → report. See explain.h.
 */

#include "ctl/explain.h"

#include "ctl/send.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "verify/explain.h"
#include "verify/explain_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* What verify_options borrow that the conf does not have in their form. */
struct endpoint_parts {
    const char **tokens;
    struct verify_secret_options *secrets;
};

static void free_parts(
    struct endpoint_parts *parts, size_t n_parts, const struct verify_endpoint_options *endpoints)
{
    for (size_t i = 0; parts && i < n_parts; i++) {
        for (size_t j = 0; parts[i].secrets && j < endpoints[i].n_secrets; j++)
            secret_key_wipe(&parts[i].secrets[j].key);
        free(parts[i].secrets);
        free(parts[i].tokens);
    }
    free(parts);
}

static bool convert(const struct config_endpoint *from, struct verify_endpoint_options *endpoint,
    struct endpoint_parts *parts)
{
    *endpoint = (struct verify_endpoint_options){
        .name = from->name,
        .public_url = from->public_url,
        .path = from->path,
        .n_tokens = from->no_token ? 0 : from->n_tokens,
        .n_secrets = from->n_secrets,
        .max_age_usec = from->max_age_usec,
    };
    parts->tokens = calloc(from->n_tokens + 1, sizeof(*parts->tokens));
    parts->secrets = calloc(from->n_secrets + 1, sizeof(*parts->secrets));
    if (!parts->tokens || !parts->secrets)
        return false;
    for (size_t i = 0; i < endpoint->n_tokens; i++)
        parts->tokens[i] = from->tokens[i].text;
    for (size_t i = 0; i < from->n_secrets; i++)
        parts->secrets[i] = (struct verify_secret_options){
            from->secrets[i].name, from->secrets[i].id, from->secrets[i].key};
    endpoint->tokens = parts->tokens;
    endpoint->secrets = parts->secrets;
    return true;
}

static int explain(const struct explain_options *options, const struct verify_options *verify,
    struct buf *text, struct buf *out, struct error *error)
{
    struct explain_header headers[EXPLAIN_HEADERS_MAX];
    struct explain_request request;
    struct explain_report report;
    int result = explain_parse(
        (char *)text->data, text->length, &request, headers, EXPLAIN_HEADERS_MAX, error);

    if (result < 0)
        return EX_DATAERR;
    result = explain_request(
        verify, options->endpoint, &request, clock_realtime(clock_system()), &report, error);
    if (result < 0)
        return result == -ENOENT ? EX_USAGE : result == -EFBIG ? EX_DATAERR : EX_SOFTWARE;
    result = explain_append_json(&report, out);
    explain_report_done(&report);
    if (result == 0)
        return EX_OK;
    error_errno(error, ENOMEM, "cannot explain the request");
    return EX_OSERR;
}

static int explain_with_config(const struct explain_options *options, const struct config *config,
    struct buf *text, struct buf *out, struct error *error)
{
    CLEANUP(free)
    struct verify_endpoint_options *endpoints = calloc(config->n_endpoints + 1, sizeof(*endpoints));
    struct endpoint_parts *parts = calloc(config->n_endpoints + 1, sizeof(*parts));
    const struct verify_options verify = {endpoints, config->n_endpoints};
    bool converted = endpoints && parts;
    int status;

    for (size_t i = 0; i < config->n_endpoints && converted; i++)
        converted = convert(&config->endpoints[i], &endpoints[i], &parts[i]);
    if (converted) {
        status = explain(options, &verify, text, out, error);
    } else {
        error_errno(error, ENOMEM, "cannot explain the request");
        status = EX_OSERR;
    }
    free_parts(parts, config->n_endpoints, endpoints);
    return status;
}

static int explain_with_files(
    const struct explain_options *options, struct buf *text, struct buf *out, struct error *error)
{
    const struct send_options files = {
        .secret_file = options->secret_file,
        .secret_encoding = options->secret_encoding,
        .sign_url = options->sign_url,
        .token_file = options->token_file,
        .secret_id = options->secret_id,
    };
    struct send_target target = SEND_TARGET_INIT;
    struct config_url url;
    int status = send_target_resolve(&files, NULL, &target, error);

    if (status == EX_OK && config_parse_url(target.sign_url, &url, error) < 0)
        status = EX_USAGE;
    if (status == EX_OK) {
        struct verify_secret_options secret = {"given", target.secret_id, target.key};
        const struct verify_endpoint_options endpoint = {
            .name = "given",
            .public_url = target.sign_url,
            .path = target.sign_url[url.path_offset] ? target.sign_url + url.path_offset : "/",
            .tokens = &target.token,
            .n_tokens = target.token ? 1 : 0,
            .secrets = &secret,
            .n_secrets = 1,
            .max_age_usec = USEC_INFINITY,
        };
        const struct verify_options verify = {&endpoint, 1};

        status = explain(options, &verify, text, out, error);
        secret_key_wipe(&secret.key);
    }
    send_target_done(&target);
    return status;
}

int explain_offline(const struct explain_options *options, const struct config *config,
    struct buf *text, struct buf *report, struct error *error)
{
    return config ? explain_with_config(options, config, text, report, error)
                  : explain_with_files(options, text, report, error);
}
