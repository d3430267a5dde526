/*
 * A kernel that cannot splice just now. Catches trouble of that kind that is kept as the stream's
 * own for ever, though its connection is whole. On the real kernel, with its splice(2) replaced.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "support/net.h"

/* What the next splices say, one after another, each once; 0: as it is. Reactors are threads. */
static _Atomic int trouble;
static _Atomic int calls;

/* In front of the library's; and that is all which calls it. */
ssize_t splice(int fd_in, off64_t *off_in, int fd_out, off64_t *off_out, size_t size,
               unsigned flags)
{
    int error = atomic_exchange(&trouble, 0);

    atomic_fetch_add(&calls, 1);
    if (error == 0)
        return syscall(SYS_splice, fd_in, off_in, fd_out, off_out, size, flags);
    errno = error;
    return -1;
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

static int main_trouble(void *arg)
{
    int ends[2];

    (void)arg;
    net_pair(&flow.in, &ends[0]);
    net_pair(&ends[1], &flow.out);
    ok(weft_stream_open(ends[0], NULL, &flow.from));
    ok(weft_stream_open(ends[1], NULL, &flow.to));
    warm_up();
    move_after(ENOMEM, -ENOMEM);
    move_after(ENOBUFS, -ENOBUFS);
    move_after(EINTR, 0);
    ok(weft_stream_close(flow.from));
    ok(weft_stream_close(flow.to));
    ok(weft_close(flow.in));
    return weft_close(flow.out);
}

TEST(it_passes)
{
    net_run(main_trouble);
}

TEST_MAIN("splice_trouble", 30, it_passes)
