#pragma once

/*
 * The signature as SASHA makes it: for the sender and for tests.
 * HMAC-SHA256(key, method || url || request_id || body), lower-case hex.
 */

#include "util/error.h"
#include "verify/secret.h"

#include <stddef.h>

#define SIGNATURE_SIZE 65 /* 64 digits and NUL */

int sign_callback(const struct secret_key *key, const char *method, const char *url,
    const char *request_id, const void *body, size_t length,
    char ret_signature[static SIGNATURE_SIZE], struct error *error);

/* A random request id, UUID version 4 in lower case, with its NUL. */
#define REQUEST_ID_SIZE 37
int sign_new_request_id(char ret_id[static REQUEST_ID_SIZE], struct error *error);
