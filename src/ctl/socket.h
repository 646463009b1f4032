#pragma once

/*
 * Which admin socket is meant: --socket, else the first unix socket of the conf's admin.listen.
 */

#include "ctl/command.h"
#include "util/error.h"

/* Where the daemon listens when the conf says nothing. */
#define SOCKET_DEFAULT "/run/sasha-callbackd/admin.sock"

/* Returns an exit status; *ret_path is owned. EX_CONFIG: the conf is at fault where it speaks of
 * the admin listener (the faults were printed), or names no unix socket. Without --config, a conf
 * that is not there or that this user cannot read counts as one that says nothing. */
int socket_find(const struct common_options *common, char **ret_path, struct error *error);
