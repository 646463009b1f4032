/*
 * The options of `send`, and which of them go together.
 */

#include "ctl/send.h"

#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

#define ROW(name, argument, member, help)                           \
    {                                                               \
        name, argument, help, offsetof(struct send_options, member) \
    }

const struct option_row send_option_rows[] = {
    ROW("job", "FILE", job, "send these bytes as the Job; \"-\" is stdin"),
    ROW("status", "STATUS", status, "make up a Job: pending, completed, failed, …"),
    ROW("type", "TYPE", type, "of that Job: embed-signature (default), lookup-signature, …"),
    ROW("job-id", "ID", job_id, "of that Job; default: random"),
    ROW("endpoint", "NAME", endpoint, "endpoint of the conf; default: the only one"),
    ROW("secret", "NAME", secret, "callback_secret of the endpoint; default: the first"),
    ROW("url", "URL", url, "post here instead of to the public_url"),
    ROW("direct", NULL, direct, "post to the daemon's first listen address instead"),
    ROW("sign-url", "URL", sign_url, "sign for this url instead of the public_url"),
    ROW("request-id", "ID", request_id, "SASHA-Request-ID; default: random"),
    ROW("secret-id", "ID", secret_id, "SASHA-Callback-Secret-ID; default: the secret's id, if any"),
    ROW("no-secret-id", NULL, no_secret_id, "send no SASHA-Callback-Secret-ID"),
    ROW("token", "TOKEN", token, "partner token; default: the endpoint's first"),
    ROW("token-file", "FILE", token_file, "file that holds the partner token"),
    ROW("secret-file", "FILE", secret_file, "file that holds the secret; no conf is read then"),
    ROW("secret-encoding", "NAME", secret_encoding, "auto (default), base64, hex or raw"),
    ROW("cacert", "FILE", cacert, "certificates to trust instead of the system's"),
    ROW("insecure", NULL, insecure, "do not check the certificate"),
    ROW("timeout", "DURATION", timeout, "for the whole exchange; default: 30s"),
    ROW("print", NULL, print, "print a curl command (it holds the token) instead of sending"),
    ROW("self-test", NULL, self_test, "send one through the public url and say what is wrong"),
    ROW("burst", "N", burst, "send N different callbacks and sum up"),
    ROW("connections", "C", connections, "of a burst, at a time; default: 8"),
    ROW("rate", "RATE", rate, "of a burst, at most: 20/s, 100/m; default: as fast as it goes"),
    {NULL, NULL, NULL, 0},
};

static const struct {
    const char *option;
    const char *other;
} conflicts[] = {
    {"job", "status"},
    {"job", "type"},
    {"job", "job-id"},
    {"direct", "url"},
    {"secret-id", "no-secret-id"},
    {"token", "token-file"},
    {"secret-file", "endpoint"},
    {"secret-file", "secret"},
    {"secret-file", "direct"},
    {"self-test", "burst"},
    {"self-test", "direct"},
    {"self-test", "print"},
    {"self-test", "job"},
    {"burst", "print"},
    {"burst", "request-id"},
    {"burst", "job-id"},
};

static const struct {
    const char *option;
    const char *needed;
} needs[] = {
    {"secret-encoding", "secret-file"},
    {"secret-file", "sign-url"},
    {"connections", "burst"},
    {"rate", "burst"},
};

int send_options_check(
    struct send_options *options, const struct common_options *common, struct error *error)
{
    const struct option_set set = {send_option_rows, options};

    for (size_t i = 0; i < ARRAY_SIZE(conflicts); i++) {
        if (options_has(&set, conflicts[i].option) && options_has(&set, conflicts[i].other))
            return error_set(error, EINVAL, "--%s and --%s exclude each other", conflicts[i].option,
                conflicts[i].other);
    }
    for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
        if (options_has(&set, needs[i].option) && !options_has(&set, needs[i].needed))
            return error_set(
                error, EINVAL, "--%s needs --%s as well", needs[i].option, needs[i].needed);
    }
    if (!options->job && !options->status && !options->self_test)
        return error_set(error, EINVAL, "say what to send: --job FILE or --status STATUS");
    if (common->socket)
        return error_set(error, EINVAL,
            "--socket is the admin socket, which takes no callbacks; to pass the proxy by, use "
            "--direct");
    if (common->config && options->secret_file)
        return error_set(error, EINVAL, "--config and --secret-file exclude each other");
    if (common->json && options->print)
        return error_set(error, EINVAL, "--json and --print exclude each other");
    return 0;
}
