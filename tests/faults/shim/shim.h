#pragma once

/*
 * A preload library that lets chosen system calls of a program fail, come short, take long, or be
 * its last.
 *
 * SASHA_SHIM names a file that holds one `struct shim_control`. The library maps it shared when the
 * program starts; a test maps it as well, and so can arm a rule while the program runs, read how
 * many calls matched, and read that even after the program was killed. Without the variable, or
 * with a rule that is not armed, every call goes through untouched.
 *
 * A rule picks calls by kind (a set), by the path that the call is about (a pattern; of a
 * descriptor the path is what /proc says), and by the name of the calling thread. It counts those
 * that match, and strikes from the nth on, so many times. The first rule that strikes decides; only
 * a delay is waited out and leaves the decision, and the counting, to the rules behind it.
 * Counting is atomic: with several threads, each number is given out once.
 *
 * calls_*.c replace the functions; decide.c is all the thinking. Nothing here allocates or takes a
 * lock, so that it can stand behind malloc and in front of everything.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SHIM_MAGIC 0x5348494du
#define SHIM_RULES 8
#define SHIM_PATTERN_MAX 256
#define SHIM_THREAD_MAX 16

/* Bits of a rule's set of calls; lab/shim.py has the same list in the same order. */
enum shim_call {
    SHIM_WRITE,
    SHIM_PWRITE,
    SHIM_FSYNC,
    SHIM_FDATASYNC,
    SHIM_FTRUNCATE,
    SHIM_OPEN,
    SHIM_RENAME,
    SHIM_UNLINK,
    SHIM_READ,
    SHIM_PREAD,
    SHIM_ACCEPT,
    SHIM_RECV,
    SHIM_SEND, /* send, sendto, sendmsg, writev */
    SHIM_EPOLL_WAIT,
    SHIM_EPOLL_ADD,
    SHIM_POLL,
    SHIM_SPAWN,
    SHIM_PIPE,
    SHIM_MEMFD,
    SHIM_SOCKET,
    SHIM_ALLOCATE,     /* malloc, calloc, realloc, reallocarray, called by a library */
    SHIM_ALLOCATE_OWN, /* the same called by the program itself */
    SHIM_CALLS,
};

enum shim_action {
    SHIM_PASS,        /* count only */
    SHIM_FAIL,        /* do nothing, return the error `value` (an errno) */
    SHIM_SHORT,       /* transfer at most `value` bytes */
    SHIM_DELAY,       /* `value` microseconds before the call */
    SHIM_KILL_BEFORE, /* SIGKILL to the process instead of the call */
    SHIM_KILL_HALF,   /* transfer half, then SIGKILL; for what transfers nothing: as BEFORE */
    SHIM_KILL_AFTER,  /* SIGKILL once the call was made */
};

struct shim_rule {
    uint32_t armed; /* set last */
    uint32_t action;
    uint64_t calls; /* set of 1 << enum shim_call */
    uint64_t nth;   /* from 1 */
    uint64_t times; /* strikes from the nth on; 0: for ever */
    int64_t value;
    uint64_t seen;                  /* out: calls that matched */
    uint64_t struck;                /* out */
    char pattern[SHIM_PATTERN_MAX]; /* '*' stands for anything; empty: whatever it is about */
    char thread[SHIM_THREAD_MAX];   /* beginning of the thread's name; empty: any */
};

struct shim_control {
    uint32_t magic;
    uint32_t attached;         /* out: processes that have mapped it */
    int64_t clock_offset_nsec; /* added to real time */
    struct shim_rule rules[SHIM_RULES];
};

/* What to do about one call. */
struct shim_strike {
    enum shim_action action;
    int64_t value;
};

/* Looks up what to do, waits out a delay, and does not come back from KILL_BEFORE. `path` may be
 * NULL, then `fd` tells what the call is about; -1: it is about nothing with a path. */
struct shim_strike shim_before(enum shim_call call, int fd, const char *path);

/* Whether the call is not to be made; sets errno. */
bool shim_fails(const struct shim_strike *strike);

/* How much of `length` is to be transferred. */
size_t shim_shorten(const struct shim_strike *strike, size_t length);

/* Ends the process when the strike says so. errno stays. */
void shim_after(const struct shim_strike *strike);

int64_t shim_clock_offset_nsec(void);

/* Whether code at this address is the program's and not a library's. */
bool shim_is_program(const void *code);

/* The function that would have been called without us. */
void *shim_next(const char *name);

/* ---- for the replacements ---- */

/* A replaced function that returns -1 on errors and is about a descriptor or a path. */
#define SHIM_WRAP(type, name, call, fd, path, parameters, arguments) \
    type name parameters                                             \
    {                                                                \
        static type(*next) parameters;                               \
        struct shim_strike strike = shim_before(call, fd, path);     \
        type result;                                                 \
                                                                     \
        if (shim_fails(&strike))                                     \
            return -1;                                               \
        if (!next)                                                   \
            next = shim_next(#name);                                 \
        result = next arguments;                                     \
        shim_after(&strike);                                         \
        return result;                                               \
    }

/* The same for one that transfers `length` bytes. */
#define SHIM_WRAP_TRANSFER(name, call, parameters, arguments)    \
    ssize_t name parameters                                      \
    {                                                            \
        static ssize_t(*next) parameters;                        \
        struct shim_strike strike = shim_before(call, fd, NULL); \
        ssize_t result;                                          \
                                                                 \
        if (shim_fails(&strike))                                 \
            return -1;                                           \
        length = shim_shorten(&strike, length);                  \
        if (!next)                                               \
            next = shim_next(#name);                             \
        result = next arguments;                                 \
        shim_after(&strike);                                     \
        return result;                                           \
    }
