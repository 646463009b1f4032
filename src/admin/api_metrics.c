/*
 * GET /metrics.
 */

#include "admin/api.h"

#include "admin/metrics.h"

void api_metrics(struct call *call)
{
    static const char *const no_params[] = {NULL};
    struct overview overview;

    if (!call_check_params(call, no_params))
        return;
    if (overview_take(call->admin, call->reader, &overview) < 0) {
        call_fail(call, 503, "out of memory");
    } else {
        metrics_write(&overview, &call->out);
        call->is_metrics = true;
    }
    overview_done(&overview);
}
