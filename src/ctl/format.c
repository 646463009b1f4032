/*
 * Numbers and times for people. See format.h.
 */

#include "ctl/format.h"

#include "util/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

const char *format_time(int64_t usec, char buffer[static FORMAT_SIZE])
{
    /* Rounded down, also before 1970. */
    time_t seconds = (time_t)(usec / USEC_PER_SEC - (usec % USEC_PER_SEC < 0));
    struct tm local;

    if (usec == INT64_MIN || !localtime_r(&seconds, &local) ||
        strftime(buffer, FORMAT_SIZE, "%Y-%m-%d %H:%M:%S", &local) == 0)
        snprintf(buffer, FORMAT_SIZE, "-");
    return buffer;
}

/* The biggest unit that fits, and with `fine` the next one. */
static void write_span(int64_t usec, int fine, char *buffer, size_t size)
{
    static const struct {
        int64_t usec;
        char unit;
    } units[] = {
        {USEC_PER_DAY, 'd'},
        {USEC_PER_HOUR, 'h'},
        {USEC_PER_MIN, 'm'},
        {USEC_PER_SEC, 's'},
    };
    const size_t last = sizeof(units) / sizeof(units[0]) - 1;
    size_t at = 0;
    int64_t rest;

    if (usec < 0)
        usec = 0;
    while (at < last && usec < units[at].usec)
        at++;
    rest = usec % units[at].usec;
    if (fine && at < last && rest >= units[at + 1].usec)
        snprintf(buffer, size, "%" PRIi64 "%c %" PRIi64 "%c", usec / units[at].usec, units[at].unit,
            rest / units[at + 1].usec, units[at + 1].unit);
    else
        snprintf(buffer, size, "%" PRIi64 "%c", usec / units[at].usec, units[at].unit);
}

const char *format_span(int64_t usec, char buffer[static FORMAT_SIZE])
{
    write_span(usec, 1, buffer, FORMAT_SIZE);
    return buffer;
}

const char *format_ago(int64_t usec, int64_t now_usec, char buffer[static FORMAT_SIZE])
{
    char span[FORMAT_SIZE - 8];

    if (usec == INT64_MIN) {
        snprintf(buffer, FORMAT_SIZE, "never");
    } else if (usec > now_usec) {
        write_span(usec - now_usec, 0, span, sizeof(span));
        snprintf(buffer, FORMAT_SIZE, "in %s", span);
    } else {
        write_span(now_usec - usec, 0, span, sizeof(span));
        snprintf(buffer, FORMAT_SIZE, "%s ago", span);
    }
    return buffer;
}

const char *format_bytes(uint64_t bytes, char buffer[static FORMAT_SIZE])
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    snprintf(buffer, FORMAT_SIZE, "%.*f %s", unit > 0 && value < 9.95 ? 1 : 0, value, units[unit]);
    return buffer;
}

const char *format_milliseconds(double ms, char buffer[static FORMAT_SIZE])
{
    const char *unit = ms < 1000 ? "ms" : "s";
    double value = ms < 1000 ? ms : ms / 1000;

    snprintf(buffer, FORMAT_SIZE, "%.*f %s", value < 10 ? 2 : value < 100 ? 1 : 0, value, unit);
    return buffer;
}
