/*
 * What every backend judges alike: staleness, the floor of the disk, whether the time is to be
 * believed, the sums of a settle. Pure.
 */

#include "store/rules.h"

#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>

bool rule_is_stale(int64_t newest_usec, bool newest_terminal, const struct delivery *delivery)
{
    if (delivery->updated_at_usec != newest_usec)
        return delivery->updated_at_usec < newest_usec;
    return newest_terminal && !delivery->terminal;
}

bool rule_is_below_floor(bool was_below, uint64_t free_bytes, uint64_t floor)
{
    if (free_bytes < floor)
        return true;
    return was_below && free_bytes - floor < floor / 8;
}

static bool is_ahead(const struct rule_time *time, int64_t real_usec, int64_t monotonic_usec)
{
    if (time->looked)
        return real_usec - time->real_usec - (monotonic_usec - time->monotonic_usec) >
               RULE_TIME_STEP_USEC;
    return time->real_usec != 0 && real_usec - time->real_usec > RULE_TIME_START_USEC;
}

static bool has_stepped_again(
    const struct rule_time *time, int64_t real_usec, int64_t monotonic_usec)
{
    int64_t drift =
        real_usec - time->doubted_real_usec - (monotonic_usec - time->doubted_monotonic_usec);

    return drift > RULE_TIME_STEP_USEC;
}

enum rule_belief rule_time_look(struct rule_time *time, int64_t real_usec, int64_t monotonic_usec)
{
    bool was_doubted = time->doubted;

    if (is_ahead(time, real_usec, monotonic_usec)) {
        if (!was_doubted || has_stepped_again(time, real_usec, monotonic_usec)) {
            time->doubted = true;
            time->doubted_real_usec = real_usec;
            time->doubted_monotonic_usec = monotonic_usec;
        }
        if (monotonic_usec - time->doubted_monotonic_usec < RULE_TIME_TRIAL_USEC)
            return was_doubted ? RULE_DOUBTED : RULE_DOUBTED_NEWLY;
    }
    *time = (struct rule_time){
        .real_usec = real_usec, .monotonic_usec = monotonic_usec, .looked = true};
    return RULE_BELIEVED;
}

bool rule_may_prune(struct rule_time *time, const struct clock *clock, struct error *error)
{
    int64_t before = time->real_usec;
    int64_t now = clock_realtime(clock);

    switch (rule_time_look(time, now, clock_monotonic(clock))) {
    case RULE_BELIEVED:
        return true;
    case RULE_DOUBTED_NEWLY:
        error_set(error, EAGAIN,
            "the clock is %" PRId64 " hours ahead of the last look; nothing is pruned until it "
            "has stayed so for an hour",
            (now - before) / USEC_PER_HOUR);
        return false;
    case RULE_DOUBTED:
        return false;
    }
    ASSERT(!"a belief that is none");
}

bool rule_retention_is_finite(const struct store_retention *retention)
{
    return retention->keep_deliveries_usec != USEC_INFINITY ||
           retention->keep_ids_usec != USEC_INFINITY;
}

int64_t rule_keep_ids(const struct store_retention *retention)
{
    if (retention->keep_ids_usec >= USEC_INFINITY - STORE_IDS_MARGIN_USEC)
        return USEC_INFINITY;
    return retention->keep_ids_usec + STORE_IDS_MARGIN_USEC;
}

enum rule_change rule_settle_outcome(
    struct rule_tally *tally, enum rule_row row, const struct store_outcome *outcome)
{
    bool is_open = row == RULE_ROW_PENDING || row == RULE_ROW_DEAD;

    if (outcome->seq > tally->new_frontier)
        return RULE_CHANGE_NOTHING;

    switch (outcome->state) {
    case STORE_STATE_DONE:
        if (!is_open)
            return RULE_CHANGE_NOTHING;
        tally->closed++;
        return RULE_CHANGE_CLOSE;
    case STORE_STATE_PENDING:
    case STORE_STATE_DEAD:
        if (is_open)
            return RULE_CHANGE_WRITE;
        if (outcome->seq > tally->old_frontier)
            tally->opened++;
        else
            tally->requeued++;
        return RULE_CHANGE_WRITE;
    }
    ASSERT(!"a state that is none");
}

bool rule_settle_adds_up(const struct rule_tally *tally, const struct store_settle *settle)
{
    uint64_t advance = tally->new_frontier - tally->old_frontier;

    return settle->delivered >= 0 && settle->filtered >= 0 && settle->dropped >= 0 &&
           advance + tally->closed == (uint64_t)settle->delivered + (uint64_t)settle->filtered +
                                          (uint64_t)settle->dropped + tally->opened;
}
