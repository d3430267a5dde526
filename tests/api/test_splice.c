/*
 * weft_splice, weft_tee, weft_sendfile: every byte, once, in order; waiting for bytes and for room;
 * ends, cancels, closes and second callers. Catches bytes that are lost between the two ends, a
 * call that holds a descriptor after it returned, and one that waits in the kernel where nobody
 * ends it.
 */
#include "support/file.h"
#include "support/misuse.h"
#include "support/net.h"

#undef ok
#define ok(expression) ck_assert_int_ge((expression), 0)
#define OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
#define MS INT64_C(1000000)

enum { MUCH = 700001 };

struct flow {
    int in, out;
    size_t size;
    ssize_t result;
};

static int feeds(void *arg)
{
    struct flow *flow = arg;
    unsigned char bytes[10000];

    for (size_t at = 0; at < flow->size;) {
        size_t n = flow->size - at < sizeof bytes ? flow->size - at : sizeof bytes;
        net_fill(bytes, n, 7, at);
        same(weft_write_all(flow->out, bytes, n, NULL), (ssize_t)n);
        at += n;
    }
    return weft_close(flow->out);
}

static int checks(void *arg)
{
    struct flow *flow = arg;
    unsigned char bytes[7777];
    size_t at = 0;
    ssize_t n;

    while ((n = weft_read(flow->in, bytes, sizeof bytes)) > 0) {
        net_check(bytes, (size_t)n, 7, at);
        at += (size_t)n;
    }
    same(n, 0);
    ck_assert_uint_eq(at, flow->size);
    return weft_close(flow->in);
}

static int splices(void *arg)
{
    struct flow *flow = arg;
    size_t total = 0;
    ssize_t n;

    while ((n = weft_splice(flow->in, NULL, flow->out, NULL, 1 << 20, SPLICE_F_MOVE)) > 0)
        total += (size_t)n;
    flow->result = n < 0 ? n : (ssize_t)total;
    if (n == 0)
        ok(weft_close(flow->out));
    return 0;
}

/* -- all the way: a socket, a pipe, a socket ------------------------------------------------------
 */

static int main_through(void *arg)
{
    int here, there, on, off, ends[2];
    struct flow source, in, out, sink;

    (void)arg;
    net_pair(&here, &there);
    net_pair(&on, &off);
    same(weft_pipe(ends, 0), 0);
    source = (struct flow){.out = here, .size = MUCH};
    in = (struct flow){.in = there, .out = ends[1]};
    out = (struct flow){.in = ends[0], .out = on};
    sink = (struct flow){.in = off, .size = MUCH};
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, splices, &in, 0, NULL));
        ok(weft_spawn(&s, splices, &out, 0, NULL));
        ok(weft_spawn(&s, feeds, &source, 0, NULL));
        ok(weft_spawn(&s, checks, &sink, 0, NULL));
    }
    same(in.result, MUCH);
    same(out.result, MUCH);
    ok(weft_close(there));
    return weft_close(ends[0]);
}
TEST(through_a_pipe)
{
    net_run(main_through);
}

/* -- files ---------------------------------------------------------------------------------------
 */

static int main_files(void *arg)
{
    int from = file_new("from"), to = file_new("to"), ends[2];
    off_t in = 3, out = 2;
    char bytes[32] = "";

    (void)arg;
    same(weft_pwrite_all(from, "0123456789", 10, 0, NULL), 10);
    same(weft_pipe(ends, 0), 0);
    same(weft_splice(from, &in, ends[1], NULL, 5, 0), 5);
    same(in, 8);
    same(weft_splice(ends[0], NULL, to, &out, 100, 0), 5);
    same(out, 7);
    same(weft_splice(from, &in, ends[1], NULL, 100, 0), 2);
    same(weft_splice(from, &in, ends[1], NULL, 100, 0), 0); /* the end */
    same(in, 10);
    same(weft_splice(from, NULL, ends[1], NULL, 1, 0), 1); /* where it stands: at the beginning */
    same(weft_splice(ends[0], NULL, to, NULL, 100, 0), 3);
    same(weft_pread(to, bytes, sizeof bytes, 0), 7);
    ck_assert_mem_eq(bytes, "8904567", 3);
    ck_assert_mem_eq(bytes + 3, "4567", 4);
    same(weft_splice(ends[0], NULL, to, &out, 1, SPLICE_F_NONBLOCK), -EAGAIN);
    same(weft_splice(from, &in, to, &out, 1, 0), -EINVAL); /* no pipe */
    in = 0;
    same(weft_splice(ends[0], &in, to, &out, 1, 0), -ESPIPE);
    ok(weft_close(ends[0]));
    ok(weft_close(ends[1]));
    ok(weft_close(from));
    return weft_close(to);
}
TEST(files)
{
    file_run(main_files);
}

