#pragma once

/*
 * What the database file is: its identity, its schema, and the way from older schemas to ours.
 * Private to sqlite*.c and their tests.
 */

#include "store/sqlite_db.h"

#define SCHEMA_APPLICATION_ID 0x53434244 /* "SCBD" */

/* Step n brings a store from version n to n + 1. Steps are never changed once released, only
 * added. */
struct schema_step {
    const char *sql;
    int (*convert)(struct db *db); /* after `sql`, in the same transaction; NULL: nothing more */
};

extern const struct schema_step schema_steps[];
extern const size_t schema_n_steps; /* also the version that this program knows */

/* Refuses a file that is no store of ours, or of a later version, without changing it. */
int schema_check(struct db *db, size_t n_steps, struct error *error);

/* Brings the schema to version `n_steps`, each step in a transaction of its own together with its
 * version, so that an interrupted migration goes on where it stopped. */
int schema_migrate(
    struct db *db, const struct schema_step *steps, size_t n_steps, struct error *error);
