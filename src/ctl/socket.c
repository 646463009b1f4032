/*
 * Finding the admin socket. See socket.h.
 */

#include "ctl/socket.h"

#include "config/config.h"
#include "util/cleanup.h"
#include "util/fd.h"

#include <errno.h>
#include <string.h>
#include <sysexits.h>

CLEANUP_FUNC(struct config, config_free);

static const char *first_unix(const struct config_list *listen)
{
    static const char prefix[] = "unix:";

    for (size_t i = 0; i < listen->n; i++) {
        if (strncmp(listen->texts[i], prefix, strlen(prefix)) == 0)
            return listen->texts[i] + strlen(prefix);
    }
    return NULL;
}

/* *ret_path is borrowed from the config, or a literal. */
static int from_config(const struct common_options *common, struct config **ret_config,
    const char **ret_path, struct error *error)
{
    const char *file = common->config ? common->config : CONFIG_DEFAULT_FILE;
    struct config_faults faults = CONFIG_FAULTS_INIT;
    int result = config_load(file, CONFIG_FOR_ADMIN, ret_config, &faults);

    /* The default conf may be not there, or not for this user's eyes: -EINVAL is a fault in it. */
    if (result < 0 && !common->config && result != -EINVAL) {
        config_faults_done(&faults);
        *ret_path = SOCKET_DEFAULT;
        return EX_OK;
    }
    if (result < 0)
        (void)fd_write_all(STDERR_FILENO, faults.text.data, faults.text.length);
    config_faults_done(&faults);
    if (result < 0) {
        error_set(error, EINVAL, "cannot tell the admin socket; name it with --socket");
        return EX_CONFIG;
    }
    *ret_path = first_unix(&(*ret_config)->admin.listen);
    if (!*ret_path) {
        error_set(error, EINVAL,
            "%s has no unix socket in admin.listen; add \"unix:" SOCKET_DEFAULT "\"", file);
        return EX_CONFIG;
    }
    return EX_OK;
}

int socket_find(const struct common_options *common, char **ret_path, struct error *error)
{
    CLEANUP(config_free) struct config *config = NULL;
    const char *path = common->socket;
    char *copy;

    if (!path) {
        int status = from_config(common, &config, &path, error);

        if (status != EX_OK)
            return status;
    }
    copy = strdup(path);
    if (!copy) {
        error_errno(error, ENOMEM, "cannot set up the client");
        return EX_SOFTWARE;
    }
    *ret_path = copy;
    return EX_OK;
}
