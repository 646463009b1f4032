#pragma once

/*
 * UTF-8, one character at a time (RFC 3629). Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes the character at the start of `text`. Returns its length, 1 to 4, or 0 when it is cut
 * short, overlong, a surrogate, beyond U+10FFFF or no start at all; *ret_character is then
 * untouched. `length` 0 returns 0. */
size_t utf8_decode(const char *text, size_t length, uint32_t *ret_character);

/* The length of the longest prefix of at most `max` bytes that splits no character. */
size_t utf8_cut(const char *text, size_t length, size_t max);

/* Whether a character can end a line, move a terminal's cursor or change the order in which text
 * is read: C0, DEL, C1, U+2028 and U+2029, bidirectional marks, embeddings and isolates. */
bool utf8_is_control(uint32_t character);
