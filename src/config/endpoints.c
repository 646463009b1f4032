/*
 * Endpoints: tokens, secrets, and that no two endpoints can be confused.
 *
 * The prefix rule comes from what SASHA signs, method || url || id || body without separators: the
 * same bytes can be read with another cut. Where one url begins with another and both endpoints
 * accept the same key, a callback to one could be replayed to the other. Keys are compared as
 * decoded, for one secret may be given in two encodings or from two places.
 */

#include "config/build.h"

#include "config/source.h"
#include "config/texts.h"
#include "config/values.h"
#include "intake/intake.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct endpoint_build {
    struct build *build;
    const struct raw_section *section;
    struct config_endpoint *endpoint;
    struct error error;
};

/* A conf file that holds a secret must be as safe as a secret file. Reported at every such line's
 * first, once. */
static void check_inline(struct endpoint_build *at, const struct raw_section *section,
    const char *key, const char *source)
{
    struct build *build = at->build;
    struct error error = ERROR_INIT;

    if (!source_is_inline(source) || build->inline_reported)
        return;
    if (source_check_stat(build->file, build->stat, 0077, &error) < 0) {
        build->inline_reported = true;
        raw_fault(build->faults, section, key, "%s", error.text);
    }
}

/* Reads one source; 1 when there is a text, 0 after a fault, -ENOMEM. */
static int load_source(struct endpoint_build *at, const struct raw_section *section,
    const char *key, const char *source, char **ret_text, size_t *ret_length)
{
    int r;

    check_inline(at, section, key, source);
    r = source_load(source, ret_text, ret_length, &at->error);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        raw_fault(at->build->faults, section, key, "%s", at->error.text);
        return 0;
    }
    return 1;
}

/* ---- tokens ---- */

static int add_token(struct endpoint_build *at, const char *source)
{
    struct config_endpoint *endpoint = at->endpoint;
    struct config_token *token = &endpoint->tokens[endpoint->n_tokens];
    size_t length;
    int r = load_source(at, at->section, "partner_token", source, &token->text, &length);

    if (r <= 0)
        return r;
    endpoint->n_tokens++;
    token->source = strdup(source);
    if (!token->source)
        return -ENOMEM;
    if (strlen(token->text) != length)
        raw_fault(at->build->faults, at->section, "partner_token",
            "the token has a NUL byte; a token is visible ASCII");
    else if (text_check_token(token->text, &at->error) < 0)
        raw_fault(at->build->faults, at->section, "partner_token", "the token %s", at->error.text);
    return 0;
}

static int add_tokens(struct endpoint_build *at)
{
    const struct raw_statement *statement = raw_find(at->section, "partner_token");
    struct config_endpoint *endpoint = at->endpoint;
    size_t none = 0;

    if (!statement || statement->skipped)
        return 0;
    endpoint->tokens = calloc(statement->values.n + 1, sizeof(*endpoint->tokens));
    if (!endpoint->tokens)
        return -ENOMEM;
    for (size_t i = 0; i < statement->values.n; i++) {
        const char *source = statement->values.texts[i];
        int r = 0;

        if (strcmp(source, "none") == 0)
            none++;
        else
            r = add_token(at, source);
        if (r < 0)
            return r;
    }
    endpoint->no_token = none > 0;
    if (none > 0 && statement->values.n > 1)
        raw_fault(at->build->faults, at->section, "partner_token",
            "\"none\" stands beside other values; write {\"none\"} alone to ask for no token");
    return 0;
}

/* ---- secrets ---- */

