/*
 * Sinks: what must hold for each type, and between them.
 *
 * The looks at the file system answer a question of now: a program can go away later, and its sink
 * then fails and retries. They are made so that a slip in the conf shows at start. A client does
 * not run sinks, so it looks only at which files are the same.
 *
 * A hook runs with our rights, so whoever can write the program has them. Always refused: a program
 * that everybody can write. As root also: one that belongs to another user or that a group but
 * root's can write.
 */

#include "config/build.h"

#include "config/places.h"
#include "config/texts.h"
#include "util/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sink_build {
    struct build *build;
    const struct raw_section *section;
    struct config_sink *sink;
};

static void check_program(const struct sink_build *at, const char *program)
{
    struct fault_list *faults = at->build->faults;
    struct stat stat_;

    if (program[0] != '/')
        raw_fault(faults, at->section, "command",
            "the program is not given by an absolute path; begin it with / (no shell and no PATH "
            "look it up)");
    else if (at->build->use == CONFIG_FOR_CLIENT)
        return;
    else if (stat(program, &stat_) < 0)
        raw_fault(faults, at->section, "command", "%s: %s; install the program or mend its path",
            program, strerrordesc_np(errno));
    else if (!S_ISREG(stat_.st_mode))
        raw_fault(faults, at->section, "command", "%s is not a file; write the path of a program",
            program);
    else if (faccessat(AT_FDCWD, program, X_OK, AT_EACCESS) < 0)
        raw_fault(faults, at->section, "command",
            "%s cannot be executed by the user the daemon runs as; run chmod a+rx %s", program,
            program);
    else if (stat_.st_mode & S_IWOTH)
        raw_fault(faults, at->section, "command",
            "%s can be changed by everybody; run chmod go-w %s", program, program);
    else if (geteuid() == 0 && stat_.st_uid != 0)
        raw_fault(faults, at->section, "command",
            "%s belongs to user %u but would run as root; run chown root %s, or run the daemon as "
            "another user",
            program, (unsigned int)stat_.st_uid, program);
    else if (geteuid() == 0 && stat_.st_gid != 0 && stat_.st_mode & S_IWGRP)
        raw_fault(faults, at->section, "command",
            "%s can be changed by group %u but would run as root; run chmod g-w %s", program,
            (unsigned int)stat_.st_gid, program);
}

static void check_env_twins(const struct sink_build *at)
{
    const struct config_list *env = &at->sink->user_env;

    for (size_t i = 0; i < env->n; i++) {
        size_t length = strcspn(env->texts[i], "=") + 1;

        for (size_t j = 0; j < i; j++)
            if (strncmp(env->texts[i], env->texts[j], length) == 0)
                raw_fault(at->build->faults, at->section, "user_env",
                    "sets %.*s twice; leave one of them out", (int)length - 1, env->texts[i]);
    }
}

static void check_endpoints(const struct sink_build *at)
{
    const struct config *config = at->build->config;

    for (size_t i = 0; i < at->sink->endpoints.n; i++) {
        const char *name = at->sink->endpoints.texts[i];
        bool found = false;

        for (size_t j = 0; j < config->n_endpoints && !found; j++)
            found = strcmp(config->endpoints[j].name, name) == 0;
        if (!found)
            raw_fault(at->build->faults, at->section, "endpoints",
                "there is no endpoint \"%s\"; write the name of one, or leave the key out for all",
                name);
    }
}

int check_parent(const char *path, struct error *error)
{
    CLEANUP(free) char *directory = strdup(path);
    struct stat stat_;
    char *slash;

    if (!directory)
        return error_errno(error, ENOMEM, "cannot be looked at");
    slash = strrchr(directory, '/');
    slash[slash == directory] = '\0';
    if (stat(directory, &stat_) < 0)
        return error_set(error, ENOENT, "lies in %s: %s; make that directory, or mend the path",
            directory, strerrordesc_np(errno));
    if (!S_ISDIR(stat_.st_mode))
        return error_set(
            error, ENOTDIR, "lies in %s, which is not a directory; mend the path", directory);
    if (faccessat(AT_FDCWD, directory, W_OK | X_OK, AT_EACCESS) < 0)
        return error_set(error, EACCES,
            "lies in %s, where the user the daemon runs as may not write (%s); give it the right, "
            "or choose another directory",
            directory, strerrordesc_np(errno));
    return 0;
}

static void check_file_path(const struct sink_build *at)
{
    struct build *build = at->build;
    const struct config *config = build->config;
    const char *path = at->sink->path, *end;
    struct error error = ERROR_INIT;

    if (!path)
        return;
    for (const struct config_sink *sink = config->sinks; sink < at->sink; sink++)
        if (sink->path && place_is_shared(path, sink->path))
            raw_fault(build->faults, at->section, "path",
                "is that of sink \"%s\" too; give each sink its own file", sink->name);
    if (config->store.path && (end = place_in_store(path, config->store.path)))
        raw_fault(build->faults, at->section, "path", "is that of %sthe store%s%s; %s",
            *end ? "a file of " : "", *end ? ", its path with " : "", end,
            "give the sink its own file");
    if (build->use == CONFIG_FOR_DAEMON && check_parent(path, &error) < 0)
        raw_fault(build->faults, at->section, "path", "\"%s\" %s", path, error.text);
}

static bool is_local(const char *target)
{
    return strcmp(target, "local") == 0 || strncmp(target, "local:", 6) == 0;
}

static int build_sink(struct sink_build *at)
{
    struct config_sink *sink = at->sink;
    const struct raw_section *section = at->section;
    const struct raw_statement *type = raw_find(section, "type");
    unsigned int mask = type && type->values.n == 1 ? key_sink_mask(type->values.texts[0]) : 0;
    int r = fill_section(at->build, section->keys, section, mask, sink);

    sink->name = strdup(section->title);
    if (!sink->name || r < 0)
        return -ENOMEM;

    if (sink->retry_first_usec > sink->retry_max_usec && sink->retry_max_usec > 0)
        raw_fault(at->build->faults, section, "retry_first",
            "is longer than retry_max; set it to retry_max or less");
    check_endpoints(at);
    if (mask != KEY_SINK_EXEC)
        sink->concurrency = 1;
    if (mask == KEY_SINK_EXEC && sink->command.n > 0)
        check_program(at, sink->command.texts[0]);
    if (mask == KEY_SINK_EXEC)
        check_env_twins(at);
    if (mask == KEY_SINK_FILE)
        check_file_path(at);
    if (mask == KEY_SINK_SYSLOG && !raw_find(section, "protocol") && sink->target)
        sink->rfc3164 = is_local(sink->target);
    return 0;
}

int build_sinks(struct build *build)
{
    const struct raw *raw = build->raw;
    struct config *config = build->config;

    config->sinks = calloc(raw->n_sections + 1, sizeof(*config->sinks));
    if (!config->sinks)
        return -ENOMEM;
    for (size_t i = 0; i < raw->n_sections; i++) {
        struct sink_build at = {build, raw->sections[i], &config->sinks[config->n_sinks]};
        int r;

        if (at.section->keys->id != SECTION_SINK)
            continue;
        config->n_sinks++;
        r = build_sink(&at);
        if (r < 0)
            return r;
    }
    return 0;
}
