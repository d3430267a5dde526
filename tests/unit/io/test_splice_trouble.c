/*
 * A kernel that cannot splice just now, or that moves nothing and says of no error. Catches trouble
 * of that kind that is kept as the stream's own for ever, though its connection is whole; a call
 * that tries for ever; part of a datagram that is taken for a byte of a stream; and a byte that was
 * taken and finds no room in the pipe any more. On the real kernel, with its splice(2) and its
 * recvfrom(2) replaced.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/net.h"

enum { NOTHING = -1 }; /* moved, and no error */

/* What the next splice says, once, after so many that go as they are; 0: that one, too. Reactors
   are threads. */
static _Atomic int trouble;
static _Atomic int good;
static _Atomic int calls;
static _Atomic int pipe_to_fill = -1; /* by somebody else, while a byte is received */

/* In front of the library's; and that is all which calls it. */
ssize_t splice(int fd_in, off64_t *off_in, int fd_out, off64_t *off_out, size_t size,
               unsigned flags)
{
    int error = 0;

    atomic_fetch_add(&calls, 1);
    if (atomic_load(&good) > 0)
        atomic_fetch_sub(&good, 1);
    else
        error = atomic_exchange(&trouble, 0);
    if (error == 0)
        return syscall(SYS_splice, fd_in, off_in, fd_out, off_out, size, flags);
    errno = error;
    return error == NOTHING ? 0 : -1;
}

static char filling[4096];

ssize_t recvfrom(int fd, void *buffer, size_t size, int flags, __SOCKADDR_ARG address,
                 socklen_t *length)
{
    int pipe = atomic_exchange(&pipe_to_fill, -1);

    while (pipe >= 0 && write(pipe, filling, sizeof filling) > 0)
        continue;
    return syscall(SYS_recvfrom, fd, buffer, size, flags, address.__sockaddr__, length);
}

static struct {
    int in, out; /* the peers' ends */
    weft_stream *from, *to;
} flow;

static void expect_bytes(void)
{
    char got[5];

    ck_assert_int_eq(weft_read_exactly(flow.out, got, 5, NULL), 5);
    ck_assert_mem_eq(got, "bytes", 5);
}

static int splices(void *arg)
{
    (void)arg;
    ck_assert_int_eq(weft_stream_splice(flow.to, flow.from, 5, 0), 5);
    return 0;
}

/* No receive is armed afterwards that would take what comes. */
static void warm_up(void)
{
    while (atomic_load(&calls) == 0) {
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, splices, NULL, 0, NULL));
            ok(weft_sleep(1000000));
            ck_assert_int_eq(weft_send_all(flow.in, "bytes", 5, NULL), 5);
        }
        expect_bytes();
    }
}

/* Five bytes go in, and through a splice of which the kernel says this first. */
static void move_after(int error, ssize_t told)
{
    ck_assert_int_eq(weft_send_all(flow.in, "bytes", 5, NULL), 5);
    atomic_store(&trouble, error);
    if (told < 0)
        ck_assert_int_eq(weft_stream_splice(flow.to, flow.from, 5, 0), told);
    ck_assert_int_eq(weft_stream_splice(flow.to, flow.from, 5, 0), 5);
    ck_assert_int_eq(atomic_load(&trouble), 0);
    expect_bytes();
}

static void open_streams(void)
{
    int ends[2];

    net_pair(&flow.in, &ends[0]);
    net_pair(&ends[1], &flow.out);
    ok(weft_stream_open(ends[0], NULL, &flow.from));
    ok(weft_stream_open(ends[1], NULL, &flow.to));
    atomic_store(&calls, 0);
    warm_up();
}

static int close_streams(void)
{
    ok(weft_stream_close(flow.from));
    ok(weft_stream_close(flow.to));
    ok(weft_close(flow.in));
    return weft_close(flow.out);
}

static int main_trouble(void *arg)
{
    (void)arg;
    open_streams();
    move_after(ENOMEM, -ENOMEM);
    move_after(ENOBUFS, -ENOBUFS);
    move_after(EINTR, 0);

    atomic_store(&trouble, ECONNRESET); /* which stays */
    ck_assert_int_eq(weft_stream_splice(flow.to, flow.from, 5, 0), -ECONNRESET);
    ck_assert_int_eq(weft_stream_splice(flow.to, flow.from, 5, 0), -ECONNRESET);
    return close_streams();
}

TEST(it_passes)
{
    net_run(main_trouble);
}

/* Out of the pipe: what is in it goes nowhere, and nothing may follow it. */
static void lose_in_pipe(int error, ssize_t told)
{
    open_streams();
    ck_assert_int_eq(weft_send_all(flow.in, "bytes", 5, NULL), 5);
    atomic_store(&good, 1);
    atomic_store(&trouble, error);
    ck_assert_int_eq(weft_stream_splice(flow.to, flow.from, 5, 0), told);
    ck_assert_int_eq(atomic_load(&trouble), 0);
    ck_assert_int_eq(weft_stream_write(flow.to, "x", 1, NULL), told);
    ck_assert_int_eq(weft_send_all(flow.in, "bytes", 5, NULL), 5);
    ck_assert_int_eq(weft_stream_splice(flow.to, flow.from, 5, 0), told);
    ck_assert_int_eq(weft_stream_read_exactly(flow.from, (char[5]){0}, 5, NULL), 5);
    ok(close_streams());
}

static int main_nothing(void *arg)
{
    (void)arg;
    lose_in_pipe(NOTHING, -EPIPE);
    lose_in_pipe(ECONNRESET, -ECONNRESET);
    return 0;
}

