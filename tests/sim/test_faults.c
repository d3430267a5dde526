/*
 * A program of futures, of waits for several things, of an executor, of files, of pipes, of another
 * process and of signals, run again and again: with its k-th allocation failing, for every k, and
 * with its k-th descriptor refused.
 *
 * Would catch an error that is lost or told as another one, a coroutine or a call that has begun
 * and is not waited for, and a descriptor, a thread or an allocation that stays behind.
 */
#include "faults.h"

#include <fcntl.h>
#include <signal.h>

/* Who comes and has no descriptor is passed over, and nobody else comes: `spared` meanwhile. */

int __real_weft__host_pipe(int fds[2], int flags);
int __wrap_weft__host_pipe(int fds[2], int flags);
int __wrap_weft__host_pipe(int fds[2], int flags)
{
    return refuses() ? -EMFILE : __real_weft__host_pipe(fds, flags);
}

/* -- the program ---------------------------------------------------------------------------------
 */

enum { MANY = 20 }; /* more than the frame of a wait has room for */

static int running;

static int works(void *arg)
{
    int error;

    running++;
    error = weft_sleep(*(int *)arg);
    running--;
    return error < 0 ? error : 3;
}

static int settles(void *arg)
{
    return weft_future_set_result(*(weft_future **)arg, 5);
}

static void done(weft_future *future, void *arg)
{
    (void)future;
    (void)arg;
}

static int use_future(void)
{
    weft_future *future;
    int64_t value = 0;
    int error = weft_future_create(&future, NULL);

    if (error < 0)
        return error;
    ck_assert_int_eq(weft_future_await_until(future, &value, 1), -ETIMEDOUT);
    error = weft_future_add_done(future, done, NULL);
    if (error == 0)
        error = weft_create_task(settles, &future, sizeof future, NULL);
    if (error == 0)
        error = weft_wait_for(weft_of_future(future), &value, WEFT_NEVER);
    ck_assert(error < 0 || value == 5);
    weft_future_put(future);
    return error;
}

/* -- for several things */

static void make(weft_awaitable list[MANY], const int *ns)
{
    for (int i = 0; i < MANY; i++)
        list[i] = weft_coro(works, ns, sizeof *ns);
}

/* What came of each is its own: the first that is bad. */
static int worst(const int64_t results[MANY])
{
    for (int i = 0; i < MANY; i++)
        if (results[i] < 0)
            return (int)results[i];
    return 0;
}

static int gather_many(void)
{
    weft_awaitable list[MANY];
    int64_t results[MANY];
    int error, ns = 1000;

    make(list, &ns);
    error = weft_gather(list, MANY, results, WEFT_GATHER_KEEP);
    ck_assert_int_eq(running, 0);
    return error < 0 ? error : worst(results);
}

static int in_the_order_of_coming(void)
{
    weft_completed *each;
    weft_awaitable list[MANY];
    int error, ns = 1000, worst_of_all = 0;
    int64_t result;

    make(list, &ns);
    error = weft_as_completed(&each, list, MANY);
    if (error < 0)
        return error;
    while ((error = weft_completed_next(each, NULL, &result, WEFT_NEVER)) > 0)
        if (result < 0)
            worst_of_all = (int)result;
    ck_assert_int_eq(weft_completed_close(each), 0);
    ck_assert_int_eq(running, 0);
    return error < 0 ? error : worst_of_all;
}

static int one_by_one(void)
{
    int64_t result = 0;
    int error, ns = 1000;
    weft_awaitable it = weft_coro(works, &ns, sizeof ns);

    error = weft_ensure_future(&it);
    if (error < 0)
        return error;
    error = weft_wait_for(it, &result, WEFT_NEVER);
    ck_assert(error < 0 || result == 3);
    return error;
}

/* -- threads and files */

static int answers(void *arg)
{
    (void)arg;
    return 4;
}

static int use_threads(void)
{
    weft_executor *executor;
    int error = weft_to_thread(answers, NULL), again;

    if (error >= 0)
        error = weft_executor_create(&executor, NULL);
    if (error < 0)
        return error;
    error = weft_run_in_executor(executor, answers, NULL);
    again = weft_executor_close(executor);
    return error < 0 ? error : again;
}

static int use_pipe(void)
{
    int fds[2], error = weft_pipe(fds, 0);

    if (error < 0)
        return error;
    weft_close(fds[0]);
    return weft_close(fds[1]);
}

