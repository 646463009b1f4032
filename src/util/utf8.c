#include "util/utf8.h"

/*
 * UTF-8, one character at a time. See utf8.h for the contract.
 */

#define UTF8_LENGTH_MAX 4

static bool utf8_is_continuation(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

size_t utf8_decode(const char *text, size_t length, uint32_t *ret_character)
{
    /* The smallest character that needs so many bytes: anything below it is overlong. */
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first;
    uint32_t character;
    size_t size;

    if (length == 0)
        return 0;

    first = (unsigned char)text[0];
    if (first < 0x80) {
        *ret_character = first;
        return 1;
    } else if ((first & 0xE0) == 0xC0) {
        size = 2;
        character = first & 0x1F;
    } else if ((first & 0xF0) == 0xE0) {
        size = 3;
        character = first & 0x0F;
    } else if ((first & 0xF8) == 0xF0) {
        size = 4;
        character = first & 0x07;
    } else {
        return 0;
    }

    if (length < size)
        return 0;
    for (size_t i = 1; i < size; i++) {
        if (!utf8_is_continuation(text[i]))
            return 0;
        character = character << 6 | ((unsigned char)text[i] & 0x3F);
    }

    if (character < smallest[size] || character > 0x10FFFF)
        return 0;
    if (character >= 0xD800 && character <= 0xDFFF)
        return 0;

    *ret_character = character;
    return size;
}

size_t utf8_cut(const char *text, size_t length, size_t max)
{
    size_t cut = max;

    if (length <= max)
        return length;

    /* Text that is not UTF-8 has no borders to respect: go back over one character at most. */
    while (cut > 0 && max - cut < UTF8_LENGTH_MAX - 1 && utf8_is_continuation(text[cut]))
        cut--;
    return utf8_is_continuation(text[cut]) ? max : cut;
}

bool utf8_is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7F && character <= 0x9F) || character == 0x061C ||
           character == 0x200E || character == 0x200F ||
           (character >= 0x2028 && character <= 0x202E) ||
           (character >= 0x2066 && character <= 0x2069);
}
