#pragma once

/*
 * Which handler a request goes to: one table of everything the admin listener serves. Pure.
 */

#include "admin/call.h"

struct route {
    const char *path;  /* one that ends in '/' stands for what follows it, up to the end */
    const char *allow; /* methods, as in the Allow header */
    bool is_public;    /* on TCP, too */
    void (*handle)(struct call *call);
};

/* Whether it does something, and may have to wait for it. */
bool route_is_action(const struct route *route);

/* Returns 200 with a route and what follows its path, 404, or 405 with the route whose `allow` to
 * tell. `is_unix`: everything is served. */
unsigned int route_find(const char *method, const char *path, bool is_unix,
    const struct route **ret_route, const char **ret_tail);