static int use_files(void)
{
    _Alignas(8) char entries[512];
    int folder, fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    ssize_t n;

    if (fd < 0)
        return fd;
    n = weft_pwrite_all(fd, "x", 1, 0, NULL);
    weft_close(fd);
    folder = n < 0 ? (int)n : weft_open("/tmp", O_RDONLY | O_DIRECTORY, 0);
    if (folder < 0)
        return folder;
    n = weft_getdents64(folder, entries, sizeof entries);
    weft_close(folder);
    return n < 0 ? (int)n : use_pipe();
}

/* Read ahead. */
static int use_file(void)
{
    const struct weft_file_opt opt = {.size = sizeof opt, .block_size = 4096};
    static char bytes[20000];
    weft_file *file;
    int closed, error = weft_file_open("/tmp/b", O_RDWR | O_CREAT, 0600, &opt, &file);
    ssize_t n;

    if (error < 0)
        return error;
    n = weft_file_write(file, bytes, sizeof bytes, NULL);
    if (n >= 0)
        n = weft_file_seek(file, 0, SEEK_SET);
    if (n >= 0)
        n = weft_file_read_exactly(file, bytes, sizeof bytes, NULL);
    closed = weft_file_close(file);
    return n < 0 ? (int)n : closed;
}

/* -- streams */

static int connect_both(int fds[2])
{
    int listener = weft_listen_tcp("127.0.0.1:0", NULL);
    char address[40];

    if (listener < 0)
        return listener;
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_local_port(listener));
    fds[0] = weft_connect_tcp(address, NULL);
    fds[1] = fds[0] < 0 ? fds[0] : weft_accept(listener, NULL, NULL, 0);
    if (fds[1] < 0 && fds[0] >= 0)
        weft_close(fds[0]);
    weft_close(listener);
    return fds[1] < 0 ? fds[1] : 0;
}

/* The first is in flight at once, the others are queued, the last into a block of its own. */
static int write_some(weft_stream *stream)
{
    static const char bytes[6000];
    ssize_t n = weft_stream_set_write_limits(stream, 10, 5);

    for (size_t size = 1; size <= sizeof bytes && n >= 0; size *= 20)
        n = weft_stream_write_nowait(stream, bytes, size);
    if (n >= 0)
        n = weft_stream_write_nowait(stream, "\n", 1);
    return n < 0 ? (int)n : weft_stream_drain(stream);
}

static int read_line(weft_stream *stream)
{
    static char line[8192];
    ssize_t n = weft_stream_read_line(stream, line, sizeof line, 0);

    return n < 0 ? (int)n : 0;
}

static int use_streams(void)
{
    weft_stream *here, *there;
    int fds[2], error;

    spared = true;
    error = connect_both(fds);
    spared = false;
    if (error < 0)
        return error;
    error = weft_stream_open(fds[0], NULL, &here);
    if (error < 0) {
        weft_close(fds[0]);
        weft_close(fds[1]);
        return error;
    }
    error = weft_stream_open(fds[1], NULL, &there);
    if (error < 0) {
        weft_close(fds[1]);
    } else {
        error = write_some(here);
        error = error < 0 ? error : read_line(there);
        weft_stream_close(there);
    }
    weft_stream_close(here);
    return error;
}

/* Two buffers of the pool's, copied when the stream leaves the reactor. */
static int fill_and_detach(weft_stream *stream, int peer)
{
    static const char bytes[6000];
    const void *data;
    size_t seen;
    ssize_t n = weft_send_all(peer, bytes, sizeof bytes, NULL);

    while (n > 0 && (n = weft_stream_peek(stream, &data, &seen, 0)) > 0 && seen < 100)
        n = weft_stream_consume(stream, 0) == 0;
    if (n > 0)
        n = weft_stream_consume(stream, 1);
    n = n < 0 ? n : weft_stream_detach(stream);
    return n < 0 ? (int)n : weft_stream_attach(stream);
}

static int use_move(void)
{
    const struct weft_stream_opt opt = {.size = sizeof opt, .buffer_size = 4096};
    weft_stream *stream;
    int fds[2], error;

    spared = true;
    error = connect_both(fds);
    spared = false;
    if (error < 0)
        return error;
    error = weft_stream_open(fds[0], &opt, &stream);
    if (error < 0) {
        weft_close(fds[0]);
    } else {
        error = fill_and_detach(stream, fds[1]);
        weft_stream_close(stream);
    }
    weft_close(fds[1]);
    return error;
}

