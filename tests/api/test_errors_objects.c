/*
 * Calls on objects that are another reactor's, on none, in a thread that has no reactor, and those
 * that suspend where nothing may: each call of files, streams, watches, signals, processes,
 * servers, transports and endpoints. Would catch a call that looks at the object before it asks
 * whose that is, and one that parks the loop.
 */
#include "support/file.h"

#include "sync.h"

#include "blocked.h"

static char bytes[64];
static struct iovec vector = {bytes, 8};
static const void *data;
static size_t size;
static int released;

static weft_file *object;
static weft_server *server;
static weft_transport *transport;
static weft_endpoint *endpoint;

static void release(void *arg)
{
    (void)arg;
    released++;
}

/* -- the calls --------------------------------------------------------------------------------- */

#define CALL(name, expression)                                                                     \
    static int64_t name(void)                                                                      \
    {                                                                                              \
        return (expression);                                                                       \
    }

CALL(file_read, weft_file_read(object, bytes, 1))
CALL(file_read_exactly, weft_file_read_exactly(object, bytes, 1, NULL))
CALL(file_read_until, weft_file_read_until(object, "x", 1, bytes, 8))
CALL(file_read_line, weft_file_read_line(object, bytes, 8))
CALL(file_peek, weft_file_peek(object, &data, &size))
CALL(file_consume, weft_file_consume(object, 0))
CALL(file_write, weft_file_write(object, bytes, 1, NULL))
CALL(file_seek, weft_file_seek(object, 0, SEEK_SET))
CALL(file_tell, weft_file_tell(object))
CALL(file_discard, weft_file_discard(object))
CALL(file_pread, weft_file_pread(object, bytes, 1, 0))
CALL(file_pwrite, weft_file_pwrite(object, bytes, 1, 0, NULL))
CALL(file_close, weft_file_close(object))
CALL(stream_read, weft_stream_read(the_stream, bytes, 1, 0))
CALL(stream_read_until_time,
     weft_stream_read_until_time(the_stream, bytes, 1, 0, weft_after_ns(HOUR)))
CALL(stream_read_exactly, weft_stream_read_exactly(the_stream, bytes, 1, NULL))
CALL(stream_read_until, weft_stream_read_until(the_stream, "x", 1, bytes, 8, 0))
CALL(stream_read_line, weft_stream_read_line(the_stream, bytes, 8, 0))
CALL(stream_peek, weft_stream_peek(the_stream, &data, &size, 0))
CALL(stream_consume, weft_stream_consume(the_stream, 0))
CALL(stream_write, weft_stream_write(the_stream, bytes, 1, NULL))
CALL(stream_writev, weft_stream_writev(the_stream, &vector, 1, NULL))
CALL(stream_write_give, weft_stream_write_give(the_stream, bytes, 1, NULL, release, NULL))
CALL(stream_write_nowait, weft_stream_write_nowait(the_stream, bytes, 1))
CALL(stream_set_write_limits, weft_stream_set_write_limits(the_stream, 2, 1))
CALL(stream_give, weft_stream_give(the_stream, the_stream, 1))
CALL(stream_splice, weft_stream_splice(the_stream, the_stream, 1, 0))
CALL(stream_drain, weft_stream_drain(the_stream))
CALL(stream_shutdown, weft_stream_shutdown(the_stream))
CALL(stream_detach, weft_stream_detach(the_stream))
CALL(stream_close, weft_stream_close(the_stream))
CALL(stream_abort, weft_stream_abort(the_stream))
CALL(watch_add, weft_watch_add(the_watch, "/tmp", WEFT_WATCH_ALL))
CALL(watch_remove, weft_watch_remove(the_watch, 1))
CALL(watch_next, weft_watch_next(the_watch, NULL, 0))
CALL(watch_close, weft_watch_close(the_watch))
CALL(signals_wait, weft_signals_wait(the_signals, NULL))
CALL(signals_close, weft_signals_close(the_signals))
CALL(process_wait, weft_process_wait(the_process, NULL))
CALL(process_poll, weft_process_poll(the_process, NULL))
CALL(process_send_signal, weft_process_send_signal(the_process, SIGUSR1))
CALL(process_terminate, weft_process_terminate(the_process))
CALL(process_kill, weft_process_kill(the_process))
CALL(process_signal_group, weft_process_signal_group(the_process, SIGUSR1))
CALL(process_communicate, weft_process_communicate(the_process, NULL, 0, NULL, NULL))
CALL(process_close_stdin, weft_process_close_stdin(the_process))
CALL(process_close, weft_process_close(the_process))
CALL(server_port, weft_server_port(server))
CALL(server_listeners, weft_server_listeners(server, NULL, 0))
CALL(server_drain, weft_server_drain(server, 1, 1))
CALL(server_retire, weft_server_retire(server, 1, 1))
CALL(server_wait, weft_server_wait(server))
CALL(server_close, weft_server_close(server))
CALL(transport_write, weft_transport_write(transport, bytes, 1))
CALL(transport_write_eof, weft_transport_write_eof(transport))
CALL(transport_set_write_limits, weft_transport_set_write_limits(transport, 2, 1))
CALL(transport_write_pending, weft_transport_write_pending(transport))
CALL(transport_pause_reading, weft_transport_pause_reading(transport))
CALL(transport_resume_reading, weft_transport_resume_reading(transport))
CALL(transport_close, weft_transport_close(transport))
CALL(transport_abort, weft_transport_abort(transport))
CALL(transport_is_closing, weft_transport_is_closing(transport))
CALL(endpoint_sendto, weft_endpoint_sendto(endpoint, bytes, 1, NULL, 0))
CALL(endpoint_close, weft_endpoint_close(endpoint))
CALL(endpoint_fd, weft_endpoint_fd(endpoint))

