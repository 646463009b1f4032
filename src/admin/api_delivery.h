#pragma once

/*
 * What pages of deliveries and a single one have in common. As api.h.
 */

#include "admin/call.h"
#include "job/delivery.h"

/* The members of a delivery, without the braces, so that a caller can add some. */
void delivery_write(struct buf *out, const struct delivery *delivery);

/* The store's id of a sink that runs; 0: there is none of that name. */
uint32_t delivery_find_sink(const struct admin *admin, const char *name);
