#pragma once

/*
 * The commands that ask the daemon, each in the file of its name. They share three steps: parse the
 * options, open a client, ask; and end with an exit status of client.h, or with CTL_REFUSED where
 * the answer is a no (see each command).
 */

#include "ctl/command.h"

extern const struct command backup_command;
extern const struct command check_config_command; /* needs no daemon */
extern const struct command dead_command;
extern const struct command list_command;
extern const struct command pause_command;
extern const struct command prune_command;
extern const struct command replay_command;
extern const struct command resume_command;
extern const struct command retry_command;
extern const struct command show_command;
extern const struct command stats_command;
extern const struct command status_command;
extern const struct command tail_command;
