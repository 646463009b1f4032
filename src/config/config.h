#pragma once

/*
 * The conf file: read, checked, and turned into plain data.
 *
 * config_load reads with libconfuse (its types never leave this folder), checks everything it can,
 * and reports all errors of one run as "file:line: key: what is wrong; what would be right". What
 * comes back is complete: defaults filled in, secrets and tokens read from their sources and
 * decoded, paths derived. The daemon turns it into each stage's own options (daemon/wiring.c).
 *
 * Keys, defaults and meanings: docs/man/sasha-callbackd.conf.5. Contract: names may be added, not
 * renamed.
 *
 * Threads: main only. A config is immutable once loaded.
 */

#include "sink/sink.h"
#include "util/buf.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/log.h"
#include "verify/secret.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A list of strings, NULL-terminated; empty lists have texts[0] == NULL. */
struct config_list {
    char **texts;
    size_t n;
};

struct config_server {
    struct config_list listen;
    unsigned int workers;
    uint64_t max_body;
    unsigned int max_connections;
    int64_t header_timeout_usec;
    int64_t body_timeout_usec;
    int64_t idle_timeout_usec;
    int64_t commit_timeout_usec;
    int64_t drain_timeout_usec; /* how long SIGTERM lets hooks finish */
    unsigned int keep_refused;  /* refused requests kept for explain; 0: none */
};

struct config_admin {
    struct config_list listen;
};

struct config_log {
    enum log_level level;
    enum log_format format;
};

struct config_store {
    char *path;
    int64_t keep_deliveries_usec; /* USEC_INFINITY: "forever" */
    int64_t keep_ids_usec;        /* USEC_INFINITY: "forever" */
    uint64_t disk_floor;          /* bytes that must stay free to accept; 0: no floor */
};

/* Something secret, and where the conf says it comes from. `source` may be shown, but for value:.
 */
struct config_token {
    char *source;
    char *text; /* wiped by config_free */
};

struct config_secret {
    char *name;
    char *source;
    char *id; /* NULL: none */
    enum secret_encoding encoding;
    struct secret_key key; /* wiped by config_free */
};

struct config_endpoint {
    char *name;
    char *public_url;
    char *path;
    bool report;   /* verify = "report" */
    bool no_token; /* partner_token = {"none"} */
    struct config_token *tokens;
    size_t n_tokens;
    int64_t max_age_usec; /* USEC_INFINITY: "none" */
    struct config_secret *secrets;
    size_t n_secrets;
};

struct config_sink {
    char *name;
    char *type;
    struct config_list statuses, types, endpoints;
    int64_t retry_first_usec, retry_max_usec;
    unsigned int retry_attempts;
    unsigned int concurrency;
    unsigned int breaker; /* 0: off */
    bool order_none;
    bool skip_stale;

    /* exec */
    struct config_list command, user_env;
    int64_t timeout_usec; /* also the time limit of a remote syslog */
    int64_t grace_usec;
    /* file */
    char *path;
    unsigned int mode;
    /* syslog */
    char *target, *tag;
    int facility, severity;
    bool rfc3164;
    enum sink_syslog_format format;
};

struct config {
    char *file; /* as given */
    struct config_server server;
    struct config_admin admin;
    struct config_log log;
    struct config_store store;
    struct config_endpoint *endpoints;
    size_t n_endpoints;
    struct config_sink *sinks;
    size_t n_sinks;
};

/* Every fault found, one line each, in order of line. */
struct config_faults {
    struct buf text; /* "file:line: key: …\n" lines */
    size_t n;
};

#define CONFIG_FAULTS_INIT \
    {                      \
        BUF_INIT, 0        \
    }
void config_faults_done(struct config_faults *faults);

/* What a caller leaves out. The sender needs no hook programs and no listening addresses to exist;
 * who talks to the daemon needs to know where only: no secret is read, nothing but `admin` is
 * filled in, and faults elsewhere do not matter (the daemon may run under an older conf), unless
 * they are of syntax. */
enum config_use {
    CONFIG_FOR_DAEMON,
    CONFIG_FOR_CLIENT, /* checks only what an endpoint and the admin socket need */
    CONFIG_FOR_ADMIN,  /* where the admin listener is */
};

/* Returns 0 and an owned config, or -EINVAL with all faults, or -errno with one fault when the file
 * cannot be read. */
int config_load(const char *file, enum config_use use, struct config **ret_config,
    struct config_faults *faults);

/* Wipes secrets. NULL is legal. */
void config_free(struct config *config);

/* Appends the whole conf with defaults filled in, in the syntax it is read in; every secret and
 * token shows as "<set>" unless its source is only a name (credential:, file:, env:), which shows.
 */
int config_dump(const struct config *config, struct buf *out);

/* The file used when --config is not given. */
#define CONFIG_DEFAULT_FILE "/etc/sasha-callbackd/sasha-callbackd.conf"

/* ---- values (values.c); pure ---- */

/* "90s" "15m" "12h" "30d" "250ms"; a positive whole number and its unit. -EINVAL otherwise. */
int config_parse_duration(const char *text, int64_t *ret_usec);

/* "4096" "256K" "1M" "2G", powers of 1024. -EINVAL otherwise. */
int config_parse_size(const char *text, uint64_t *ret_bytes);

/* Splits "https://host[:port]/path". The path is what follows the authority, at least "/". */
struct config_url {
    size_t path_offset; /* into the text */
};
int config_parse_url(const char *text, struct config_url *ret_url, struct error *error);