TEST(nothing_goes_out)
{
    net_run(main_nothing);
}

/* -- descriptors ------------------------------------------------------------------------------- */

static struct {
    int in, peer, pipe[2];
} plain;

static void open_plain(int type)
{
    int ends[2];

    ok(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends));
    plain.in = ends[0];
    plain.peer = ends[1];
    ok(weft_pipe(plain.pipe, O_NONBLOCK));
}

static int close_plain(void)
{
    ok(weft_close(plain.in));
    ok(weft_close(plain.peer));
    ok(weft_close(plain.pipe[0]));
    return weft_close(plain.pipe[1]);
}

static ssize_t splice_plain(unsigned flags)
{
    return weft_splice(plain.in, NULL, plain.pipe[1], NULL, 100, flags);
}

static void expect_in_pipe(const char *bytes)
{
    char got[16] = "";

    ck_assert_int_eq(weft_read(plain.pipe[0], got, sizeof got - 1), (ssize_t)strlen(bytes));
    ck_assert_str_eq(got, bytes);
}

/* An empty one is no end, and what may be there in spite of the kernel's word is not looked for by
   its first byte. */
static int main_datagrams(void *arg)
{
    (void)arg;
    open_plain(SOCK_DGRAM);
    ck_assert_int_eq(weft_send(plain.peer, "", 0, 0), 0);
    ck_assert_int_eq(weft_send(plain.peer, "abc", 3, 0), 3);
    ck_assert_int_eq(splice_plain(0), 0);
    atomic_store(&trouble, EAGAIN);
    ck_assert_int_eq(splice_plain(SPLICE_F_NONBLOCK), -EAGAIN);
    ck_assert_int_eq(atomic_load(&trouble), 0);
    ck_assert_int_eq(splice_plain(0), 3);
    expect_in_pipe("abc");
    return close_plain();
}

TEST(datagrams_stay_whole)
{
    net_run(main_datagrams);
}

static int splices_plain(void *arg)
{
    *(ssize_t *)arg = splice_plain(SPLICE_F_NONBLOCK);
    return 0;
}

/* Of what is read from the pipe: not one by one, which takes an emulator half a minute. */
static char last_of_some(void)
{
    char bytes[sizeof filling];
    ssize_t n = weft_read(plain.pipe[0], bytes, sizeof bytes);

    ck_assert_int_gt(n, 0);
    return bytes[n - 1];
}

enum end { READ, CANCELLED, CLOSED, ENDS };

/* Somebody else fills the pipe when the byte has been taken: it waits until there is room again,
   though it is cancelled, or until the pipe is closed. */
static int main_no_room(void *arg)
{
    (void)arg;
    for (enum end end = 0; end < ENDS; end++) {
        weft_task task;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        ssize_t result = 0;
        char last = 0;
        open_plain(SOCK_STREAM);
        ck_assert_int_eq(weft_send_all(plain.peer, "bytes", 5, NULL), 5);
        atomic_store(&trouble, EAGAIN);
        atomic_store(&pipe_to_fill, plain.pipe[1]);
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, splices_plain, &result, 0, &opt));
            for (int i = 0; i < 10; i++)
                ok(weft_sleep(1000000));
            ck_assert_int_eq(atomic_load(&pipe_to_fill), -1);
            if (end == CANCELLED)
                ok(weft_cancel(task));
            for (int i = 0; i < 10; i++)
                ok(weft_sleep(1000000));
            ck_assert_int_eq(result, 0);
            if (end == CLOSED)
                ok(weft_close(plain.pipe[1]));
            while (end != CLOSED && last == 0) /* which the others are */
                last = last_of_some();
            ok(weft_join(task, NULL));
        }
        ck_assert_int_eq(result, end == CLOSED ? -ECANCELED : 1);
        ck_assert_int_eq(last, end == CLOSED ? 0 : 'b');
        ck_assert_int_eq(weft_recv(plain.in, (char[8]){0}, 8, 0), 4);
        ok(weft_close(plain.in));
        ok(weft_close(plain.peer));
        ok(weft_close(plain.pipe[0]));
        if (end != CLOSED)
            ok(weft_close(plain.pipe[1]));
    }
    return 0;
}

TEST(room_is_gone)
{
    net_run(main_no_room);
}

/* Out of the pipe of a call that sends a file: it ends, and the next begins where it was. */
static int main_file(void *arg)
{
    char name[] = "/tmp/weft-splice-XXXXXX", got[5];
    off_t at = 0;
    int file = mkstemp(name), here, there;

    (void)arg;
    ok(file);
    ck_assert_int_eq(unlink(name), 0);
    net_pair(&here, &there);
    ck_assert_int_eq(weft_pwrite_all(file, "bytes", 5, 0, NULL), 5);
    atomic_store(&trouble, NOTHING);
    ck_assert_int_eq(weft_sendfile(here, file, &at, 5), -EPIPE);
    ck_assert_int_eq(at, 0);
    ck_assert_int_eq(weft_sendfile(here, file, &at, 5), 5);
    ck_assert_int_eq(at, 5);
    ck_assert_int_eq(weft_read_exactly(there, got, 5, NULL), 5);
    ck_assert_mem_eq(got, "bytes", 5);
    ok(weft_close(file));
    ok(weft_close(here));
    return weft_close(there);
}

TEST(nothing_of_a_file)
{
    net_run(main_file);
}

TEST_MAIN("splice_trouble", 30, it_passes, nothing_goes_out, datagrams_stay_whole, room_is_gone,
          nothing_of_a_file)
