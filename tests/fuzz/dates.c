/*
 * Dates (src/util/rfc3339.c) against a reader that counts days one year after another.
 *
 * What must hold: exactly what RFC 3339 §5.6 allows is taken, the moment is right, and formatting
 * and parsing undo each other.
 *
 * Input: eight bytes of a number to format, then a text to parse.
 */

#include "fuzz.h"

#include "util/rfc3339.h"

#include <ctype.h>
#include <string.h>

static int is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

static int64_t days_before(int year, int month, int day)
{
    int64_t days = 0;

    for (int y = 1970; y < year; y++)
        days += is_leap(y) ? 366 : 365;
    for (int y = year; y < 1970; y++)
        days -= is_leap(y) ? 366 : 365;
    for (int m = 1; m < month; m++)
        days += days_in(year, m);
    return days + day - 1;
}

/* Two or four digits at `at`; -1 if they are none. */
static int number_at(const char *text, size_t length, size_t at, size_t digits)
{
    int number = 0;

    if (at + digits > length)
        return -1;
    for (size_t i = at; i < at + digits; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -1;
        number = number * 10 + (text[i] - '0');
    }
    return number;
}

static int parse_slowly(const char *text, size_t length, int64_t *ret_usec)
{
    int year = number_at(text, length, 0, 4), month = number_at(text, length, 5, 2);
    int day = number_at(text, length, 8, 2), hour = number_at(text, length, 11, 2);
    int minute = number_at(text, length, 14, 2), second = number_at(text, length, 17, 2);
    int64_t usec = 0, scale = 100000, offset = 0;
    size_t at = 19, first;

    if (length < 20 || year < 0 || month < 1 || month > 12 || day < 1 ||
        day > days_in(year, month) || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
        second < 0 || second > 60)
        return 0;
    if (text[4] != '-' || text[7] != '-' || toupper((unsigned char)text[10]) != 'T' ||
        text[13] != ':' || text[16] != ':')
        return 0;
    if (text[at] == '.') {
        for (first = ++at; at < length && isdigit((unsigned char)text[at]); at++, scale /= 10)
            usec += scale * (text[at] - '0');
        if (at == first)
            return 0;
    }
    if (at + 1 == length && toupper((unsigned char)text[at]) == 'Z') {
        offset = 0;
    } else if (at + 6 == length && (text[at] == '+' || text[at] == '-') && text[at + 3] == ':') {
        int hours = number_at(text, length, at + 1, 2),
            minutes = number_at(text, length, at + 4, 2);

        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
            return 0;
        offset = (hours * 60 + minutes) * (text[at] == '-' ? -60 : 60);
    } else {
        return 0;
    }
    *ret_usec =
        ((days_before(year, month, day) * 86400 + hour * 3600 + minute * 60 + second) - offset) *
            1000000 +
        usec;
    return 1;
}

static int64_t first_year, last_year; /* seconds at which the years 0 and 10000 begin */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    first_year = days_before(0, 1, 1) * 86400;
    last_year = days_before(10000, 1, 1) * 86400;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    int64_t number, got = 42, want = 42;
    char text[RFC3339_SIZE], *copy;
    uint64_t bits = 0;
    int taken;

    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | fuzz_take_byte(&input);
    memcpy(&number, &bits, sizeof(number));
    rfc3339_format(number, text);
    FUZZ_CHECK(strlen(text) == RFC3339_SIZE - 1);
    FUZZ_CHECK(rfc3339_parse(text, strlen(text), &got) == 0);
    if (first_year <= number / 1000000 - 1 && number / 1000000 + 1 < last_year)
        FUZZ_CHECK(got == number);

    copy = fuzz_copy(input.data, input.size, 0);
    got = 42;
    taken = rfc3339_parse(copy, input.size, &got) == 0;
    FUZZ_CHECK(taken == parse_slowly(copy, input.size, &want));
    FUZZ_CHECK(got == want); /* untouched when it is not taken */
    free(copy);
    return 0;
}
