#include "shim.h"

/*
 * Which rule strikes, and the blow itself. See shim.h.
 *
 * Everything goes by system calls of its own, since the functions of the C library are what is
 * being replaced.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static struct shim_control *control;
static uintptr_t program_begin, program_end;

/* The program is the first object. */
static int note_program(struct dl_phdr_info *info, size_t size, void *context)
{
    program_begin = UINTPTR_MAX;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + part->p_vaddr;

        if (part->p_type != PT_LOAD)
            continue;
        if (begin < program_begin)
            program_begin = begin;
        if (begin + part->p_memsz > program_end)
            program_end = begin + part->p_memsz;
    }
    return 1;
}

bool shim_is_program(const void *code)
{
    return (uintptr_t)code >= program_begin && (uintptr_t)code < program_end;
}

__attribute__((constructor)) static void attach(void)
{
    const char *path = getenv("SASHA_SHIM");
    long fd;
    void *memory;

    if (!path)
        return;
    fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        abort();
    memory =
        mmap(NULL, sizeof(struct shim_control), PROT_READ | PROT_WRITE, MAP_SHARED, (int)fd, 0);
    syscall(SYS_close, fd);
    if (memory == MAP_FAILED || ((struct shim_control *)memory)->magic != SHIM_MAGIC)
        abort();
    dl_iterate_phdr(note_program, NULL);
    control = memory;
    __atomic_add_fetch(&control->attached, 1, __ATOMIC_SEQ_CST);
}

/* '*' matches any run of bytes, '/' included. */
static bool matches(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;

    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* Writes "/proc/self/fd/N". */
static void name_descriptor(char *name, int fd)
{
    char digits[12];
    size_t n = 0;

    memcpy(name, "/proc/self/fd/", 14);
    name += 14;
    do
        digits[n++] = (char)('0' + fd % 10);
    while ((fd /= 10) > 0);
    while (n > 0)
        *name++ = digits[--n];
    *name = '\0';
}

static bool path_matches(const struct shim_rule *rule, int fd, const char *path)
{
    char name[32], target[4096];
    long length;

    if (rule->pattern[0] == '\0')
        return true;
    if (path)
        return matches(rule->pattern, path);
    if (fd < 0)
        return false;
    name_descriptor(name, fd);
    length = syscall(SYS_readlink, name, target, sizeof(target) - 1);
    if (length < 0)
        return false;
    target[length] = '\0';
    return matches(rule->pattern, target);
}

static bool thread_matches(const struct shim_rule *rule)
{
    char name[SHIM_THREAD_MAX] = "";

    if (rule->thread[0] == '\0')
        return true;
    syscall(SYS_prctl, PR_GET_NAME, name, 0, 0, 0);
    return strncmp(name, rule->thread, strlen(rule->thread)) == 0;
}

/* Counts a call that matches; returns whether the rule strikes at it. */
static bool rule_strikes(struct shim_rule *rule, enum shim_call call, int fd, const char *path)
{
    uint64_t number;

    if (!__atomic_load_n(&rule->armed, __ATOMIC_ACQUIRE) || !(rule->calls & (1ull << call)) ||
        !thread_matches(rule) || !path_matches(rule, fd, path))
        return false;
    number = __atomic_add_fetch(&rule->seen, 1, __ATOMIC_SEQ_CST);
    if (number < rule->nth || (rule->times > 0 && number >= rule->nth + rule->times))
        return false;
    __atomic_add_fetch(&rule->struck, 1, __ATOMIC_SEQ_CST);
    return true;
}

static void wait_usec(int64_t usec)
{
    struct timespec left = {usec / 1000000, usec % 1000000 * 1000};

    while (syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &left, &left) != 0)
        ;
}

static void die(void)
{
    for (;;) {
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
        wait_usec(1000000);
    }
}

struct shim_strike shim_before(enum shim_call call, int fd, const char *path)
{
    struct shim_strike strike = {SHIM_PASS, 0};
    int saved = errno;

    if (!control)
        return strike;
    for (size_t i = 0; i < SHIM_RULES && strike.action == SHIM_PASS; i++) {
        struct shim_rule *rule = &control->rules[i];

        if (!rule_strikes(rule, call, fd, path))
            continue;
        if (rule->action == SHIM_DELAY)
            wait_usec(rule->value);
        else
            strike = (struct shim_strike){(enum shim_action)rule->action, rule->value};
    }
    if (strike.action == SHIM_KILL_BEFORE)
        die();
    errno = saved;
    return strike;
}

bool shim_fails(const struct shim_strike *strike)
{
    if (strike->action != SHIM_FAIL)
        return false;
    errno = (int)strike->value;
    return true;
}

size_t shim_shorten(const struct shim_strike *strike, size_t length)
{
    if (strike->action == SHIM_SHORT && length > (size_t)strike->value)
        return (size_t)strike->value;
    if (strike->action == SHIM_KILL_HALF) {
        if (length < 2)
            die();
        return length / 2;
    }
    return length;
}

void shim_after(const struct shim_strike *strike)
{
    if (strike->action == SHIM_KILL_AFTER || strike->action == SHIM_KILL_HALF)
        die();
}

int64_t shim_clock_offset_nsec(void)
{
    return control ? __atomic_load_n(&control->clock_offset_nsec, __ATOMIC_ACQUIRE) : 0;
}

void *shim_next(const char *name)
{
    void *next = dlsym(RTLD_NEXT, name);

    if (!next)
        die();
    return next;
}
