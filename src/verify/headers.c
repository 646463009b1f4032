/*
 * The grammar of the four headers, byte by byte: ASCII only, whatever the locale.
 */

#include "verify/headers.h"

#include "util/hex.h"

#include <string.h>

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct header_text header_trim(const char *value, size_t length)
{
    struct header_text text = {value, length};

    while (text.length > 0 && is_blank(text.data[0])) {
        text.data++;
        text.length--;
    }
    while (text.length > 0 && is_blank(text.data[text.length - 1]))
        text.length--;
    return text;
}

static char to_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
}

static bool equal_but_for_case(const char *a, const char *b, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (to_lower(a[i]) != to_lower(b[i]))
            return false;
    }
    return true;
}

bool header_is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '!' || text[i] > '~')
            return false;
    }
    return length > 0;
}

bool header_parse_bearer(struct header_text value, struct header_text *ret_token)
{
    static const char scheme[] = "Bearer";
    size_t i = strlen(scheme);

    if (value.length <= i || !equal_but_for_case(value.data, scheme, i) || value.data[i] != ' ')
        return false;
    while (i < value.length && value.data[i] == ' ')
        i++;
    if (!header_is_token(value.data + i, value.length - i))
        return false;
    *ret_token = (struct header_text){value.data + i, value.length - i};
    return true;
}

/* Visible ASCII but '"' and '{'. */
static const bool request_id_bytes[256] = {
    ['!'] = true,
    ['#' ... 'z'] = true,
    ['|' ... '~'] = true,
};

bool header_is_request_id(const char *text, size_t length)
{
    bool all = true;

    if (length == 0 || length > HEADER_REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        all &= request_id_bytes[(unsigned char)text[i]];
    return all;
}

bool header_parse_signature(struct header_text value, unsigned char ret_sum[static CRYPTO_SUM_SIZE])
{
    unsigned char sum[CRYPTO_SUM_SIZE];

    if (hex_decode(value.data, value.length, sum, sizeof(sum)) < 0)
        return false;
    memcpy(ret_sum, sum, sizeof(sum));
    return true;
}

bool header_is_secret_id(struct header_text value, const char *id)
{
    return strlen(id) == value.length && equal_but_for_case(value.data, id, value.length);
}
