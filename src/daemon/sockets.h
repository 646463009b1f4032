#pragma once

/*
 * Where the daemon listens: for callbacks on sockets handed over by systemd, else on those of the
 * conf; for the admin API always on those of the conf.
 */

#include "config/config.h"
#include "util/error.h"

#include <stddef.h>

#define SOCKETS_MAX 32

struct sockets {
    int fds[SOCKETS_MAX];
    size_t n;
};

/* Sockets from systemd win over server.listen; each must be a listening stream socket. Those opened
 * here and those handed over are owned by the caller alike. Returns 0 or -errno. */
int sockets_open(const struct config *config, struct sockets *ret_sockets, struct error *error);

/* The sockets of admin.listen; none when it is empty. */
int sockets_open_admin(
    const struct config *config, struct sockets *ret_sockets, struct error *error);

void sockets_close(struct sockets *sockets);

/* One line of log for each, as this event ("listening", "admin-listening"). */
void sockets_log(const struct sockets *sockets, const char *event);

/* The address of each, NUL-terminated. */
#define SOCKETS_NAME_MAX 160
void sockets_name(const struct sockets *sockets, char names[][SOCKETS_NAME_MAX]);
