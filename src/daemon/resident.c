/*
 * Letting go of memory that only the start needed; see resident.h.
 *
 * Libraries that come along with others (gnutls and its kin with libmicrohttpd, whatever libsystemd
 * compresses journals with) and the start of OpenSSL touch most of what a new process has mapped.
 * The kernel would take it back when it is short of memory. Done here it costs a new process a
 * millisecond, and what is seen to be resident afterwards is what the daemon works with.
 *
 * Only segments that were never writable are dropped, so that nothing but the file's own bytes can
 * be in them: relocations are in writable segments, and an object with relocations in its text is
 * left alone.
 */

#include "daemon/resident.h"

#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

static bool has_text_relocations(const struct dl_phdr_info *object)
{
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        const ElfW(Dyn) * entry;

        if (header->p_type != PT_DYNAMIC)
            continue;
        entry = (const void *)(object->dlpi_addr + header->p_vaddr);
        for (; entry->d_tag != DT_NULL; entry++) {
            if (entry->d_tag == DT_TEXTREL ||
                (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL) != 0))
                return true;
        }
    }
    return false;
}

/* The kernel's own object, which is no file. */
static bool is_vdso(const struct dl_phdr_info *object)
{
    return object->dlpi_addr != 0 && object->dlpi_addr == getauxval(AT_SYSINFO_EHDR);
}

static int trim_object(struct dl_phdr_info *object, size_t size, void *context)
{
    const uintptr_t page = *(const uintptr_t *)context;

    if (is_vdso(object) || has_text_relocations(object))
        return 0;
    for (size_t i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &object->dlpi_phdr[i];
        const uintptr_t begin = object->dlpi_addr + header->p_vaddr;
        const uintptr_t first = (begin + page - 1) & ~(page - 1);
        const uintptr_t end = (begin + header->p_memsz) & ~(page - 1);

        if (header->p_type == PT_LOAD && (header->p_flags & PF_W) == 0 && first < end)
            (void)madvise((void *)first, end - first, MADV_DONTNEED);
    }
    return 0;
}

void resident_trim(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    (void)malloc_trim(0);
    (void)dl_iterate_phdr(trim_object, &page);
}
