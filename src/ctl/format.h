#pragma once

/*
 * Numbers and times for people. Each writes into a caller's buffer of FORMAT_SIZE and returns it.
 * Pure, but for the time zone.
 */

#include <stdint.h>

#define FORMAT_SIZE 32

/* "2026-11-22 07:15:38", local time; "-" for INT64_MIN. */
const char *format_time(int64_t usec, char buffer[static FORMAT_SIZE]);

/* "12s ago", "5m ago", "3h ago", "2d ago"; "never" for INT64_MIN; "in 5m" for what is to come. */
const char *format_ago(int64_t usec, int64_t now_usec, char buffer[static FORMAT_SIZE]);

/* "12s", "5m 10s", "3h 5m", "2d 4h"; negative counts as 0. */
const char *format_span(int64_t usec, char buffer[static FORMAT_SIZE]);

/* "999 B", "1.5 KB", "12 MB": powers of 1024, two digits at least. */
const char *format_bytes(uint64_t bytes, char buffer[static FORMAT_SIZE]);

/* "0.92 ms", "12.3 ms", "1.20 s". */
const char *format_milliseconds(double ms, char buffer[static FORMAT_SIZE]);
