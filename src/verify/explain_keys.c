/*
 * Readings of a secret. See explain_keys.h.
 *
 * Only the decoded key is at hand, not the text of the conf. That is enough: from the key come the
 * texts that could have stood there (its base64, its hex digits, the bytes themselves when they
 * are text), and each text read as raw, base64 or hex is a key that somebody may have used. Which
 * `encoding` to set follows from the reading that matched.
 */

#include "verify/explain_keys.h"

#include "util/cleanup.h"
#include "util/hex.h"

#include <stdlib.h>
#include <string.h>

void explain_key_to_base64(const struct secret_key *key, char text[static EXPLAIN_KEY_TEXT_SIZE])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t out = 0;

    for (size_t i = 0; i < key->length; i += 3) {
        size_t left = key->length - i;
        uint32_t bits = (uint32_t)key->bytes[i] << 16;

        if (left > 1)
            bits |= (uint32_t)key->bytes[i + 1] << 8;
        if (left > 2)
            bits |= key->bytes[i + 2];
        text[out++] = digits[bits >> 18];
        text[out++] = digits[bits >> 12 & 63];
        text[out++] = left > 1 ? digits[bits >> 6 & 63] : '=';
        text[out++] = left > 2 ? digits[bits & 63] : '=';
    }
    text[out] = '\0';
}

void explain_key_to_upper(char *text)
{
    for (; *text; text++) {
        if (*text >= 'a' && *text <= 'z')
            *text = (char)(*text - 'a' + 'A');
    }
}

bool explain_is_candidate(const struct verify_endpoint_options *endpoint,
    const struct verify_secret_options *secret, const struct header_text *secret_id)
{
    bool is_named = false;

    if (!secret_id)
        return true;
    for (size_t i = 0; i < endpoint->n_secrets; i++) {
        const char *id = endpoint->secrets[i].id;

        is_named |= id && header_is_secret_id(*secret_id, id);
    }
    return is_named ? secret->id && header_is_secret_id(*secret_id, secret->id) : !secret->id;
}

/* What all readings of one secret have in common. */
struct reader {
    struct explain_variants *keys;
    struct crypto *crypto;
    const char *secret; /* its name */
    const char *endpoint;
    struct error *error;
    int result; /* 0, or the first failure of OpenSSL */
};

static void add_key(struct reader *reader, const void *bytes, size_t length, const char *advice,
    const char *reading)
{
    struct secret_key key = {.length = length};

    if (length < SECRET_KEY_MIN || length > SECRET_KEY_MAX || reader->result < 0)
        return;
    if (!explain_variants_add(reader->keys, bytes, length, advice,
            "the key is %scallback_secret \"%s\" of endpoint \"%s\"", reading, reader->secret,
            reader->endpoint))
        return;
    memcpy(key.bytes, bytes, length);
    reader->result = crypto_mac_new(
        reader->crypto, &key, &reader->keys->rows[reader->keys->n - 1].mac, reader->error);
    secret_key_wipe(&key);
}

static void add_decoded(struct reader *reader, const char *text, size_t length,
    enum secret_encoding encoding, const char *advice, const char *reading)
{
    struct secret_key key;

    if (secret_decode(text, length, encoding, &key, NULL) < 0)
        return;
    add_key(reader, key.bytes, key.length, advice, reading);
    secret_key_wipe(&key);
}

#define AS_RAW                                                                       \
    "the signer takes the secret's text itself as the key: set encoding = \"raw\"; " \
    "SASHA's own signatures take the decoded secret"
#define AS_RAW_TEXT                                                                \
    "the signer takes this text itself as the key: put it in as the secret, with " \
    "encoding = \"raw\"; SASHA's own signatures take the decoded secret"
#define AS_BASE64 "set encoding = \"base64\""
#define AS_HEX "set encoding = \"hex\""
#define WITH_NEWLINE \
    "the signer's copy of the secret has a newline at its end that does not belong to it"
#define BLANK_AT_END                                                                         \
    "the conf's copy of the secret ends with a blank, a newline or CR that does not belong " \
    "to it: write its file anew"

static void add_with_newline(
    struct reader *reader, const char *text, size_t length, const char *reading)
{
    char line[EXPLAIN_KEY_TEXT_SIZE + 1];

