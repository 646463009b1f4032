#pragma once

/*
 * What stdout and stderr are connected to, and what they can show.
 */

#include <stdbool.h>
#include <stddef.h>

struct terminal {
    size_t width; /* of stdout's; 0: it is none, so nothing is cut */
    bool ascii;   /* the locale is not UTF-8: no blocks, no check marks */
};

/* Reads the locale from the environment. */
struct terminal terminal_look(void);

/* Whether there is somebody to ask and to answer. */
bool terminal_can_ask(void);

/* Whether a line on stderr may be written over. */
bool terminal_shows_progress(void);

/* Asks on stderr; anything but y or yes is no. */
bool terminal_ask(const char *question);
