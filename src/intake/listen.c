/*
 * Listening sockets: parsing their addresses, opening and naming them.
 *
 * Names are never resolved: where the daemon listens must not depend on a resolver. A unix socket
 * that an earlier process left behind is replaced, but only if it is a socket and nobody answers on
 * it; it is not removed at the end, because by then it may be a successor's.
 *
 * listen_parse is pure; the rest is a thin shell around it. Any thread.
 */

#include "intake/intake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

/* Connections that wait for accept, over all workers; the kernel's somaxconn may lower it. */
#define BACKLOG 4096

#define UNIX_PREFIX "unix:"
#define UNIX_MODE 0660

struct listen_address {
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
    socklen_t length;
};

static int parse_port(const char *text, in_port_t *ret_port)
{
    unsigned int port = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return -EINVAL;
    for (size_t i = 0; i < digits; i++)
        port = 10 * port + (unsigned int)(text[i] - '0');
    if (port > UINT16_MAX)
        return -EINVAL;
    *ret_port = htons((uint16_t)port);
    return 0;
}

static int parse_unix(const char *path, struct listen_address *address, struct error *error)
{
    const size_t length = strlen(path);

    if (path[0] != '/')
        return error_set(error, EINVAL, "the path of a unix socket must be absolute: unix:/path");
    if (length >= sizeof(address->un.sun_path))
        return error_set(error, ENAMETOOLONG,
            "the path of a unix socket may have at most %zu bytes, this one has %zu",
            sizeof(address->un.sun_path) - 1, length);
    address->un.sun_family = AF_UNIX;
    memcpy(address->un.sun_path, path, length + 1);
    address->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + 1);
    return 0;
}

static int malformed(struct error *error)
{
    return error_set(error, EINVAL,
        "not an address to listen on; right would be \"127.0.0.1:8480\", \"[::1]:8480\" or "
        "\"unix:/path\" (names are not resolved)");
}

static int parse_inet(const char *text, struct listen_address *address, struct error *error)
{
    const bool is_v6 = text[0] == '[';
    const char *colon = strrchr(text, ':');
    char host[INET6_ADDRSTRLEN];
    const char *start = is_v6 ? text + 1 : text;
    size_t length;

    if (colon == NULL || (is_v6 && (colon - text < 2 || colon[-1] != ']')))
        return malformed(error);
    length = (size_t)((is_v6 ? colon - 1 : colon) - start);
    if (length >= sizeof(host))
        return malformed(error);
    memcpy(host, start, length);
    host[length] = '\0';

    if (is_v6) {
        address->in6.sin6_family = AF_INET6;
        address->length = sizeof(address->in6);
        if (inet_pton(AF_INET6, host, &address->in6.sin6_addr) != 1)
            return malformed(error);
    } else {
        address->in.sin_family = AF_INET;
        address->length = sizeof(address->in);
        if (inet_pton(AF_INET, host, &address->in.sin_addr) != 1)
            return malformed(error);
    }
    if (parse_port(colon + 1, is_v6 ? &address->in6.sin6_port : &address->in.sin_port) < 0)
        return error_set(error, EINVAL, "the port must be a number from 0 to 65535");
    return 0;
}

static int listen_parse(const char *text, struct listen_address *address, struct error *error)
{
    memset(address, 0, sizeof(*address));
    if (strncmp(text, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0)
        return parse_unix(text + strlen(UNIX_PREFIX), address, error);
    return parse_inet(text, address, error);
}

int intake_listen_check(const char *address, struct error *error)
{
    struct listen_address parsed;

    return listen_parse(address, &parsed, error);
}

/* Removes what an earlier process left at the path; refuses whatever else is there. */
static int remove_stale(const struct listen_address *address, struct error *error)
{
    const char *path = address->un.sun_path;
    CLEANUP(close) int probe = -1;
    struct stat st;

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : error_errno(error, errno, "cannot look at %s", path);
    if (!S_ISSOCK(st.st_mode))
        return error_set(error, EEXIST, "%s is there and is no socket", path);
    probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (probe < 0)
        return error_errno(error, errno, "socket");
    /* Refused: nobody listens. Everything else, a full backlog included, may be somebody. */
    if (connect(probe, &address->any, address->length) == 0 || errno != ECONNREFUSED)
        return error_set(error, EADDRINUSE, "another process answers on %s", path);
    if (unlink(path) < 0 && errno != ENOENT)
        return error_errno(error, errno, "cannot remove the stale socket %s", path);
    return 0;
}

static int bind_unix(int fd, const struct listen_address *address, struct error *error)
{
    int r = remove_stale(address, error);

    if (r < 0)
        return r;
    /* Nobody can connect before listen(), so the mode is right in time. */
    if (bind(fd, &address->any, address->length) < 0)
        return error_errno(error, errno, "cannot bind");
    if (chmod(address->un.sun_path, UNIX_MODE) < 0)
        return error_errno(error, errno, "cannot set the mode");
    return 0;
}

static int bind_inet(int fd, const struct listen_address *address, struct error *error)
{
    const int on = 1;

    /* A restart must not wait for the connections of the process before. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        (address->any.sa_family == AF_INET6 &&
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0))
        return error_errno(error, errno, "setsockopt");
    if (bind(fd, &address->any, address->length) < 0)
        return error_errno(error, errno, "cannot bind");
    return 0;
}

int intake_listen(const char *text, int *ret_fd, struct error *error)
{
    CLEANUP(close) int fd = -1;
    struct listen_address address;
    int r = listen_parse(text, &address, error);

    if (r < 0) {
        (void)error_prefix(error, "%s", text);
        return r;
    }
    fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_errno(error, errno, "%s: socket", text);
    r = address.any.sa_family == AF_UNIX ? bind_unix(fd, &address, error)
                                         : bind_inet(fd, &address, error);
    if (r < 0) {
        (void)error_prefix(error, "%s", text);
        return r;
    }
    if (listen(fd, BACKLOG) < 0)
        return error_errno(error, errno, "%s: listen", text);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

void intake_listen_name(int fd, char *buffer, size_t size)
{
    struct listen_address address = {0};
    char host[INET6_ADDRSTRLEN];

    address.length = sizeof(address) - sizeof(address.length);
    if (getsockname(fd, &address.any, &address.length) < 0) {
        (void)snprintf(buffer, size, "(unknown)");
        return;
    }
    switch (address.any.sa_family) {
    case AF_INET:
        (void)snprintf(buffer, size, "%s:%u",
            inet_ntop(AF_INET, &address.in.sin_addr, host, sizeof(host)),
            ntohs(address.in.sin_port));
        break;
    case AF_INET6:
        (void)snprintf(buffer, size, "[%s]:%u",
            inet_ntop(AF_INET6, &address.in6.sin6_addr, host, sizeof(host)),
            ntohs(address.in6.sin6_port));
        break;
    case AF_UNIX: {
        const size_t path = offsetof(struct sockaddr_un, sun_path);
        const size_t length = address.length > path ? address.length - path : 0;
        const bool is_abstract = length > 0 && address.un.sun_path[0] == '\0';

        /* An abstract name is not NUL-terminated, and a full path need not be. */
        (void)snprintf(buffer, size, "unix:%s%.*s", is_abstract ? "@" : "",
            (int)(is_abstract ? length - 1 : length), address.un.sun_path + is_abstract);
        break;
    }
    default:
        (void)snprintf(buffer, size, "(unknown)");
        break;
    }
}
