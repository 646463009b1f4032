#pragma once

/*
 * The parts of `status`, each appended to the answer for people.
 */

#include "ctl/terminal.h"
#include "util/buf.h"

#include <jansson.h>

/* ---- status_intake.c ---- */

void status_append_endpoints(
    const json_t *status, const struct terminal *terminal, struct buf *out);

/* ---- status_sinks.c ---- */

/* With the sum of each: accepted = delivered + dead + pending + running. */
void status_append_sinks(const json_t *status, const struct terminal *terminal, struct buf *out);
