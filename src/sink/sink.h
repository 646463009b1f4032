#pragma once

/*
 * A sink: a place that deliveries go to.
 *
 * A sink is an ops table. It gets deliveries and says what became of each; it never sees the store,
 * another sink, retries or order: those are dispatch's. Adding one is one file and one line in
 * registry.c.
 *
 * Threads: a sink belongs to the thread of its runner (dispatch). sink_new may run on another
 * thread before that. A sink may block in `deliver` only up to its own limits (a sync, a send with
 * a time limit), because its runner serves no other sink.
 */

#include "job/delivery.h"
#include "util/clock.h"
#include "util/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

enum sink_result {
    SINK_DELIVERED,
    SINK_RETRY,    /* this delivery failed; try it again later, up to retry_attempts */
    SINK_DEAD,     /* this delivery can never succeed */
    SINK_DEFERRED, /* the sink could not even try (no process to be had, shutting down): try again
                      soon, no attempt is counted */
};

/* One delivery on its way through a sink. Made and owned by the runner; stays valid until done. */
struct sink_item {
    const struct delivery *delivery; /* borrowed, with body */
    unsigned int attempt;            /* from 1 */
    bool replay;

    /* Filled in by the sink before it calls done. */
    int64_t started_at_usec; /* real time */
    int64_t duration_usec;
    char result[64]; /* "exit 75", "ok", "timeout after 60s", "connect: Connection refused" */
    char *output;    /* tail of what a hook printed; owned by the item, freed by the runner */
    size_t output_length;
};

/* How many deliveries dispatch may hand over, and in which order it must. */
enum sink_order {
    SINK_ORDER_JOB,     /* one at a time a job; jobs in parallel */
    SINK_ORDER_ARRIVAL, /* in order of arrival, a failed one holds up all after it */
};

struct sink_exec_options {
    const char *const *argv;     /* NULL-terminated; argv[0] is an absolute path */
    const char *const *user_env; /* NULL-terminated "NAME=value" */
    int64_t timeout_usec;
    int64_t grace_usec; /* between TERM and KILL */
};

struct sink_file_options {
    const char *path;  /* absolute; with "{job_id}" in its last part: one file a job */
    unsigned int mode; /* of files it creates, e.g. 0640 */
};

enum sink_syslog_format {
    SINK_SYSLOG_TEXT, /* key=value */
    SINK_SYSLOG_JSON, /* the same object as a file sink's line */
};

struct sink_syslog_options {
    const char
        *target;  /* "local", "local:/path", "udp:host:port", "tcp:host:port", "host:port" (udp) */
    int facility; /* RFC 5424 number, 0..23 */
    int severity; /* 0..7 */
    bool rfc3164; /* old format; default for local */
    const char *tag;
    enum sink_syslog_format format;
    int64_t timeout_usec; /* connect and send */
};

struct sink_options {
    const char *name;
    const char *type; /* "exec", "file", "syslog" */
    union {
        struct sink_exec_options exec;
        struct sink_file_options file;
        struct sink_syslog_options syslog;
    };
};

/* What a sink may use of its runner. */
struct sink_host {
    sd_event *event; /* the runner's loop; borrowed. For exec; others need not use it */
    const struct clock *clock;
    /* Ends an item, exactly once for each that was handed over; during deliver or later. */
    void (*done)(void *context, struct sink_item *item, enum sink_result result);
    void *context;
};

struct sink; /* each sink embeds it as its first member */

typedef void (*sink_found_fn)(void *context, uint64_t seq, bool after_mark);

struct sink_ops {
    const char *type;
    enum sink_order order; /* what the type needs at least */
    size_t batch;          /* most items of one deliver call; 1: one at a time */
    bool has_position;     /* position() and recover() are there, and a batch must be settled in the
                              store before the next is handed over */

    int (*create)(const struct sink_options *options, struct sink **ret_sink, struct error *error);
    void (*destroy)(struct sink *sink); /* nothing is running; NULL is legal */

    /* Called once, on the runner's thread, before the first deliver. */
    int (*start)(struct sink *sink, const struct sink_host *host, struct error *error);

    /* Hands over 1..batch items, in order. */
    void (*deliver)(struct sink *sink, struct sink_item **items, size_t n);

    /* Ends what runs: TERM, grace, KILL for hooks; items come back as SINK_DEFERRED. NULL for sinks
     * that finish within deliver. */
    void (*cancel)(struct sink *sink);

    /* SIGHUP: opens files anew. NULL: nothing to do. */
    int (*reopen)(struct sink *sink, struct error *error);

    /* The mark that, stored with the frontier, tells after a crash what was written since. Returns
     * its length (<= 64). */
    size_t (*position)(struct sink *sink, void *mark);

    /* Reports the seq of each delivery written after the mark (empty mark: since the beginning),
     * in the order of writing, and mends a torn end. `after_mark` is false where it may have been
     * written before the mark as well. Called between start and the first deliver. */
    int (*recover)(struct sink *sink, const void *mark, size_t length, sink_found_fn found,
        void *context, struct error *error);
};

struct sink {
    const struct sink_ops *ops;
};

/* Makes a sink of options->type; does no I/O beyond looking. Copies the options. */
int sink_new(const struct sink_options *options, struct sink **ret_sink, struct error *error);
void sink_free(struct sink *sink);

/* Whether `type` is known; for the conf. */
bool sink_type_is_known(const char *type);
