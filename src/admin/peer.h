#pragma once

/*
 * Who is at the other end of a connection, and whether the admin API is theirs.
 *
 * A unix socket's file mode keeps strangers out; this looks again at who came in, as the kernel
 * knew them when they connected. peer_is_allowed is pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PEER_GROUPS_MAX 64

struct peer {
    bool is_unix; /* else TCP, and nothing below is known */
    bool is_allowed;
    uid_t uid;
    gid_t gid;
    pid_t pid;
    gid_t groups[PEER_GROUPS_MAX]; /* supplementary; a peer with more is judged by `gid` alone */
    size_t n_groups;
};

/* Looks at a connected socket. `listen_fd` is the one it was accepted on: the group of its file
 * counts. What cannot be found out is not allowed. */
void peer_identify(int fd, int listen_fd, struct peer *ret_peer);

/* Root, `own` (the daemon's user), or a member of `group`. (gid_t)-1: no group. */
bool peer_is_allowed(const struct peer *peer, uid_t own, gid_t group);
