#pragma once

/*
 * What the tests of the index on disk share: the connection of the rig's store, and what they read
 * and change through it.
 */

#include "store/sqlite_store.h"
#include "store_rig.h"

static inline struct db *database(void)
{
    return &sqlite_store(rig.store)->db;
}

static inline struct digest digest_of(uint64_t number)
{
    uint64_t words[2] = {hash_u64(number), hash_u64(~number)};
    struct digest digest;

    memcpy(digest.bytes, words, sizeof(digest.bytes));
    return digest;
}

/* Whether commits are synced is not what is tested here, and takes most of the time. */
static inline void do_not_sync(void)
{
    ck_assert_int_eq(db_exec(database(), "PRAGMA synchronous = OFF"), SQLITE_OK);
}

static inline int64_t number_of(const char *sql)
{
    sqlite3_stmt *statement;
    int64_t number;

    ck_assert_int_eq(sqlite3_prepare_v2(database()->handle, sql, -1, &statement, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(statement), SQLITE_ROW);
    number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return number;
}

static inline void damage(const char *sql)
{
    ck_assert_int_eq(db_exec(database(), sql), SQLITE_OK);
}
