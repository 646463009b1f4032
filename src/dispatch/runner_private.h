#pragma once

/*
 * A runner from the inside: its state, and the three steps of its work.
 *
 * runner.c is what the main thread calls; loop.c has the thread and the phases; claim.c brings
 * deliveries from the store into the queue; serve.c carries out what operators ask for; deliver.c
 * hands deliveries to the sink and takes them back; settle.c tells the store. Each step does what
 * can be done now, never waits, and notes with runner_wake_at when time alone will let it do more.
 * What is not waiting for time is waiting for an event, which brings the loop round.
 */

#include "dispatch/breaker.h"
#include "dispatch/numbers.h"
#include "dispatch/queue.h"
#include "dispatch/request.h"
#include "dispatch/runner.h"
#include "util/log.h"
#include "util/mailbox.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    TASKS_MAX = 65536, /* tasks in memory, rows and claims together */
    WINDOW = 4096,     /* of these claimed and without a row */
    CHUNK = 512,       /* read from the store at a time */
    BACKLOG_MAX = 512, /* outcomes not yet written at which no delivery starts any more */
    FOUND_MAX = 65536, /* deliveries a sink may report as written before a crash */
};
#define BATCH_BYTES (4u << 20) /* bodies in one hand-over, but for a single larger one */

/* Pauses of the whole sink, when it cannot even try: doubling. */
#define PAUSE_FIRST_USEC (250 * USEC_PER_MSEC)
#define PAUSE_MAX_USEC (30 * USEC_PER_SEC)

/* Reading the store, or memory, failed: try again after this. */
#define TROUBLE_USEC (250 * USEC_PER_MSEC)

/* How long outcomes may wait for company, and how many are enough of it. After a crash in that time
 * a hook runs again that had ended. */
#define OUTCOMES_USEC (5 * USEC_PER_MSEC)
#define OUTCOMES_MANY 32

/* How long the counting of filtered deliveries may wait for company. */
#define PROGRESS_USEC USEC_PER_SEC

/* At the end: how long a store that is unavailable is asked again. */
#define LAST_WRITE_USEC (2 * USEC_PER_SEC)

enum runner_phase {
    PHASE_OFF,      /* no sink; waits for a change */
    PHASE_OPENING,  /* the sink is to be started; again and again if need be */
    PHASE_ON,       /* works */
    PHASE_DRAINING, /* finishes and records what runs */
    PHASE_ENDED,
};

/* What the main thread wants; under runner.lock. */
struct runner_orders {
    struct runner_change *change; /* owned */
    bool leave;
    bool stop;
    bool reopen;
    int64_t stop_at;
    struct request_list requests; /* with `asked` at most REQUESTS_MAX */
};

/* A delivery that a sink says it had written before a crash. */
struct found {
    uint64_t seq;
    bool after_mark; /* surely after its position of then */
};

/* A delivery on its way through the sink, then the record of how that went. */
struct attempt {
    struct sink_item item;
    struct task *task;
    struct delivery *delivery; /* owned; NULL once it is back */
    bool recorded;             /* goes into the store's list of attempts */
};

struct runner {
    /* Set before the first change, constant since. */
    char *name;
    uint32_t id;
    struct store_writer *writer;
    const struct clock *clock;
    dispatch_new_sink_fn new_sink;
    void (*left)(void *context);
    void *left_context;
    struct store_reader *reader; /* the runner's thread's */
    sd_event *event;             /* the runner's thread's */
    pthread_t thread;
    bool joined; /* the main thread's */

    /* Between threads. The lock also covers posting to the mailbox, so that whoever held it last
     * knows that every poster is out. Lock order: lock, then the mailbox's own. */
    pthread_mutex_t lock;
    struct runner_orders orders;
    struct mailbox mailbox; /* results of settles */
    bool has_mail;          /* it was seen to be readable; the thread's */
    _Atomic bool woken;     /* a wake-up is on its way */
    _Atomic bool has_left;  /* written under the lock */
    _Atomic bool paused;    /* as the store has it; changed on the writer's thread only */
    _Atomic(const char *) type;
    _Atomic size_t n_asked; /* of runner.asked */
    _Atomic unsigned int running;
    _Atomic bool breaker_open;
    struct numbers numbers;

    /* All below: the runner's thread's own. */
    enum runner_phase phase;
    struct runner_change *next; /* owned; to be applied once drained */
    bool leaving, stopping, reopen;
    int64_t stop_at;
    int64_t give_up_at; /* when an unavailable store is not asked any more; 0: not yet known */
    int64_t wake_at;    /* of this pass */

