/*
 * Whose callback it is and where it goes: an endpoint of the conf, or, without a conf, what the
 * options say.
 *
 * The url that is signed and the url that is posted to are two things: behind a proxy they differ,
 * and that is what --direct and --url are for.
 */

#include "ctl/send.h"

#include "ctl/input.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* Far above any token or secret, far below what would hurt. */
#define SECRET_FILE_MAX 4096

void send_target_done(struct send_target *target)
{
    secret_wipe(target->token_text.data, target->token_text.length);
    buf_done(&target->token_text);
    secret_key_wipe(&target->key);
    buf_done(&target->url);
    free(target->unix_socket);
}

/* ---- from the conf ---- */

/* "main, other" */
static int append_name(struct buf *buf, const char *name)
{
    return buf_append_format(buf, "%s%s", buf->length > 0 ? ", " : "", name);
}

static int choose_endpoint(const struct send_options *options, const struct config *config,
    const struct config_endpoint **ret_endpoint, struct error *error)
{
    struct buf names = BUF_INIT;

    if (!options->endpoint && config->n_endpoints == 1) {
        *ret_endpoint = &config->endpoints[0];
        return EX_OK;
    }
    for (size_t i = 0; i < config->n_endpoints; i++) {
        if (options->endpoint && strcmp(options->endpoint, config->endpoints[i].name) == 0) {
            *ret_endpoint = &config->endpoints[i];
            buf_done(&names);
            return EX_OK;
        }
        append_name(&names, config->endpoints[i].name);
    }

    if (options->endpoint)
        error_set(error, EINVAL, "%s has no endpoint \"%s\"; it has %.*s", config->file,
            options->endpoint, (int)names.length, (const char *)names.data);
    else
        error_set(error, EINVAL, "%s has several endpoints; choose with --endpoint: %.*s",
            config->file, (int)names.length, (const char *)names.data);
    buf_done(&names);
    return EX_USAGE;
}

static int choose_secret(const struct send_options *options, const struct config_endpoint *endpoint,
    const struct config_secret **ret_secret, struct error *error)
{
    struct buf names = BUF_INIT;

    for (size_t i = 0; i < endpoint->n_secrets; i++) {
        if (!options->secret || strcmp(options->secret, endpoint->secrets[i].name) == 0) {
            *ret_secret = &endpoint->secrets[i];
            buf_done(&names);
            return EX_OK;
        }
        append_name(&names, endpoint->secrets[i].name);
    }
    error_set(error, EINVAL, "endpoint \"%s\" has no callback_secret \"%s\"; it has %.*s",
        endpoint->name, options->secret, (int)names.length, (const char *)names.data);
    buf_done(&names);
    return EX_USAGE;
}

/* The daemon itself, without the proxy. */
static int set_direct(const struct config *config, const struct config_endpoint *endpoint,
    struct send_target *target, struct error *error)
{
    static const char unix_prefix[] = "unix:";
    const char *address = config->server.listen.n > 0 ? config->server.listen.texts[0] : NULL;
    size_t length = address ? strlen(address) : 0;

    if (!address) {
        error_set(error, EINVAL, "%s has no listen address for --direct", config->file);
        return EX_USAGE;
    }
    if (strncmp(address, unix_prefix, strlen(unix_prefix)) == 0) {
        target->unix_socket = strdup(address + strlen(unix_prefix));
        address = "localhost";
    } else if (length > 2 && strcmp(address + length - 2, ":0") == 0) {
        error_set(error, EINVAL,
            "listen = \"%s\" lets the system choose the port; name it with --url instead of "
            "--direct",
            address);
        return EX_USAGE;
    }
    buf_append_format(&target->url, "http://%s%s", address, endpoint->path);
    return EX_OK;
}

static int resolve_from_config(const struct send_options *options, const struct config *config,
    struct send_target *target, struct error *error)
{
    const struct config_endpoint *endpoint = NULL;
    const struct config_secret *secret = NULL;
    int status = choose_endpoint(options, config, &endpoint, error);

    if (status == EX_OK)
        status = choose_secret(options, endpoint, &secret, error);
    if (status == EX_OK && options->direct)
        status = set_direct(config, endpoint, target, error);
    if (status != EX_OK)
        return status;

