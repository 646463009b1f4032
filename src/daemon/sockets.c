/*
 * Where the daemon listens. The environment variables of the handover are dropped once read, so
 * that nothing that is started later takes the sockets for its own.
 */

#include "daemon/sockets.h"

#include "intake/intake.h"
#include "util/fd.h"
#include "util/log.h"

#include <errno.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static int take_handed_over(struct sockets *sockets, struct error *error)
{
    int n = sd_listen_fds(1);

    if (n < 0)
        return error_errno(error, -n, "cannot take the sockets that systemd hands over");
    if (n > SOCKETS_MAX)
        return error_set(
            error, E2BIG, "systemd hands over %d sockets; at most %d can be used", n, SOCKETS_MAX);
    for (int i = 0; i < n; i++) {
        int fd = SD_LISTEN_FDS_START + i;

        sockets->fds[sockets->n++] = fd; /* first, so that it is closed on every way out */
        if (sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) <= 0)
            return error_set(error, EINVAL,
                "descriptor %d handed over by systemd is not a listening stream socket; "
                "the .socket unit needs ListenStream= and Accept=no",
                fd);
        int r = fd_set_nonblocking(fd, true);
        if (r < 0)
            return error_errno(error, -r, "cannot use descriptor %d handed over by systemd", fd);
    }
    return n;
}

static int open_all(const struct config_list *addresses, const char *key, struct sockets *sockets,
    struct error *error)
{
    if (addresses->n > SOCKETS_MAX)
        return error_set(error, E2BIG, "%s has more than %d addresses", key, SOCKETS_MAX);
    for (size_t i = 0; i < addresses->n; i++) {
        int r = intake_listen(addresses->texts[i], &sockets->fds[sockets->n], error);

        if (r < 0)
            return r;
        sockets->n++;
    }
    return 0;
}

int sockets_open(const struct config *config, struct sockets *ret_sockets, struct error *error)
{
    struct sockets sockets = {.n = 0};
    int r = take_handed_over(&sockets, error);

    if (r == 0)
        r = open_all(&config->server.listen, "server.listen", &sockets, error);
    if (r < 0) {
        sockets_close(&sockets);
        return r;
    }
    *ret_sockets = sockets;
    return 0;
}

int sockets_open_admin(
    const struct config *config, struct sockets *ret_sockets, struct error *error)
{
    struct sockets sockets = {.n = 0};
    int r = open_all(&config->admin.listen, "admin.listen", &sockets, error);

    if (r < 0) {
        sockets_close(&sockets);
        if (r == -ENOENT)
            (void)error_set(error, ENOENT,
                "%s; admin.listen needs its directory: RuntimeDirectory=sasha-callbackd in the "
                "unit makes /run/sasha-callbackd",
                error->text);
        return r;
    }
    *ret_sockets = sockets;
    return 0;
}

void sockets_close(struct sockets *sockets)
{
    for (size_t i = 0; i < sockets->n; i++)
        close(sockets->fds[i]);
    sockets->n = 0;
}

void sockets_name(const struct sockets *sockets, char names[][SOCKETS_NAME_MAX])
{
    for (size_t i = 0; i < sockets->n; i++)
        intake_listen_name(sockets->fds[i], names[i], SOCKETS_NAME_MAX);
}

void sockets_log(const struct sockets *sockets, const char *event)
{
    char names[SOCKETS_MAX][SOCKETS_NAME_MAX];

    sockets_name(sockets, names);
    for (size_t i = 0; i < sockets->n; i++)
        log_event(
            LOG_LEVEL_INFO, event, LOG_FIELDS({"address", names[i]}), "listening on %s", names[i]);
}
