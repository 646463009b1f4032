/*
 * Lines of a file sink: written (src/sink/line.c), scanned (line_scan.c), and a whole file mended
 * after a crash (lines_recover.c), against one pass over the whole text.
 *
 * What must hold:
 * - a scan finds the same lines in whatever pieces the bytes come;
 * - mending keeps a beginning of the file, byte by byte, and at most adds one newline; every line
 *   told is whole and within what is left; doing it again tells the same and changes nothing;
 * - a line that is written is one line, is JSON, scans as whole, and gives its job back.
 *
 * Input: a byte that chooses the pieces, one that chooses where the mark stands, then the file. The
 * same bytes serve as the body of a delivery when they are JSON.
 */

#include "fuzz.h"

#include "sink/line_scan.h"
#include "sink/lines.h"
#include "util/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEQS_MAX 1024

struct seqs {
    uint64_t seq[SEQS_MAX];
    uint64_t end[SEQS_MAX];
    size_t n;
};

/* In memory: what is tested is what is written, not that it is synced. */
static char folder[] = "/dev/shm/fuzz-lines-XXXXXX";
static char path[64];

static void remove_folder(void)
{
    (void)unlink(path);
    (void)rmdir(folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    log_init(LOG_LEVEL_ERR, LOG_FORMAT_TEXT);
    FUZZ_CHECK(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/lines", folder);
    atexit(remove_folder);
    return 0;
}

/* ---- the second opinion ---- */

static int is_whole(const char *line, size_t length)
{
    static const char head[] = "{\"seq\":";
    size_t at = sizeof(head) - 1;
    unsigned __int128 seq = 0;

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)line[i] < 0x20)
            return 0;
    if (length <= at || memcmp(line, head, at) != 0 || line[length - 1] != '}')
        return 0;
    if (line[at] == '0')
        return 0;
    for (; at < length && line[at] >= '0' && line[at] <= '9'; at++) {
        seq = seq * 10 + (unsigned int)(line[at] - '0');
        if (seq > UINT64_MAX)
            return 0;
    }
    return seq > 0 && at < length && line[at] == ',';
}

static void add(struct seqs *seqs, uint64_t seq, uint64_t end)
{
    if (seqs->n < SEQS_MAX) {
        seqs->seq[seqs->n] = seq;
        seqs->end[seqs->n++] = end;
    }
}

/* Whole lines from `offset` on; `strict` stops at the first that is not. *ret_end: of the last. */
static void read_slowly(
    const char *text, size_t size, size_t offset, int strict, struct seqs *seqs, size_t *ret_end)
{
    *ret_end = offset;
    while (offset < size) {
        const char *newline = memchr(text + offset, '\n', size - offset);
        size_t length = newline ? (size_t)(newline - text) - offset : 0;

        if (!newline || (strict && !is_whole(text + offset, length)))
            return;
        if (is_whole(text + offset, length))
            add(seqs, strtoull(text + offset + 7, NULL, 10), offset + length + 1);
        offset += length + 1;
        *ret_end = offset;
    }
}

/* ---- scanning ---- */

static int on_line(void *context, const struct line_scan_line *line)
{
    if (line->whole)
        add(context, line->seq, line->end);
    return 0;
}

static void check_scan(const char *text, size_t size, size_t step)
{
    static struct seqs got, want;
    struct line_scan scan;
    size_t end;

    got.n = want.n = 0;
    line_scan_init(&scan, 0);
    for (size_t at = 0; at < size; at += step)
        FUZZ_CHECK(line_scan_feed(
                       &scan, text + at, size - at < step ? size - at : step, on_line, &got) == 0);
    read_slowly(text, size, 0, 0, &want, &end);
    FUZZ_CHECK(scan.offset == size && scan.begin == end);
    FUZZ_CHECK(got.n == want.n && memcmp(got.seq, want.seq, got.n * sizeof(got.seq[0])) == 0 &&
               memcmp(got.end, want.end, got.n * sizeof(got.end[0])) == 0);
}

/* ---- mending ---- */

static void found(void *context, uint64_t seq, bool after_mark)
{
    add(context, seq, 0);
}

static char *read_back(size_t *ret_size)
{
    struct stat status;
    char *text;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    FUZZ_CHECK(fd >= 0 && fstat(fd, &status) == 0);
    text = malloc((size_t)status.st_size + 1);
    FUZZ_CHECK(text && read(fd, text, (size_t)status.st_size) == status.st_size);
    close(fd);
    *ret_size = (size_t)status.st_size;
    return text;
}

