#pragma once

/*
 * A connection to a syslog receiver.
 *
 * Threads: one; it may block up to the given deadlines (and in a name's look-up).
 */

#include "sink/syslog_target.h"
#include "util/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct syslog_socket {
    int fd; /* -1: not connected */
    enum syslog_transport transport;
    bool stream; /* what was sent is known to have arrived only after syslog_socket_confirm */
};

#define SYSLOG_SOCKET_INIT      \
    {                           \
        -1, SYSLOG_LOCAL, false \
    }

/* Deadlines are times of clock_system's monotonic clock. All return 0 or -errno, and the texts of
 * errors are fit for an item's result. */

int syslog_socket_connect(struct syslog_socket *socket, const struct syslog_target *target,
    int64_t deadline_usec, struct error *error);
void syslog_socket_close(struct syslog_socket *socket);

/* Sends one message, framed as the transport needs. -EMSGSIZE: it is too long for this transport,
 * and the connection is as it was. After any other error it must be closed. */
int syslog_socket_send(struct syslog_socket *socket, const struct buf *message,
    int64_t deadline_usec, struct error *error);

/* Waits until the receiver's machine has all that was sent, as far as the transport can tell. */
int syslog_socket_confirm(struct syslog_socket *socket, int64_t deadline_usec, struct error *error);
