/*
 * What the service manager is told. The unit is Type=notify: Debian 12's systemd 252 has no
 * notify-reload, but understands RELOADING=1 with its time stamp all the same.
 */

#include "daemon/internal.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

void notify_ready(void)
{
    sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIi64, clock_monotonic(clock_system()));
}

void notify_stopping(const char *why)
{
    sd_notifyf(0, "STOPPING=1\nSTATUS=%s", why);
}

void notify_status(const struct daemon *daemon)
{
    const struct intake_stats *stats = intake_stats(daemon->intake);
    uint64_t refused = 0;

    for (int reason = REASON_FRAMING; reason < REASON_COUNT; reason++)
        refused += stats->reasons[reason];
    sd_notifyf(0,
        "STATUS=Receiving; since start %" PRIu64 " accepted, %" PRIu64 " duplicate, %" PRIu64
        " refused",
        (uint64_t)stats->reasons[REASON_ACCEPTED],
        (uint64_t)(stats->reasons[REASON_DUPLICATE] + stats->reasons[REASON_CONFLICT]), refused);
}
