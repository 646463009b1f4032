#pragma once

/*
 * The daemon: puts the stages together, runs them, takes them apart.
 */

/* Loads the conf, starts everything, and returns when it was asked to stop or had to. Must be
 * called from a process with one thread. Returns the exit status (sysexits). */
int daemon_run(const char *config_file);
