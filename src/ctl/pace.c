/*
 * How fast an action goes. See pace.h.
 */

#include "ctl/pace.h"

#include "util/clock.h"

#include <errno.h>
#include <string.h>

int pace_parse(const char *text, struct pace *ret_pace, struct error *error)
{
    struct pace pace = {0, USEC_PER_SEC};
    const char *at = text;

    /* Up to nine digits. */
    for (; *at >= '0' && *at <= '9' && at - text < 9; at++)
        pace.count = 10 * pace.count + (uint64_t)(*at - '0');
    if (strcmp(at, "/m") == 0)
        pace.usec = USEC_PER_MIN;
    else if (strcmp(at, "/h") == 0)
        pace.usec = USEC_PER_HOUR;
    else if (*at != '\0' && strcmp(at, "/s") != 0)
        pace.count = 0;
    if (pace.count == 0)
        return error_set(
            error, EINVAL, "--rate \"%s\" is no rate; write it like 20/s, 100/m or 1000/h", text);
    *ret_pace = pace;
    return 0;
}

size_t pace_chunk(const struct pace *pace, size_t max)
{
    uint64_t second;

    if (pace->usec == 0)
        return max;
    second = pace->count * (uint64_t)USEC_PER_SEC / (uint64_t)pace->usec;
    if (second < 1)
        return 1;
    return second < max ? (size_t)second : max;
}

int64_t pace_due_usec(const struct pace *pace, uint64_t done)
{
    uint64_t rounds;

    if (pace->usec == 0)
        return 0;
    /* In two steps, so that nothing overflows. */
    rounds = done / pace->count;
    return (int64_t)rounds * pace->usec +
           (int64_t)(done % pace->count * (uint64_t)pace->usec / pace->count);
}
