#pragma once

/*
 * How deep a JSON text nests, told from its raw bytes. Pure; linear; no memory.
 *
 * jansson takes many times the input in memory and its own depth limit is not ours to set: this
 * looks first.
 */

#include <stdbool.h>
#include <stddef.h>

/* Whether more than `max` objects and arrays are open at once. True for every text whose valid
 * prefix nests deeper; what follows the first error in a broken text does not matter, for the
 * parser stops there. */
bool depth_exceeds(const unsigned char *text, size_t length, size_t max);
