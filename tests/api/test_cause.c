/*
 * What refuses a call that nobody cancelled, told of none: each wait that another task ends, by
 * closing what is waited for or by shutting it down, is begun by a task whose deadline has passed
 * once, in another call. Catches weft_cause() telling of that one.
 */
#include <fcntl.h>
#include <signal.h>

#include "support/misuse.h"
#include "support/net.h"
#include "sync.h"

static int here, there, pipe_ends[2];
static weft_stream *stream, *other;
static weft_queue queue;
static weft_signals *signals;
static weft_watch *watch;
static weft_server *server;
static weft_task ended;
static char bytes[1 << 25]; /* more than goes anywhere unread */

/* -- what is waited for ----------------------------------------------------------------------- */

static void open_pair(void)
{
    net_pair(&here, &there);
}
static void close_pair(void)
{
    ok(weft_close(here));
    ok(weft_close(there));
}

static void open_stream(void)
{
    open_pair();
    ok(weft_stream_open(here, NULL, &stream));
}
static void close_stream(void)
{
    ok(weft_stream_abort(stream));
    ok(weft_close(there));
}

static void open_streams(void)
{
    open_stream();
    ok(weft_stream_open(there, NULL, &other));
}
static void close_streams(void)
{
    ok(weft_stream_abort(stream));
    ok(weft_stream_abort(other));
}

static void open_listener(void)
{
    int port;

    here = net_listen(&port);
}
static void close_one(void)
{
    ok(weft_close(here));
}

static void open_pipe(void)
{
    ok(weft_pipe(pipe_ends, 0));
    open_pair();
}
static void close_pipe(void)
{
    ok(weft_close(pipe_ends[0]));
    ok(weft_close(pipe_ends[1]));
    close_pair();
}

static void open_queue(void)
{
    queue = (weft_queue){.item_size = 1, .max = 1};
}
static void open_full_queue(void)
{
    open_queue();
    ok(weft_queue_put(&queue, bytes));
}
static void open_shut_queue(void)
{
    open_queue();
    ok(weft_queue_shutdown(&queue, false));
}
static void shut_queue(void)
{
    ok(weft_queue_shutdown(&queue, true));
}

static void open_signals(void)
{
    const int numbers[] = {SIGUSR1};

    ok(weft_signals_open(numbers, 1, &signals));
}
static void close_signals(void)
{
    ok(weft_signals_close(signals));
}

static void open_watch(void)
{
    ok(weft_watch_open(&watch));
}
static void close_watch(void)
{
    ok(weft_watch_close(watch));
}

static int serves(weft_stream *connection, void *arg)
{
    (void)connection, (void)arg;
    return 0;
}
static void open_server(void)
{
    ok(weft_start_server(&server, "127.0.0.1:0", serves, NULL, NULL));
}
static void close_server(void)
{
    ok(weft_server_close(server));
}

static int sleeps(void *arg)
{
    (void)arg;
    return weft_sleep(HOUR);
}
static void open_task(void)
{
    struct weft_spawn_opt opt = {.size = sizeof opt, .task = &ended};

    ok(weft_spawn(weft_root(), sleeps, NULL, 0, &opt));
}
static void cancel_task(void)
{
    is(weft_cancel(ended), 1);
    is(weft_join(ended, NULL), 0);
}

/* -- the waits -------------------------------------------------------------------------------- */

static void released(void *arg)
{
    (void)arg;
}

