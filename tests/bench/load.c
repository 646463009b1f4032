/*
 * Load at a fixed rate, with latencies that leave nothing out: bench_load ADDRESS FILE LENGTH COUNT
 * CONNECTIONS RATE SECONDS [ANSWERS].
 *
 * The n-th request of FILE (see requests.c) is due n/RATE seconds after the start, whatever became
 * of those before it, and its latency counts from then: when the server stalls, the requests that
 * should have been sent meanwhile wait for a free connection, and that wait is theirs. (wrk sends
 * the next request when the last one is answered, so it asks less of a slow server and can offer no
 * rate.) With RATE 0 each connection sends the next request at once.
 *
 * It ends when COUNT requests or SECONDS worth of them were answered; those that are not after
 * ten seconds more are missing. Into ANSWERS goes a line for each answer: the request id and
 * the time in microseconds. The result is a JSON object on stdout. One thread.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NSEC_PER_SEC INT64_C(1000000000)
#define PATIENCE_NSEC (10 * NSEC_PER_SEC)
#define WAIT_MAX_NSEC (NSEC_PER_SEC / 10)
#define CONNECTIONS_MAX 1024
#define EVENTS_MAX 64
#define ANSWER_MAX 4096
#define STATUS_MAX 600

static const char id_header[] = "SASHA-Request-ID: ";
#define ID_LENGTH 36

struct connection {
    int fd;
    uint64_t n; /* the request that is under way */
    size_t length;
    char answer[ANSWER_MAX + 1];
};

struct load {
    const char *data; /* the file */
    size_t request_length, id_offset;
    uint64_t count;
    double rate;
    int64_t start_nsec, end_nsec; /* of sending */
    int epoll_fd;
    struct connection *idle[CONNECTIONS_MAX];
    size_t n_idle;
    uint64_t sent, answered;
    int64_t last_answer_nsec;
    int64_t *latencies_nsec; /* [answered] */
    uint64_t statuses[STATUS_MAX];
    FILE *answers;
};

_Noreturn static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "bench_load: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static int64_t now_nsec(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return time.tv_sec * NSEC_PER_SEC + time.tv_nsec;
}

static int64_t due_nsec(const struct load *load, uint64_t n)
{
    return load->rate > 0
               ? load->start_nsec + (int64_t)((double)n / load->rate * (double)NSEC_PER_SEC)
               : load->start_nsec;
}

/* ---- connections ---- */

static int connect_to(const char *address)
{
    const char *colon = strrchr(address, ':');
    struct sockaddr_in to = {.sin_family = AF_INET};
    char host[INET_ADDRSTRLEN];
    const int on = 1;
    int fd;

    if (colon == NULL || (size_t)(colon - address) >= sizeof(host))
        die(address, "not host:port");
    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
    to.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        die(address, "not an IPv4 address");
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        die(address, strerror(errno));
    return fd;
}

static void open_connections(struct load *load, const char *address, size_t n)
{
    struct connection *connections = calloc(n, sizeof(*connections));

    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (connections == NULL || load->epoll_fd < 0)
        die("connections", strerror(errno));
    for (size_t i = 0; i < n; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};

        connections[i].fd = connect_to(address);
        if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, connections[i].fd, &event) < 0)
            die("epoll_ctl", strerror(errno));
        load->idle[load->n_idle++] = &connections[i];
    }
}

/* A request fits the buffer of an idle connection. */
static void send_next(struct load *load)
{
    struct connection *connection = load->idle[--load->n_idle];
    const char *request = load->data + load->sent * load->request_length;

    connection->n = load->sent++;
    connection->length = 0;
    if (send(connection->fd, request, load->request_length, MSG_NOSIGNAL) !=
        (ssize_t)load->request_length)
        die("send", strerror(errno));
}

/* The status of a complete answer, else 0. */
static unsigned int parse_answer(const struct connection *connection)
{
    static const char name[] = "\r\nContent-Length:";
    const char *end = strstr(connection->answer, "\r\n\r\n");
    const char *header;
    size_t head, body;

    if (end == NULL)
        return 0;
    header = strcasestr(connection->answer, name);
    if (header == NULL || header > end)
        die("answer", "it has no length");
    head = (size_t)(end - connection->answer) + strlen("\r\n\r\n");
    body = strtoul(header + strlen(name), NULL, 10);
    if (connection->length < head + body)
        return 0;
    return (unsigned int)strtoul(connection->answer + strlen("HTTP/1.1 "), NULL, 10) % STATUS_MAX;
}

static void note_answer(struct load *load, const struct connection *connection, unsigned int status)
{
    load->last_answer_nsec = now_nsec(CLOCK_MONOTONIC);
    load->latencies_nsec[load->answered++] = load->last_answer_nsec - due_nsec(load, connection->n);
    load->statuses[status]++;
    if (load->answers != NULL)
        (void)fprintf(load->answers, "%.*s %" PRId64 "\n", ID_LENGTH,
            load->data + connection->n * load->request_length + load->id_offset,
            now_nsec(CLOCK_REALTIME) / 1000);
}

