#pragma once

/*
 * From the conf to each stage's own options: the one place that knows both. Pure but for memory.
 *
 * Everything is borrowed from the config, which must outlive the wiring; the stages copy what they
 * keep. Keys are copied and wiped.
 */

#include "admin/admin.h"
#include "config/config.h"
#include "dispatch/dispatch.h"
#include "verify/verify.h"

struct wiring {
    struct verify_options verify;
    struct dispatch_sink_options *sinks;
    size_t n_sinks;
    struct admin_view view; /* but for `listen`; points to `verify` */
};

#define WIRING_INIT           \
    {                         \
        {NULL, 0}, NULL, 0,   \
        {                     \
            .endpoints = NULL \
        }                     \
    }

/* Returns 0 or -ENOMEM; wiring_done is due in both cases. The wiring must not be moved. */
int wiring_make(struct wiring *wiring, const struct config *config);
void wiring_done(struct wiring *wiring);

/* How many descriptors the conf can need at once, with some to spare. */
size_t wiring_count_descriptors(const struct config *config);