static ssize_t reads(void)
{
    return weft_stream_read(stream, bytes, 1, 0);
}
static ssize_t reads_much(void)
{
    return weft_stream_read(stream, bytes, sizeof bytes, 0);
}
static ssize_t reads_exactly(void)
{
    return weft_stream_read_exactly(stream, bytes, 2, NULL);
}
static ssize_t reads_a_line(void)
{
    return weft_stream_read_line(stream, bytes, 100, 0);
}
static ssize_t peeks(void)
{
    const void *data;
    size_t size;

    return weft_stream_peek(stream, &data, &size, 0);
}
static ssize_t writes(void)
{
    return weft_stream_write(stream, bytes, sizeof bytes, NULL);
}
static ssize_t writes_pieces(void)
{
    const struct iovec pieces[] = {{bytes, sizeof bytes / 2}, {bytes, sizeof bytes / 2}};

    return weft_stream_writev(stream, pieces, 2, NULL);
}
static ssize_t gives(void)
{
    return weft_stream_write_give(stream, bytes, sizeof bytes, NULL, released, NULL);
}
static ssize_t splices_streams(void)
{
    return weft_stream_splice(other, stream, 100, 0);
}
static ssize_t receives(void)
{
    return weft_recv(here, bytes, 1, 0);
}
static ssize_t receives_all(void)
{
    return weft_recv_exactly(here, bytes, 2, NULL);
}
static ssize_t sends_all(void)
{
    return weft_send_all(here, bytes, sizeof bytes, NULL);
}
static ssize_t polls(void)
{
    return weft_poll(here, 1);
}
static ssize_t accepts(void)
{
    return weft_accept(here, NULL, NULL, 0);
}
static ssize_t reads_pipe(void)
{
    return weft_read(pipe_ends[0], bytes, 1);
}
static ssize_t splices(void)
{
    return weft_splice(here, NULL, pipe_ends[1], NULL, 100, 0);
}
static ssize_t gets(void)
{
    return weft_queue_get(&queue, bytes);
}
static ssize_t gets_at_once(void)
{
    return weft_queue_get_nowait(&queue, bytes);
}
static ssize_t puts_one(void)
{
    return weft_queue_put(&queue, bytes);
}
static ssize_t puts_at_once(void)
{
    return weft_queue_put_nowait(&queue, bytes);
}
/* What comes of the one case that can win, or of the call. */
static ssize_t selects(weft_case one)
{
    static weft_event never = WEFT_EVENT_INIT;
    weft_case cases[] = {weft_case_event(&never), one};
    int won = weft_select(cases, 2, 0);

    return won < 0 ? won : (ssize_t)cases[won].result;
}
static ssize_t selects_get(void)
{
    return selects(weft_case_get(&queue, bytes));
}
static ssize_t selects_put(void)
{
    return selects(weft_case_put(&queue, bytes));
}
static ssize_t selects_task(void)
{
    return selects(weft_case_await(weft_of_task(ended)));
}
static ssize_t waits_for_server(void)
{
    return weft_server_wait(server);
}
static ssize_t waits_for_signals(void)
{
    return weft_signals_wait(signals, NULL);
}
static ssize_t watches(void)
{
    return weft_watch_next(watch, NULL, 0);
}

/* waits_for NULL: it is refused at once, `end` comes after it. */
static const struct wait {
    const char *name;
    void (*open)(void);
    ssize_t (*call)(void);
    const char *waits_for;
    void (*end)(void);
    int result;
} waits[] = {
    {"read", open_stream, reads, "read", close_stream, -ECANCELED},
    {"read of much", open_stream, reads_much, "read", close_stream, -ECANCELED},
    {"read_exactly", open_stream, reads_exactly, "read", close_stream, -ECANCELED},
    {"read_line", open_stream, reads_a_line, "read", close_stream, -ECANCELED},
    {"peek", open_stream, peeks, "read", close_stream, -ECANCELED},
    {"write", open_stream, writes, "write", close_stream, -ECANCELED},
    {"writev", open_stream, writes_pieces, "write", close_stream, -ECANCELED},
    {"write_give", open_stream, gives, "write", close_stream, -ECANCELED},
    {"splice of streams", open_streams, splices_streams, "poll", close_streams, -ECANCELED},
    {"recv", open_pair, receives, "recv", close_pair, -ECANCELED},
    {"recv_exactly", open_pair, receives_all, "recv", close_pair, -ECANCELED},
    {"send_all", open_pair, sends_all, "send", close_pair, -ECANCELED},
    {"poll", open_pair, polls, "poll", close_pair, -ECANCELED},
    {"accept", open_listener, accepts, "accept", close_one, -ECANCELED},
    {"read of a pipe", open_pipe, reads_pipe, "read", close_pipe, -ECANCELED},
    {"splice", open_pipe, splices, "poll", close_pipe, -ECANCELED},
    {"get", open_queue, gets, "get", shut_queue, -ESHUTDOWN},
    {"put", open_full_queue, puts_one, "put", shut_queue, -ESHUTDOWN},
    {"get of what is shut", open_shut_queue, gets, NULL, shut_queue, -ESHUTDOWN},
    {"get_nowait", open_shut_queue, gets_at_once, NULL, shut_queue, -ESHUTDOWN},
    {"put into what is shut", open_shut_queue, puts_one, NULL, shut_queue, -ESHUTDOWN},
    {"put_nowait", open_shut_queue, puts_at_once, NULL, shut_queue, -ESHUTDOWN},
    {"select of a get", open_queue, selects_get, "select", shut_queue, -ESHUTDOWN},
    {"select of a put", open_full_queue, selects_put, "select", shut_queue, -ESHUTDOWN},
    {"select of what is shut", open_shut_queue, selects_get, NULL, shut_queue, -ESHUTDOWN},
    {"select of a task", open_task, selects_task, "select", cancel_task, -ECANCELED},
    {"server_wait", open_server, waits_for_server, "server", close_server, -ECANCELED},
    {"signals", open_signals, waits_for_signals, "poll", close_signals, -ECANCELED},
    {"watch", open_watch, watches, "poll", close_watch, -ECANCELED},
};

static void met_a_deadline(void)
{
    uint32_t word = 0;

    is((int)weft_futex_wait_until(&word, 0, 0, 1), -ETIMEDOUT);
    is(weft_cause(), WEFT_CAUSE_DEADLINE);
}

