#pragma once

/*
 * Moments as people write them on a command line. Pure, but for the time zone.
 *
 *   2026-11-22T07:15:38Z        RFC 3339
 *   2026-11-22 [07:15[:38]]     local time; a date alone is its midnight
 *   07:15[:38]                  today, local time
 *   now, today, yesterday       the latter two: local midnight, or with a time: "yesterday 07:15"
 *   -90m, 2h ago, 1d12h ago     before now; s m h d w
 */

#include "util/error.h"

#include <stdint.h>

/* What to write, for messages. */
#define WHEN_FORMS \
    "2026-11-22T07:15:38Z, \"2026-11-22 07:15\", yesterday, today, 07:15, -1d or \"2h ago\""

/* Returns 0, or -EINVAL with *ret_usec untouched. */
int when_parse(const char *text, int64_t now_usec, int64_t *ret_usec, struct error *error);
