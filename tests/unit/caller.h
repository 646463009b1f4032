#pragma once

/*
 * Who calls: whether an address lies in a shared library. For functions that a test defines anew,
 * which the library itself calls too, and may not heed.
 */

#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static struct caller_range {
    const char *library; /* a part of its file's name */
    uintptr_t begin, end;
} caller_range;

static int caller_find(struct dl_phdr_info *info, size_t size, void *context)
{
    if (!strstr(info->dlpi_name, caller_range.library))
        return 0;
    caller_range.begin = UINTPTR_MAX;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        uintptr_t begin = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

        if (info->dlpi_phdr[i].p_type != PT_LOAD)
            continue;
        if (begin < caller_range.begin)
            caller_range.begin = begin;
        if (begin + info->dlpi_phdr[i].p_memsz > caller_range.end)
            caller_range.end = begin + info->dlpi_phdr[i].p_memsz;
    }
    return 1;
}

/* Returns whether the library is there. */
static inline bool caller_init(const char *library)
{
    caller_range = (struct caller_range){library, 0, 0};
    return dl_iterate_phdr(caller_find, NULL) == 1;
}

static inline bool caller_is_ours(const void *caller)
{
    return (uintptr_t)caller < caller_range.begin || (uintptr_t)caller >= caller_range.end;
}