static int waiter(void *arg)
{
    const struct wait *wait = &waits[*(int *)arg];
    ssize_t result;

    met_a_deadline();
    result = wait->call();
    if (result != wait->result || weft_cause() != WEFT_CAUSE_NONE)
        ck_abort_msg("%s: %zd, cause %d", wait->name, result, (int)weft_cause());
    return 0;
}

static int main_waits(void *arg)
{
    (void)arg;
    for (int i = 0; i < (int)(sizeof waits / sizeof *waits); i++) {
        weft_scope scope;
        weft_task task;

        waits[i].open();
        is(weft_scope_open(&scope, NULL), 0);
        task = sync_start(&scope, waiter, i);
        if (waits[i].waits_for)
            sync_until(task, waits[i].waits_for);
        else
            is(weft_join(task, NULL), 0);
        waits[i].end();
        is(weft_scope_close(&scope), 0);
        if (waits[i].result == -ESHUTDOWN)
            ok(weft_queue_destroy(&queue));
    }
    return 0;
}
TEST(what_another_task_ends_has_no_cause)
{
    net_run(main_waits);
}

/* A drain that refused an accept once does not shut the queue. */
static weft_task drained_task;

static int drained(void *arg)
{
    int item;

    (void)arg;
    is(weft_accept(here, NULL, NULL, WEFT_IDLE), -ESHUTDOWN);
    is(weft_cause(), WEFT_CAUSE_DRAIN);
    is(weft_queue_get(&queue, &item), -ESHUTDOWN);
    is(weft_cause(), WEFT_CAUSE_NONE);
    return 0;
}
static int shuts(void *arg)
{
    (void)arg;
    sync_until(drained_task, "get");
    shut_queue();
    return 0;
}
static int main_drain(void *arg)
{
    weft_scope scope;

    (void)arg;
    open_listener();
    open_queue();
    is(weft_scope_open(&scope, NULL), 0);
    drained_task = sync_start(&scope, drained, 0);
    sync_until(drained_task, "accept");
    (void)sync_start(&scope, shuts, 0);
    is(weft_scope_drain(&scope, WEFT_NEVER, WEFT_NEVER), 0);
    is(weft_scope_close(&scope), 0);
    ok(weft_queue_destroy(&queue));
    close_one();
    return 0;
}
TEST(a_drain_shuts_no_queue)
{
    net_run(main_drain);
}

/* An inbox of a run that is over. */
static weft_inbox *left;

static void no_callback(void *arg)
{
    (void)arg;
}
static int leaves_its_inbox(void *arg)
{
    (void)arg;
    left = weft_inbox_here();
    return 0;
}
static int main_left(void *arg)
{
    struct weft_post_slot slot = WEFT_POST_SLOT_INIT(no_callback, NULL);
    struct weft_stats stats;
    weft_future *future;
    weft_task task = weft_current_task();

    (void)arg;
#define NO_CAUSE(call)                                                                             \
    do {                                                                                           \
        met_a_deadline();                                                                          \
        is(call, -ESHUTDOWN);                                                                      \
        is(weft_cause(), WEFT_CAUSE_NONE);                                                         \
    } while (0)
    NO_CAUSE(weft_post(left, no_callback, NULL, NULL));
    NO_CAUSE(weft_post_try(left, no_callback, NULL, NULL));
    NO_CAUSE(weft_post_slot(left, &slot));
    NO_CAUSE(weft_cancel_post(left, task));
    NO_CAUSE(weft_run_coroutine_threadsafe(left, leaves_its_inbox, NULL, 0, &future));
    NO_CAUSE(weft_stats_read(left, &stats, sizeof stats));
#undef NO_CAUSE
    return 0;
}
TEST(a_run_that_is_over_has_none)
{
    net_run(leaves_its_inbox);
    net_run(main_left);
    weft_inbox_put(left);
}

/* Cancelled before the other closes it: the cancellation is told. */
static int cancelled(void *arg)
{
    is((int)waits[*(int *)arg].call(), -ECANCELED);
    is(weft_cause(), WEFT_CAUSE_CANCEL);
    return 0;
}
static int main_cancelled(void *arg)
{
    (void)arg;
    for (int i = 0; i < (int)(sizeof waits / sizeof *waits); i++) {
        weft_scope scope;
        weft_task task;

        if (!waits[i].waits_for)
            continue;
        waits[i].open();
        is(weft_scope_open(&scope, NULL), 0);
        task = sync_start(&scope, cancelled, i);
        sync_until(task, waits[i].waits_for);
        is(weft_cancel(task), 1);
        waits[i].end();
        is(weft_scope_close(&scope), 0);
        if (waits[i].result == -ESHUTDOWN)
            ok(weft_queue_destroy(&queue));
    }
    return 0;
}
TEST(a_cancellation_before_it_is_told)
{
    net_run(main_cancelled);
}

TEST_MAIN("api.cause", 60, what_another_task_ends_has_no_cause, a_drain_shuts_no_queue,
          a_run_that_is_over_has_none, a_cancellation_before_it_is_told)
