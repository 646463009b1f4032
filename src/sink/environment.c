#include "sink/environment.h"

/*
 * The environment of a hook. See environment.h for the contract.
 *
 * Nothing of the daemon's own environment passes: not NOTIFY_SOCKET, with which a hook could speak
 * for the daemon, not CREDENTIALS_DIRECTORY, which holds the secrets, not LD_* or the like. What
 * the operator wants a hook to have stands in user_env.
 *
 * The variables come first as one run of NUL-terminated strings, then pointers to them are laid in
 * front: the run may move while it grows.
 */

#include "util/buf.h"
#include "util/rfc3339.h"
#include "util/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENVIRONMENT_OWN_PREFIX "SASHA_"

static size_t name_length(const char *variable)
{
    return strcspn(variable, "=");
}

static bool name_is_legal(const char *variable, size_t length)
{
    if (length == 0 || isdigit((unsigned char)variable[0]))
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)variable[i]) && variable[i] != '_')
            return false;
    return true;
}

static bool is_set(const char *const *user_env, size_t n, const char *name, size_t length)
{
    for (size_t i = 0; i < n; i++)
        if (name_length(user_env[i]) == length && memcmp(user_env[i], name, length) == 0)
            return true;
    return false;
}

static size_t count(const char *const *user_env)
{
    size_t n = 0;

    while (user_env && user_env[n])
        n++;
    return n;
}

int environment_check(const char *const *user_env, struct error *error)
{
    size_t n = count(user_env);

    for (size_t i = 0; i < n; i++) {
        const char *variable = user_env[i];
        size_t length = name_length(variable);
        int shown = length > 64 ? 64 : (int)length;

        if (variable[length] != '=' || !name_is_legal(variable, length))
            return error_set(error, EINVAL,
                "user_env: \"%.*s\" is no variable; write NAME=value, the name of letters, digits "
                "and _",
                shown, variable);
        if (strncmp(variable, ENVIRONMENT_OWN_PREFIX, strlen(ENVIRONMENT_OWN_PREFIX)) == 0)
            return error_set(error, EINVAL,
                "user_env: %.*s: names that begin with " ENVIRONMENT_OWN_PREFIX
                " are the daemon's own; choose another",
                shown, variable);
        if (is_set(user_env, i, variable, length))
            return error_set(error, EINVAL, "user_env: %.*s is set twice", shown, variable);
    }
    return 0;
}

struct builder {
    struct buf text; /* NUL-terminated strings, one after another */
    size_t n;
};

static void add_plain(struct builder *builder, const char *variable)
{
    buf_append(&builder->text, variable, strlen(variable) + 1);
    builder->n++;
}

/* A field that the Job lacks is NULL, and its variable is unset. */
static void add(struct builder *builder, const char *name, const char *value)
{
    if (!value)
        return;
    buf_append_text(&builder->text, name);
    buf_append_text(&builder->text, "=");
    buf_append(&builder->text, value, utf8_cut(value, strlen(value), ENVIRONMENT_VALUE_MAX));
    buf_append(&builder->text, "", 1);
    builder->n++;
}

static void add_number(struct builder *builder, const char *name, uint64_t value)
{
    char text[sizeof("18446744073709551615")];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    add(builder, name, text);
}

static void add_flag(struct builder *builder, const char *name, bool value)
{
    add(builder, name, value ? "1" : "0");
}

static void add_job(struct builder *builder, const struct job *job)
{
    add(builder, "SASHA_JOB_ID", job->job_id);
    add(builder, "SASHA_JOB_TYPE", job->type);
    add(builder, "SASHA_JOB_STATUS", job->status);
    add(builder, "SASHA_SIGNATURE_ID", job->signature_id);
    add(builder, "SASHA_OUTPUT_URL", job->output_url);
    add(builder, "SASHA_OUTPUT_URL_EXPIRES_AT", job->output_url_expires_at);
    add(builder, "SASHA_ERROR_CODE", job->error_code);
    add(builder, "SASHA_ERROR_MESSAGE", job->error_message);
    add(builder, "SASHA_CREATED_AT", job->created_at);
    add(builder, "SASHA_UPDATED_AT", job->updated_at);
}

static void add_delivery(struct builder *builder, const struct environment_input *input)
{
    const struct delivery *delivery = input->delivery;
    char received_at[RFC3339_SIZE];

    add(builder, "SASHA_REQUEST_ID", delivery->request_id);
    add(builder, "SASHA_ENDPOINT", delivery->endpoint);
    add(builder, "SASHA_RECEIVED_AT", rfc3339_format(delivery->received_at_usec, received_at));
    add_number(builder, "SASHA_SEQ", delivery->seq);
    add_number(builder, "SASHA_ATTEMPT", input->attempt);
    add_flag(builder, "SASHA_STALE", delivery->stale);
    add_flag(builder, "SASHA_REPLAY", input->replay);
    if (delivery->unverified && *delivery->unverified)
        add(builder, "SASHA_UNVERIFIED", delivery->unverified);
}

static int builder_finish(const struct builder *builder, char ***ret_env)
{
    size_t pointers = (builder->n + 1) * sizeof(char *);
    char **env;
    char *at;

    if (builder->text.failed)
        return -ENOMEM;
    env = malloc(pointers + builder->text.length);
    if (!env)
        return -ENOMEM;

    at = (char *)env + pointers;
    memcpy(at, builder->text.data, builder->text.length);
    for (size_t i = 0; i < builder->n; i++) {
        env[i] = at;
        at += strlen(at) + 1;
    }
    env[builder->n] = NULL;
    *ret_env = env;
    return 0;
}

int environment_new(const struct environment_input *input, char ***ret_env)
{
    struct builder builder = {.text = BUF_INIT};
    size_t n = count(input->user_env);
    int r;

    for (size_t i = 0; i < n; i++)
        add_plain(&builder, input->user_env[i]);
    if (!is_set(input->user_env, n, "PATH", strlen("PATH")))
        add(&builder, "PATH", ENVIRONMENT_PATH);
    add_job(&builder, input->job);
    add_delivery(&builder, input);

    r = builder_finish(&builder, ret_env);
    buf_done(&builder.text);
    return r;
}