static void receive(struct load *load, struct connection *connection)
{
    ssize_t n = recv(connection->fd, connection->answer + connection->length,
        ANSWER_MAX - connection->length, 0);
    unsigned int status;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        die("the server ended a connection", n < 0 ? strerror(errno) : "end of stream");
    connection->length += (size_t)n;
    connection->answer[connection->length] = '\0';
    status = parse_answer(connection);
    if (status == 0) {
        if (connection->length == ANSWER_MAX)
            die("answer", "too long");
        return;
    }
    note_answer(load, connection, status);
    load->idle[load->n_idle++] = connection;
}

/* ---- the schedule ---- */

static bool may_send(const struct load *load, int64_t now)
{
    return load->sent < load->count && (load->rate > 0 || now < load->end_nsec);
}

/* Sends what is due as far as connections are free; returns how long there is nothing to send. */
static int64_t send_due(struct load *load)
{
    while (load->n_idle > 0) {
        int64_t now = now_nsec(CLOCK_MONOTONIC), wait = due_nsec(load, load->sent) - now;

        if (!may_send(load, now))
            break;
        if (wait > 0)
            return wait < WAIT_MAX_NSEC ? wait : WAIT_MAX_NSEC;
        send_next(load);
    }
    return WAIT_MAX_NSEC;
}

static bool is_over(const struct load *load)
{
    const int64_t now = now_nsec(CLOCK_MONOTONIC);

    return (!may_send(load, now) && load->answered == load->sent) ||
           now > load->end_nsec + PATIENCE_NSEC;
}

static void run(struct load *load)
{
    struct epoll_event events[EVENTS_MAX];

    while (!is_over(load)) {
        const struct timespec wait = {.tv_nsec = send_due(load)};
        int n = epoll_pwait2(load->epoll_fd, events, EVENTS_MAX, &wait, NULL);

        for (int i = 0; i < n; i++)
            receive(load, events[i].data.ptr);
    }
}

/* ---- input and result ---- */

static void open_file(struct load *load, const char *path)
{
    const size_t size = load->count * load->request_length;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    const char *id;

    if (fd < 0 || lseek(fd, 0, SEEK_END) < (off_t)size || load->request_length < sizeof(id_header))
        die(path, "cannot be opened, or holds fewer requests");
    load->data = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    close(fd);
    if (load->data == MAP_FAILED)
        die(path, strerror(errno));
    id = memmem(load->data, load->request_length, id_header, strlen(id_header));
    if (id == NULL)
        die(path, "the first request has no id");
    load->id_offset = (size_t)(id - load->data) + strlen(id_header);
}

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static double quantile_usec(const struct load *load, double share)
{
    const double last = (double)(load->answered - 1);

    return (double)load->latencies_nsec[(size_t)(share * last + 0.5)] / 1000;
}

static void print_result(const struct load *load)
{
    const double seconds =
        (double)(load->last_answer_nsec - load->start_nsec) / (double)NSEC_PER_SEC;
    const char *comma = "";

    if (load->answered == 0)
        die("result", "there was no answer");
    qsort(load->latencies_nsec, load->answered, sizeof(*load->latencies_nsec), compare);
    printf("{\"sent\":%" PRIu64 ",\"answers\":%" PRIu64 ",\"seconds\":%.6f,\"statuses\":{",
        load->sent, load->answered, seconds);
    for (unsigned int status = 0; status < STATUS_MAX; status++) {
        if (load->statuses[status] > 0) {
            printf("%s\"%u\":%" PRIu64, comma, status, load->statuses[status]);
            comma = ",";
        }
    }
    printf("},\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}\n",
        quantile_usec(load, 0.5), quantile_usec(load, 0.9), quantile_usec(load, 0.99),
        quantile_usec(load, 0.999), quantile_usec(load, 1));
}

int main(int argc, char **argv)
{
    static struct load load;
    size_t connections;
    double seconds;

    if (argc != 8 && argc != 9)
        die("usage", "ADDRESS FILE LENGTH COUNT CONNECTIONS RATE SECONDS [ANSWERS]");
    load.request_length = strtoul(argv[3], NULL, 10);
    load.count = strtoull(argv[4], NULL, 10);
    connections = strtoul(argv[5], NULL, 10);
    load.rate = strtod(argv[6], NULL);
    seconds = strtod(argv[7], NULL);
    if (load.rate > 0 && load.rate * seconds < (double)load.count)
        load.count = (uint64_t)(load.rate * seconds);
    if (connections < 1 || connections > CONNECTIONS_MAX || load.count == 0)
        die("usage", "1 to 1024 connections, and something to send");

    (void)prctl(PR_SET_TIMERSLACK, 1UL);
    open_file(&load, argv[2]);
    load.latencies_nsec = calloc(load.count, sizeof(*load.latencies_nsec));
    load.answers = argc == 9 ? fopen(argv[8], "we") : NULL;
    if (load.latencies_nsec == NULL || (argc == 9 && load.answers == NULL))
        die("result", strerror(errno));
    open_connections(&load, argv[1], connections);
    load.start_nsec = now_nsec(CLOCK_MONOTONIC);
    load.end_nsec = load.start_nsec + (int64_t)(seconds * (double)NSEC_PER_SEC);
    run(&load);
    if (load.answers != NULL && fclose(load.answers) != 0)
        die(argv[8], strerror(errno));
    print_result(&load);
    return EXIT_SUCCESS;
}
