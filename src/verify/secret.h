#pragma once

/*
 * Callback Secrets: from the text an operator was given to the bytes of the HMAC key.
 *
 * The key is the *decoded* secret (SASHA API reference 1.0.0: base64 of 32 bytes; the newer guide:
 * 64 hex digits; older samples: the text itself). An empty or short key is refused here because
 * OpenSSL accepts it. Pure; any thread.
 */

#include "util/error.h"

#include <stddef.h>

#define SECRET_KEY_MIN 16
#define SECRET_KEY_MAX 256

enum secret_encoding {
    SECRET_AUTO,
    SECRET_BASE64,
    SECRET_HEX,
    SECRET_RAW,
};

/* A key, to be wiped with secret_key_wipe when done. */
struct secret_key {
    unsigned char bytes[SECRET_KEY_MAX];
    size_t length;
};

int secret_encoding_parse(const char *text, enum secret_encoding *ret_encoding); /* 0 or -EINVAL */
const char *secret_encoding_name(enum secret_encoding encoding);

/* Decodes a secret's text, without its trailing newline. AUTO: 64 hex digits, else standard base64
 * (with padding) of exactly 32 bytes, else an error that asks for `encoding`. Every encoding must
 * give SECRET_KEY_MIN to SECRET_KEY_MAX bytes. Returns 0 or -EINVAL with an error that names the
 * length or the kind of fault, never the text. */
int secret_decode(const char *text, size_t length, enum secret_encoding encoding,
    struct secret_key *ret_key, struct error *error);

/* Overwrites in a way the compiler may not drop. */
void secret_key_wipe(struct secret_key *key);
void secret_wipe(void *data, size_t length);
