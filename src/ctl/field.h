#pragma once

/*
 * Fields of an answer's objects. One that is missing, null or of another type reads as nothing:
 * a daemon of another minor version must not trip the tool (docs/api.md).
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* NULL: nothing. Borrowed. */
const char *field_text(const json_t *object, const char *name);

int64_t field_number(const json_t *object, const char *name); /* whole; 0: nothing */
double field_real(const json_t *object, const char *name);    /* 0: nothing */
bool field_is_true(const json_t *object, const char *name);

/* A time in microseconds; INT64_MIN: nothing. */
int64_t field_time(const json_t *object, const char *name);

/* NULL, which jansson's functions take for an empty one: nothing. Borrowed. */
const json_t *field_array(const json_t *object, const char *name);
const json_t *field_object(const json_t *object, const char *name);