static void recover(const struct mark *mark, struct seqs *seqs)
{
    struct error error = ERROR_INIT;
    struct lines lines;

    FUZZ_CHECK(lines_init(&lines, path, 0600) == 0);
    seqs->n = 0;
    FUZZ_CHECK(lines_recover(&lines, mark, found, seqs, &error) == 0);
    lines_done(&lines);
}

static void check_recover(const char *text, size_t size, size_t where)
{
    static struct seqs got, want, again;
    struct mark mark = {.set = false};
    struct stat status;
    size_t left, end, left_again;
    char *after, *after_again;
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600), fits;

    FUZZ_CHECK(fd >= 0 && write(fd, text, size) == (ssize_t)size && fstat(fd, &status) == 0);
    close(fd);
    if (where > 0)
        mark =
            (struct mark){.set = true, .inode = status.st_ino, .offset = (where - 1) * size / 254};
    fits = mark.set && (mark.offset == 0 || text[mark.offset - 1] == '\n');

    recover(&mark, &got);
    after = read_back(&left);
    want.n = 0;
    if (fits)
        read_slowly(text, size, mark.offset, 1, &want, &end);
    else
        read_slowly(text, size, 0, 0, &want, &end);
    FUZZ_CHECK(got.n >= want.n && got.n <= want.n + 1);
    FUZZ_CHECK(memcmp(got.seq, want.seq, want.n * sizeof(want.seq[0])) == 0);
    if (fits)
        FUZZ_CHECK(got.n == want.n && left == end);
    /* A last line that is not ours gets its newline; one that is ours and torn goes. */
    FUZZ_CHECK(left <= size || (left == size + 1 && after[size] == '\n'));
    FUZZ_CHECK(memcmp(after, text, left < size ? left : size) == 0);
    FUZZ_CHECK(left >= end && (left == 0 || after[left - 1] == '\n'));

    if (fits || !mark.set) {
        recover(&mark, &again);
        after_again = read_back(&left_again);
        FUZZ_CHECK(left_again == left && memcmp(after, after_again, left) == 0);
        FUZZ_CHECK(again.n == got.n && memcmp(again.seq, got.seq, got.n * sizeof(got.seq[0])) == 0);
        free(after_again);
    }
    free(after);
}

/* ---- writing ---- */

static void check_append(const char *text, size_t size, size_t number)
{
    json_t *body = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    struct delivery delivery = {.seq = number + 1,
        .received_at_usec = INT64_C(1767225600000000),
        .request_id = "r\\\"\x01\xff",
        .endpoint = "main",
        .unverified = number % 2 == 0 ? "" : "stale",
        .body = (const unsigned char *)text,
        .body_length = size};
    const unsigned char *job;
    static struct seqs got;
    struct line_scan scan;
    struct buf line = BUF_INIT;
    size_t job_length;
    json_t *whole, *job_again;
    uint64_t seq;

    if (!body) /* only a Job gets this far */
        return;
    FUZZ_CHECK(line_append(&line, &delivery) == 0);
    FUZZ_CHECK(memchr(line.data, '\n', line.length) == NULL);
    FUZZ_CHECK(line_parse_seq((char *)line.data, line.length, &seq) == 0 && seq == number + 1);
    FUZZ_CHECK(line_parse_job((char *)line.data, line.length, &job, &job_length) == 0);
    FUZZ_CHECK(job_length == size);
    job_again = json_loadb(
        (const char *)job, job_length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    whole = json_loadb(
        (char *)line.data, line.length, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
    FUZZ_CHECK(whole && job_again && json_equal(job_again, body));
    FUZZ_CHECK(json_equal(json_object_get(whole, "job"), body));
    FUZZ_CHECK(buf_append(&line, "\n", 1) == 0);
    got.n = 0;
    line_scan_init(&scan, 0);
    FUZZ_CHECK(line_scan_feed(&scan, (char *)line.data, line.length, on_line, &got) == 0);
    FUZZ_CHECK(got.n == 1 && got.seq[0] == seq);
    json_decref(whole);
    json_decref(job_again);
    json_decref(body);
    buf_done(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    size_t step = (size_t)fuzz_take_byte(&input) + 1, where = fuzz_take_byte(&input);
    char *text;

    if (input.size > 16384)
        return 0;
    text = fuzz_copy(input.data, input.size, 0);
    check_scan(text, input.size, step);
    check_recover(text, input.size, where);
    check_append(text, input.size, where);
    free(text);
    return 0;
}
