/*
 * From the conf to each stage's own options.
 */

#include "daemon/wiring.h"

#include "sink/starter.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

static const char *const *list_texts(const struct config_list *list)
{
    return (const char *const *)list->texts;
}

static int make_endpoint(
    struct verify_endpoint_options *options, const struct config_endpoint *endpoint)
{
    const char **tokens = calloc(endpoint->n_tokens + 1, sizeof(*tokens));
    struct verify_secret_options *secrets = calloc(endpoint->n_secrets + 1, sizeof(*secrets));

    *options = (struct verify_endpoint_options){
        .name = endpoint->name,
        .public_url = endpoint->public_url,
        .path = endpoint->path,
        .tokens = tokens,
        .n_tokens = endpoint->n_tokens,
        .secrets = secrets,
        .n_secrets = endpoint->n_secrets,
        .max_age_usec = endpoint->max_age_usec,
        .report = endpoint->report,
    };
    if (!tokens || !secrets)
        return -ENOMEM;
    for (size_t i = 0; i < endpoint->n_tokens; i++)
        tokens[i] = endpoint->tokens[i].text;
    for (size_t i = 0; i < endpoint->n_secrets; i++) {
        const struct config_secret *secret = &endpoint->secrets[i];
        secrets[i] = (struct verify_secret_options){
            .name = secret->name,
            .id = secret->id,
            .key = secret->key,
        };
    }
    return 0;
}

static void endpoint_done(struct verify_endpoint_options *options)
{
    if (options->secrets)
        secret_wipe((void *)options->secrets, options->n_secrets * sizeof(*options->secrets));
    free((void *)options->secrets);
    free((void *)options->tokens);
}

static struct sink_options make_sink_type(const struct config_sink *sink)
{
    struct sink_options options = {.name = sink->name, .type = sink->type};

    if (strcmp(sink->type, "exec") == 0)
        options.exec = (struct sink_exec_options){
            .argv = list_texts(&sink->command),
            .user_env = list_texts(&sink->user_env),
            .timeout_usec = sink->timeout_usec,
            .grace_usec = sink->grace_usec,
        };
    else if (strcmp(sink->type, "file") == 0)
        options.file = (struct sink_file_options){.path = sink->path, .mode = sink->mode};
    else
        options.syslog = (struct sink_syslog_options){
            .target = sink->target,
            .facility = sink->facility,
            .severity = sink->severity,
            .rfc3164 = sink->rfc3164,
            .tag = sink->tag,
            .format = sink->format,
            .timeout_usec = sink->timeout_usec,
        };
    return options;
}

static struct dispatch_sink_options make_sink(const struct config_sink *sink)
{
    return (struct dispatch_sink_options){
        .sink = make_sink_type(sink),
        .statuses = list_texts(&sink->statuses),
        .types = list_texts(&sink->types),
        .endpoints = list_texts(&sink->endpoints),
        .retry =
            {
                .first_usec = sink->retry_first_usec,
                .max_usec = sink->retry_max_usec,
                .attempts = sink->retry_attempts,
            },
        .concurrency = sink->concurrency,
        .order_none = sink->order_none,
        .skip_stale = sink->skip_stale,
        .breaker = sink->breaker,
    };
}

/* What may be shown of a token's source: all but the text of value:. */
static const char *shown_source(const struct config_token *token)
{
    return strncmp(token->source, "value:", 6) == 0 ? "value:<set>" : token->source;
}

