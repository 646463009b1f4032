/*
 * A deep copy of the conf's view; see view.h. Half-made copies are freed like whole ones: every
 * array is zeroed before it is filled, and its count is set first.
 */

#include "admin/view.h"

#include <stdlib.h>
#include <string.h>

/* A NULL text stays NULL. */
static int copy_text(const char **to, const char *from)
{
    *to = from ? strdup(from) : NULL;
    return from && !*to ? -1 : 0;
}

static void free_texts(const char *const *texts, size_t n)
{
    for (size_t i = 0; texts && i < n; i++)
        free((void *)(uintptr_t)texts[i]);
    free((void *)(uintptr_t)texts);
}

static const char *const *copy_texts(const char *const *from, size_t n)
{
    const char **to = calloc(n + 1, sizeof(*to));

    for (size_t i = 0; to && i < n; i++) {
        if (copy_text(&to[i], from[i]) < 0) {
            free_texts(to, i);
            return NULL;
        }
    }
    return to;
}

/* ---- endpoints as shown ---- */

static int copy_endpoint(struct admin_endpoint *to, const struct admin_endpoint *from)
{
    to->report = from->report;
    to->n_tokens = from->n_tokens;
    to->n_secrets = from->n_secrets;
    to->token_sources = copy_texts(from->token_sources, from->n_tokens);
    to->secret_names = copy_texts(from->secret_names, from->n_secrets);
    to->secret_ids = copy_texts(from->secret_ids, from->n_secrets);
    if (!to->token_sources || !to->secret_names || !to->secret_ids)
        return -1;
    return copy_text(&to->name, from->name) < 0 || copy_text(&to->public_url, from->public_url) < 0
               ? -1
               : 0;
}

static void endpoint_done(const struct admin_endpoint *endpoint)
{
    free((void *)(uintptr_t)endpoint->name);
    free((void *)(uintptr_t)endpoint->public_url);
    free_texts(endpoint->token_sources, endpoint->n_tokens);
    free_texts(endpoint->secret_names, endpoint->n_secrets);
    free_texts(endpoint->secret_ids, endpoint->n_secrets);
}

static int copy_endpoints(struct admin_view *to, const struct admin_view *from)
{
    struct admin_endpoint *endpoints = calloc(from->n_endpoints + 1, sizeof(*endpoints));

    if (!endpoints)
        return -1;
    to->endpoints = endpoints;
    to->n_endpoints = from->n_endpoints;
    for (size_t i = 0; i < from->n_endpoints; i++) {
        if (copy_endpoint(&endpoints[i], &from->endpoints[i]) < 0)
            return -1;
    }
    return 0;
}

/* ---- endpoints as verified ---- */

static int copy_rules(
    struct verify_endpoint_options *to, const struct verify_endpoint_options *from)
{
    struct verify_secret_options *secrets = calloc(from->n_secrets + 1, sizeof(*secrets));

    *to = *from;
    to->name = to->public_url = to->path = NULL;
    to->tokens = copy_texts(from->tokens, from->n_tokens);
    to->secrets = secrets;
    if (!to->tokens || !secrets)
        return -1;
    for (size_t i = 0; i < from->n_secrets; i++) {
        secrets[i].key = from->secrets[i].key;
        if (copy_text(&secrets[i].name, from->secrets[i].name) < 0 ||
            copy_text(&secrets[i].id, from->secrets[i].id) < 0)
            return -1;
    }
    return copy_text(&to->name, from->name) < 0 ||
                   copy_text(&to->public_url, from->public_url) < 0 ||
                   copy_text(&to->path, from->path) < 0
               ? -1
               : 0;
}

static void rules_done(const struct verify_endpoint_options *rules)
{
    for (size_t i = 0; rules->tokens && i < rules->n_tokens; i++) {
        if (rules->tokens[i])
            secret_wipe((void *)(uintptr_t)rules->tokens[i], strlen(rules->tokens[i]));
    }
    free_texts(rules->tokens, rules->n_tokens);
    for (size_t i = 0; rules->secrets && i < rules->n_secrets; i++) {
        free((void *)(uintptr_t)rules->secrets[i].name);
        free((void *)(uintptr_t)rules->secrets[i].id);
    }
    if (rules->secrets)
        secret_wipe((void *)(uintptr_t)rules->secrets, rules->n_secrets * sizeof(*rules->secrets));
    free((void *)(uintptr_t)rules->secrets);
    free((void *)(uintptr_t)rules->name);
    free((void *)(uintptr_t)rules->public_url);
    free((void *)(uintptr_t)rules->path);
}

static int copy_verify(struct view *view, const struct verify_options *from)
{
    struct verify_endpoint_options *endpoints = calloc(from->n_endpoints + 1, sizeof(*endpoints));

    if (!endpoints)
        return -1;
    view->verify = (struct verify_options){endpoints, from->n_endpoints};
    for (size_t i = 0; i < from->n_endpoints; i++) {
        if (copy_rules(&endpoints[i], &from->endpoints[i]) < 0)
            return -1;
    }
    return 0;
}

/* ---- the whole ---- */

static void view_free(struct view *view)
{
    for (size_t i = 0; i < view->what.n_endpoints; i++)
        endpoint_done(&view->what.endpoints[i]);
    for (size_t i = 0; i < view->verify.n_endpoints; i++)
        rules_done(&view->verify.endpoints[i]);
    free((void *)(uintptr_t)view->what.endpoints);
    free((void *)(uintptr_t)view->verify.endpoints);
    free((void *)(uintptr_t)view->what.config_file);
    free((void *)(uintptr_t)view->what.store_path);
    free_texts(view->what.listen, view->what.n_listen);
    free(view);
}

static int copy_fixed(struct admin_view *to, const struct admin_view *from)
{
    to->max_connections = from->max_connections;
    to->n_listen = from->n_listen;
    to->listen = copy_texts(from->listen, from->n_listen);
    return !to->listen || copy_text(&to->config_file, from->config_file) < 0 ||
                   copy_text(&to->store_path, from->store_path) < 0
               ? -1
               : 0;
}

struct view *view_new(const struct admin_view *from, const struct admin_view *in_force)
{
    struct view *view = calloc(1, sizeof(*view));

    if (!view)
        return NULL;
    view->references = 1;
    view->what.verify = &view->verify;
    if (copy_fixed(&view->what, in_force ? in_force : from) < 0 ||
        copy_endpoints(&view->what, from) < 0 || copy_verify(view, from->verify) < 0) {
        view_free(view);
        return NULL;
    }
    return view;
}

struct view *view_ref(struct view *view)
{
    atomic_fetch_add(&view->references, 1);
    return view;
}

void view_unref(struct view *view)
{
    if (view && atomic_fetch_sub(&view->references, 1) == 1)
        view_free(view);
}
