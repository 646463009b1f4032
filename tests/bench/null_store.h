#pragma once

/*
 * A store that keeps nothing and says yes to everything: what is left of the receiver's cost when
 * the disk is taken out. It knows no duplicates and has no sinks and no readers.
 *
 * Threads as store.h says.
 */

#include "store/store.h"

int null_store_open(struct store **ret_store, struct error *error);
