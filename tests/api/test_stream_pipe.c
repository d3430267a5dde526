/*
 * Streams on pipes: bytes in order and of every size, ends that are closed and shut down, the way
 * that a pipe does not go, a reader that lags, views given from pipe to pipe.
 * Catches a request of sockets made on a pipe, an end that the other side never sees, a descriptor
 * closed twice, and one that stays.
 */
#include "support/file.h"

struct flow {
    weft_stream *stream;
    size_t size, piece;
    size_t done;
    int flags; /* of reads */
    bool shuts;
};

static char byte_at(size_t at)
{
    return (char)(at * 2654435761u >> 13);
}

static int writes(void *arg)
{
    struct flow *flow = arg;
    char *bytes = malloc(flow->piece);
    int error = 0;

    while (flow->done < flow->size) {
        size_t part = flow->size - flow->done < flow->piece ? flow->size - flow->done : flow->piece;
        for (size_t i = 0; i < part; i++)
            bytes[i] = byte_at(flow->done + i);
        same(weft_stream_write(flow->stream, bytes, part, NULL), (ssize_t)part);
        flow->done += part;
    }
    free(bytes);
    if (flow->shuts) {
        same(weft_stream_shutdown(flow->stream), 0);
        same(weft_stream_fd(flow->stream), -1);
        same(weft_stream_write(flow->stream, "x", 1, NULL), -EPIPE);
        same(weft_stream_read(flow->stream, &error, 1, 0), -EBADF);
        same(weft_stream_shutdown(flow->stream), -EPIPE);
    }
    return weft_stream_close(flow->stream);
}

static int reads(void *arg)
{
    struct flow *flow = arg;
    char *bytes = malloc(flow->piece);
    ssize_t n;

    while ((n = weft_stream_read(flow->stream, bytes, flow->piece, flow->flags)) > 0)
        for (ssize_t i = 0; i < n; i++) /* not an assertion a byte: they cost more than the byte */
            if (bytes[i] != byte_at(flow->done++))
                ck_abort_msg("byte %zu is another", flow->done - 1);
    same(n, 0);
    same(weft_stream_read(flow->stream, bytes, 1, 0), 0); /* and again */
    free(bytes);
    return weft_stream_close(flow->stream);
}

static void open_both(weft_stream *ends[2], const struct weft_stream_opt *opt)
{
    int fds[2];

    same(weft_pipe(fds, 0), 0);
    for (int i = 0; i < 2; i++) {
        same(weft_stream_open(fds[i], opt, &ends[i]), 0);
        same(weft_stream_fd(ends[i]), fds[i]);
    }
}

static void carry(size_t size, size_t in, size_t out, bool shuts)
{
    weft_stream *ends[2];
    struct flow from = {.size = size, .piece = in, .shuts = shuts},
                to = {.piece = out, .flags = shuts ? 0 : WEFT_IDLE};

    open_both(ends, NULL);
    to.stream = ends[0];
    from.stream = ends[1];
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, reads, &to, 0, NULL), 0);
        same(weft_spawn(&s, writes, &from, 0, NULL), 0);
    }
    ck_assert_uint_eq(to.done, size);
}

static int main_carry(void *arg)
{
    (void)arg;
    carry(0, 1, 1, false);
    carry(1, 1, 1, true);
    carry(5000, 7, 100, false);
    carry(100000, 4096, 1000, true);
    carry(900000, 100000, 100000, false); /* large to large memory */
    carry(900000, 100000, 100000, true);
    return 0;
}

TEST(bytes_in_order)
{
    file_run(main_carry);
}

static int main_ways(void *arg)
{
    weft_stream *ends[2], *other;
    struct weft_stream_info info;
    const void *data;
    char byte = 'a';
    size_t size;

    (void)arg;
    open_both(ends, NULL);
    same(weft_stream_get_extra_info(ends[0], &info, sizeof info), 0);
    same(info.kind, WEFT_STREAM_PIPE);
    same(weft_stream_open(weft_stream_fd(ends[0]), NULL, &other), -EBUSY);
    same(weft_stream_write(ends[0], &byte, 1, &size), -EBADF);
    same(weft_stream_drain(ends[0]), -EBADF);
    same(weft_stream_shutdown(ends[0]), -EBADF);
    same(weft_stream_read(ends[1], &byte, 1, 0), -EBADF);
    same(weft_stream_peek(ends[1], &data, &size, 0), -EBADF);
    same(weft_stream_write(ends[1], "ab", 2, NULL), 2);
    same(weft_stream_peek(ends[0], &data, &size, 0), 1);
    same(weft_stream_give(ends[0], ends[0], 1), -EBADF);
    same(weft_stream_consume(ends[0], 0), 0);
    same(weft_stream_close(ends[0]), 0);
    same(weft_stream_write(ends[1], &byte, 1, NULL), -EPIPE); /* and the process lives */
    same(weft_stream_abort(ends[1]), 0);
    open_both(ends, NULL);
    same(weft_stream_close(ends[1]), 0);
    same(weft_stream_read(ends[0], &byte, 1, 0), 0);
    same(weft_stream_close(ends[0]), 0);
    return 0;
}

