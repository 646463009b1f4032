#pragma once

/*
 * A file system under SQLite that fails when it is told to: the n-th write, sync or truncation
 * returns a code instead of doing anything. It stands before the real one and passes all else on.
 * One thread.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum fault_op {
    FAULT_SYNC,
    FAULT_WRITE, /* also truncation */
    FAULT_SHM,   /* mapping more of the -shm file */
};

static struct fault {
    enum fault_op op;
    int code;
    unsigned int at;     /* fails when `count` reaches it; 0: never */
    bool sticky;         /* and from then on */
    bool (*holds)(void); /* fails only while this holds; NULL: always does */
    const char *only;    /* fails for files with this in their name; NULL: for all */
    bool cannot_share;   /* files have no shared memory, as on some networks */
    unsigned int count;
    bool hit;
    unsigned int syncs; /* in all */
} fault;

struct fault_file {
    sqlite3_file base;
    sqlite3_file *real;
    const char *name; /* SQLite's, up to the close; NULL: none */
};

static sqlite3_file *fault_real(sqlite3_file *file)
{
    return ((struct fault_file *)(void *)file)->real;
}

static int fault_check(const sqlite3_file *file, enum fault_op op)
{
    const char *name = ((const struct fault_file *)(const void *)file)->name;

    if (op == FAULT_SYNC)
        fault.syncs++;
    if (fault.at == 0 || op != fault.op || (fault.holds && !fault.holds()) ||
        (fault.only && (!name || !strstr(name, fault.only))))
        return SQLITE_OK;
    fault.count++;
    if (fault.count != fault.at && !(fault.sticky && fault.count > fault.at))
        return SQLITE_OK;
    fault.hit = true;
    return fault.code;
}

/* Opens a call on the real file, with `file` shadowed by it. */
#define FAULT_REAL(call) fault_real(file)->pMethods->call

static int fault_close(sqlite3_file *file)
{
    return FAULT_REAL(xClose)(fault_real(file));
}

static int fault_read(sqlite3_file *file, void *data, int n, sqlite3_int64 at)
{
    return FAULT_REAL(xRead)(fault_real(file), data, n, at);
}

static int fault_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at)
{
    int rc = fault_check(file, FAULT_WRITE);

    return rc != SQLITE_OK ? rc : FAULT_REAL(xWrite)(fault_real(file), data, n, at);
}

static int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    int rc = fault_check(file, FAULT_WRITE);

    return rc != SQLITE_OK ? rc : FAULT_REAL(xTruncate)(fault_real(file), size);
}

static int fault_sync(sqlite3_file *file, int flags)
{
    int rc = fault_check(file, FAULT_SYNC);

    return rc != SQLITE_OK ? rc : FAULT_REAL(xSync)(fault_real(file), flags);
}

static int fault_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return FAULT_REAL(xFileSize)(fault_real(file), size);
}

static int fault_lock(sqlite3_file *file, int lock)
{
    return FAULT_REAL(xLock)(fault_real(file), lock);
}

static int fault_unlock(sqlite3_file *file, int lock)
{
    return FAULT_REAL(xUnlock)(fault_real(file), lock);
}

static int fault_check_lock(sqlite3_file *file, int *result)
{
    return FAULT_REAL(xCheckReservedLock)(fault_real(file), result);
}

static int fault_control(sqlite3_file *file, int op, void *argument)
{
    return FAULT_REAL(xFileControl)(fault_real(file), op, argument);
}

static int fault_sector_size(sqlite3_file *file)
{
    return FAULT_REAL(xSectorSize)(fault_real(file));
}

static int fault_characteristics(sqlite3_file *file)
{
    return FAULT_REAL(xDeviceCharacteristics)(fault_real(file));
}

static int fault_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **map)
{
    int rc = extend ? fault_check(file, FAULT_SHM) : SQLITE_OK;

    return rc != SQLITE_OK ? rc : FAULT_REAL(xShmMap)(fault_real(file), page, size, extend, map);
}

static int fault_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    return FAULT_REAL(xShmLock)(fault_real(file), offset, n, flags);
}

static void fault_shm_barrier(sqlite3_file *file)
{
    FAULT_REAL(xShmBarrier)(fault_real(file));
}

static int fault_shm_unmap(sqlite3_file *file, int remove)
{
    return FAULT_REAL(xShmUnmap)(fault_real(file), remove);
}

static const sqlite3_io_methods fault_methods = {
    .iVersion = 2,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_file_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_check_lock,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector_size,
    .xDeviceCharacteristics = fault_characteristics,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
};

static sqlite3_vfs *fault_vfs_real;

/* For files without shared memory. */
static sqlite3_io_methods fault_first_methods;

static int fault_open(
    sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    struct fault_file *fault_file = (struct fault_file *)(void *)file;
    int rc;

    fault_file->real = (sqlite3_file *)(void *)(fault_file + 1);
    fault_file->name = name;
    rc = fault_vfs_real->xOpen(fault_vfs_real, name, fault_file->real, flags, ret_flags);
    file->pMethods = !fault_file->real->pMethods ? NULL
                     : fault.cannot_share        ? &fault_first_methods
                                                 : &fault_methods;
    return rc;
}

/* Before the first connection of the process. */
static void fault_install(void)
{
    static sqlite3_vfs vfs;

    fault_first_methods = fault_methods;
    fault_first_methods.iVersion = 1;
    fault_vfs_real = sqlite3_vfs_find(NULL);
    vfs = *fault_vfs_real;
    vfs.zName = "fault";
    vfs.szOsFile += (int)sizeof(struct fault_file);
    vfs.xOpen = fault_open;
    sqlite3_vfs_register(&vfs, 1);
}

static void fault_set(enum fault_op op, int code, unsigned int at, bool sticky)
{
    fault = (struct fault){.op = op, .code = code, .at = at, .sticky = sticky};
}
