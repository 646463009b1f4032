/*
 * All checks, no store: the real intake and verifier over a store that answers at once:
 * bench_verify WORKERS URL PATH TOKEN KEY.
 *
 * A request still goes to the writer's thread and back, as it must for any store; only what the
 * writer does there is left out.
 */

#include "null_store.h"
#include "server.h"

#include "intake/intake.h"
#include "job/job.h"

#include <stdlib.h>
#include <string.h>

/* As the sample conf has it. */
#define MAX_BODY ((size_t)256 << 10)
#define MAX_CONNECTIONS 1024

static void on_stored(void *context)
{
}

static void on_failed(void *context, const struct error *error)
{
    server_die("bench_verify", error->text);
}

static struct store_writer *start_writer(struct store *store)
{
    const struct store_writer_options options = {
        .store = store,
        .clock = clock_system(),
        .retention = {USEC_INFINITY, USEC_INFINITY},
        .stored = on_stored,
        .failed = on_failed,
    };
    struct error error = ERROR_INIT;
    struct store_writer *writer;

    if (store_writer_start(&options, &writer, &error) < 0)
        server_die("bench_verify", error.text);
    return writer;
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
    struct error error = ERROR_INIT;
    struct store *store;
    struct store_writer *writer;
    struct intake *intake;
    int listen_fd;

    if (argc != 6)
        server_die("usage", "bench_verify WORKERS URL PATH TOKEN KEY");
    server_init();
    job_init_library();
    if (null_store_open(&store, &error) < 0)
        server_die("bench_verify", error.text);
    listen_fd = server_listen();
    writer = start_writer(store);
    intake = start_intake((unsigned int)strtoul(argv[1], NULL, 10), argv + 2, writer, listen_fd);
    server_wait(listen_fd);
    intake_drain(intake);
    intake_stop(intake, USEC_PER_SEC);
    store_writer_stop(writer);
    store_close(store);
    return EXIT_SUCCESS;
}
