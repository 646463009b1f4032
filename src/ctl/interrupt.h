#pragma once

/*
 * Ctrl-C while something is under way: it is noted, so that the command can end in good order; a
 * second one ends the program at once. Calls that sleep are not restarted, so they end.
 *
 * One thread, one thing under way at a time.
 */

#include <stdbool.h>

/* From here on, up to interrupt_release, Ctrl-C is only noted. */
void interrupt_catch(void);
void interrupt_release(void);

/* Whether it came since the last interrupt_catch, also after the release. */
bool interrupt_came(void);
