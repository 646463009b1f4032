/*
 * Loading, front to back: read the file, make the raw tree, fill and check, show the faults.
 */

#include "config/config.h"

#include "config/build.h"
#include "config/list.h"
#include "config/load.h"
#include "util/cleanup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The most bytes of a conf file. */
#define FILE_MAX (1u << 20)

CLEANUP_FUNC(struct config, config_free);

static void endpoint_done(struct config_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->n_tokens; i++) {
        struct config_token *token = &endpoint->tokens[i];

        if (token->text)
            secret_wipe(token->text, strlen(token->text));
        if (token->source)
            secret_wipe(token->source, strlen(token->source));
        free(token->text);
        free(token->source);
    }
    for (size_t i = 0; i < endpoint->n_secrets; i++) {
        struct config_secret *secret = &endpoint->secrets[i];

        secret_key_wipe(&secret->key);
        if (secret->source)
            secret_wipe(secret->source, strlen(secret->source));
        free(secret->name);
        free(secret->source);
        free(secret->id);
    }
    free(endpoint->tokens);
    free(endpoint->secrets);
    free(endpoint->name);
    free(endpoint->public_url);
    free(endpoint->path);
}

static void sink_done(struct config_sink *sink)
{
    list_done(&sink->statuses);
    list_done(&sink->types);
    list_done(&sink->endpoints);
    list_done(&sink->command);
    list_done(&sink->user_env);
    free(sink->name);
    free(sink->type);
    free(sink->path);
    free(sink->target);
    free(sink->tag);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->n_endpoints; i++)
        endpoint_done(&config->endpoints[i]);
    for (size_t i = 0; i < config->n_sinks; i++)
        sink_done(&config->sinks[i]);
    free(config->endpoints);
    free(config->sinks);
    list_done(&config->server.listen);
    list_done(&config->admin.listen);
    free(config->store.path);
    free(config->file);
    free(config);
}

/* ---- checks that belong to no endpoint and no sink ---- */

/* Says what is wrong with a value of a plain section. One that does not stand in the file is named
 * in full and called a default: whoever reads it looks in vain for it. */
static void fault_value(
    struct build *build, enum section_id id, const char *key, const char *value, const char *what)
{
    const struct raw_section *section = raw_get(build->raw, id);

    if (raw_find(section, key))
        raw_fault(build->faults, section, key, "\"%s\" %s", value, what);
    else
        raw_fault_at(build->faults, NULL, NULL, raw_line(section, NULL),
            "%s: %s (default \"%s\") %s", key_section_get(id)->name, key, value, what);
}

/* Port 0 is another one each time. */
static bool may_repeat(const char *address)
{
    size_t length = strlen(address);

    return address[0] != 'u' && length > 2 && strcmp(address + length - 2, ":0") == 0;
}

static void check_listen_twins(struct build *build)
{
    const struct config_list *lists[] = {
        &build->config->server.listen, &build->config->admin.listen};
    const enum section_id ids[] = {SECTION_SERVER, SECTION_ADMIN};

    for (size_t list = 0; list < ARRAY_SIZE(lists); list++) {
        for (size_t i = 0; i < lists[list]->n; i++) {
            const char *address = lists[list]->texts[i];
            bool twice = false;

            for (size_t j = 0; j < i; j++)
                twice = twice || strcmp(lists[list]->texts[j], address) == 0;
            for (size_t j = 0; list == 1 && j < lists[0]->n; j++)
                twice = twice || strcmp(lists[0]->texts[j], address) == 0;
            if (twice && !may_repeat(address))
                fault_value(
                    build, ids[list], "listen", address, "is given twice; leave one of them out");
        }
    }
}

static void check_store(struct build *build)
{
    const struct config_store *store = &build->config->store;
    struct error error = ERROR_INIT;

    if (build->use == CONFIG_FOR_DAEMON && store->path && check_parent(store->path, &error) < 0)
        fault_value(build, SECTION_STORE, "path", store->path, error.text);
}

/* The conf names programs to run, so who can change it can do what we can. */
static void check_file(struct build *build)
{
    if (build->stat->st_mode & S_IWOTH)
        raw_fault(build->faults, NULL, NULL,
            "this file can be changed by everybody; run chmod o-w %s", build->file);
}

static int fill(struct build *build)
{
    struct config *config = build->config;
    const struct {
        enum section_id id;
        void *target;
    } plain[] = {
        {SECTION_SERVER, &config->server},
        {SECTION_ADMIN, &config->admin},
        {SECTION_LOG, &config->log},
        {SECTION_STORE, &config->store},
    };
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(plain) && r == 0; i++)
        r = fill_section(build, key_section_get(plain[i].id), raw_get(build->raw, plain[i].id), 0,
            plain[i].target);
    if (r == 0)
        r = build_endpoints(build);
    if (r == 0)
        r = build_sinks(build);
    if (r < 0)
        return r;
    check_file(build);
    check_listen_twins(build);
    check_store(build);
    return build->faults->n > 0 ? -EINVAL : 0;
}

/* For CONFIG_FOR_ADMIN: the section, and nothing else. */
static int fill_admin(struct build *build)
{
    int r = fill_section(build, key_section_get(SECTION_ADMIN), raw_get(build->raw, SECTION_ADMIN),
        0, &build->config->admin);

    if (r < 0)
        return r;
    return build->faults->n > 0 ? -EINVAL : 0;
}

static int make_config(const char *file, const struct stat *stat, enum config_use use,
    const struct raw *raw, struct config **ret_config, struct fault_list *faults)
{
    CLEANUP(config_free) struct config *config = calloc(1, sizeof(*config));
    struct build build = {file, stat, use, raw, config, faults, false};
    int r;

    if (!config)
        return -ENOMEM;
    config->file = strdup(file);
    if (!config->file)
        return -ENOMEM;
    r = use == CONFIG_FOR_ADMIN ? fill_admin(&build) : fill(&build);
    if (r == 0)
        *ret_config = TAKE(config);
    return r;
}

int config_load(
    const char *file, enum config_use use, struct config **ret_config, struct config_faults *faults)
{
    struct fault_list list = FAULT_LIST_INIT;
    struct raw raw = RAW_INIT;
    struct error error = ERROR_INIT;
    struct config *config = NULL;
    struct stat stat;
    char *text;
    size_t length;
    int r = load_file(file, FILE_MAX, &text, &length, &stat, &error);

    if (r < 0) {
        buf_append_format(
            &faults->text, "%s: %s; name the conf file with --config\n", file, error.text);
        faults->n++;
        return r;
    }

    r = parse_text(text, length, &raw, &list);
    secret_wipe(text, length);
    free(text);
    if (r == 0 && use == CONFIG_FOR_ADMIN)
        fault_list_keep(&list, "admin: ");
    if (r == 0)
        r = make_config(file, &stat, use, &raw, &config, &list);
    raw_done(&raw);

    if (r == -ENOMEM)
        list.failed = true;
    if (fault_list_show(&list, file, faults) < 0)
        r = -ENOMEM;
    fault_list_done(&list);
    if (r == 0)
        *ret_config = TAKE(config);
    config_free(config);
    return r;
}
