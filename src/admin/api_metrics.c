/*
 * GET /metrics.
 */

#include "admin/api.h"

#include "admin/metrics.h"

#include "util/log.h"

void api_metrics(struct call *call)
{
    static const char *const no_params[] = {NULL};
    struct overview overview;

    if (!call_check_params(call, no_params))
        return;
    if (overview_take(call->admin, call->reader, &overview) < 0) {
        call_fail(call, 503, "out of memory");
    } else {
        struct process_stats process;
        const struct metrics_more more = {
            .process = process_read(&process) ? &process : NULL,
            .log_counts = {log_count(LOG_LEVEL_ERR), log_count(LOG_LEVEL_WARNING),
                log_count(LOG_LEVEL_INFO), log_count(LOG_LEVEL_DEBUG)},
        };

        metrics_write(&overview, &more, &call->out);
        call->is_metrics = true;
    }
    overview_done(&overview);
}
