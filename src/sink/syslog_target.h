#pragma once

/*
 * Where syslog messages go, from the words of the conf. Pure.
 */

#include "util/error.h"

enum syslog_transport {
    SYSLOG_LOCAL, /* a unix socket on this machine */
    SYSLOG_UDP,   /* RFC 5426 */
    SYSLOG_TCP,   /* RFC 6587, octet counting */
};

#define SYSLOG_LOCAL_PATH "/dev/log"

struct syslog_target {
    enum syslog_transport transport;
    char *address; /* owned: path of the socket, or name or number of the host */
    char *port;    /* owned: number or service name; NULL for SYSLOG_LOCAL */
};

/* "local", "local:/path", "udp:host:port", "tcp:host:port", "host:port" (udp); a numeric IPv6 host
 * in brackets. Returns 0, -EINVAL or -ENOMEM. */
int syslog_target_parse(const char *text, struct syslog_target *ret_target, struct error *error);

void syslog_target_done(struct syslog_target *target);
