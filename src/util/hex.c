#include "util/hex.h"

/*
 * Hexadecimal. See hex.h for the contract.
 */

#include <errno.h>

/* What a digit stands for, and one more; 0: it is none. */
static const unsigned char values[256] = {
    ['0'] = 1,
    ['1'] = 2,
    ['2'] = 3,
    ['3'] = 4,
    ['4'] = 5,
    ['5'] = 6,
    ['6'] = 7,
    ['7'] = 8,
    ['8'] = 9,
    ['9'] = 10,
    ['a'] = 11,
    ['b'] = 12,
    ['c'] = 13,
    ['d'] = 14,
    ['e'] = 15,
    ['f'] = 16,
    ['A'] = 11,
    ['B'] = 12,
    ['C'] = 13,
    ['D'] = 14,
    ['E'] = 15,
    ['F'] = 16,
};

int hex_decode(const char *text, size_t length, unsigned char *bytes, size_t size)
{
    if (length % 2 != 0 || length / 2 != size)
        return -EINVAL;

    for (size_t i = 0; i < size; i++) {
        const unsigned int high = values[(unsigned char)text[2 * i]];
        const unsigned int low = values[(unsigned char)text[2 * i + 1]];

        if (high == 0 || low == 0)
            return -EINVAL;
        bytes[i] = (unsigned char)((high - 1) << 4 | (low - 1));
    }
    return 0;
}

char *hex_encode(const unsigned char *bytes, size_t size, char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * size] = '\0';
    return text;
}
