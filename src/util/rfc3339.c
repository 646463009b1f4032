#include "util/rfc3339.h"

/*
 * RFC 3339 date-times to and from microseconds since 1970. See rfc3339.h for the contract.
 *
 * Own arithmetic instead of strptime/timegm: those take locale names, skip spaces, know neither
 * fractions nor offsets, and normalise the 31st of February.
 */

#include "util/clock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SECONDS_PER_DAY INT64_C(86400)
#define DAYS_PER_ERA INT64_C(146097) /* 400 Gregorian years */

/* 0000-01-01T00:00:00Z and 9999-12-31T23:59:59.999999Z */
#define RFC3339_USEC_MIN (INT64_C(-62167219200) * USEC_PER_SEC)
#define RFC3339_USEC_MAX (INT64_C(253402300800) * USEC_PER_SEC - 1)

struct cursor {
    const char *at;
    const char *end;
};

static bool take_digit(struct cursor *cursor, int *value)
{
    if (cursor->at == cursor->end || *cursor->at < '0' || *cursor->at > '9')
        return false;
    *value = *value * 10 + (*cursor->at++ - '0');
    return true;
}

/* Exactly `count` digits, the value within `min` and `max`. */
static bool take_number(struct cursor *cursor, int count, int min, int max, int *ret_value)
{
    int value = 0;

    while (count-- > 0)
        if (!take_digit(cursor, &value))
            return false;
    *ret_value = value;
    return value >= min && value <= max;
}

/* One byte, of two that mean the same. */
static bool take_byte(struct cursor *cursor, char one, char other)
{
    if (cursor->at == cursor->end || (*cursor->at != one && *cursor->at != other))
        return false;
    cursor->at++;
    return true;
}

/* "." and digits, or nothing. */
static bool take_fraction(struct cursor *cursor, int *ret_usec)
{
    int usec = 0;
    int digits = 0;
    int rest = 0;

    *ret_usec = 0;
    if (!take_byte(cursor, '.', '.'))
        return true;
    while (digits < 6 && take_digit(cursor, &usec))
        digits++;
    if (digits == 0)
        return false;
    while (take_digit(cursor, &rest))
        rest = 0; /* beyond a microsecond: legal, not kept */
    for (; digits < 6; digits++)
        usec *= 10;
    *ret_usec = usec;
    return true;
}

/* "Z" or "+hh:mm" or "-hh:mm": how far local time is ahead of UTC. */
static bool take_offset(struct cursor *cursor, int *ret_seconds)
{
    bool negative;
    int hours;
    int minutes;

    *ret_seconds = 0;
    if (take_byte(cursor, 'Z', 'z'))
        return true;
    negative = cursor->at < cursor->end && *cursor->at == '-';
    if (!take_byte(cursor, '+', '-') || !take_number(cursor, 2, 0, 23, &hours) ||
        !take_byte(cursor, ':', ':') || !take_number(cursor, 2, 0, 59, &minutes))
        return false;
    *ret_seconds = (hours * 60 + minutes) * 60 * (negative ? -1 : 1);
    return true;
}

static bool year_is_leap(int year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return month == 2 && year_is_leap(year) ? 29 : days[month - 1];
}

/* Days since 1970-01-01 of a Gregorian date in the years 0 to 9999. A year is counted from March,
 * so that the leap day is its last; 719468 days lie between 0000-03-01 and 1970-01-01. */
static int64_t days_of_date(int year, int month, int day)
{
    int64_t march_year = month > 2 ? year : year - 1;
    int64_t era = (march_year + 400) / 400 - 1; /* rounds down for year -1 too */
    int64_t year_of_era = march_year - era * 400;
    int64_t month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;

    return era * DAYS_PER_ERA + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
           day_of_year - 719468;
}

/* The way back. `days` belongs to the years 0 to 9999. */
static void date_of_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    int64_t shifted = days + 719468;
    int64_t era = (shifted + DAYS_PER_ERA) / DAYS_PER_ERA - 1;
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;

    *ret_year = (int)(year_of_era + era * 400 + (month <= 2 ? 1 : 0));
    *ret_month = (int)month;
    *ret_day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
}

int rfc3339_parse(const char *text, size_t length, int64_t *ret_usec)
{
    struct cursor cursor = {text, text + length};
    int year, month, day, hour, minute, second, usec, offset;
    int64_t seconds;

    if (!take_number(&cursor, 4, 0, 9999, &year) || !take_byte(&cursor, '-', '-') ||
        !take_number(&cursor, 2, 1, 12, &month) || !take_byte(&cursor, '-', '-') ||
        !take_number(&cursor, 2, 1, month_days(year, month), &day) ||
        !take_byte(&cursor, 'T', 't') || !take_number(&cursor, 2, 0, 23, &hour) ||
        !take_byte(&cursor, ':', ':') || !take_number(&cursor, 2, 0, 59, &minute) ||
        !take_byte(&cursor, ':', ':') || !take_number(&cursor, 2, 0, 60, &second) ||
        !take_fraction(&cursor, &usec) || !take_offset(&cursor, &offset) || cursor.at != cursor.end)
        return -EINVAL;

    seconds = days_of_date(year, month, day) * SECONDS_PER_DAY;
    seconds += hour * 3600 + minute * 60 + second - offset;
    *ret_usec = seconds * USEC_PER_SEC + usec;
    return 0;
}

char *rfc3339_format(int64_t usec, char buffer[static RFC3339_SIZE])
{
    int year, month, day;
    int64_t since_min;
    int64_t of_day;

    if (usec < RFC3339_USEC_MIN)
        usec = RFC3339_USEC_MIN;
    if (usec > RFC3339_USEC_MAX)
        usec = RFC3339_USEC_MAX;

    /* Counted from the year 0, so that division rounds down before 1970 as well. */
    since_min = usec - RFC3339_USEC_MIN;
    date_of_days((since_min / USEC_PER_DAY) + RFC3339_USEC_MIN / USEC_PER_DAY, &year, &month, &day);
    of_day = since_min % USEC_PER_DAY;

    snprintf(buffer, RFC3339_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%06uZ", (unsigned)year % 10000,
        (unsigned)month % 100, (unsigned)day % 100, (unsigned)(of_day / USEC_PER_HOUR) % 100,
        (unsigned)(of_day / USEC_PER_MIN % 60), (unsigned)(of_day / USEC_PER_SEC % 60),
        (unsigned)(of_day % USEC_PER_SEC));
    return buffer;
}
