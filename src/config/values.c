/*
 * Values that are more than a text: durations, sizes, urls. Pure.
 *
 * Numbers are whole, decimal, without sign or blanks; what does not fit is refused, not wrapped.
 * How a value is written again (values_format_*) is the exact reverse, with the largest unit that
 * leaves no rest.
 */

#include "config/values.h"

#include "util/cleanup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

/* Smallest first. */
static const struct unit duration_units[] = {
    {"ms", (uint64_t)USEC_PER_MSEC},
    {"s", (uint64_t)USEC_PER_SEC},
    {"m", (uint64_t)USEC_PER_MIN},
    {"h", (uint64_t)USEC_PER_HOUR},
    {"d", (uint64_t)USEC_PER_DAY},
};

static const struct unit size_units[] = {
    {"", 1},
    {"K", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
};

/* Reads the digits at the start, at least one. Returns what follows them, or NULL. */
static const char *parse_digits(const char *text, uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *at = text;

    for (; *at >= '0' && *at <= '9'; at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return NULL;
    if (at == text)
        return NULL;
    *ret_value = value;
    return at;
}

static int parse_with_unit(
    const char *text, const struct unit *units, size_t n_units, uint64_t *ret_value)
{
    uint64_t value;
    const char *rest = parse_digits(text, &value);

    if (!rest)
        return -EINVAL;
    for (size_t i = 0; i < n_units; i++) {
        if (strcmp(rest, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(value, units[i].factor, &value))
            return -EINVAL;
        *ret_value = value;
        return 0;
    }
    return -EINVAL;
}

int config_parse_duration(const char *text, int64_t *ret_usec)
{
    uint64_t usec;
    int r = parse_with_unit(text, duration_units, ARRAY_SIZE(duration_units), &usec);

    if (r < 0)
        return r;
    if (usec == 0 || usec >= (uint64_t)USEC_INFINITY)
        return -EINVAL;
    *ret_usec = (int64_t)usec;
    return 0;
}

int config_parse_size(const char *text, uint64_t *ret_bytes)
{
    return parse_with_unit(text, size_units, ARRAY_SIZE(size_units), ret_bytes);
}

int values_parse_number(const char *text, uint64_t *ret_number)
{
    uint64_t number;
    const char *rest = parse_digits(text, &number);

    if (!rest || *rest)
        return -EINVAL;
    *ret_number = number;
    return 0;
}

int values_parse_mode(const char *text, unsigned int *ret_mode)
{
    unsigned int mode = 0;
    size_t length = strlen(text);

    if (length < 3 || length > 4 || strspn(text, "01234567") != length)
        return -EINVAL;
    for (size_t i = 0; i < length; i++)
        mode = 8 * mode + (unsigned int)(text[i] - '0');
    *ret_mode = mode;
    return 0;
}

static char *format_with_unit(uint64_t value, const struct unit *units, size_t n_units,
    char buffer[static VALUES_FORMAT_SIZE])
{
    size_t best = 0;

    for (size_t i = 1; i < n_units && value > 0; i++)
        if (value % units[i].factor == 0)
            best = i;
    snprintf(
        buffer, VALUES_FORMAT_SIZE, "%" PRIu64 "%s", value / units[best].factor, units[best].name);
    return buffer;
}

char *values_format_duration(int64_t usec, char buffer[static VALUES_FORMAT_SIZE])
{
    return format_with_unit((uint64_t)usec, duration_units, ARRAY_SIZE(duration_units), buffer);
}

char *values_format_size(uint64_t bytes, char buffer[static VALUES_FORMAT_SIZE])
{
    return format_with_unit(bytes, size_units, ARRAY_SIZE(size_units), buffer);
}

bool values_is_port(const char *text, size_t length)
{
    unsigned int port = 0;

    if (length == 0 || length > 5)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        port = 10 * port + (unsigned int)(text[i] - '0');
    }
    return port >= 1 && port <= 65535;
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool values_is_host(const char *text, size_t length)
{
    bool bracketed = length > 2 && text[0] == '[' && text[length - 1] == ']';
    size_t start = bracketed ? 1 : 0;
    size_t end = bracketed ? length - 1 : length;

    if (start >= end || end - start > 255)
        return false;
    for (size_t i = start; i < end; i++) {
        char c = text[i];
        if (!is_alphanumeric(c) && c != '.' && (c != ':' || !bracketed) &&
            ((c != '-' && c != '_') || bracketed))
            return false;
    }
    return true;
}

bool values_is_visible(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 0x7f)
            return false;
    return true;
}

/* The end of the host in "host[:port]", where a colon in brackets does not count. */
static size_t host_length(const char *text, size_t length)
{
    size_t start = 0;
    const char *colon;

    if (length > 0 && text[0] == '[') {
        const char *close = memchr(text, ']', length);
        start = close ? (size_t)(close - text) : length;
    }
    colon = memchr(text + start, ':', length - start);
    return colon ? (size_t)(colon - text) : length;
}

bool values_is_authority(const char *text, size_t length, bool needs_port)
{
    size_t host = host_length(text, length);

    if (!values_is_host(text, host))
        return false;
    if (host == length)
        return !needs_port;
    return values_is_port(text + host + 1, length - host - 1);
}

/* None of these texts quotes the url: a part of it may be a password. */
int config_parse_url(const char *text, struct config_url *ret_url, struct error *error)
{
    const char *authority, *path;

    if (strncmp(text, "https://", 8) == 0)
        authority = text + 8;
    else if (strncmp(text, "http://", 7) == 0)
        authority = text + 7;
    else
        return error_set(error, EINVAL,
            "is not an absolute url; write https://host/path (or http://), as in callback_url");
    if (!values_is_visible(text))
        return error_set(error, EINVAL,
            "has a blank, a control character or a byte that is not ASCII; write it as "
            "callback_url "
            "has it, with such bytes as %%XX");
    if (strchr(text, '?'))
        return error_set(error, EINVAL,
            "has a query (?), which SASHA leaves out of what it signs; write the url without it");
    if (strchr(text, '#'))
        return error_set(error, EINVAL,
            "has a fragment (#), which SASHA leaves out of what it signs; write the url without "
            "it");
    path = strchr(authority, '/');
    if (!path)
        return error_set(error, EINVAL,
            "has no path; write at least the slash after the host, as in callback_url");
    if (memchr(authority, '@', (size_t)(path - authority)))
        return error_set(
            error, EINVAL, "has a user or password before the host; write the url without them");
    if (!values_is_authority(authority, (size_t)(path - authority), false))
        return error_set(
            error, EINVAL, "has no valid host; write https://host/path or https://host:port/path");
    *ret_url = (struct config_url){(size_t)(path - text)};
    return 0;
}