static int sends(void *arg)
{
    struct flow *flow = arg;
    off_t at = 0;
    ssize_t n;

    while ((n = weft_sendfile(flow->out, flow->in, &at, 300000)) > 0)
        ck_assert_uint_le((size_t)at, flow->size);
    flow->result = n < 0 ? n : (ssize_t)at;
    return weft_close(flow->out);
}

/* One file to two sockets at once, each at its own place. */
static int main_sendfile(void *arg)
{
    struct flow made, out[2], sinks[2];
    int here[2], there[2], file = file_new("much");
    off_t at = 699990;

    (void)arg;
    made = (struct flow){.out = weft_openat(folder, "much", O_WRONLY, 0), .size = MUCH};
    same(feeds(&made), 0);
    WEFT_SCOPE(s)
        for (int i = 0; i < 2; i++) {
            net_pair(&here[i], &there[i]);
            out[i] = (struct flow){.in = file, .out = here[i], .size = MUCH};
            sinks[i] = (struct flow){.in = there[i], .size = MUCH};
            ok(weft_spawn(&s, sends, &out[i], 0, NULL));
            ok(weft_spawn(&s, checks, &sinks[i], 0, NULL));
        }
    same(out[0].result, MUCH);
    same(out[1].result, MUCH);

    net_pair(&here[0], &there[0]);
    same(weft_sendfile(here[0], file, &at, 100), 11); /* to its end */
    same(at, MUCH);
    same(weft_sendfile(here[0], file, &at, 100), 0);
    same(weft_sendfile(here[0], file, &at, 0), 0);
    same(weft_sendfile(here[0], there[0], &at, 1), -ESPIPE);
    same(weft_sendfile(file, file, &at, 1), -EINVAL);
    same(weft_sendfile(9999, file, &at, 1), -EBADF);
    ck_misuse(weft_sendfile(here[0], file, NULL, 1), -EFAULT, "weft_sendfile", "offset");
    at = -1;
    ck_misuse(weft_sendfile(here[0], file, &at, 1), -EINVAL, "weft_sendfile", "negative");
    ok(weft_close(there[0]));
    at = 0;
    for (ssize_t n = 1; n >= 0;) { /* some may go before the peer's reset is here */
        at = 0;
        n = weft_sendfile(here[0], file, &at, MUCH);
        if (n < 0)
            ck_assert(n == -EPIPE || n == -ECONNRESET);
    }
    ok(weft_close(here[0]));
    return weft_close(file);
}
TEST(sendfile)
{
    file_run(main_sendfile);
}

/* -- tee -----------------------------------------------------------------------------------------
 */

static int main_tee(void *arg)
{
    char bytes[16] = "";
    int a[2], b[2];

    (void)arg;
    same(weft_pipe(a, 0), 0);
    same(weft_pipe(b, 0), 0);
    same(weft_tee(a[0], b[1], 10, SPLICE_F_NONBLOCK), -EAGAIN);
    same(weft_write(a[1], "abcdef", 6), 6);
    for (ssize_t n = 0; n < 4;) {
        ssize_t more = weft_tee(a[0], b[1], 4, 0); /* from the beginning each time */
        ck_assert_int_gt(more, 0);
        same(weft_read_exactly(b[0], bytes, (size_t)more, NULL), more);
        ck_assert_mem_eq(bytes, "abcd", (size_t)more);
        n += more;
    }
    same(weft_read_exactly(a[0], bytes, 6, NULL), 6);
    ck_assert_mem_eq(bytes, "abcdef", 6);
    ok(weft_close(a[1]));
    same(weft_tee(a[0], b[1], 4, 0), 0);
    ok(weft_close(b[0]));
    ok(weft_close(b[1]));
    return weft_close(a[0]);
}
TEST(tee_leaves_the_bytes)
{
    net_run(main_tee);
}

/* -- cut short -----------------------------------------------------------------------------------
 */

static int splices_once(void *arg)
{
    struct flow *flow = arg;

    flow->result = weft_splice(flow->in, NULL, flow->out, NULL, 100, 0);
    return 0;
}

