#include "job/delivery.h"

/*
 * A delivery in one allocation: the struct, then the body, then the strings with their NULs. See
 * delivery.h for the contract.
 */

#include <stdlib.h>
#include <string.h>

/* Where the strings stand in the struct. */
static const size_t string_offsets[] = {
    offsetof(struct delivery, endpoint),
    offsetof(struct delivery, request_id),
    offsetof(struct delivery, secret),
    offsetof(struct delivery, job_id),
    offsetof(struct delivery, type),
    offsetof(struct delivery, status),
    offsetof(struct delivery, unverified),
};

static const char **string_at(struct delivery *delivery, size_t i)
{
    return (const char **)(void *)((char *)delivery + string_offsets[i]);
}

struct delivery *delivery_new(const struct delivery *from)
{
    struct delivery *delivery;
    struct delivery copy = *from;
    size_t lengths[ARRAY_SIZE(string_offsets)]; /* with the NUL */
    size_t size = sizeof(*delivery);
    char *at;

    if (from->body && __builtin_add_overflow(size, from->body_length, &size))
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(string_offsets); i++) {
        const char **string = string_at(&copy, i);

        if (!*string)
            *string = "";
        lengths[i] = strlen(*string) + 1;
        if (__builtin_add_overflow(size, lengths[i], &size))
            return NULL;
    }

    delivery = malloc(size);
    if (!delivery)
        return NULL;
    *delivery = copy;
    at = (char *)(delivery + 1);

    if (copy.body) {
        memcpy(at, copy.body, copy.body_length);
        delivery->body = (unsigned char *)at;
        at += copy.body_length;
    }
    for (size_t i = 0; i < ARRAY_SIZE(string_offsets); i++) {
        memcpy(at, *string_at(&copy, i), lengths[i]);
        *string_at(delivery, i) = at;
        at += lengths[i];
    }
    return delivery;
}

void delivery_free(struct delivery *delivery)
{
    free(delivery);
}
