#include "sink/syslog_target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int target_fault(const char *text, struct error *error)
{
    return error_set(error, EINVAL,
        "target: \"%.100s\" is none; write \"local\", \"local:/path\", \"udp:host:port\" or "
        "\"tcp:host:port\"",
        text);
}

/* Cuts a known prefix off. */
static const char *after(const char *text, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

/* Takes both strings, which may be NULL for want of memory. */
static int target_make(enum syslog_transport transport, char *address, char *port,
    struct syslog_target *ret_target, struct error *error)
{
    struct syslog_target target = {transport, address, port};

    if (!address || (!port && transport != SYSLOG_LOCAL)) {
        syslog_target_done(&target);
        return error_errno(error, ENOMEM, "target");
    }
    *ret_target = target;
    return 0;
}

static int parse_local(
    const char *path, const char *text, struct syslog_target *ret_target, struct error *error)
{
    if (path[0] != '/')
        return target_fault(text, error);
    if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return error_set(error, EINVAL, "target: \"%.100s…\" is too long for a unix socket", path);
    return target_make(SYSLOG_LOCAL, strdup(path), NULL, ret_target, error);
}

static int parse_remote(enum syslog_transport transport, const char *rest, const char *text,
    struct syslog_target *ret_target, struct error *error)
{
    const char *colon = strrchr(rest, ':');
    const char *host = rest;
    size_t length;

    if (!colon || !colon[1])
        return target_fault(text, error);
    length = (size_t)(colon - host);
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    } else if (memchr(host, ':', length)) {
        return error_set(
            error, EINVAL, "target: \"%.100s\": an IPv6 address stands in brackets", text);
    }
    if (length == 0)
        return target_fault(text, error);
    return target_make(transport, strndup(host, length), strdup(colon + 1), ret_target, error);
}

int syslog_target_parse(const char *text, struct syslog_target *ret_target, struct error *error)
{
    const char *rest;

    if (strcmp(text, "local") == 0)
        return parse_local(SYSLOG_LOCAL_PATH, text, ret_target, error);
    rest = after(text, "local:");
    if (rest)
        return parse_local(rest, text, ret_target, error);
    rest = after(text, "tcp:");
    if (rest)
        return parse_remote(SYSLOG_TCP, rest, text, ret_target, error);
    rest = after(text, "udp:");
    return parse_remote(SYSLOG_UDP, rest ? rest : text, text, ret_target, error);
}

void syslog_target_done(struct syslog_target *target)
{
    free(target->address);
    free(target->port);
    *target = (struct syslog_target){0};
}
