#pragma once

/*
 * The admin listener: health, metrics, and the JSON API of docs/api.md.
 *
 * One libmicrohttpd daemon on one thread for each listening socket (listener.c), a few connections
 * each, short total time limits; nothing of it runs on the threads of intake, store or dispatch, so
 * that a slow or hostile client disturbs nobody. Unix sockets serve everything, to peers that
 * SO_PEERCRED shows to be root, the daemon's user, or in the socket's group; TCP serves health and
 * metrics only.
 *
 * What it shows it reads from the stages below through their own functions, which may be called
 * from any thread, and from a store reader of its own.
 *
 * Threads: admin_* are called from the daemon's main thread.
 */

#include "dispatch/dispatch.h"
#include "intake/intake.h"

/* What the conf says and no stage knows; replaced on reload. Copied. */
struct admin_endpoint {
    const char *name;
    const char *public_url;
    bool report;
    const char *const *token_sources; /* in order of the conf: "credential:partner-token",
                                         "value:<set>" */
    size_t n_tokens;
    const char *const *secret_names;
    const char *const *secret_ids; /* NULL entries: none */
    size_t n_secrets;
};
struct admin_view {
    const char *config_file;
    const char *store_path;
    const char *const *listen; /* names of the public listening sockets */
    size_t n_listen;
    unsigned int max_connections;
    const struct admin_endpoint *endpoints;
    size_t n_endpoints;
    const struct verify_options *verify; /* for explain; keys are copied and wiped with the view */
};

struct admin_options {
    const int *listen_fds; /* listening; taken if admin_start succeeds */
    size_t n_listen_fds;
    struct store *store; /* for opening a reader */
    struct store_writer *writer;
    struct store_retention retention;
    struct intake *intake;
    struct dispatch *dispatch;
    const struct clock *clock;
    const struct admin_view *view;
};

/* How many descriptors one listening socket takes at most, its connections included. */
#define ADMIN_DESCRIPTORS 48

struct admin;

int admin_start(const struct admin_options *options, struct admin **ret_admin, struct error *error);

/* Reload in two steps; see dispatch_prepare. Of the view only endpoints and `verify` count: the
 * rest takes a restart to change. */
struct admin_change;
int admin_prepare(struct admin *admin, const struct admin_view *view,
    struct admin_change **ret_change, struct error *error);
void admin_commit(struct admin *admin, struct admin_change *change);
void admin_abandon(struct admin_change *change); /* NULL is legal */

/* A reload was tried. For the metrics. */
void admin_note_reload(struct admin *admin, bool is_ok);

/* From here on /readyz answers 503 "draining". */
void admin_drain(struct admin *admin);

/* Ends the listeners. Before the stages it looks at are stopped. NULL is legal. */
void admin_stop(struct admin *admin);
