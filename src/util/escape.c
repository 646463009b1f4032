#include "util/escape.h"

/*
 * Foreign bytes made fit for one line. See escape.h for the contract.
 *
 * One step handles one character, so that whoever has a bounded buffer stops between two
 * characters and never inside an escape.
 */

#include "util/cleanup.h"
#include "util/utf8.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

/* The letter after the backslash, or 0 when the character has no short escape in this style. */
static char escape_short(enum escape_style style, uint32_t character)
{
    switch (character) {
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    case '\\':
    case '"':
        return style == ESCAPE_SENTENCE ? 0 : (char)character;
    default:
        return 0;
    }
}

static size_t escape_bytes(const char *text, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];

        out[4 * i] = '\\';
        out[4 * i + 1] = 'x';
        out[4 * i + 2] = hex_digits[byte >> 4];
        out[4 * i + 3] = hex_digits[byte & 15];
    }
    return 4 * size;
}

/* Controls all lie below U+10000: no surrogate pairs. */
static size_t escape_unicode(uint32_t character, char *out)
{
    out[0] = '\\';
    out[1] = 'u';
    for (size_t i = 0; i < 4; i++)
        out[2 + i] = hex_digits[character >> (12 - 4 * i) & 15];
    return 6;
}

size_t escape_step(enum escape_style style, const char *text, size_t length, size_t *at,
    char out[static ESCAPE_STEP_MAX])
{
    const char *here = text + *at;
    uint32_t character = 0;
    size_t size;
    char letter;

    size = utf8_decode(here, length - *at, &character);
    if (size == 0) {
        *at += 1;
        if (style != ESCAPE_JSON)
            return escape_bytes(here, 1, out);
        memcpy(out, "\xEF\xBF\xBD", 3);
        return 3;
    }

    *at += size;
    letter = escape_short(style, character);
    if (letter) {
        out[0] = '\\';
        out[1] = letter;
        return 2;
    }
    if (utf8_is_control(character))
        return style == ESCAPE_JSON ? escape_unicode(character, out)
                                    : escape_bytes(here, size, out);
    memcpy(out, here, size);
    return size;
}

char *escape_field(const char *text, size_t length, char *buffer, size_t size)
{
    static const char ellipsis[] = "…";
    size_t shown = utf8_cut(text, length, ESCAPE_FIELD_MAX);
    bool cut = shown < length;
    size_t used = 0;
    size_t at = 0;

    ASSERT(size > 0);

    while (at < shown) {
        char step[ESCAPE_STEP_MAX];
        size_t count = escape_step(ESCAPE_FIELD, text, shown, &at, step);

        if (count >= size - used) {
            cut = true;
            break;
        }
        memcpy(buffer + used, step, count);
        used += count;
    }
    if (cut && sizeof(ellipsis) <= size - used) {
        memcpy(buffer + used, ellipsis, sizeof(ellipsis) - 1);
        used += sizeof(ellipsis) - 1;
    }
    buffer[used] = '\0';
    return buffer;
}
