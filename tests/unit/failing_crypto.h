#pragma once

/*
 * Refuses the n-th call that our code makes of OpenSSL, once.
 *
 * Include from one .c of a test executable: it defines the calls anew. What OpenSSL asks of itself
 * has other ways to go, and is OpenSSL's business: caller_init("libcrypto") comes first.
 */

#include "caller.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stddef.h>

static struct refusal {
    unsigned int at; /* 0: never */
    unsigned int count;
    bool hit;
} refusal;

static bool is_refused(const void *caller)
{
    if (refusal.at == 0 || !caller_is_ours(caller) || ++refusal.count != refusal.at)
        return false;
    refusal.hit = true;
    return true;
}

/* Defines the function anew for this program. */
#define REFUSABLE(type, name, parameters, arguments, on_refusal) \
    type name parameters                                         \
    {                                                            \
        static type(*real) parameters;                           \
        if (!real)                                               \
            *(void **)&real = dlsym(RTLD_NEXT, #name);           \
        if (is_refused(__builtin_return_address(0)))             \
            return on_refusal;                                   \
        return real arguments;                                   \
    }

REFUSABLE(EVP_MAC *, EVP_MAC_fetch,
    (OSSL_LIB_CTX * context, const char *name, const char *properties), (context, name, properties),
    NULL)
REFUSABLE(EVP_MD *, EVP_MD_fetch,
    (OSSL_LIB_CTX * context, const char *name, const char *properties), (context, name, properties),
    NULL)
REFUSABLE(EVP_MD_CTX *, EVP_MD_CTX_new, (void), (), NULL)
REFUSABLE(EVP_MAC_CTX *, EVP_MAC_CTX_new, (EVP_MAC * mac), (mac), NULL)
REFUSABLE(int, EVP_MAC_init,
    (EVP_MAC_CTX * context, const unsigned char *key, size_t length, const OSSL_PARAM params[]),
    (context, key, length, params), 0)
REFUSABLE(size_t, EVP_MAC_CTX_get_mac_size, (EVP_MAC_CTX * context), (context), 20)
REFUSABLE(int, EVP_MAC_update, (EVP_MAC_CTX * context, const unsigned char *data, size_t length),
    (context, data, length), 0)
REFUSABLE(int, EVP_MAC_final,
    (EVP_MAC_CTX * context, unsigned char *out, size_t *length, size_t size),
    (context, out, length, size), 0)
REFUSABLE(int, EVP_DigestInit_ex2,
    (EVP_MD_CTX * context, const EVP_MD *type, const OSSL_PARAM params[]), (context, type, params),
    0)
REFUSABLE(int, EVP_DigestUpdate, (EVP_MD_CTX * context, const void *data, size_t length),
    (context, data, length), 0)
REFUSABLE(int, EVP_DigestFinal_ex, (EVP_MD_CTX * context, unsigned char *sum, unsigned int *length),
    (context, sum, length), 0)
REFUSABLE(int, RAND_bytes, (unsigned char *bytes, int length), (bytes, length), 0)