/* Cancelled, closed at either end, met by a second caller; both descriptors are free afterwards. */
static int main_cut(void *arg)
{
    int here, there, ends[2];
    struct flow flow;
    weft_task task;
    char byte;

    (void)arg;
    for (int turns = 0; turns < 4; turns++) {
        net_pair(&here, &there);
        same(weft_pipe(ends, 0), 0);
        flow = (struct flow){.in = there, .out = ends[1]};
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, splices_once, &flow, 0, OPT(.task = &task)));
            for (int i = 0; i < turns; i++)
                ok(weft_sleep(1000));
            if (turns == 3) {
                ok(weft_sleep(5 * MS));
                ck_misuse(weft_splice(there, NULL, ends[1], NULL, 1, 0), -EBUSY, "weft_splice", "");
                ck_misuse(weft_recv(there, &byte, 1, 0), -EBUSY, "weft_recv", "");
            }
            ok(weft_cancel(task));
            ok(weft_join(task, NULL));
        }
        same(flow.result, -ECANCELED);
        same(weft_send_all(here, "x", 1, NULL), 1);
        same(weft_splice(there, NULL, ends[1], NULL, 100, 0), 1);
        same(weft_read(ends[0], &byte, 1), 1);
        same(byte, 'x');
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, splices_once, &flow, 0, NULL));
            ok(weft_sleep(turns * MS));
            ok(weft_close(turns % 2 ? there : ends[1]));
        }
        ck_assert_msg(flow.result == -ECANCELED || flow.result == -EBADF, "%zd", flow.result);
        ok(weft_close(turns % 2 ? ends[1] : there));
        ok(weft_close(ends[0]));
        ok(weft_close(here));
    }
    return 0;
}
TEST(cut_short)
{
    net_run(main_cut);
}

/* A full socket: it waits for room, not for what the peer has ended; then for the end. A Unix one:
   TCP on a busy machine finds more room when nobody has read. */
static int main_full(void *arg)
{
    static char much[1 << 16];
    size_t size = net_is_rough() ? 4096 : 60000; /* a pipe may have no more room there */
    int pair[2], here, there, ends[2];
    struct flow flow;
    ssize_t n;

    (void)arg;
    ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    here = pair[0], there = pair[1];
    same(weft_pipe(ends, 0), 0);
    flow = (struct flow){.in = ends[0], .out = here, .result = -1};
    ok(weft_shutdown(there, SHUT_WR));
    for (bool more = true; more;) {
        more = false;
        while ((n = weft_send(here, much, sizeof much, MSG_DONTWAIT)) > 0)
            more = true;
        same(n, -EAGAIN);
        ok(weft_sleep(net_is_rough() ? 2000 * MS : 10 * MS));
    }
    same(weft_write_all(ends[1], much, size, NULL), (ssize_t)size);
    ok(weft_close(ends[1]));
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, splices, &flow, 0, NULL));
        ok(weft_sleep(5 * MS));
        same(flow.result, -1); /* some may go by a narrow place, not all */
        while (flow.result == -1)
            (void)weft_recv_until(there, much, sizeof much, 0, weft_after_ms(5));
    }
    same(flow.result, (ssize_t)size);
    ok(weft_close(there));
    ok(weft_close(ends[0]));
    same(weft_pipe(ends, 0), 0);
    ok(weft_close(ends[0]));
    n = weft_splice(ends[1], NULL, ends[1], NULL, 1, 0);
    ck_assert(n == -EINVAL || n == -EBADF);
    ck_misuse(weft_splice(ends[0], NULL, ends[1], NULL, 1, 1 << 20), -EINVAL, "weft_splice", "");
    ck_misuse(weft_tee(ends[0], ends[1], 1, 1 << 20), -EINVAL, "weft_tee", "");
    same(weft_splice(ends[0], NULL, ends[1], NULL, 1, 0), -EBADF);
    same(weft_sendfile(ends[1], ends[0], &(off_t){0}, 1), -EBADF);
    return weft_close(ends[1]);
}
TEST(full_and_refused)
{
    ck_misuse(weft_splice(0, NULL, 1, NULL, 1, 0), -EPERM, "weft_splice", "");
    net_run(main_full);
}

static int splices_to_file(void *arg)
{
    struct flow *flow = arg;
    off_t at = 0;

    flow->result = weft_splice(flow->in, NULL, flow->out, &at, 100, 0);
    return 0;
}