/* Suspends; does nothing for none; reads a field and asks nothing. */
enum { WAITS = 1, NULL_IS_FINE = 2, LOOKS = 4 };

static const struct {
    const char *name;
    int64_t (*call)(void);
    int traits;
} calls[] = {
#define ROW(name, traits)                                                                          \
    {                                                                                              \
#name, name, traits                                                                        \
    }
    ROW(file_read, WAITS),
    ROW(file_read_exactly, WAITS),
    ROW(file_read_until, WAITS),
    ROW(file_read_line, WAITS),
    ROW(file_peek, WAITS),
    ROW(file_consume, 0),
    ROW(file_write, WAITS),
    ROW(file_seek, WAITS),
    ROW(file_tell, 0),
    ROW(file_discard, 0),
    ROW(file_pread, WAITS),
    ROW(file_pwrite, WAITS),
    ROW(file_close, WAITS | NULL_IS_FINE),
    ROW(stream_read, WAITS),
    ROW(stream_read_until_time, WAITS),
    ROW(stream_read_exactly, WAITS),
    ROW(stream_read_until, WAITS),
    ROW(stream_read_line, WAITS),
    ROW(stream_peek, WAITS),
    ROW(stream_consume, 0),
    ROW(stream_write, WAITS),
    ROW(stream_writev, WAITS),
    ROW(stream_write_give, WAITS),
    ROW(stream_write_nowait, 0),
    ROW(stream_set_write_limits, 0),
    ROW(stream_give, WAITS),
    ROW(stream_splice, WAITS),
    ROW(stream_drain, WAITS),
    ROW(stream_shutdown, WAITS),
    ROW(stream_detach, WAITS),
    ROW(stream_close, WAITS | NULL_IS_FINE),
    ROW(stream_abort, WAITS | NULL_IS_FINE),
    ROW(watch_add, WAITS),
    ROW(watch_remove, 0),
    ROW(watch_next, WAITS),
    ROW(watch_close, WAITS | NULL_IS_FINE),
    ROW(signals_wait, WAITS),
    ROW(signals_close, WAITS | NULL_IS_FINE),
    ROW(process_wait, WAITS),
    ROW(process_poll, 0),
    ROW(process_send_signal, 0),
    ROW(process_terminate, 0),
    ROW(process_kill, 0),
    ROW(process_signal_group, 0),
    ROW(process_communicate, WAITS),
    ROW(process_close_stdin, WAITS),
    ROW(process_close, WAITS | NULL_IS_FINE),
    ROW(server_port, 0),
    ROW(server_listeners, 0),
    ROW(server_drain, WAITS),
    ROW(server_retire, WAITS),
    ROW(server_wait, WAITS),
    ROW(server_close, WAITS | NULL_IS_FINE),
    ROW(transport_write, 0),
    ROW(transport_write_eof, 0),
    ROW(transport_set_write_limits, 0),
    ROW(transport_write_pending, 0),
    ROW(transport_pause_reading, 0),
    ROW(transport_resume_reading, 0),
    ROW(transport_close, 0),
    ROW(transport_abort, 0),
    ROW(transport_is_closing, 0),
    ROW(endpoint_sendto, 0),
    ROW(endpoint_close, 0),
    ROW(endpoint_fd, LOOKS),
};
enum { CALLS = sizeof calls / sizeof calls[0] };

