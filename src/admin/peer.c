/*
 * Who is at the other end; see peer.h.
 */

#include "admin/peer.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

bool peer_is_allowed(const struct peer *peer, uid_t own, gid_t group)
{
    if (peer->uid == 0 || peer->uid == own)
        return true;
    if (group == (gid_t)-1)
        return false;
    for (size_t i = 0; i < peer->n_groups; i++) {
        if (peer->groups[i] == group)
            return true;
    }
    return peer->gid == group;
}

/* The group of the socket's file as it is now: an operator may have given it to another. */
static gid_t group_of(const struct sockaddr_un *address)
{
    struct stat st;

    if (address->sun_path[0] == '\0' || stat(address->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
        return (gid_t)-1;
    return st.st_gid;
}

void peer_identify(int fd, int listen_fd, struct peer *ret_peer)
{
    /* One byte more than the kernel fills in, so that the path ends. */
    union {
        struct sockaddr_un un;
        char bytes[sizeof(struct sockaddr_un) + 1];
    } address;
    socklen_t length = sizeof(address.un), credentials_length, groups_length;
    struct ucred credentials;

    *ret_peer = (struct peer){.uid = (uid_t)-1, .gid = (gid_t)-1};
    memset(&address, 0, sizeof(address));
    if (getsockname(listen_fd, (struct sockaddr *)&address.un, &length) < 0 ||
        address.un.sun_family != AF_UNIX)
        return;
    ret_peer->is_unix = true;
    credentials_length = sizeof(credentials);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &credentials_length) < 0)
        return;
    ret_peer->uid = credentials.uid;
    ret_peer->gid = credentials.gid;
    ret_peer->pid = credentials.pid;
    groups_length = sizeof(ret_peer->groups);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, ret_peer->groups, &groups_length) == 0)
        ret_peer->n_groups = groups_length / sizeof(gid_t);
    ret_peer->is_allowed = peer_is_allowed(ret_peer, geteuid(), group_of(&address.un));
}
