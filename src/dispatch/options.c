/*
 * Deep copy and comparison of a sink's options.
 *
 * The conf that they come from goes away after a reload, while runners need theirs as long as they
 * run. What a type's own options consist of is known here and in sink/ (whose sink_new copies them
 * once more, for the sink); a type without options of its own needs nothing here.
 *
 * A copy is one struct with strings of its own; NULL lists stay NULL and compare like empty ones.
 */

#include "dispatch/options.h"

#include <stdlib.h>
#include <string.h>

enum kind { KIND_EXEC, KIND_FILE, KIND_SYSLOG, KIND_PLAIN };

static enum kind kind_of(const struct sink_options *options)
{
    if (strcmp(options->type, "exec") == 0)
        return KIND_EXEC;
    if (strcmp(options->type, "file") == 0)
        return KIND_FILE;
    if (strcmp(options->type, "syslog") == 0)
        return KIND_SYSLOG;
    return KIND_PLAIN;
}

/* ---- copies ---- */

static void free_text(const char *text)
{
    free((char *)(uintptr_t)text);
}

static void free_list(const char *const *list)
{
    for (size_t i = 0; list && list[i]; i++)
        free_text(list[i]);
    free((void *)(uintptr_t)list);
}

/* Both copy what is there; `failed` gathers that memory ran out. */
static const char *copy_text(const char *text, bool *failed)
{
    char *copy = text ? strdup(text) : NULL;

    if (text && !copy)
        *failed = true;
    return copy;
}

static const char *const *copy_list(const char *const *list, bool *failed)
{
    size_t n = 0;

    if (!list)
        return NULL;
    while (list[n])
        n++;

    const char **copy = calloc(n + 1, sizeof(*copy));
    if (!copy) {
        *failed = true;
        return NULL;
    }
    for (size_t i = 0; i < n && !*failed; i++)
        copy[i] = copy_text(list[i], failed);
    return copy;
}

static void copy_sink(const struct sink_options *from, struct sink_options *to, bool *failed)
{
    to->name = copy_text(from->name, failed);
    to->type = copy_text(from->type, failed);
    if (*failed)
        return; /* without its type options_free could not tell what else is there */
    switch (kind_of(from)) {
    case KIND_EXEC:
        to->exec = from->exec;
        to->exec.argv = copy_list(from->exec.argv, failed);
        to->exec.user_env = copy_list(from->exec.user_env, failed);
        break;
    case KIND_FILE:
        to->file = from->file;
        to->file.path = copy_text(from->file.path, failed);
        break;
    case KIND_SYSLOG:
        to->syslog = from->syslog;
        to->syslog.target = copy_text(from->syslog.target, failed);
        to->syslog.tag = copy_text(from->syslog.tag, failed);
        break;
    case KIND_PLAIN:
        break;
    }
}

struct dispatch_sink_options *options_copy(const struct dispatch_sink_options *from)
{
    bool failed = false;
    struct dispatch_sink_options *to = malloc(sizeof(*to));

    if (!to)
        return NULL;
    *to = *from;
    to->sink = (struct sink_options){0};
    copy_sink(&from->sink, &to->sink, &failed);
    to->statuses = copy_list(from->statuses, &failed);
    to->types = copy_list(from->types, &failed);
    to->endpoints = copy_list(from->endpoints, &failed);
    if (failed) {
        options_free(to);
        return NULL;
    }
    return to;
}

void options_free(struct dispatch_sink_options *options)
{
    if (!options)
        return;
    switch (options->sink.type ? kind_of(&options->sink) : KIND_PLAIN) {
    case KIND_EXEC:
        free_list(options->sink.exec.argv);
        free_list(options->sink.exec.user_env);
        break;
    case KIND_FILE:
        free_text(options->sink.file.path);
        break;
    case KIND_SYSLOG:
        free_text(options->sink.syslog.target);
        free_text(options->sink.syslog.tag);
        break;
    case KIND_PLAIN:
        break;
    }
    free_text(options->sink.name);
    free_text(options->sink.type);
    free_list(options->statuses);
    free_list(options->types);
    free_list(options->endpoints);
    free(options);
}

/* ---- comparison ---- */

static bool text_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool list_equal(const char *const *a, const char *const *b)
{
    static const char *const empty[] = {NULL};
    size_t i = 0;

    a = a ? a : empty;
    b = b ? b : empty;
    while (a[i] && b[i] && strcmp(a[i], b[i]) == 0)
        i++;
    return !a[i] && !b[i];
}

static bool sink_equal(const struct sink_options *a, const struct sink_options *b)
{
    if (strcmp(a->name, b->name) != 0 || strcmp(a->type, b->type) != 0)
        return false;
    switch (kind_of(a)) {
    case KIND_EXEC:
        return list_equal(a->exec.argv, b->exec.argv) &&
               list_equal(a->exec.user_env, b->exec.user_env) &&
               a->exec.timeout_usec == b->exec.timeout_usec &&
               a->exec.grace_usec == b->exec.grace_usec;
    case KIND_FILE:
        return text_equal(a->file.path, b->file.path) && a->file.mode == b->file.mode;
    case KIND_SYSLOG:
        return text_equal(a->syslog.target, b->syslog.target) &&
               text_equal(a->syslog.tag, b->syslog.tag) &&
               a->syslog.facility == b->syslog.facility &&
               a->syslog.severity == b->syslog.severity && a->syslog.rfc3164 == b->syslog.rfc3164 &&
               a->syslog.format == b->syslog.format &&
               a->syslog.timeout_usec == b->syslog.timeout_usec;
    case KIND_PLAIN:
        return true;
    }
    return false;
}

bool options_equal(const struct dispatch_sink_options *a, const struct dispatch_sink_options *b)
{
    return sink_equal(&a->sink, &b->sink) && list_equal(a->statuses, b->statuses) &&
           list_equal(a->types, b->types) && list_equal(a->endpoints, b->endpoints) &&
           a->retry.first_usec == b->retry.first_usec && a->retry.max_usec == b->retry.max_usec &&
           a->retry.attempts == b->retry.attempts && a->concurrency == b->concurrency &&
           a->order_none == b->order_none && a->skip_stale == b->skip_stale &&
           a->breaker == b->breaker;
}
