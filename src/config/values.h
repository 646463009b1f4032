#pragma once

/*
 * Helpers of the conf's values beyond those of config.h. Pure.
 */

#include "config/config.h"

/* Decimal digits only. 0 or -EINVAL. */
int values_parse_number(const char *text, uint64_t *ret_number);

/* "0640", "640": three or four octal digits. 0 or -EINVAL. */
int values_parse_mode(const char *text, unsigned int *ret_mode);

#define VALUES_FORMAT_SIZE 32

/* "90s", "256K": what the parsers read back. Whole milliseconds only. Return `buffer`. */
char *values_format_duration(int64_t usec, char buffer[static VALUES_FORMAT_SIZE]);
char *values_format_size(uint64_t bytes, char buffer[static VALUES_FORMAT_SIZE]);

/* 1 to 65535. */
bool values_is_port(const char *text, size_t length);

/* A name or address by its characters; IPv6 in brackets. */
bool values_is_host(const char *text, size_t length);

/* "host[:port]". */
bool values_is_authority(const char *text, size_t length, bool needs_port);

/* Only 0x21 to 0x7e. */
bool values_is_visible(const char *text);