static int add_secret(struct endpoint_build *at, const struct raw_section *section)
{
    struct config_endpoint *endpoint = at->endpoint;
    struct config_secret *secret = &endpoint->secrets[endpoint->n_secrets++];
    const struct raw_statement *statement = raw_find(section, "source");
    char *text;
    size_t length;
    int r = fill_section(at->build, section->keys, section, 0, secret);

    if (r < 0)
        return r;
    secret->name = strdup(section->title);
    if (!secret->name)
        return -ENOMEM;
    if (!statement || statement->skipped)
        return 0;
    secret->source = strdup(statement->values.texts[0]);
    if (!secret->source)
        return -ENOMEM;

    r = load_source(at, section, "source", secret->source, &text, &length);
    if (r <= 0)
        return r;
    if (secret_decode(text, length, secret->encoding, &secret->key, &at->error) < 0)
        raw_fault(at->build->faults, section, "source", "the secret %s%s", at->error.text,
            strchr(at->error.text, ';') ? "" : "; write it exactly as SASHA gave it");
    secret_wipe(text, length);
    free(text);
    return 0;
}

static bool keys_equal(const struct secret_key *a, const struct secret_key *b)
{
    return a->length > 0 && a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

static void check_secret_twins(struct endpoint_build *at, const struct raw_section *const *sections)
{
    const struct config_secret *secrets = at->endpoint->secrets;

    for (size_t i = 0; i < at->endpoint->n_secrets; i++) {
        for (size_t j = 0; j < i; j++) {
            if (secrets[i].id && secrets[j].id && strcmp(secrets[i].id, secrets[j].id) == 0)
                raw_fault(at->build->faults, sections[i], "id",
                    "is the id of callback_secret \"%s\" too; each secret has its own",
                    secrets[j].name);
            if (keys_equal(&secrets[i].key, &secrets[j].key))
                raw_fault(at->build->faults, sections[i], "source",
                    "is the same secret as callback_secret \"%s\"; leave one of them out",
                    secrets[j].name);
        }
    }
}

static int add_secrets(struct endpoint_build *at)
{
    const struct raw *raw = at->build->raw;
    CLEANUP(free)
    const struct raw_section **sections = calloc(raw->n_sections + 1, sizeof(*sections));

    at->endpoint->secrets = calloc(raw->n_sections + 1, sizeof(*at->endpoint->secrets));
    if (!sections || !at->endpoint->secrets)
        return -ENOMEM;
    for (size_t i = 0; i < raw->n_sections; i++) {
        int r;

        if (raw->sections[i]->parent != at->section)
            continue;
        sections[at->endpoint->n_secrets] = raw->sections[i];
        r = add_secret(at, raw->sections[i]);
        if (r < 0)
            return r;
    }
    if (at->endpoint->n_secrets == 0)
        raw_fault(at->build->faults, at->section, "callback_secret",
            "is missing; write callback_secret \"current\" { source = \"credential:NAME\" }");
    if (at->endpoint->n_secrets > INTAKE_CREDENTIALS_MAX)
        raw_fault(at->build->faults, sections[INTAKE_CREDENTIALS_MAX], NULL,
            "is one too many; an endpoint has at most %d secrets, so leave out what is not used "
            "any more",
            INTAKE_CREDENTIALS_MAX);
    check_secret_twins(at, sections);
    return 0;
}

/* ---- one endpoint ---- */

/* The path of public_url, where none is given. */
static int derive_path(struct endpoint_build *at)
{
    struct config_endpoint *endpoint = at->endpoint;
    struct config_url url;

    if (endpoint->path || raw_find(at->section, "path") || !endpoint->public_url ||
        config_parse_url(endpoint->public_url, &url, NULL) < 0)
        return 0;
    endpoint->path = strdup(endpoint->public_url + url.path_offset);
    if (!endpoint->path)
        return -ENOMEM;
    if (text_check_target(endpoint->path, &at->error) < 0)
        raw_fault(at->build->faults, at->section, "public_url", "its path %s", at->error.text);
    return 0;
}

static int build_endpoint(
    struct build *build, const struct raw_section *section, struct config_endpoint *endpoint)
{
    struct endpoint_build at = {build, section, endpoint, ERROR_INIT};
    int r = fill_section(build, section->keys, section, 0, endpoint);

    endpoint->name = strdup(section->title);
    if (!endpoint->name)
        r = -ENOMEM;
    if (r == 0)
        r = derive_path(&at);
    if (r == 0)
        r = add_tokens(&at);
    if (r == 0)
        r = add_secrets(&at);
    return r;
}

/* ---- all of them ---- */

static bool share_a_secret(const struct config_endpoint *a, const struct config_endpoint *b)
{
    for (size_t i = 0; i < a->n_secrets; i++)
        for (size_t j = 0; j < b->n_secrets; j++)
            if (keys_equal(&a->secrets[i].key, &b->secrets[j].key))
                return true;
    return false;
}

static bool is_prefix(const char *prefix, const char *text)
{
    return strncmp(prefix, text, strlen(prefix)) == 0;
}

static void check_pair(struct build *build, const struct raw_section *section,
    const struct config_endpoint *endpoint, const struct config_endpoint *earlier)
{
    if (endpoint->path && earlier->path && strcmp(endpoint->path, earlier->path) == 0) {
        bool given = raw_find(section, "path");
        raw_fault(build->faults, section, given ? "path" : "public_url",
            "%s \"%s\", as of endpoint \"%s\"; give each endpoint its own path",
            given ? "is" : "its path is", endpoint->path, earlier->name);
    }
    if (!endpoint->public_url || !earlier->public_url)
        return;
    if (strcmp(endpoint->public_url, earlier->public_url) == 0)
        raw_fault(build->faults, section, "public_url",
            "is that of endpoint \"%s\" too; give each endpoint its own url", earlier->name);
    else if ((is_prefix(endpoint->public_url, earlier->public_url) ||
                 is_prefix(earlier->public_url, endpoint->public_url)) &&
             share_a_secret(endpoint, earlier))
        raw_fault(build->faults, section, "public_url",
            "one of this url and that of endpoint \"%s\" is a prefix of the other, and both "
            "accept the same secret; use other urls or other secrets",
            earlier->name);
}

/* An id that is forgotten can be replayed, unless its callback is too old by then. */
static void check_memory(
    struct build *build, const struct raw_section *section, const struct config_endpoint *endpoint)
{
    int64_t keep_ids = build->config->store.keep_ids_usec;
    char text[VALUES_FORMAT_SIZE];

    if (keep_ids == USEC_INFINITY || keep_ids == 0 || endpoint->max_age_usec == 0)
        return;
    values_format_duration(keep_ids, text);
    if (endpoint->max_age_usec == USEC_INFINITY)
        raw_fault(build->faults, section, "max_age",
            "is none, but keep_ids in section store is %s; set max_age to %s or less, or keep_ids "
            "to \"forever\"",
            text, text);
    else if (endpoint->max_age_usec > keep_ids)
        raw_fault(build->faults, section, "max_age",
            "is longer than keep_ids in section store; set it to %s or less", text);
}

int build_endpoints(struct build *build)
{
    const struct raw *raw = build->raw;
    struct config *config = build->config;

    config->endpoints = calloc(raw->n_sections + 1, sizeof(*config->endpoints));
    if (!config->endpoints)
        return -ENOMEM;
    for (size_t i = 0; i < raw->n_sections; i++) {
        const struct raw_section *section = raw->sections[i];
        struct config_endpoint *endpoint = &config->endpoints[config->n_endpoints];
        int r;

        if (section->keys->id != SECTION_ENDPOINT)
            continue;
        config->n_endpoints++;
        r = build_endpoint(build, section, endpoint);
        if (r < 0)
            return r;
        for (size_t j = 0; j + 1 < config->n_endpoints; j++)
            check_pair(build, section, endpoint, &config->endpoints[j]);
        check_memory(build, section, endpoint);
    }
    if (config->n_endpoints == 0)
        raw_fault(build->faults, NULL, NULL,
            "there is no endpoint; write at least one endpoint \"name\" { ... }");
    return 0;
}
