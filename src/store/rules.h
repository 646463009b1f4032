#pragma once

/*
 * What every backend judges alike. Pure.
 */

#include "store/store.h"

/* Whether a delivery is older than one already accepted for its job: by `updated_at`, on a tie a
 * status that is not final after one that is. `newest_usec` is the latest updated_at accepted for
 * the endpoint and job, `newest_terminal` whether one with that updated_at was final. */
bool rule_is_stale(int64_t newest_usec, bool newest_terminal, const struct delivery *delivery);

/* Whether the disk counts as full now. Once below the floor it must rise an eighth above it, so
 * that the answer does not flap. */
bool rule_is_below_floor(bool was_below, uint64_t free_bytes, uint64_t floor);

/* Whether real time may be pruned by. One step of the clock into the future would otherwise prune
 * everything, for good. Time that is ahead of what it should be is believed only when it has stayed
 * so for an hour. Back is harmless, and is believed at once. */
struct rule_time {
    int64_t real_usec;      /* when it was believed last; from an earlier process before the first
                               look, 0: nothing is known */
    int64_t monotonic_usec; /* of that look */
    bool looked;            /* since start */
    bool doubted;
    int64_t doubted_real_usec; /* at the look that began the doubt */
    int64_t doubted_monotonic_usec;
};

#define RULE_TIME_STEP_USEC (3 * USEC_PER_HOUR) /* ahead of the last look */
#define RULE_TIME_START_USEC USEC_PER_DAY /* at the first look: the daemon may have been off */
#define RULE_TIME_TRIAL_USEC USEC_PER_HOUR

enum rule_belief {
    RULE_BELIEVED,
    RULE_DOUBTED_NEWLY,
    RULE_DOUBTED,
};

/* Looks at both clocks. */
enum rule_belief rule_time_look(struct rule_time *time, int64_t real_usec, int64_t monotonic_usec);

/* The same, by the store's clock, for a step of pruning: when it returns true, time->real_usec is
 * now. `error` is set when the doubt is new. */
bool rule_may_prune(struct rule_time *time, const struct clock *clock, struct error *error);

/* Whether anything will ever be pruned; if not, nothing need be dated. */
bool rule_retention_is_finite(const struct store_retention *retention);

/* How long ids are kept: with the margin; USEC_INFINITY: for ever. */
int64_t rule_keep_ids(const struct store_retention *retention);

/* What a sink's row says of a delivery. DONE rows are a backend's own: kept until pruning for the
 * time of settling, never shown. */
enum rule_row {
    RULE_ROW_NONE,
    RULE_ROW_PENDING,
    RULE_ROW_DONE,
    RULE_ROW_DEAD,
};

/* The bookkeeping of one settle, over its outcomes. */
struct rule_tally {
    uint64_t old_frontier;
    uint64_t new_frontier;
    uint64_t opened;   /* above the old frontier, now a row */
    uint64_t closed;   /* rows that became done */
    uint64_t requeued; /* settled ones that are rows again */
};

enum rule_change {
    RULE_CHANGE_NOTHING,
    RULE_CHANGE_WRITE, /* the row is made or overwritten as PENDING or DEAD */
    RULE_CHANGE_CLOSE, /* the PENDING or DEAD row goes, or becomes DONE */
};

/* Counts one outcome over what the row says now and tells what becomes of the row. */
enum rule_change rule_settle_outcome(
    struct rule_tally *tally, enum rule_row row, const struct store_outcome *outcome);

/* Whether frontier, rows and counters of a settle agree (see struct store_settle). */
bool rule_settle_adds_up(const struct rule_tally *tally, const struct store_settle *settle);
