#pragma once

/*
 * What the tests of the SQLite store do behind its back: statements of a connection of their own,
 * to the rig's database.
 */

#include "store/sqlite_store.h"
#include "store_rig.h"

#include <stdlib.h>

static inline void shell(const char *sql)
{
    sqlite3 *handle;

    ck_assert_int_eq(sqlite3_open(rig.path, &handle), SQLITE_OK);
    ck_assert_msg(
        sqlite3_exec(handle, sql, NULL, NULL, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(handle));
    sqlite3_close(handle);
}

static inline int64_t number_of(struct db *db, const char *sql)
{
    char text[32];

    ck_assert_int_eq(db_pragma(db, sql, text, sizeof(text), &rig.error), 0);
    return atoll(text);
}

static inline void open_bare(struct db *db)
{
    ck_assert_int_eq(db_open(db, rig.path, SQLITE_OPEN_READWRITE, 64, &rig.error), 0);
}
