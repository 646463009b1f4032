/*
 * Callback Secrets: text to key.
 *
 * The base64 decoder is our own because OpenSSL's skips white space and guesses at padding; a
 * secret that was pasted badly should be named at start, not fail every signature later. It is
 * strict about alphabet, length and padding, and, as most decoders are, silent about the unused low
 * bits of the last digit. Not constant-time: it runs at start, over the operator's own text.
 *
 * Nothing here reads files or strips newlines; that is the loader's part. Error texts tell lengths
 * and positions only.
 */

#include "verify/secret.h"

#include "util/cleanup.h"
#include "util/hex.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HEX_DIGITS 64        /* of a 32-byte key: how the newer guide hands secrets out */
#define BASE64_KEY_LENGTH 32 /* API reference 1.0.0 */

static const char *const encoding_names[] = {
    [SECRET_AUTO] = "auto",
    [SECRET_BASE64] = "base64",
    [SECRET_HEX] = "hex",
    [SECRET_RAW] = "raw",
};

int secret_encoding_parse(const char *text, enum secret_encoding *ret_encoding)
{
    for (size_t i = 0; i < ARRAY_SIZE(encoding_names); i++) {
        if (strcmp(text, encoding_names[i]) == 0) {
            *ret_encoding = (enum secret_encoding)i;
            return 0;
        }
    }
    return -EINVAL;
}

const char *secret_encoding_name(enum secret_encoding encoding)
{
    ASSERT((size_t)encoding < ARRAY_SIZE(encoding_names));
    return encoding_names[encoding];
}

void secret_wipe(void *data, size_t length)
{
    if (length > 0)
        explicit_bzero(data, length);
}

void secret_key_wipe(struct secret_key *key)
{
    secret_wipe(key, sizeof(*key));
}

static int base64_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '+')
        return 62;
    if (digit == '/')
        return 63;
    return -1;
}

/* How many bytes padded base64 of this text's length and padding stands for. */
static size_t base64_decoded_length(const char *text, size_t length)
{
    size_t padding = 0;

    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    return length / 4 * 3 - padding;
}

/* Errors speak of positions from 1, as people count. */
static int decode_base64(
    const char *text, size_t length, struct secret_key *key, struct error *error)
{
    uint32_t bits = 0;
    size_t n_digits;

    if (length % 4 != 0)
        return error_set(error, EINVAL,
            "is %zu characters long, and base64 comes in groups of four; is it cut, or is its "
            "padding missing?",
            length);

    key->length = base64_decoded_length(text, length);
    if (key->length > SECRET_KEY_MAX)
        return error_set(error, EINVAL, "decodes to %zu bytes; at most %d are possible",
            key->length, SECRET_KEY_MAX);

    n_digits = length - (length / 4 * 3 - key->length);
    for (size_t i = 0, out = 0; i < n_digits; i++) {
        int value = base64_value(text[i]);

        if (value < 0)
            return error_set(
                error, EINVAL, "character %zu of %zu is no base64 digit", i + 1, length);
        bits = bits << 6 | (uint32_t)value;
        /* The n-th digit of a group of four completes byte n - 1. */
        if (i % 4 != 0)
            key->bytes[out++] = (unsigned char)(bits >> (6 - i % 4 * 2));
    }
    secret_wipe(&bits, sizeof(bits));
    return 0;
}

static int decode_hex(const char *text, size_t length, struct secret_key *key, struct error *error)
{
    if (length % 2 != 0)
        return error_set(error, EINVAL, "is %zu characters long; hex digits come in pairs", length);
    if (length / 2 > SECRET_KEY_MAX)
        return error_set(error, EINVAL, "decodes to %zu bytes; at most %d are possible", length / 2,
            SECRET_KEY_MAX);
    if (hex_decode(text, length, key->bytes, length / 2) < 0)
        return error_set(error, EINVAL, "holds a character that is no hex digit");
    key->length = length / 2;
    return 0;
}

static int decode_raw(const char *text, size_t length, struct secret_key *key, struct error *error)
{
    if (length > SECRET_KEY_MAX)
        return error_set(
            error, EINVAL, "is %zu bytes long; at most %d are possible", length, SECRET_KEY_MAX);
    memcpy(key->bytes, text, length);
    key->length = length;
    return 0;
}

/* 64 hex digits would also be base64, of 48 bytes; the newer guide's form is the one meant. */
static int decode_auto(const char *text, size_t length, struct secret_key *key, struct error *error)
{
    if (length == HEX_DIGITS && decode_hex(text, length, key, NULL) == 0)
        return 0;
    if (decode_base64(text, length, key, NULL) == 0 && key->length == BASE64_KEY_LENGTH)
        return 0;
    return error_set(error, EINVAL,
        "is neither 64 hex digits nor base64 of 32 bytes (it is %zu characters long); set encoding "
        "to \"base64\", \"hex\" or \"raw\"",
        length);
}

int secret_decode(const char *text, size_t length, enum secret_encoding encoding,
    struct secret_key *ret_key, struct error *error)
{
    struct secret_key key = {.length = 0};
    int result = -EINVAL;

    if (length == 0)
        return error_set(error, EINVAL, "is empty");

    switch (encoding) {
    case SECRET_AUTO:
        result = decode_auto(text, length, &key, error);
        break;
    case SECRET_BASE64:
        result = decode_base64(text, length, &key, error);
        break;
    case SECRET_HEX:
        result = decode_hex(text, length, &key, error);
        break;
    case SECRET_RAW:
        result = decode_raw(text, length, &key, error);
        break;
    }

    if (result == 0 && key.length < SECRET_KEY_MIN)
        result = error_set(error, EINVAL, "is a key of %zu bytes; at least %d are needed",
            key.length, SECRET_KEY_MIN);
    if (result == 0)
        *ret_key = key;
    secret_key_wipe(&key);
    return result;
}