/* -- generators, callbacks, tasks begun through the inbox */

static void called(void *arg)
{
    ++*(int *)arg;
}

/* One now, one later, and one that is cancelled. */
static int use_callbacks(void)
{
    weft_handle handle = {0};
    const struct weft_call_opt opt = {.size = sizeof opt, .handle = &handle};
    int calls = 0, error = weft_call_soon(called, &calls, NULL);

    if (error == 0 && (error = weft_call_later(1000, called, &calls, NULL)) == 0) {
        error = weft_call_later(1000, called, &calls, &opt);
        if (error == 0)
            ck_assert_int_eq(weft_handle_cancel(&handle), 1);
    }
    ok(weft_sleep(10000)); /* whatever of it has been asked for has been done */
    ck_assert(error < 0 || calls == 2);
    return error;
}

static int counts_to_two(weft_generator *self, void *arg)
{
    int error = 0;

    (void)arg;
    for (int i = 1; i <= 2 && error == 0; i++)
        error = weft_generator_produce(self, &i);
    return error;
}

static int use_generator(void)
{
    weft_generator *generator;
    int item = 0, last = 0, closed;
    int error = weft_generator_open(&generator, sizeof item, counts_to_two, NULL, 0, NULL);

    if (error < 0)
        return error;
    while ((error = weft_generator_next(generator, &item)) > 0)
        last = item;
    ck_assert(error < 0 || last == 2);
    closed = weft_generator_close(generator);
    return error < 0 ? error : closed;
}

static int events_seen;

static void readable(int fd, int events, void *arg)
{
    (void)arg;
    events_seen = events;
    (void)weft_remove_reader(fd);
}

static int use_watcher(void)
{
    int fds[2], error = weft_pipe(fds, 0);

    if (error < 0)
        return error;
    events_seen = 0;
    error = weft_add_reader(fds[0], readable, NULL);
    if (error == 0)
        error = (int)weft_write(fds[1], "x", 1);
    while (error > 0 && events_seen == 0)
        error = weft_sleep(1000) < 0 ? -EIO : 1;
    weft_close(fds[0]);
    weft_close(fds[1]);
    return error > 0 && events_seen < 0 ? events_seen : error;
}

/* Of a descriptor that weft knows only as one that is waited for. */
static int watch_foreign(void)
{
    int fds[2], error = weft__host_pipe(fds, 0);

    if (error < 0)
        return error;
    error = weft_add_reader(fds[0], readable, NULL);
    if (error == 0)
        ck_assert_int_eq(weft_remove_reader(fds[0]), 1);
    ok(weft_sleep(1000));
    weft__host_close(fds[0]);
    weft__host_close(fds[1]);
    return error;
}

static int use_inbox(void)
{
    weft_inbox *inbox = weft_inbox_here();
    weft_future *future;
    int64_t result = 0;
    int ns = 1000, error;

    error = weft_run_coroutine_threadsafe(inbox, works, &ns, sizeof ns, &future);
    if (error == 0) {
        error = weft_future_await(future, &result);
        weft_future_put(future);
    }
    weft_inbox_put(inbox);
    return error < 0 ? error : result < 0 ? (int)result : 0;
}

/* -- a server */

static int echoes(weft_stream *stream, void *arg)
{
    char byte;
    ssize_t n = weft_stream_read(stream, &byte, 1, 0);

    (void)arg;
    if (n > 0)
        n = weft_stream_write(stream, &byte, 1, NULL);
    return n < 0 ? (int)n : 0;
}

/* Who cannot be served for want of memory is closed. */
static int ask(const weft_server *server)
{
    char address[40], byte = 'x';
    weft_stream *stream;
    ssize_t n;
    int error;

    snprintf(address, sizeof address, "127.0.0.1:%d", weft_server_port(server));
    error = weft_open_connection(address, NULL, &stream);
    if (error < 0)
        return error;
    n = weft_stream_write(stream, &byte, 1, NULL);
    if (n > 0)
        n = weft_stream_read(stream, &byte, 1, 0);
    weft_stream_close(stream);
    return n == 0 || n == -ECONNRESET || n == -EPIPE ? -ENOMEM : n < 0 ? (int)n : 0;
}

