#pragma once

/*
 * What the servers of the benchmark have in common: a listening socket on a loopback port of the
 * kernel's choice, whose address is the first line of their output, and running until SIGTERM.
 */

/* Blocks SIGTERM in every thread; to be called before the first one starts. */
void server_init(void);

/* A non-blocking listening socket with TCP_NODELAY; ends the program when there is none. */
int server_listen(void);

/* Prints the address, waits for SIGTERM. */
void server_wait(int listen_fd);

/* Says why on stderr and ends the program. */
_Noreturn void server_die(const char *what, const char *why);
