/*
 * See server.h.
 */

#include "server.h"

#include "intake/intake.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

void server_die(const char *what, const char *why)
{
    (void)fprintf(stderr, "%s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static sigset_t stop_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signals;
}

void server_init(void)
{
    const sigset_t signals = stop_signals();

    sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
}

int server_listen(void)
{
    struct error error = ERROR_INIT;
    const int on = 1;
    int fd;

    if (intake_listen("127.0.0.1:0", &fd, &error) < 0)
        server_die("listen", error.text);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

void server_wait(int listen_fd)
{
    const sigset_t signals = stop_signals();
    char name[128];
    int number;

    intake_listen_name(listen_fd, name, sizeof(name));
    printf("%s\n", name);
    (void)fflush(stdout);
    (void)sigwait(&signals, &number);
}
