#pragma once

/*
 * What a body may have been before something on its way changed it. Used by the explain_*.c files
 * only.
 */

#include "verify/explain.h"
#include "verify/explain_variants.h"

/* First the body as it is. Memory latches in `bodies`. */
void explain_bodies_add(struct explain_variants *bodies, const struct explain_request *request);
