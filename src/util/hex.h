#pragma once

/*
 * Hexadecimal. Pure. Not constant-time: for public values (signatures as sent, digests).
 */

#include <stddef.h>

/* Decodes exactly 2 * size digits of either case. Returns 0, or -EINVAL with `bytes` undefined. */
int hex_decode(const char *text, size_t length, unsigned char *bytes, size_t size);

/* Encodes in lower case, with a NUL: `text` holds 2 * size + 1. Returns `text`. */
char *hex_encode(const unsigned char *bytes, size_t size, char *text);
