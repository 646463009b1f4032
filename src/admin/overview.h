#pragma once

/*
 * All numbers of all stages at one moment, read through their own functions: what /metrics,
 * /v1/status, /readyz and the history go by.
 *
 * Counters are read one after another while the daemon works, in an order in which sums that must
 * not go down do not: parts before their total, a sink before the head of the store.
 *
 * overview_take and overview_judge read; the rest is pure.
 */

#include "dispatch/dispatch.h"
#include "intake/intake.h"
#include "store/query.h"

/* A sink, from dispatch and from the store. The four add up: accepted = delivered + dead + pending
 * + running (G5), `delivered` and `dead` being the store's. */
struct overview_sink {
    struct dispatch_sink_stats stats;
    struct store_sink store;
    uint64_t accepted;
    uint64_t pending; /* without what runs */
    uint64_t running;
    int64_t oldest_pending_at_usec; /* real time; 0: none */
};

/* The writer's counters, out of their atomics. */
struct overview_writer {
    uint64_t commits;
    uint64_t appended;
    uint64_t commit_usec;
    uint64_t unavailable;
    uint64_t works;
    uint64_t commit_buckets[STORE_COMMIT_BUCKETS];
    uint64_t batch_buckets[STORE_BATCH_BUCKETS];
};

/* Why the daemon should get no callbacks now; none: it is ready. */
#define READINESS_REASONS_MAX 5
struct readiness {
    char reasons[READINESS_REASONS_MAX][160];
    size_t n_reasons;
};

struct overview {
    int64_t now_usec;        /* real time */
    int64_t started_at_usec; /* real time */
    int64_t conf_since_usec; /* real time: the last reload that succeeded, or the start */
    bool reload_has_failed;  /* the last one */
    struct readiness readiness;

    struct intake_endpoint_stats *endpoints; /* owned */
    size_t n_endpoints;
    uint64_t outcomes[REASON_COUNT]; /* over all endpoints, those that a reload took away, too */
    uint64_t unrouted[REASON_COUNT]; /* where overview_is_unrouted; others are 0 */
    uint64_t open_connections;
    uint64_t accepted_connections;
    uint64_t refused_connections;
    uint64_t cuts[INTAKE_CUT_COUNT];
    uint64_t max_connections;
    struct intake_latency latency;

    struct overview_writer writer;
    bool store_is_readable; /* else what follows `store_error` is not known */
    struct error store_error;
    struct store_stats store;
    struct overview_sink *sinks; /* owned */
    size_t n_sinks;
};

#define OVERVIEW_INIT \
    {                 \
        .now_usec = 0 \
    }

struct admin;

/* On a listener's thread, with its reader. A store that cannot be read shows in store_is_readable
 * and in the readiness. 0 or -ENOMEM; overview_done is due in both cases. */
int overview_take(struct admin *admin, struct store_reader *reader, struct overview *ret_overview);
void overview_done(struct overview *overview);

/* Whether callbacks can end so before they are known to be for an endpoint, and only those are
 * shown for none. */
bool overview_is_unrouted(enum reason reason);

/* Whether a callback that is for an endpoint can end so. */
bool overview_is_routed(enum reason reason);

/* What readiness goes by. */
struct readiness_facts {
    bool is_draining;
    const char *store_error;         /* NULL: the store can be read */
    const struct store_stats *store; /* when it can */
    int64_t unavailable_for_usec;    /* since the last commit that could not be made; USEC_INFINITY:
                                        the last one could, or there was none */
};

/* A commit that could not be made counts for so long, lest a daemon that nobody sends to any more
 * should never be ready again. */
#define READINESS_UNAVAILABLE_USEC (10 * USEC_PER_SEC)

struct readiness readiness_judge(const struct readiness_facts *facts);

/* The same with the facts of now. `store` is NULL when it cannot be read, for `store_error`. */
struct readiness overview_judge(
    const struct admin *admin, const struct store_stats *store, const char *store_error);

/* Derives accepted, pending and running. */
void overview_add_up(struct overview_sink *sink, uint64_t head);
