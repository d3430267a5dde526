/*
 * Pipes: bytes in order between tasks, room that ends, ends that close, signals that do not come.
 * Catches a write that loses its rest, a reader that is not woken, SIGPIPE, and a pipe read at an
 * offset.
 */
#include "support/file.h"

struct flow {
    int fd;
    size_t size;
    uint32_t seed;
    size_t done;
};

static char byte_at(uint32_t seed, size_t at)
{
    return (char)((at * 2654435761u + seed) >> 13);
}

static int writes_all(void *arg)
{
    struct flow *flow = arg;
    char *bytes = malloc(flow->size);

    for (size_t i = 0; i < flow->size; i++)
        bytes[i] = byte_at(flow->seed, i);
    same(weft_write_all(flow->fd, bytes, flow->size, &flow->done), (int64_t)flow->size);
    free(bytes);
    return weft_close(flow->fd);
}

static int reads_all(void *arg)
{
    struct flow *flow = arg;
    char bytes[5000];
    ssize_t n;

    while ((n = weft_read(flow->fd, bytes, sizeof bytes)) > 0)
        for (ssize_t i = 0; i < n; i++)
            same(bytes[i], byte_at(flow->seed, flow->done++));
    same(n, 0);
    return weft_close(flow->fd);
}

static void carry(int flags, size_t size)
{
    struct flow in = {.size = size, .seed = (uint32_t)size}, out = in;
    int fds[2];

    same(weft_pipe(fds, flags), 0);
    ck_assert_int_gt(fds[0], 2);
    ck_assert_int_gt(fds[1], 2);
    in.fd = fds[1];
    out.fd = fds[0];
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, writes_all, &in, 0, NULL), 0);
        same(weft_spawn(&s, reads_all, &out, 0, NULL), 0);
    }
    ck_assert_uint_eq(in.done, size);
    ck_assert_uint_eq(out.done, size);
}

static int main_carry(void *arg)
{
    (void)arg;
    carry(0, 1);
    carry(0, 4096);
    carry(0, 65537);
    carry(0, 1000000);
    carry(O_NONBLOCK, 300000);
    return 0;
}

TEST(bytes_in_order)
{
    file_run(main_carry);
}

static int main_ends(void *arg)
{
    struct iovec vectors[2] = {{(char *)"ab", 2}, {(char *)"cd", 2}};
    char bytes[8] = "";
    size_t done = 9;
    int fds[2];

    (void)arg;
    same(weft_pipe(fds, 0), 0);
    same(weft_writev_all(fds[1], vectors, 2, NULL), 4);
    same(weft_read(fds[1], bytes, 1), -EBADF);
    same(weft_write(fds[0], bytes, 1), -EBADF);
    same(weft_close(fds[1]), 0);
    same(weft_read_exactly(fds[0], bytes, 8, &done), -ENODATA);
    ck_assert_uint_eq(done, 4);
    ck_assert_mem_eq(bytes, "abcd", 4);
    same(weft_read(fds[0], bytes, 8), 0);
    same(weft_close(fds[0]), 0);

    same(weft_pipe(fds, 0), 0);
    same(weft_close(fds[0]), 0);
    same(weft_write(fds[1], "x", 1), -EPIPE); /* and the process lives */
    same(weft_write_all(fds[1], "xyz", 3, &done), -EPIPE);
    ck_assert_uint_eq(done, 0);
    same(weft_close(fds[1]), 0);
    same(weft_read(fds[1], bytes, 1), -EBADF);
    same(weft_pipe(fds, -1), -EINVAL);
    return 0;
}

TEST(ends)
{
    file_run(main_ends);
}

/* A read of nothing yet waits, and takes what comes; a cancelled one takes nothing. */
static int reads_one(void *arg)
{
    struct flow *flow = arg;
    char byte;
    ssize_t n = weft_read(flow->fd, &byte, 1);

    flow->done = n == 1 ? (size_t)byte : 0;
    return n == 1 || n == -ECANCELED ? 0 : (int)n;
}