/* -- each of each ------------------------------------------------------------------------------ */

static int serves(weft_stream *stream, void *arg)
{
    (void)stream, (void)arg;
    return 0;
}

static const struct weft_protocol protocol = {.size = sizeof protocol};
static const struct weft_datagram_protocol datagrams = {.size = sizeof datagrams};

static void set_up(void)
{
    int pair[2];

    file_put("file", "x\n");
    same(weft_file_from_fd(weft_openat(folder, "file", O_RDWR, 0), NULL, &object), 0);
    same(weft_start_server(&server, "127.0.0.1:0", serves, NULL, NULL), 0);
    net_pair(&pair[0], &pair[1]);
    same(weft_transport_open(pair[0], &protocol, NULL, NULL, &transport), 0);
    others[0] = pair[1];
    same(weft_create_datagram_endpoint(&endpoint, "127.0.0.1:0", NULL, &datagrams, NULL, NULL), 0);
    up_stream();
    up_process();
    up_signals();
    up_watch();
}

static void take_down(void)
{
    end_watch();
    end_signals();
    end_process();
    end_stream();
    same(weft_endpoint_close(endpoint), 0);
    same(weft_transport_abort(transport), 0);
    same(weft_close(others[0]), 0);
    same(weft_server_close(server), 0);
    same(weft_file_close(object), 0);
}

static void all_say(int wanted, int traits)
{
    int wrong = 0;

    for (size_t i = 0; i < CALLS; i++) {
        int result;
        if ((calls[i].traits & traits) != traits || calls[i].traits & LOOKS)
            continue;
        result = (int)calls[i].call();
        if (result != wanted && ++wrong)
            fprintf(stderr, "%s: %d instead of %d\n", calls[i].name, result, wanted);
    }
    same(wrong, 0);
}

static int elsewhere(void *arg)
{
    (void)arg;
    all_say(-EXDEV, 0);
    return 0;
}
static int others_main(void *arg)
{
    (void)arg;
    set_up();
    same(weft_call(1, elsewhere, NULL, 0), 0);
    take_down();
    return 0;
}
TEST(another_reactors)
{
    file_run_two(others_main);
}

static void in_a_callback(void *arg)
{
    all_say(-EPERM, WAITS);
    *(bool *)arg = true;
}
static int callback_main(void *arg)
{
    bool called = false;

    (void)arg;
    set_up();
    same(weft_call_soon(in_a_callback, &called, NULL), 0);
    while (!called)
        same(weft_yield(), 0);
    take_down();
    return 0;
}
TEST(in_callbacks)
{
    file_run(callback_main);
}

static int in_a_thread(void *arg)
{
    (void)arg;
    all_say(-EPERM, 0);
    return 0;
}
static int outside_main(void *arg)
{
    (void)arg;
    set_up();
    same(weft_to_thread(in_a_thread, NULL), 0);
    take_down();
    return 0;
}
TEST(outside)
{
    file_run(outside_main);
}

static int none_main(void *arg)
{
    int wrong = 0;

    (void)arg;
    for (size_t i = 0; i < CALLS; i++) {
        int result = (int)calls[i].call(), wanted = calls[i].traits & NULL_IS_FINE ? 0 : -EINVAL;
        if (result != wanted && ++wrong)
            fprintf(stderr, "%s: %d instead of %d\n", calls[i].name, result, wanted);
    }
    same(wrong, 0);
    return 0;
}
TEST(none)
{
    file_run(none_main);
}

TEST_MAIN("errors_objects", 60, another_reactors, in_callbacks, outside, none)