/* From a pipe into a file: it waits for the pipe, and may be cancelled there. */
static int main_late(void *arg)
{
    int file = file_new("late"), ends[2];
    struct flow flow;
    weft_task task;

    (void)arg;
    same(weft_pipe(ends, 0), 0);
    flow = (struct flow){.in = ends[0], .out = file};
    for (int cancelled = 0; cancelled < 2; cancelled++)
        WEFT_SCOPE(s) {
            ok(weft_spawn(&s, splices_to_file, &flow, 0, OPT(.task = &task)));
            ok(weft_sleep(MS));
            if (cancelled)
                same(weft_cancel(task), 1);
            else
                same(weft_write(ends[1], "x", 1), 1);
            ok(weft_join(task, NULL));
            same(flow.result, cancelled ? -ECANCELED : 1);
        }
    ok(weft_close(ends[0]));
    ok(weft_close(ends[1]));
    return weft_close(file);
}
TEST(into_a_file_later)
{
    file_run(main_late);
}

/* What is none, or what somebody else has closed; and a socket that does not block already. */
static int main_odd(void *arg)
{
    int here, there, file = file_new("odd"), ends[2];
    off_t at = 0, before = -1;
    char byte;

    (void)arg;
    same(weft_pipe(ends, 0), 0);
    ck_misuse(weft_splice(file, &before, ends[1], NULL, 1, 0), -EINVAL, "weft_splice", "negative");
    ck_misuse(weft_splice(ends[0], NULL, file, &before, 1, 0), -EINVAL, "weft_splice", "negative");
    ck_misuse(weft_splice(-1, &at, ends[1], NULL, 1, 0), -EBADF, "weft_splice", "negative");
    ck_misuse(weft_splice(ends[0], NULL, -1, NULL, 1, 0), -EBADF, "weft_splice", "negative");
    ck_misuse(weft_tee(-1, ends[1], 1, 0), -EBADF, "weft_tee", "negative");
    ck_misuse(weft_sendfile(ends[1], -1, &at, 1), -EBADF, "weft_sendfile", "negative");

    net_pair(&here, &there);
    same(fcntl(there, F_SETFL, O_NONBLOCK), 0);
    same(weft_send_all(here, "x", 1, NULL), 1);
    ok(weft_poll(there, POLLIN));
    same(weft_splice(there, NULL, ends[1], NULL, 0, 0), 0); /* nothing is asked for */
    same(weft_splice(there, NULL, ends[1], NULL, 1, 0), 1);
    same(weft_read(ends[0], &byte, 1), 1);
    ok(weft_close(there));
    ok(weft_close(here));

    for (int into_file = 0; into_file < 2; into_file++) {
        net_pair(&here, &there);
        same(weft_write(here, "x", 1), 1); /* now it is known to be a socket */
        same(close(here), 0);
        same(into_file ? weft_splice(here, NULL, file, &at, 1, 0)
                       : weft_splice(here, NULL, ends[1], NULL, 1, 0),
             -EBADF);
        ok(weft_close(there));
    }
    ok(weft_close(ends[0]));
    ok(weft_close(ends[1]));
    return weft_close(file);
}
TEST(odd_ends)
{
    ck_misuse(weft_tee(0, 1, 1, 0), -EPERM, "weft_tee", "");
    ck_misuse(weft_sendfile(0, 1, NULL, 1), -EPERM, "weft_sendfile", "");
    file_run(main_odd);
}

/* -- whose they are ------------------------------------------------------------------------------
 */

static int finds_it_taken(void *arg)
{
    same(weft_write(*(int *)arg, "x", 1), -EXDEV);
    return 0;
}

/* One of the two is none any more: the other one stays its reactor's. */
static int main_stays(void *arg)
{
    int ends[2], other[2], here, there;

    (void)arg;
    same(weft_pipe(ends, 0), 0);
    same(weft_pipe(other, 0), 0);
    net_pair(&here, &there);
    same(weft_write(other[1], "x", 1), 1);
    same(weft_send_all(here, "x", 1, NULL), 1);
    same(close(other[0]), 0);
    same(close(there), 0);
    same(weft_splice(other[0], NULL, ends[1], NULL, 1, 0), -EBADF);
    same(weft_splice(there, NULL, ends[1], NULL, 1, 0), -EBADF);
    same(weft_tee(other[0], ends[1], 1, 0), -EBADF);
    WEFT_SCOPE(s)
        ok(weft_spawn(&s, finds_it_taken, &ends[1], sizeof ends[1], OPT(.reactor = WEFT_ON(1))));
    ok(weft_close(here));
    ok(weft_close(other[1]));
    ok(weft_close(ends[0]));
    return weft_close(ends[1]);
}
TEST(the_other_end_stays)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    same(weft_run(main_stays, NULL, 0, &opt), 0);
}

TEST_MAIN("splice", 60, the_other_end_stays, through_a_pipe, files, sendfile, tee_leaves_the_bytes,
          cut_short, full_and_refused, into_a_file_later, odd_ends)
