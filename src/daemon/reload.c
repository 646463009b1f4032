/*
 * Reload: endpoints, tokens, secrets, sinks and the log level change together or not at all.
 *
 * Everything that can fail happens first and changes nothing: reading the conf, making a verifier
 * for each worker, making the new sinks. What is left cannot fail. A request or hook that is under
 * way ends under the rules it began with.
 */

#include "daemon/internal.h"
#include "daemon/wiring.h"

#include "config/places.h"
#include "util/cleanup.h"

#include <errno.h>
#include <string.h>

static bool lists_equal(const struct config_list *a, const struct config_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->texts[i], b->texts[i]) != 0)
            return false;
    return true;
}

static bool servers_equal(const struct config_server *a, const struct config_server *b)
{
    return lists_equal(&a->listen, &b->listen) && a->workers == b->workers &&
           a->max_body == b->max_body && a->max_connections == b->max_connections &&
           a->header_timeout_usec == b->header_timeout_usec &&
           a->body_timeout_usec == b->body_timeout_usec &&
           a->idle_timeout_usec == b->idle_timeout_usec &&
           a->commit_timeout_usec == b->commit_timeout_usec && a->keep_refused == b->keep_refused;
}

static bool stores_equal(const struct config_store *a, const struct config_store *b)
{
    return strcmp(a->path, b->path) == 0 && a->keep_deliveries_usec == b->keep_deliveries_usec &&
           a->keep_ids_usec == b->keep_ids_usec && a->disk_floor == b->disk_floor;
}

static void tell_what_needs_a_restart(const struct config *started, const struct config *new)
{
    static const char text[] = "the change in section '%s' takes effect at the next restart";

    if (!servers_equal(&started->server, &new->server))
        log_warning("needs-restart", text, "server");
    if (!stores_equal(&started->store, &new->store))
        log_warning("needs-restart", text, "store");
    if (!lists_equal(&started->admin.listen, &new->admin.listen))
        log_warning("needs-restart", text, "admin");
    if (started->log.format != new->log.format)
        log_warning("needs-restart", text, "log");
}

/* The store stays where it was at start, whatever the new conf says of it. */
static int keep_off_the_store(
    const struct config *started, const struct config *config, struct error *error)
{
    for (size_t i = 0; i < config->n_sinks; i++) {
        const struct config_sink *sink = &config->sinks[i];

        if (sink->path && place_in_store(sink->path, started->store.path))
            return error_set(error, EINVAL,
                "sink \"%s\": path: is that of the store in use, %s; give the sink its own file",
                sink->name, started->store.path);
    }
    return 0;
}

/* Puts the new conf in force. On failure nothing has changed. */
static int apply(struct daemon *daemon, const struct config *config, struct error *error)
{
    struct wiring wiring = WIRING_INIT;
    struct intake_change *intake_change = NULL;
    struct dispatch_change *dispatch_change = NULL;
    struct admin_change *admin_change = NULL;
    int r = wiring_make(&wiring, config);

    if (r < 0)
        error_errno(error, -r, "cannot take in the new conf");
    else
        r = keep_off_the_store(daemon->started, config, error);
    if (r == 0)
        r = daemon_ensure_descriptors(config, error);
    if (r == 0)
        r = intake_prepare(daemon->intake, &wiring.verify, &intake_change, error);
    if (r == 0)
        r = dispatch_prepare(
            daemon->dispatch, wiring.sinks, wiring.n_sinks, &dispatch_change, error);
    if (r == 0 && daemon->admin)
        r = admin_prepare(daemon->admin, &wiring.view, &admin_change, error);
    if (r == 0) {
        intake_commit(daemon->intake, TAKE(intake_change));
        dispatch_commit(daemon->dispatch, TAKE(dispatch_change));
        if (daemon->admin)
            admin_commit(daemon->admin, TAKE(admin_change));
        log_set_level(config->log.level);
    }
    admin_abandon(admin_change);
    dispatch_abandon(dispatch_change);
    intake_abandon(intake_change);
    wiring_done(&wiring);
    return r;
}

void daemon_reload(struct daemon *daemon)
{
    struct config_faults faults = CONFIG_FAULTS_INIT;
    struct config *config = NULL;
    struct error error = ERROR_INIT;
    bool is_ok = false;

    notify_reloading();
    if (config_load(daemon->config->file, CONFIG_FOR_DAEMON, &config, &faults) < 0) {
        daemon_log_faults(&faults);
        log_err("reload-failed", "the new conf is at fault; the old one stays in force");
    } else if (apply(daemon, config, &error) < 0) {
        log_err("reload-failed", "%s; the old conf stays in force", error.text);
    } else {
        tell_what_needs_a_restart(daemon->started, config);
        if (daemon->config != daemon->started)
            config_free(daemon->config);
        daemon->config = TAKE(config);
        log_info("reloaded", "reloaded %s", daemon->config->file);
        is_ok = true;
    }
    config_free(config);
    config_faults_done(&faults);

    if (daemon->admin)
        admin_note_reload(daemon->admin, is_ok);
    dispatch_reopen(daemon->dispatch);
    notify_ready();
}
