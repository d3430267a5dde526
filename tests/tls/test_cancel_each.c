/*
 * Every wait of a layer of TLS, cancelled at each moment: tests/api/cancel_each.h. Would catch a
 * layer that loses a record it had in hand, or the end that was being written, or that holds one of
 * its locks when who waited is gone.
 *
 * Not here, since nothing cancels it: closing.
 */
#include "pair.h"

#include "api/cancel_each.h"

/* Of which Linux makes twice as much. Far less, and a loopback takes its time: each piece waits for
   an acknowledgement that comes late. */
enum { ROOM = 1 << 17, FILL = 16 * ROOM };

static weft_tls_context *client, *server;
static struct pair pair;
static size_t filled; /* bytes that keep what is written waiting */

static void up_raw(void)
{
    pair_streams(&pair.client_stream, &pair.server_stream);
    pair_lay(&pair, client, server, "server.test");
}
static void up_pair(void)
{
    up_raw();
    pair_shake(&pair);
    is(pair.client_result, 0);
    is(pair.server_result, 0);
}
static void end_pair(void)
{
    pair_close(&pair);
}

/* -- bytes to come ---------------------------------------------------------------------------- */

static int wait_read(void)
{
    char byte = 0;

    return (int)weft_tls_read(pair.client, &byte, 1, 0);
}
static int wait_until(void)
{
    char byte = 0;

    return (int)weft_tls_read_until_time(pair.client, &byte, 1, 0, weft_after_ns(HOUR));
}
static int wait_exactly(void)
{
    char byte = 0;

    return (int)weft_tls_read_exactly(pair.client, &byte, 1, NULL);
}
static int wait_line(void)
{
    char line[8] = "";
    int result = (int)weft_tls_read_line(pair.client, line, sizeof line, 0);

    ck_assert_str_eq(line, result == 2 ? "x\n" : "");
    return result;
}
/* A part of it has come before, as far as the half of what ends it, and stays for whoever is not
   cancelled. */
static void up_part(void)
{
    up_pair();
    is(weft_tls_write(pair.server, "x\r", 2, NULL), 2);
}
static int wait_delimiter(void)
{
    char text[8] = "";
    int result = (int)weft_tls_read_until(pair.client, "\r\n", 2, text, sizeof text, 0);

    ck_assert_str_eq(text, result == 3 ? "x\r\n" : "");
    return result;
}
static void complete_part(void)
{
    is(weft_tls_write(pair.server, "\nx\r", 3, NULL), 3); /* and as much of the next */
}
static void complete_bytes(void)
{
    is(weft_tls_write(pair.server, "x", 1, NULL), 1);
}
static void complete_line(void)
{
    is(weft_tls_write(pair.server, "x\n", 2, NULL), 2);
}

/* -- the handshake ---------------------------------------------------------------------------- */

static int wait_handshake(void)
{
    return weft_tls_handshake(pair.client, weft_after_ns(HOUR));
}
static void complete_handshake(void)
{
    is(weft_tls_handshake(pair.server, WEFT_NEVER), 0);
}

/* -- room to come ----------------------------------------------------------------------------- */

/* What is written in the clear below the layer nobody reads: more than both ends hold. */
static void up_full(void)
{
    const struct weft_socket_opt small = {.size = sizeof small,
                                          .send_buffer_size = ROOM,
                                          .receive_buffer_size = ROOM};
    static const char bytes[FILL];

    up_pair();
    is(weft_socket_set(weft_stream_fd(pair.client_stream), &small), 0);
    is(weft_socket_set(weft_stream_fd(pair.server_stream), &small), 0);
    is(weft_stream_write_nowait(pair.client_stream, bytes, FILL), FILL);
    filled = FILL;
}
static int wait_write(void)
{
    return (int)weft_tls_write(pair.client, "x", 1, NULL);
}
static int wait_shutdown(void)
{
    return weft_tls_shutdown(pair.client);
}
static void complete_room(void)
{
    static char bytes[FILL];

    is(weft_stream_read_exactly(pair.server_stream, bytes, filled, NULL), (ssize_t)filled);
    filled = 0;
}
static void end_full(void)
{
    is(weft_tls_abort(pair.client), 0);
    is(weft_tls_abort(pair.server), 0);
    ok(weft_stream_abort(pair.client_stream));
    ok(weft_stream_abort(pair.server_stream));
}

/* clang-format off */
static const struct kind kinds[] = {
    {"tls_read", up_pair, wait_read, complete_bytes, end_pair, 1, LATE},
    {"tls_read_until_time", up_pair, wait_until, complete_bytes, end_pair, 1, LATE},
    {"tls_read_exactly", up_pair, wait_exactly, complete_bytes, end_pair, 1, LATE},
    {"tls_read_line", up_pair, wait_line, complete_line, end_pair, 2, LATE},
    {"tls_read_until", up_part, wait_delimiter, complete_part, end_pair, 3, LATE},
    {"tls_handshake", up_raw, wait_handshake, complete_handshake, end_pair, 0, LATE},
    {"tls_write", up_full, wait_write, complete_room, end_full, 1, LATE},
    {"tls_shutdown", up_full, wait_shutdown, complete_room, end_full, 0, LATE},
};
/* clang-format on */

static void make_contexts(void)
{
    certificates_make();
    server = pair_server(CONTEXT(.certificate_file = server_pem));
    client = pair_client(CONTEXT(.ca_file = ca));
}
static void drop_contexts(void)
{
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    certificates_remove();
}

static void run_each(enum when when)
{
    make_contexts();
    run_table(kinds, sizeof kinds / sizeof kinds[0], 1, when);
    drop_contexts();
}

THE_MOMENTS

TEST_MAIN("tls cancel_each", 60, before, in_flight, completed_and_not_seen, from_another_core,
          too_late, timed_out)
