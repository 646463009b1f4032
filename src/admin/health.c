/*
 * Alive, and ready: what a service manager, a load balancer or a probe asks.
 */

#include "admin/api.h"

#include "admin/internal.h"
#include "admin/overview.h"

static const char *const no_params[] = {NULL};

void health_live(struct call *call)
{
    if (!call_check_params(call, no_params))
        return;
    put_open(&call->out, '{');
    put_member_text(&call->out, "status", "ok");
    put_close(&call->out, '}');
}

void health_ready(struct call *call)
{
    struct store_stats stats;
    struct error error = ERROR_INIT;
    struct readiness readiness;
    int r;

    if (!call_check_params(call, no_params))
        return;
    r = store_read_stats(call->reader, &stats, &error);
    readiness = overview_judge(call->admin, r == 0 ? &stats : NULL, error.text);
    put_open(&call->out, '{');
    put_member_text(&call->out, "status", readiness.n_reasons == 0 ? "ready" : "not ready");
    if (readiness.n_reasons > 0) {
        call->status = 503;
        put_key(&call->out, "reasons");
        put_open(&call->out, '[');
        for (size_t i = 0; i < readiness.n_reasons; i++)
            put_text(&call->out, readiness.reasons[i]);
        put_close(&call->out, ']');
    }
    put_close(&call->out, '}');
}
