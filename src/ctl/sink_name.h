#pragma once

/*
 * Which sink is meant when none is named: the only one.
 */

#include "ctl/client.h"

/* Returns an exit status and an owned name: `given`, or else, by /v1/status, that of the only sink.
 * EX_USAGE: there are several, and the error lists them, or none. */
int sink_name_find(struct client *client, const char *given, char **ret_name, struct error *error);