static int main_waits(void *arg)
{
    struct flow flow = {.done = 99};
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int fds[2];

    (void)arg;
    same(weft_pipe(fds, 0), 0);
    flow.fd = fds[0];
    for (int turn = 0; turn < 5; turn++) {
        WEFT_SCOPE(s) {
            same(weft_spawn(&s, reads_one, &flow, 0, &opt), 0);
            for (int i = 0; i < turn; i++)
                ok(weft_sleep(100000));
            ok(weft_cancel(task));
            same(weft_join(task, NULL), 0);
        }
        ck_assert_uint_eq(flow.done, 0);
        WEFT_SCOPE(s) {
            same(weft_spawn(&s, reads_one, &flow, 0, NULL), 0);
            ok(weft_sleep(100000));
            same(weft_write_all(fds[1], "b", 1, NULL), 1);
        }
        ck_assert_uint_eq(flow.done, 'b');
    }
    same(weft_close(fds[0]), 0);
    return weft_close(fds[1]);
}

TEST(waiting)
{
    file_run(main_waits);
}

/* Full: the writer waits until somebody reads; what a cancel leaves of it is told. */
static int fills(void *arg)
{
    struct flow *flow = arg;
    static char bytes[1 << 20];
    ssize_t n = weft_write_all(flow->fd, bytes, sizeof bytes, &flow->done);

    return n == -ECANCELED ? 0 : -EPROTO;
}

static int main_full(void *arg)
{
    struct flow flow = {.done = 0};
    size_t came = 0;
    weft_task task;
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    char bytes[4096];
    int fds[2];
    ssize_t n;

    (void)arg;
    same(weft_pipe(fds, 0), 0);
    flow.fd = fds[1];
    WEFT_SCOPE(s) {
        same(weft_spawn(&s, fills, &flow, 0, &opt), 0);
        ck_assert_int_gt(weft_poll(fds[0], POLLIN), 0);
        ok(weft_sleep(2000000));
        ok(weft_cancel(task));
        same(weft_join(task, NULL), 0);
    }
    ck_assert_uint_gt(flow.done, 0);
    ck_assert_uint_lt(flow.done, 1 << 20);
    same(weft_close(fds[1]), 0);
    while ((n = weft_read(fds[0], bytes, sizeof bytes)) > 0)
        came += (size_t)n;
    same(n, 0);
    ck_assert_uint_eq(came, flow.done);
    return weft_close(fds[0]);
}

TEST(full)
{
    file_run(main_full);
}

/* The calls of files work on sockets too, and raise no signal there. */
static int main_sockets(void *arg)
{
    struct iovec vectors[2] = {{(char *)"ab", 2}, {(char *)"cd", 2}};
    char bytes[8] = "", path[80];
    int listener, here, there;

    (void)arg;
    snprintf(path, sizeof path, "unix:%s/socket", folder_path);
    listener = weft_listen_tcp(path, NULL);
    ok(listener);
    here = weft_connect_tcp(path, NULL);
    ok(here);
    there = weft_accept(listener, NULL, NULL, 0);
    ok(there);
    same(weft_write_all(here, "12", 2, NULL), 2);
    same(weft_writev_all(here, vectors, 2, NULL), 4);
    same(weft_read_exactly(there, bytes, 6, NULL), 6);
    ck_assert_mem_eq(bytes, "12abcd", 6);
    same(weft_pread(there, bytes, 1, 0), -ESPIPE);
    same(weft_close(there), 0);
    same(weft_write(here, "x", 1), -EPIPE);
    same(weft_close(here), 0);
    same(weft_close(listener), 0);
    return 0;
}

TEST(sockets_too)
{
    file_run(main_sockets);
}

TEST_MAIN("pipe", 60, bytes_in_order, ends, waiting, full, sockets_too)
