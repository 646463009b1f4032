/*
 * All checks, no store: the real intake and verifier, and in place of the store's writer one that
 * says yes on the spot: bench_verify WORKERS URL PATH TOKEN KEY.
 *
 * A verdict still comes back through the worker's mailbox, so that all of the intake's own work is
 * in it; only the writer's thread, and what it does, is left out.
 */

#include "server.h"

#include "intake/intake.h"
#include "job/job.h"

#include <stdlib.h>
#include <string.h>

/* As the sample conf has it. */
#define MAX_BODY ((size_t)256 << 10)
#define MAX_CONNECTIONS 1024

struct store_writer {
    char nothing;
};

void store_writer_post_list(struct store_writer *writer, struct mailbox_list *works)
{
    struct mailbox_list replies = {NULL};
    struct mailbox *to = NULL; /* one worker's all */

    for (struct mailbox_item *next, *item = works->first; item != NULL; item = next) {
        struct store_work *work = MAILBOX_CONTAINER(item, struct store_work, item);

        next = item->next;
        work->result = STORE_OK;
        work->append.verdict = STORE_VERDICT_STORED;
        to = work->reply_to;
        mailbox_list_add(&replies, item);
    }
    works->first = NULL;
    mailbox_post_list(to, &replies);
}

/* There is no thread to wait for. */
enum store_result store_writer_call(
    struct store_writer *writer, void (*call)(struct store *store, void *context), void *context)
{
    return STORE_OK;
}

static struct intake *start_intake(
    unsigned int workers, char **endpoint, struct store_writer *writer, int listen_fd)
{
    struct verify_secret_options secret = {.name = "current"};
    const char *const tokens[] = {endpoint[2]};
    const struct verify_endpoint_options endpoints[] = {{
        .name = "main",
        .public_url = endpoint[0],
        .path = endpoint[1],
        .tokens = tokens,
        .n_tokens = 1,
        .secrets = &secret,
        .n_secrets = 1,
        .max_age_usec = USEC_INFINITY,
    }};
    const struct verify_options verify = {endpoints, 1};
    const struct intake_options options = {
        .listen_fds = &listen_fd,
        .n_listen_fds = 1,
        .workers = workers,
        .max_body = MAX_BODY,
        .max_connections = MAX_CONNECTIONS,
        .header_timeout_usec = 10 * USEC_PER_SEC,
        .body_timeout_usec = 30 * USEC_PER_SEC,
        .idle_timeout_usec = 15 * USEC_PER_SEC,
        .commit_timeout_usec = 5 * USEC_PER_SEC,
        .keep_refused = 100,
        .verify = &verify,
        .writer = writer,
        .clock = clock_system(),
    };
    struct error error = ERROR_INIT;
    struct intake *intake;

    if (secret_decode(endpoint[3], strlen(endpoint[3]), SECRET_RAW, &secret.key, &error) < 0 ||
        intake_start(&options, &intake, &error) < 0)
        server_die("bench_verify", error.text);
    return intake;
}

int main(int argc, char **argv)
{
    struct store_writer writer;
    struct intake *intake;
    int listen_fd;

    if (argc != 6)
        server_die("usage", "bench_verify WORKERS URL PATH TOKEN KEY");
    server_init();
    job_init_library();
    listen_fd = server_listen();
    intake = start_intake((unsigned int)strtoul(argv[1], NULL, 10), argv + 2, &writer, listen_fd);
    server_wait(listen_fd);
    intake_drain(intake);
    intake_stop(intake, USEC_PER_SEC);
    return EXIT_SUCCESS;
}
