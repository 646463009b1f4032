/*
 * Moments as people write them. See when.h.
 */

#include "ctl/when.h"

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/escape.h"
#include "util/rfc3339.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

/* Reads 1 to `max` digits and moves *text behind them. False: there is none, or more. */
static bool read_number(const char **text, size_t max, int64_t *ret_number)
{
    int64_t number = 0;
    size_t n = 0;

    for (; (*text)[n] >= '0' && (*text)[n] <= '9'; n++) {
        if (n == max)
            return false;
        number = 10 * number + ((*text)[n] - '0');
    }
    if (n == 0)
        return false;
    *text += n;
    *ret_number = number;
    return true;
}

static int64_t unit_usec(char unit)
{
    switch (unit) {
    case 's':
        return USEC_PER_SEC;
    case 'm':
        return USEC_PER_MIN;
    case 'h':
        return USEC_PER_HOUR;
    case 'd':
        return USEC_PER_DAY;
    case 'w':
        return 7 * USEC_PER_DAY;
    default:
        return 0;
    }
}

/* "-1d12h", "1d12h ago", "1d 12h ago" */
static bool parse_ago(const char *text, int64_t now_usec, int64_t *ret_usec)
{
    bool minus = *text == '-';
    int64_t total = 0;

    text += minus;
    do {
        int64_t number, usec;

        /* Seven digits of weeks are less than half of what fits. */
        if (!read_number(&text, 7, &number))
            return false;
        usec = unit_usec(*text);
        if (usec == 0 || number > (INT64_MAX / 4 - total) / usec)
            return false;
        total += number * usec;
        text++;
        if (!minus)
            text += strspn(text, " ");
    } while (*text >= '0' && *text <= '9');
    if (strcmp(text, minus ? "" : "ago") != 0 || now_usec < 0)
        return false;
    *ret_usec = now_usec - total;
    return true;
}

/* Local time to a moment. An hour that a change of clocks leaves out is taken as mktime(3) does. */
static bool from_local(struct tm local, int64_t *ret_usec)
{
    struct tm wanted = local;
    time_t seconds;

    local.tm_isdst = -1;
    seconds = mktime(&local);
    /* The 31st of a month of 30 days comes back as another day. */
    if (local.tm_mday != wanted.tm_mday || local.tm_mon != wanted.tm_mon)
        return false;
    *ret_usec = (int64_t)seconds * USEC_PER_SEC;
    return true;
}

/* The start of the day of `now`, moved by `days`. */
static bool midnight(int64_t now_usec, int days, struct tm *ret_local)
{
    time_t seconds = (time_t)(now_usec / USEC_PER_SEC);

    if (!localtime_r(&seconds, ret_local))
        return false;
    /* Noon first: a day is not always 24 hours. */
    ret_local->tm_hour = 12;
    ret_local->tm_min = ret_local->tm_sec = 0;
    ret_local->tm_mday += days;
    ret_local->tm_isdst = -1;
    if (mktime(ret_local) == (time_t)-1)
        return false;
    ret_local->tm_hour = 0;
    return true;
}

/* "07:15", "07:15:38" */
static bool parse_clock(const char *text, struct tm *local)
{
    int64_t hour, minute, second = 0;

    if (!read_number(&text, 2, &hour) || *text++ != ':' || !read_number(&text, 2, &minute))
        return false;
    if (*text == ':') {
        text++;
        if (!read_number(&text, 2, &second))
            return false;
    }
    if (*text != '\0' || hour > 23 || minute > 59 || second > 59)
        return false;
    local->tm_hour = (int)hour;
    local->tm_min = (int)minute;
    local->tm_sec = (int)second;
    return true;
}

/* "2026-11-22", with a clock behind it or not */
static bool parse_date(const char *text, int64_t *ret_usec)
{
    struct tm local = {.tm_sec = 0};
    int64_t year, month, day;

    if (!read_number(&text, 4, &year) || *text++ != '-' || !read_number(&text, 2, &month) ||
        *text++ != '-' || !read_number(&text, 2, &day))
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    local.tm_year = (int)year - 1900;
    local.tm_mon = (int)month - 1;
    local.tm_mday = (int)day;
    if (*text == ' ') {
        if (!parse_clock(text + 1, &local))
            return false;
    } else if (*text != '\0') {
        return false;
    }
    return from_local(local, ret_usec);
}

static bool parse_day(const char *text, int64_t now_usec, int64_t *ret_usec)
{
    static const struct {
        const char *name;
        int days;
    } words[] = {{"today", 0}, {"yesterday", -1}};
    struct tm local;

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t length = strlen(words[i].name);

        if (strncmp(text, words[i].name, length) != 0)
            continue;
        if (!midnight(now_usec, words[i].days, &local))
            return false;
        if (text[length] == ' ' && !parse_clock(text + length + 1, &local))
            return false;
        if (text[length] != ' ' && text[length] != '\0')
            return false;
        return from_local(local, ret_usec);
    }
    return midnight(now_usec, 0, &local) && parse_clock(text, &local) &&
           from_local(local, ret_usec);
}

int when_parse(const char *text, int64_t now_usec, int64_t *ret_usec, struct error *error)
{
    char escaped[ESCAPE_SIZE];

    if (rfc3339_parse(text, strlen(text), ret_usec) == 0)
        return 0;
    if (strcmp(text, "now") == 0) {
        *ret_usec = now_usec;
        return 0;
    }
    if (parse_ago(text, now_usec, ret_usec) || parse_date(text, ret_usec) ||
        parse_day(text, now_usec, ret_usec))
        return 0;
    return error_set(error, EINVAL, "\"%s\" is no time; write it like " WHEN_FORMS,
        escape_field(text, strlen(text), escaped, sizeof(escaped)));
}
