#pragma once

/*
 * The JSON object in the body of a request, read strictly.
 *
 * Used by handlers of POST routes only. jansson's types stay in the handlers that include this.
 */

#include "admin/call.h"

#include "util/cleanup.h"

#include <jansson.h>

struct body {
    json_t *object; /* owned */
};

#define BODY_INIT \
    {             \
        NULL      \
    }

/* Parses; the object may hold these members (ending with NULL) and no others. False: answered 400.
 */
bool body_parse(struct call *call, const char *const *members, struct body *ret_body);

static inline void body_donep(struct body *body)
{
    json_decref(body->object);
}

/* Borrowed; NULL when it is not there. */
const json_t *body_get(const struct body *body, const char *name);

/* A text that must be there and not be empty; borrowed. False: answered 400. */
bool body_get_text(
    struct call *call, const struct body *body, const char *name, const char **ret_text);