TEST(ways)
{
    file_run(main_ways);
}

/* What lies in a file is no stream. */
static int main_files(void *arg)
{
    weft_stream *stream;
    int fd = file_new("file");

    (void)arg;
    same(weft_stream_open(fd, NULL, &stream), -EINVAL);
    same(weft_stream_open(folder, NULL, &stream), -EINVAL);
    same(weft_close(fd), 0);
    same(weft_stream_open(fd, NULL, &stream), -EBADF);
    return 0;
}

TEST(files)
{
    file_run(main_files);
}

static int passes_on(void *arg)
{
    weft_stream **ends = arg;
    const void *data;
    size_t size;
    int more;

    while ((more = weft_stream_peek(ends[0], &data, &size, 0)) > 0)
        same(weft_stream_give(ends[1], ends[0], size), (ssize_t)size);
    same(more, 0);
    same(weft_stream_drain(ends[1]), 0);
    same(weft_stream_close(ends[0]), 0);
    return weft_stream_close(ends[1]);
}

static int main_give(void *arg)
{
    struct weft_stream_opt small = {.size = sizeof small, .held_max = 8192};
    weft_stream *first[2], *second[2], *between[2];
    struct flow from = {.size = 200000, .piece = 30000, .shuts = true}, to = {.piece = 3000};

    (void)arg;
    open_both(first, &small);
    open_both(second, &small);
    from.stream = first[1];
    to.stream = second[0];
    between[0] = first[0];
    between[1] = second[1];
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, passes_on, between, sizeof between, NULL), 0);
        same(weft_spawn(&s, reads, &to, 0, NULL), 0);
        same(weft_spawn(&s, writes, &from, 0, NULL), 0);
    }
    ck_assert_uint_eq(to.done, 200000);
    return 0;
}

TEST(given_from_pipe_to_pipe)
{
    file_run(main_give);
}

/* Cancelled reads and writes leave the stream as it was; a close ends who reads. */
static int reads_one(void *arg)
{
    char byte;

    return (int)weft_stream_read(*(weft_stream **)arg, &byte, 1, 0);
}

static int main_cancel(void *arg)
{
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_stream *ends[2];
    weft_task task;
    char byte = 0;
    int result = 0;

    (void)arg;
    opt.task = &task;
    open_both(ends, NULL);
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, reads_one, &ends[0], sizeof ends[0], &opt), 0);
        same(weft_yield(), 0);
        same(weft_cancel(task), 1);
        same(weft_join(task, &result), 0);
        same(result, -ECANCELED);
        same(weft_stream_write(ends[1], "z", 1, NULL), 1);
        same(weft_stream_read(ends[0], &byte, 1, 0), 1);
        same(byte, 'z');
        same(weft_spawn(&s, reads_one, &ends[0], sizeof ends[0], &opt), 0);
        same(weft_yield(), 0);
        same(weft_stream_close(ends[0]), 0);
        same(weft_join(task, &result), 0);
        same(result, -ECANCELED);
        (void)weft_scope_error(&s);
    }
    return weft_stream_close(ends[1]);
}

TEST(cancelled_and_closed)
{
    file_run(main_cancel);
}

/* Left open at the end of the run: the descriptors are closed, which the harness counts. */
static int main_left(void *arg)
{
    weft_stream *ends[2], *more[2];

    (void)arg;
    open_both(ends, NULL);
    open_both(more, NULL);
    same(weft_stream_shutdown(more[1]), 0);
    return 0;
}

TEST(left_open)
{
    file_run(main_left);
}

TEST_MAIN("stream_pipe", 60, bytes_in_order, ways, files, given_from_pipe_to_pipe,
          cancelled_and_closed, left_open)
