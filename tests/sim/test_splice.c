/*
 * Bytes that are on their way from one descriptor to another when that is ended: by a cancellation,
 * or by the close of either end, or of the end that is far away. At many times, in rough worlds, so
 * also between two steps of one call. Catches a call that goes on, a close that waits for ever, and
 * a pipe that is kept.
 */
#include <fcntl.h>

#include "sim/simulate.h"
#include "support/net.h"

#define same(a, b) ck_assert_int_eq((a), (b))

static struct flow {
    bool is_file;
    int in, out;      /* between which they are moved */
    int source, sink; /* where they come from, -1: from the file; and where they are read */
    ssize_t result;
} flow;

static int moves(void *arg)
{
    (void)arg;
    do {
        off_t at = 0;
        flow.result = flow.is_file ? weft_sendfile(flow.out, flow.in, &at, 100000)
                                   : weft_splice(flow.in, NULL, flow.out, NULL, 10000, 0);
    } while (flow.result > 0);
    return 0;
}

static int feeds(void *arg)
{
    static const char bytes[3000];

    (void)arg;
    while (weft_write(flow.source, bytes, sizeof bytes) > 0)
        ;
    return 0;
}

static int drains(void *arg)
{
    char bytes[2000];

    (void)arg;
    while (weft_read(flow.sink, bytes, sizeof bytes) > 0)
        ;
    return 0;
}

enum kind { SOCKET_TO_PIPE, PIPE_TO_SOCKET, FILE_TO_SOCKET, KINDS };
enum end { CANCELLED, IN_CLOSED, OUT_CLOSED, SINK_CLOSED, ENDS };

static int a_file(void)
{
    static const char bytes[100000];
    int file = weft_open("/tmp/bytes", O_RDWR | O_CREAT, 0600);

    ok(file);
    same(weft_pwrite_all(file, bytes, sizeof bytes, 0, NULL), sizeof bytes);
    return file;
}

static void open_flow(enum kind kind)
{
    int here, there, ends[2];

    net_pair(&here, &there);
    same(weft_pipe(ends, 0), 0);
    if (kind == SOCKET_TO_PIPE) {
        flow = (struct flow){.in = there, .out = ends[1], .source = here, .sink = ends[0]};
    } else if (kind == PIPE_TO_SOCKET) {
        flow = (struct flow){.in = ends[0], .out = here, .source = ends[1], .sink = there};
    } else {
        ok(weft_close(ends[0]));
        ok(weft_close(ends[1]));
        flow = (struct flow){
            .is_file = true, .in = a_file(), .out = here, .source = -1, .sink = there};
    }
}

/* What the end has closed is closed already. */
static void close_flow(enum end end)
{
    const int fds[] = {flow.source, flow.in, flow.out, flow.sink};

    for (int i = 0; i < 4; i++)
        if (fds[i] >= 0 && i != (int)end)
            ok(weft_close(fds[i]));
}

static int main_ended(void *arg)
{
    uint64_t seed = weft_sim_seed();
    enum end end = seed / KINDS % ENDS;
    struct weft_spawn_opt opt = {.size = sizeof opt};
    weft_task task;

    (void)arg;
    opt.task = &task;
    open_flow(seed % KINDS);
    WEFT_SCOPE(s) {
        ok(weft_spawn(&s, moves, NULL, 0, &opt));
        ok(weft_spawn(&s, drains, NULL, 0, NULL));
        if (!flow.is_file)
            ok(weft_spawn(&s, feeds, NULL, 0, NULL));
        ok(weft_sleep((int64_t)(seed * 7919 % 3000000)));
        if (end == CANCELLED)
            (void)weft_cancel(task);
        else
            ok(weft_close(end == IN_CLOSED ? flow.in : end == OUT_CLOSED ? flow.out : flow.sink));
        ok(weft_join(task, NULL));
        ok(weft_scope_cancel(&s));
    }
    if (end == SINK_CLOSED)
        ck_assert(flow.result == -EPIPE || flow.result == -ECONNRESET);
    else
        ck_assert(flow.result == -ECANCELED || flow.result == -EBADF);
    close_flow(end);
    return 0;
}

TEST(ended_at_any_time)
{
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct world world = {.seed = seed, .plan = "rough", .task = main_ended};
        same(world_run(&world), 0);
    }
}

TEST_MAIN("sim/splice", 60, ended_at_any_time)
