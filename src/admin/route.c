/*
 * The table of routes; see route.h and docs/api.md.
 */

#include "admin/route.h"

#include "admin/api.h"

#include <string.h>

#define READ "GET, HEAD"
#define ACT "POST"

static const struct route routes[] = {
    {"/healthz", READ, true, health_live},
    {"/readyz", READ, true, health_ready},
    {"/metrics", READ, true, api_metrics},
    {"/v1/status", READ, false, api_status},
    {"/v1/deliveries", READ, false, api_deliveries},
    {"/v1/deliveries/", READ, false, api_delivery},
    {"/v1/refused", READ, false, api_refused_list},
    {"/v1/refused/", READ, false, api_refused},
    {"/v1/stats", READ, false, api_stats},
    {"/v1/retry", ACT, false, api_retry},
    {"/v1/replay", ACT, false, api_replay},
    {"/v1/drop", ACT, false, api_drop},
    {"/v1/pause", ACT, false, api_pause},
    {"/v1/resume", ACT, false, api_resume},
    {"/v1/prune", ACT, false, api_prune},
    {"/v1/backup", READ, false, api_backup},
    {"/v1/backup/start", ACT, false, api_backup_start},
    {"/v1/backup/cancel", ACT, false, api_backup_cancel},
    {"/v1/explain", ACT, false, api_explain},
};

/* What follows the route's path; NULL: another path. */
static const char *tail_of(const struct route *route, const char *path)
{
    const size_t length = strlen(route->path);

    if (strncmp(path, route->path, length) != 0)
        return NULL;
    if (route->path[length - 1] == '/')
        return path[length] == '\0' ? NULL : path + length;
    return path[length] == '\0' ? path + length : NULL;
}

bool route_is_action(const struct route *route)
{
    return strcmp(route->allow, ACT) == 0;
}

static bool is_allowed(const struct route *route, const char *method)
{
    if (route_is_action(route))
        return strcmp(method, "POST") == 0;
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

unsigned int route_find(const char *method, const char *path, bool is_unix,
    const struct route **ret_route, const char **ret_tail)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        const struct route *route = &routes[i];
        const char *tail = is_unix || route->is_public ? tail_of(route, path) : NULL;

        if (!tail)
            continue;
        *ret_route = route;
        *ret_tail = tail;
        return is_allowed(route, method) ? 200 : 405;
    }
    return 404;
}
