#pragma once

/*
 * Makes the n-th allocation of the calling thread fail, once, and counts what is not given back.
 *
 * Include from one .c of a test executable: it replaces malloc, calloc, realloc and free by ones
 * that count and then go to glibc's. The sanitizers and valgrind bring their own, so there nothing
 * fails: ask failing_malloc_works() first.
 */

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FAILING_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer)
#define FAILING_MALLOC 0
#endif
#endif
#ifndef FAILING_MALLOC
#define FAILING_MALLOC 1
#endif

/* 0: none fails; 1: the next one does. Volatile, for the compiler believes that malloc reads none
 * of our variables. */
static _Thread_local volatile unsigned failing_malloc_in;

/* Whose allocations count, by the place they come from; NULL: everybody's. */
static bool (*failing_malloc_counts)(const void *caller) __attribute__((unused));

/* Allocations of the whole process that were not freed yet; always 0 where nothing fails. */
static atomic_long failing_malloc_live __attribute__((unused));

#if FAILING_MALLOC

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void __libc_free(void *memory);

static int failing_malloc_now(const void *caller)
{
    if (failing_malloc_in == 0 || (failing_malloc_counts && !failing_malloc_counts(caller)) ||
        --failing_malloc_in > 0)
        return 0;
    errno = ENOMEM;
    return 1;
}

static void *failing_malloc_count(void *memory)
{
    failing_malloc_live += memory != NULL;
    return memory;
}

/* Not inlined, here and below: valgrind redirects calls. */
__attribute__((noinline)) void *malloc(size_t size)
{
    if (failing_malloc_now(__builtin_return_address(0)))
        return NULL;
    return failing_malloc_count(__libc_malloc(size));
}

__attribute__((noinline)) void *calloc(size_t count, size_t size)
{
    if (failing_malloc_now(__builtin_return_address(0)))
        return NULL;
    return failing_malloc_count(__libc_calloc(count, size));
}

__attribute__((noinline)) void *realloc(void *memory, size_t size)
{
    if (failing_malloc_now(__builtin_return_address(0)))
        return NULL;
    if (!memory)
        return failing_malloc_count(__libc_realloc(memory, size));
    failing_malloc_live -= size == 0;
    return __libc_realloc(memory, size);
}

__attribute__((noinline)) void free(void *memory)
{
    failing_malloc_live -= memory != NULL;
    __libc_free(memory);
}

#endif

static inline bool failing_malloc_works(void)
{
    void *volatile memory;
    bool works;

    failing_malloc_in = 1;
    memory = malloc(1);
    works = !memory;
    failing_malloc_in = 0;
    free(memory);
    return works;
}
