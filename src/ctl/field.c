/*
 * Fields of an answer's objects. See field.h.
 */

#include "ctl/field.h"

#include "util/rfc3339.h"

#include <stddef.h>
#include <string.h>

const char *field_text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

int64_t field_number(const json_t *object, const char *name)
{
    return json_integer_value(json_object_get(object, name));
}

double field_real(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

bool field_is_true(const json_t *object, const char *name)
{
    return json_is_true(json_object_get(object, name));
}

int64_t field_time(const json_t *object, const char *name)
{
    const char *text = field_text(object, name);
    int64_t usec = INT64_MIN;

    if (text)
        (void)rfc3339_parse(text, strlen(text), &usec);
    return usec;
}

const json_t *field_array(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_array(value) ? value : NULL;
}

const json_t *field_object(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_object(value) ? value : NULL;
}
