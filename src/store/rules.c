/*
 * What every backend judges alike: staleness, the floor of the disk, the sums of a settle. Pure.
 */

#include "store/rules.h"

#include "util/cleanup.h"

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

    return settle->delivered >= 0 && settle->filtered >= 0 &&
           advance + tally->closed ==
               (uint64_t)settle->delivered + (uint64_t)settle->filtered + tally->opened;
}
