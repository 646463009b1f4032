#pragma once

/*
 * Cleanup by scope.
 *
 * `CLEANUP(x_free) struct x *x = NULL;` calls x_freep at the end of the scope. CLEANUP_FUNC makes
 * that x_freep out of an x_free that accepts NULL. Give ownership away with TAKE(x).
 */

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(func) __attribute__((cleanup(func##p)))

#define CLEANUP_FUNC(type, func)               \
    static inline void func##p(type **pointer) \
    {                                          \
        func(*pointer);                        \
    }                                          \
    struct cleanup_func_needs_a_semicolon

/* Moves a pointer out of its variable, which becomes NULL. */
#define TAKE(pointer)                              \
    __extension__({                                \
        __typeof__(pointer) take_tmp_ = (pointer); \
        (pointer) = NULL;                          \
        take_tmp_;                                 \
    })

/* Moves a descriptor out of its variable, which becomes -1. */
#define TAKE_FD(fd)           \
    __extension__({           \
        int take_tmp_ = (fd); \
        (fd) = -1;            \
        take_tmp_;            \
    })

static inline void freep(void *pointer)
{
    free(*(void **)pointer);
}

static inline void closep(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* Guards a switch over every value of an enum, and our own invariants; stays in release builds. */
#define ASSERT(condition)                                            \
    do {                                                             \
        if (__builtin_expect(!(condition), 0))                       \
            assert_failed(#condition, __FILE__, __LINE__, __func__); \
    } while (0)

__attribute__((noreturn)) void assert_failed(
    const char *condition, const char *file, int line, const char *function);