    target->key = secret->key;
    target->secret_id = secret->id;
    target->token = endpoint->n_tokens > 0 ? endpoint->tokens[0].text : NULL;
    target->sign_url = endpoint->public_url;
    if (!options->direct)
        buf_append_text(&target->url, endpoint->public_url);
    return EX_OK;
}

/* ---- from the options ---- */

static int read_secret(
    const struct send_options *options, struct secret_key *ret_key, struct error *error)
{
    enum secret_encoding encoding = SECRET_AUTO;
    struct buf text = BUF_INIT;
    int status = EX_OK;

    if (options->secret_encoding &&
        secret_encoding_parse(options->secret_encoding, &encoding) < 0) {
        error_set(error, EINVAL, "--secret-encoding %s: say auto, base64, hex or raw",
            options->secret_encoding);
        return EX_USAGE;
    }
    if (input_read_line(options->secret_file, SECRET_FILE_MAX, &text, error) < 0) {
        status = EX_NOINPUT;
    } else if (secret_decode((const char *)text.data, text.length, encoding, ret_key, error) < 0) {
        error_prefix(error, "%s", options->secret_file);
        status = EX_CONFIG;
    }
    secret_wipe(text.data, text.length);
    buf_done(&text);
    return status;
}

static int resolve_token(
    const struct send_options *options, struct send_target *target, struct error *error)
{
    if (options->token_file) {
        if (input_read_line(options->token_file, SECRET_FILE_MAX, &target->token_text, error) < 0)
            return EX_NOINPUT;
        if (buf_append(&target->token_text, "", 1) < 0) {
            error_errno(error, ENOMEM, "cannot read %s", options->token_file);
            return EX_OSERR;
        }
        target->token = (const char *)target->token_text.data;
        if (strlen(target->token) + 1 != target->token_text.length) {
            error_set(error, EINVAL, "%s holds a NUL; a token has none", options->token_file);
            return EX_CONFIG;
        }
    } else if (options->token) {
        target->token = options->token;
    }
    if (target->token && !header_is_token(target->token, strlen(target->token))) {
        error_set(error, EINVAL,
            "the partner token is empty or holds a character that a Bearer token cannot have");
        return options->token ? EX_USAGE : EX_CONFIG;
    }
    return EX_OK;
}

static int check_url(const char *option, const char *url, struct error *error)
{
    struct config_url parts;

    if (url && config_parse_url(url, &parts, error) < 0) {
        error_prefix(error, "%s %s", option, url);
        return EX_USAGE;
    }
    return EX_OK;
}

static int resolve_secret_id(
    const struct send_options *options, struct send_target *target, struct error *error)
{
    if (options->no_secret_id)
        target->secret_id = NULL;
    if (options->secret_id) {
        /* The rule of a request id is stricter than need be, and no id of SASHA's breaks it. */
        if (!header_is_request_id(options->secret_id, strlen(options->secret_id))) {
            error_set(error, EINVAL, "--secret-id is not 1 to %d visible ASCII characters",
                HEADER_REQUEST_ID_MAX);
            return EX_USAGE;
        }
        target->secret_id = options->secret_id;
    }
    return EX_OK;
}

int send_target_resolve(const struct send_options *options, const struct config *config,
    struct send_target *target, struct error *error)
{
    int status = check_url("--url", options->url, error);

    if (status == EX_OK)
        status = check_url("--sign-url", options->sign_url, error);
    if (status == EX_OK)
        status = config ? resolve_from_config(options, config, target, error)
                        : read_secret(options, &target->key, error);
    if (status == EX_OK)
        status = resolve_token(options, target, error);
    if (status == EX_OK)
        status = resolve_secret_id(options, target, error);
    if (status != EX_OK)
        return status;

    if (options->sign_url)
        target->sign_url = options->sign_url;
    if (options->url) {
        buf_clear(&target->url);
        buf_append_text(&target->url, options->url);
    } else if (!config) {
        buf_append_text(&target->url, options->sign_url);
    }
    if (buf_append(&target->url, "", 1) < 0) {
        error_errno(error, ENOMEM, "cannot set up the request");
        return EX_OSERR;
    }
    return EX_OK;
}