    struct dispatch_sink_options *options; /* owned */
    struct sink *sink;                     /* owned */
    bool started;
    int64_t open_at; /* the next try to start the sink */
    unsigned int open_failures;
    struct log_limit open_limit;

    struct queue queue;
    struct breaker breaker;

    /* claim.c */
    bool more;      /* there may be deliveries above the cursor */
    bool rows_done; /* all pending rows are in memory */
    bool full;      /* TASKS_MAX was reached, and not yet half of it is free */
    uint64_t rows_after;
    int64_t read_at; /* after trouble with the store */
    struct log_limit read_limit;
    struct found *found; /* owned; sorted: written by the sink before a crash */
    size_t n_found, found_capacity, found_at;
    size_t found_oldest;              /* once there are FOUND_MAX: the next to go */
    uint64_t found_above, found_upto; /* what recover may report */
    bool found_failed;                /* out of memory meanwhile */

    /* serve.c */
    struct request_list asked;   /* not begun with */
    struct request_list written; /* with the next settle, or the one under way */

    /* deliver.c */
    struct task **tasks;      /* room for a batch */
    struct sink_item **items; /* the same */
    unsigned int limit;       /* deliveries at a time */
    bool record_all;          /* attempts that succeed, too */
    bool tried;               /* of the batch at hand, one did not come back deferred */
    bool cancelled;
    int64_t pause_until;
    unsigned int pauses;
    uint64_t random;
    struct log_limit failure_limit, deferred_limit;

    /* settle.c; one settle is under way at a time. */
    struct store_work settle;
    bool settling;
    struct queue_plan plan;
    struct store_outcome *outcomes; /* owned, of the plan */
    struct store_attempt *attempts; /* owned, of the plan */
    unsigned char mark[STORE_POSITION_MAX], stored_mark[STORE_POSITION_MAX];
    size_t mark_length, stored_mark_length;
    bool mark_sent;
    int64_t settle_at; /* after a refusal */
    unsigned int settle_failures;
    int64_t outcomes_at; /* when outcomes are due; 0: there are none */
    int64_t progress_at; /* when counting alone is due; 0: nothing to count */
    bool store_failed;
};

static inline int64_t runner_now(const struct runner *runner)
{
    return clock_monotonic(runner->clock);
}

/* Brings the loop round at that time at the latest. */
static inline void runner_wake_at(struct runner *runner, int64_t at_usec)
{
    if (at_usec < runner->wake_at)
        runner->wake_at = at_usec;
}

/* ---- loop.c ---- */

/* The thread. */
void *runner_run(void *context);

/* ---- claim.c ---- */

/* Asks a sink with a position what it wrote beyond it. */
int claim_recover(struct runner *runner, const struct store_sink *state, struct error *error);
void claim_init(struct runner *runner);
void claim_done(struct runner *runner);
void claim_step(struct runner *runner);

/* Whether claiming goes on only if what is held up gets its rows. */
bool claim_wants_spill(const struct runner *runner);

/* Whether all that the sink reported by recover is in the queue. */
bool claim_has_found(const struct runner *runner);

/* The key of the lane that a delivery belongs to. */
uint64_t claim_key(const struct runner *runner, const struct delivery *delivery);

/* ---- serve.c ---- */

void serve_step(struct runner *runner);

/* A settle came back; or, not written, there will be none. */
void serve_settled(struct runner *runner, bool written);

/* Answers that what was not begun with cannot be done. */
void serve_refuse(struct runner *runner, const char *why);

/* ---- deliver.c ---- */

int deliver_init(struct runner *runner, struct error *error);
void deliver_done(struct runner *runner);
void deliver_step(struct runner *runner);

/* The sink's host.done. */
void deliver_end(void *context, struct sink_item *item, enum sink_result result);

void attempt_free(struct attempt *attempt);
CLEANUP_FUNC(struct attempt, attempt_free);

/* ---- settle.c ---- */

void settle_init(struct runner *runner, const struct store_sink *state);

/* `all`: also what could wait for company. */
void settle_step(struct runner *runner, bool all);

/* A settle came back. */
void settle_finish(struct runner *runner);

/* Whether the store knows all that there is to tell. */
bool settle_is_done(struct runner *runner);

/* Whether the sink's position waits to be written; it is not to write more before. */
bool settle_wants_position(struct runner *runner);
