#include "job/depth.h"

/*
 * How deep a JSON text nests. See depth.h for the contract.
 */

bool depth_exceeds(const unsigned char *text, size_t length, size_t max)
{
    bool in_string = false;
    size_t depth = 0;

    for (size_t i = 0; i < length; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++; /* the escaped byte, were it a quote, does not end the string */
            else if (text[i] == '"')
                in_string = false;
            continue;
        }
        switch (text[i]) {
        case '"':
            in_string = true;
            break;
        case '{':
        case '[':
            if (++depth > max)
                return true;
            break;
        case '}':
        case ']':
            if (depth > 0)
                depth--;
            break;
        default:
            break;
        }
    }
    return false;
}