static int make_view_endpoint(struct admin_endpoint *view, const struct config_endpoint *endpoint)
{
    const char **sources = calloc(endpoint->n_tokens + 1, sizeof(*sources));
    const char **names = calloc(endpoint->n_secrets + 1, sizeof(*names));
    const char **ids = calloc(endpoint->n_secrets + 1, sizeof(*ids));

    *view = (struct admin_endpoint){
        .name = endpoint->name,
        .public_url = endpoint->public_url,
        .report = endpoint->report,
        .token_sources = sources,
        .n_tokens = endpoint->n_tokens,
        .secret_names = names,
        .secret_ids = ids,
        .n_secrets = endpoint->n_secrets,
    };
    if (!sources || !names || !ids)
        return -ENOMEM;
    for (size_t i = 0; i < endpoint->n_tokens; i++)
        sources[i] = shown_source(&endpoint->tokens[i]);
    for (size_t i = 0; i < endpoint->n_secrets; i++) {
        names[i] = endpoint->secrets[i].name;
        ids[i] = endpoint->secrets[i].id;
    }
    return 0;
}

static void view_endpoint_done(const struct admin_endpoint *view)
{
    free((void *)view->token_sources);
    free((void *)view->secret_names);
    free((void *)view->secret_ids);
}

static int make_view(struct wiring *wiring, const struct config *config)
{
    struct admin_endpoint *endpoints = calloc(config->n_endpoints + 1, sizeof(*endpoints));

    wiring->view = (struct admin_view){
        .config_file = config->file,
        .store_path = config->store.path,
        .max_connections = config->server.max_connections,
        .endpoints = endpoints,
        .n_endpoints = config->n_endpoints,
        .verify = &wiring->verify,
    };
    if (!endpoints)
        return -ENOMEM;
    for (size_t i = 0; i < config->n_endpoints; i++) {
        int r = make_view_endpoint(&endpoints[i], &config->endpoints[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int wiring_make(struct wiring *wiring, const struct config *config)
{
    struct verify_endpoint_options *endpoints = calloc(config->n_endpoints + 1, sizeof(*endpoints));

    wiring->verify = (struct verify_options){endpoints, config->n_endpoints};
    wiring->sinks = calloc(config->n_sinks + 1, sizeof(*wiring->sinks));
    wiring->n_sinks = config->n_sinks;
    if (!endpoints || !wiring->sinks)
        return -ENOMEM;

    for (size_t i = 0; i < config->n_endpoints; i++) {
        int r = make_endpoint(&endpoints[i], &config->endpoints[i]);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < config->n_sinks; i++)
        wiring->sinks[i] = make_sink(&config->sinks[i]);
    return make_view(wiring, config);
}

void wiring_done(struct wiring *wiring)
{
    struct verify_endpoint_options *endpoints = (void *)wiring->verify.endpoints;

    for (size_t i = 0; endpoints && i < wiring->verify.n_endpoints; i++)
        endpoint_done(&endpoints[i]);
    free(endpoints);
    for (size_t i = 0; wiring->view.endpoints && i < wiring->view.n_endpoints; i++)
        view_endpoint_done(&wiring->view.endpoints[i]);
    free((void *)wiring->view.endpoints);
    free(wiring->sinks);
    *wiring = (struct wiring)WIRING_INIT;
}

/* A sink takes its loop, timers, mailboxes, store reader and what it writes to; an exec sink three
 * for each thread that starts hooks, and each of these its output pipe, its stdin, its pidfd and,
 * until it runs, their other ends. */
static size_t count_descriptors_of_sink(const struct config_sink *sink)
{
    size_t n = 24 + 6 * (size_t)sink->concurrency;

    return strcmp(sink->type, "exec") == 0 ? n + (size_t)3 * STARTER_THREADS_MAX : n;
}

size_t wiring_count_descriptors(const struct config *config)
{
    /* A worker takes its two loops and two mailboxes. The base holds the listening sockets, the
     * store, refused connections that linger, and the sockets of the log. The admin's listeners say
     * themselves. */
    size_t n = config->server.max_connections + 256 + 4 * (size_t)config->server.workers +
               ADMIN_DESCRIPTORS * config->admin.listen.n;

    for (size_t i = 0; i < config->n_sinks; i++)
        n += count_descriptors_of_sink(&config->sinks[i]);
    return n;
}
