#include "shim.h"

/*
 * Memory. Who comes next may be the C library or a sanitizer. Finding that out can allocate by
 * itself; that little is served from a block of our own, and what is freed meanwhile stays.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char early[65536] __attribute__((aligned(16)));
static size_t early_used;
static __thread bool resolving __attribute__((tls_model("initial-exec")));

static void *early_allocate(size_t size)
{
    void *memory = early + early_used;

    size = (size + 15) & ~(size_t)15;
    if (early_used + size > sizeof(early))
        abort();
    early_used += size;
    return memory;
}

static bool is_early(const void *memory)
{
    return (const char *)memory >= early && (const char *)memory < early + sizeof(early);
}

static void *resolve(const char *name)
{
    void *next;

    resolving = true;
    next = shim_next(name);
    resolving = false;
    return next;
}

#define NEXT(next, name) \
    if (!(next))         \
    (next) = resolve(name)

static bool allocation_fails(const void *caller)
{
    struct shim_strike strike =
        shim_before(shim_is_program(caller) ? SHIM_ALLOCATE_OWN : SHIM_ALLOCATE, -1, NULL);

    return shim_fails(&strike);
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t size)
{
    static void *(*next)(size_t);

    if (resolving)
        return early_allocate(size);
    if (allocation_fails(CALLER))
        return NULL;
    NEXT(next, "malloc");
    return next(size);
}

void *calloc(size_t count, size_t size)
{
    static void *(*next)(size_t, size_t);

    if (resolving)
        return early_allocate(count * size);
    if (allocation_fails(CALLER))
        return NULL;
    NEXT(next, "calloc");
    return next(count, size);
}

static void *resize(void *memory, size_t size, const void *caller)
{
    static void *(*next)(void *, size_t);

    if (allocation_fails(caller))
        return NULL;
    NEXT(next, "realloc");
    return next(memory, size);
}

void *realloc(void *memory, size_t size)
{
    return resize(memory, size, CALLER);
}

void *reallocarray(void *memory, size_t count, size_t size)
{
    size_t bytes;

    if (__builtin_mul_overflow(count, size, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return resize(memory, bytes, CALLER);
}

void free(void *memory)
{
    static void (*next)(void *);

    if (is_early(memory) || resolving)
        return;
    NEXT(next, "free");
    next(memory);
}
