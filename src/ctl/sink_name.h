#pragma once

/*
 * Which sink is meant when none is named: the only one; or, where it is about what is dead, the
 * only one that has dead letters.
 */

#include "ctl/client.h"

/* Returns an exit status and an owned name: `given`, or else, by /v1/status, that of the only sink
 * that can be meant; `state` is "dead" or another, or NULL. EX_USAGE: there are several, and the
 * error lists them, or none. CTL_REFUSED: there are several, and none of them has dead letters. */
int sink_name_find(struct client *client, const char *given, const char *state, char **ret_name,
    struct error *error);
