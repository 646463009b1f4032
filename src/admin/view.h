#pragma once

/*
 * A deep copy of what the conf says and no stage knows, shared by whoever answers a request.
 *
 * Immutable once made. References are counted, so that a request ends with the view it began with
 * while a reload puts another in its place. Keys and tokens are wiped with the last reference.
 *
 * Threads: any.
 */

#include "admin/admin.h"
#include "util/cleanup.h"

struct view {
    struct admin_view what;       /* everything in it is owned */
    struct verify_options verify; /* what.verify points here */
    _Atomic unsigned int references;
};

/* Copies. What a reload cannot change (conf file, store, listening sockets, connection limit) comes
 * from `in_force` unless that is NULL. One reference is the caller's. NULL: out of memory. */
struct view *view_new(const struct admin_view *from, const struct admin_view *in_force);

struct view *view_ref(struct view *view);
void view_unref(struct view *view); /* NULL is legal */

CLEANUP_FUNC(struct view, view_unref);