    ASSERT(length < sizeof(line));
    memcpy(line, text, length);
    line[length] = '\n';
    add_key(reader, line, length + 1, WITH_NEWLINE, reading);
    secret_wipe(line, sizeof(line));
}

/* The key as text, if it may be one: read in other ways, and without what hangs at its end. */
static void add_key_as_text(struct reader *reader, const struct secret_key *key)
{
    const char *text = (const char *)key->bytes;
    size_t length = key->length;

    while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r' ||
                             text[length - 1] == ' ' || text[length - 1] == '\t'))
        length--;
    add_key(reader, text, length, BLANK_AT_END, "that without the blank at the end of ");
    add_decoded(reader, text, length, SECRET_BASE64, AS_BASE64,
        "that which comes of reading as base64 the text of ");
    add_decoded(reader, text, length, SECRET_HEX, AS_HEX,
        "that which comes of reading as hex digits the text of ");
    add_with_newline(reader, text, length, "that with a newline at the end of ");
}

static void add_readings(struct reader *reader, const struct secret_key *key)
{
    char text[EXPLAIN_KEY_TEXT_SIZE];

    explain_key_to_base64(key, text);
    add_key(reader, text, strlen(text), AS_RAW, "the base64 text, not decoded, of ");
    add_decoded(reader, text, strlen(text), SECRET_HEX, AS_HEX,
        "that which comes of reading as hex digits the text of ");
    add_with_newline(
        reader, text, strlen(text), "the base64 text, not decoded and with a newline, of ");

    hex_encode(key->bytes, key->length, text);
    add_key(reader, text, strlen(text), AS_RAW_TEXT, "the lower-case hex digits, not decoded, of ");
    add_decoded(reader, text, strlen(text), SECRET_BASE64, AS_BASE64,
        "that which comes of reading as base64 the hex digits of ");
    explain_key_to_upper(text);
    add_key(reader, text, strlen(text), AS_RAW_TEXT, "the upper-case hex digits, not decoded, of ");
    add_decoded(reader, text, strlen(text), SECRET_BASE64, AS_BASE64,
        "that which comes of reading as base64 the upper-case hex digits of ");
    secret_wipe(text, sizeof(text));

    add_key_as_text(reader, key);
}

enum round {
    ROUND_CANDIDATES,
    ROUND_AS_CONFIGURED,
    ROUND_READINGS,
};

static void add_endpoint(struct reader *reader, const struct verify_endpoint_options *endpoint,
    const struct header_text *secret_id, bool is_other, enum round round)
{
    for (size_t i = 0; i < endpoint->n_secrets; i++) {
        const struct verify_secret_options *secret = &endpoint->secrets[i];

        reader->secret = secret->name;
        reader->endpoint = endpoint->name;
        switch (round) {
        case ROUND_CANDIDATES:
            if (explain_is_candidate(endpoint, secret, secret_id))
                add_key(reader, secret->key.bytes, secret->key.length, "", "");
            break;
        case ROUND_AS_CONFIGURED:
            add_key(reader, secret->key.bytes, secret->key.length,
                is_other ? "the sender takes this endpoint for the other one"
                         : "the id of SASHA-Callback-Secret-ID does not fit: the id that the conf "
                           "gives this secret is wrong, or the sender names another secret than "
                           "it uses",
                "");
            break;
        case ROUND_READINGS:
            add_readings(reader, &secret->key);
            break;
        }
    }
}

int explain_keys_add(struct explain_variants *keys, struct crypto *crypto,
    const struct verify_options *options, const struct verify_endpoint_options *endpoint,
    const struct header_text *secret_id, size_t *ret_n_base, struct error *error)
{
    struct reader reader = {.keys = keys, .crypto = crypto, .error = error};

    add_endpoint(&reader, endpoint, secret_id, false, ROUND_CANDIDATES);
    *ret_n_base = keys->n;
    add_endpoint(&reader, endpoint, secret_id, false, ROUND_AS_CONFIGURED);
    add_endpoint(&reader, endpoint, secret_id, false, ROUND_READINGS);
    for (size_t round = ROUND_AS_CONFIGURED; round <= ROUND_READINGS; round++) {
        for (size_t i = 0; i < options->n_endpoints; i++) {
            if (&options->endpoints[i] != endpoint)
                add_endpoint(&reader, &options->endpoints[i], NULL, true, (enum round)round);
        }
    }
    return reader.result;
}
