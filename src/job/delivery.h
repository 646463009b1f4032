#pragma once

/*
 * A delivery: one verified callback, with its raw body; or one that report mode let pass and
 * marked.
 *
 * Immutable once made; passes between threads by ownership. One allocation holds the struct, its
 * strings and the body, so that delivery_free is one free.
 */

#include "util/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_SIZE 16

/* The first 16 bytes of a SHA-256. */
struct digest {
    unsigned char bytes[DIGEST_SIZE];
};

struct delivery {
    uint64_t seq;             /* order of arrival, from 1; 0 until stored */
    int64_t received_at_usec; /* real time at which the body was complete */
    int64_t updated_at_usec;  /* of the Job */
    bool terminal;            /* the Job's status is final */
    bool stale;               /* older than one already accepted for the job; set by the store */

    struct digest id_digest;   /* of public_url, NUL, request id: what dedup goes by */
    struct digest body_digest; /* of the raw body: tells a duplicate from a conflict */

    const char *endpoint;   /* name in the conf */
    const char *request_id; /* SASHA-Request-ID */
    const char *secret;     /* name in the conf of the callback secret that matched; "" if none did,
                               which takes verify = "report" */
    const char *job_id;
    const char *type;
    const char *status;
    const char *unverified; /* "": proven; else the reason name for which it would have been
                               refused, had its endpoint not verify = "report" */

    const unsigned char *body; /* NULL when read without it */
    size_t body_length;        /* true length, also when body is NULL */
};

/* A deep copy of what `from` borrows. NULL strings become "". Returns NULL when out of memory. */
struct delivery *delivery_new(const struct delivery *from);

void delivery_free(struct delivery *delivery);

CLEANUP_FUNC(struct delivery, delivery_free);