static int use_server(void)
{
    weft_server *server;
    int closed, error;

    spared = true;
    error = weft_start_server(&server, "127.0.0.1:0", echoes, NULL, NULL);
    if (error < 0)
        return error;
    error = ask(server);
    closed = weft_server_close(server); /* says what ended it, if something did */
    spared = false;
    return closed < 0 ? closed : error;
}

/* -- processes, signals, and what goes from file to pipe */

static int copies(weft_sim_process *process, int argc, char **argv)
{
    char byte;

    (void)argc, (void)argv;
    while (weft_sim_process_read(process, 0, &byte, 1) > 0)
        (void)weft_sim_process_write(process, 1, &byte, 1);
    return 0;
}

static int use_process(void)
{
    const char *const arguments[] = {"/bin/copies", NULL};
    const struct weft_process_opt opt = {.size = sizeof opt,
                                         .in = WEFT_PIPE,
                                         .out = WEFT_PIPE,
                                         .err = WEFT_PIPE};
    struct weft_process_output output = {.limit = 0};
    weft_process *process;
    int closed, error;

    ck_assert_int_eq(weft_sim_program("/bin/copies", copies), 0);
    error = weft_create_subprocess_exec(arguments, &opt, &process);
    if (error < 0)
        return error;
    error = weft_process_communicate(process, "x", 1, &output, NULL);
    ck_assert(error < 0 || output.out_size == 1);
    weft_process_output_free(&output);
    closed = weft_process_close(process);
    return error < 0 ? error : closed;
}

static void told(const struct weft_signal *signal, void *arg)
{
    (void)signal;
    (void)arg;
}

static int use_signals(void)
{
    const int number = SIGUSR1;
    weft_signals *signals;
    int error = weft_signals_open(&number, 1, &signals);

    if (error == 0)
        error = weft_signals_close(signals);
    if (error == 0)
        error = weft_add_signal_handler(SIGUSR2, told, NULL);
    return error < 0 ? error : weft_remove_signal_handler(SIGUSR2);
}

static int use_sendfile(void)
{
    int fds[2], fd, error = weft_pipe(fds, 0);
    off_t at = 0;
    ssize_t n;

    if (error < 0)
        return error;
    fd = weft_open("/tmp/a", O_RDONLY, 0);
    n = fd < 0 ? fd : weft_sendfile(fds[1], fd, &at, 1);
    if (fd >= 0)
        weft_close(fd);
    weft_close(fds[0]);
    weft_close(fds[1]);
    return (int)n;
}

static const struct faults_part parts[] = {
    FAULTS_PART(use_future),    FAULTS_PART(gather_many), FAULTS_PART(in_the_order_of_coming),
    FAULTS_PART(one_by_one),    FAULTS_PART(use_process), FAULTS_PART(use_threads),
    FAULTS_PART(use_files),     FAULTS_PART(use_file),    FAULTS_PART(use_sendfile),
    FAULTS_PART(use_streams),   FAULTS_PART(use_move),    FAULTS_PART(use_signals),
    FAULTS_PART(use_generator), FAULTS_PART(use_watcher), FAULTS_PART(watch_foreign),
    FAULTS_PART(use_callbacks), FAULTS_PART(use_inbox),   FAULTS_PART(use_server)};
enum { PARTS = sizeof parts / sizeof parts[0] };

static int everything(void *arg)
{
    int error = 0;

    (void)arg;
    for (size_t i = 0; i < PARTS && error >= 0; i++)
        error = parts[i].run();
    return error;
}

/* -- again and again -----------------------------------------------------------------------------
 */

static int on_one(void)
{
    return weft_run(everything, NULL, 0, NULL);
}

static const struct faults faults = {.program = on_one};

TEST(every_allocation_fails_once)
{
    faults_of_allocations(&faults);
}

TEST(every_descriptor_is_refused_once)
{
    ck_assert_uint_ge(faults_of_descriptors(&faults), 3);
}

static int again_and_again(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < PARTS; i++)
        faults_within(&parts[i]);
    return 0;
}

TEST(nothing_is_left_meanwhile)
{
    struct world world = {.plan = "calm", .seed = 1, .task = again_and_again};

    spared = true;
    ck_assert_int_eq(world_run(&world), 0);
}

TEST_MAIN("sim/faults", 60, nothing_is_left_meanwhile, every_allocation_fails_once,
          every_descriptor_is_refused_once)
