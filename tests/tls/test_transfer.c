/*
 * Bytes through a layer of TLS. Catches bytes lost between the clear and the encrypted, a record
 * left by half when its writer was cancelled, an end that was cut short and is taken for one in
 * order, and a layer that keeps memory or a view. Who has to wait for more than the peer's bytes:
 * test_waiting.c.
 */
#include "transfer.h"

/* -- reading and writing -------------------------------------------------------------------- */

TLS_TEST(messages)
{
    struct pair pair;
    char text[64];
    size_t done;

    pair_ready(&pair);
    put(pair.client, "one\ntwo\n\r\n.end");
    is(weft_tls_read_line(pair.server, text, sizeof text, 0), 4);
    ck_assert_str_eq(text, "one\n");
    is(weft_tls_read_line(pair.server, text, 4, 0), -EMSGSIZE);
    is(weft_tls_read_line(pair.server, text, 5, 0), 4);
    ck_assert_str_eq(text, "two\n");
    is(weft_tls_read_until(pair.server, "\r\n.", 3, text, 2, 0), -EMSGSIZE);
    is(weft_tls_read_until(pair.server, "\r\n.", 3, text, 3, 0), 3);
    is(weft_tls_read_exactly(pair.server, text, 2, &done), 2);
    is(done, 2);
    ck_assert_int_eq(memcmp(text, "en", 2), 0);
    is(weft_tls_read(pair.server, text, 0, 0), 0);
    is(weft_tls_at_eof(pair.server), 0);
    put(pair.client, "");
    is(weft_tls_shutdown(pair.client), 0);
    is(weft_tls_shutdown(pair.client), 0);
    is(weft_tls_write(pair.client, "x", 1, NULL), -EPIPE);
    is(weft_tls_read_line(pair.server, text, sizeof text, 0), -ENODATA);
    is(weft_tls_read_until(pair.server, "\r\n.", 3, text, sizeof text, 0), -ENODATA);
    is(weft_tls_at_eof(pair.server), 0);
    is(weft_tls_read_exactly(pair.server, text, 2, &done), -ENODATA);
    is(done, 1);
    is(text[0], 'd');
    is(weft_tls_at_eof(pair.server), 1);
    is(weft_tls_read(pair.server, text, 1, 0), 0);
    pair_close(&pair);
    return 0;
}

/* A delimiter that comes a byte at a time, each in a record of its own. */
static int say_slowly(void *arg)
{
    weft_tls *tls = *(weft_tls **)arg;

    for (const char *at = "ab\r\r\n\r\nrest"; *at; at++) {
        is(weft_tls_write(tls, at, 1, NULL), 1);
        ok(weft_sleep(200000));
    }
    return 0;
}

TLS_TEST(in_pieces)
{
    struct pair pair;
    char text[16];

    pair_ready(&pair);
    WEFT_SCOPE(s) {
        is(weft_spawn(&s, say_slowly, &pair.client, sizeof pair.client, NULL), 0);
        is(weft_tls_read_until(pair.server, "\r\n\r\n", 4, text, sizeof text, 0), 7);
        ck_assert_int_eq(memcmp(text, "ab\r\r\n\r\n", 7), 0);
        is(weft_tls_read_exactly(pair.server, text, 4, NULL), 4);
        ck_assert_int_eq(memcmp(text, "rest", 4), 0);
    }
    pair_close(&pair);
    return 0;
}

/* -- the end -------------------------------------------------------------------------------- */

/* After its own end a side goes on hearing the other. */
TLS_TEST(half_closed)
{
    struct pair pair;
    char text[8];

    pair_ready(&pair);
    is(weft_tls_shutdown(pair.client), 0);
    is(weft_tls_read(pair.server, text, sizeof text, 0), 0);
    put(pair.server, "answer");
    is(weft_tls_close(pair.server), 0);
    is(weft_tls_read_exactly(pair.client, text, 6, NULL), 6);
    is(weft_tls_read(pair.client, text, 1, 0), 0);
    is(weft_tls_close(pair.client), 0);
    ok(weft_stream_close(pair.server_stream));
    ok(weft_stream_close(pair.client_stream));
    return 0;
}

/* The stream ends, and TLS does not: what came is read, and then it is no end in order. */
TLS_TEST(cut_short)
{
    struct pair pair;
    char text[8];

    pair_ready(&pair);
    put(pair.client, "all?");
    is(weft_tls_abort(pair.client), 0);
    ok(weft_stream_shutdown(pair.client_stream));
    is(weft_tls_read_exactly(pair.server, text, 4, NULL), 4);
    is(weft_tls_read(pair.server, text, 1, 0), -ECONNABORTED);
    ck_assert_int_gt(strlen(weft_tls_error(pair.server)), 0);
    is(weft_tls_read_line(pair.server, text, sizeof text, 0), -ECONNABORTED);
    is(weft_tls_read_until(pair.server, "x", 1, text, sizeof text, 0), -ECONNABORTED);
    is(weft_tls_read_until_time(pair.server, text, 1, 0, WEFT_NEVER), -ECONNABORTED);
    is(weft_tls_at_eof(pair.server), 0);
    is(weft_tls_close(pair.server), 0);
    ok(weft_stream_close(pair.server_stream));
    ok(weft_stream_close(pair.client_stream));
    return 0;
}

/* A forged byte is noticed. */
TLS_TEST(forged)
{
    struct pair pair;
    char text[8];

    pair_ready(&pair);
    ok(weft_stream_write(pair.client_stream,
                         "\x17\x03\x03\x00\x20"
                         "a forged record of 32 bytes ....",
                         37, NULL));
    is(weft_tls_read(pair.server, text, 1, 0), -EPROTO);
    is(weft_tls_read(pair.client, text, 1, 0), -EPROTO); /* and told to the other side */
    ck_assert_ptr_nonnull(strstr(weft_tls_error(pair.client), "bad record mac"));
    pair_close(&pair);
    return 0;
}

/* -- between the clear and the encrypted ---------------------------------------------------- */

static int begin_server(void *arg)
{
    struct pair *pair = *(struct pair **)arg;
    weft_tls_context *context = pair_server(CONTEXT(.certificate_file = server_pem));
    char line[32];

    is(weft_stream_read_line(pair->server_stream, line, sizeof line, 0), 9);
    ck_assert_str_eq(line, "STARTTLS\n");
    is(weft_tls_open(&pair->server, pair->server_stream, context, NULL), 0);
    weft_tls_context_put(context);
    return weft_tls_handshake(pair->server, WEFT_NEVER);
}

/* The client does not wait for leave, so its first message of TLS comes with the line before it;
   and behind the end of TLS the stream is what it was. */
TLS_TEST(start_tls)
{
    weft_tls_context *context = pair_client(CONTEXT(.ca_file = ca));
    struct weft_tls_opt opt = {.size = sizeof opt, .server_name = "server.test"};
    struct pair pair, *here = &pair;
    char text[32];

    pair_streams(&pair.client_stream, &pair.server_stream);
    is(weft_tls_open(&pair.client, pair.client_stream, context, &opt), 0);
    weft_tls_context_put(context);
    WEFT_SCOPE(s) {
        ok(weft_stream_write_nowait(pair.client_stream, "STARTTLS\n", 9));
        is(weft_spawn(&s, begin_server, &here, sizeof here, NULL), 0);
        is(weft_tls_handshake(pair.client, WEFT_NEVER), 0);
    }
    put(pair.client, "secret");
    is(weft_tls_close(pair.client), 0);
    ok(weft_stream_write(pair.client_stream, "clear", 5, NULL));
    is(weft_tls_read_exactly(pair.server, text, 6, NULL), 6);
    is(weft_tls_read(pair.server, text, 1, 0), 0);
    is(weft_tls_close(pair.server), 0);
    is(weft_stream_read_exactly(pair.server_stream, text, 5, NULL), 5);
    ck_assert_int_eq(memcmp(text, "clear", 5), 0);
    ok(weft_stream_close(pair.server_stream));
    ok(weft_stream_close(pair.client_stream));
    return 0;
}

static int shake_client(void *arg)
{
    return weft_tls_handshake(*(weft_tls **)arg, WEFT_NEVER);
}

/* Who has read too far gives what it has to the layer. */
TLS_TEST(already_read)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca));
    struct weft_tls_opt opt = {.size = sizeof opt, .server_name = "server.test"};
    struct pair pair;
    char text[100];

    pair_streams(&pair.client_stream, &pair.server_stream);
    is(weft_tls_open(&pair.client, pair.client_stream, client, &opt), 0);
    WEFT_SCOPE(s) {
        is(weft_spawn(&s, shake_client, &pair.client, sizeof pair.client, NULL), 0);
        is(weft_stream_read_exactly(pair.server_stream, text, sizeof text, NULL), sizeof text);
        opt =
            (struct weft_tls_opt){.size = sizeof opt, .already = text, .already_size = sizeof text};
        is(weft_tls_open(&pair.server, pair.server_stream, server, &opt), 0);
        memset(text, 0, sizeof text);
        is(weft_tls_handshake(pair.server, WEFT_NEVER), 0);
    }
    put(pair.server, "x");
    is(weft_tls_read(pair.client, text, 1, 0), 1);
    pair_close(&pair);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return 0;
}

/* -- two tasks, and much ------------------------------------------------------------------- */

enum { MUCH = 3 * 1024 * 1024 };

struct way {
    weft_tls *tls;
    uint64_t seed;
    size_t size;
    bool renews; /* keys, now and then */
};

static int send_much(void *arg)
{
    const struct way *way = arg;
    static const size_t sizes[] = {1, 100000, 17, 16384, 16385, 300000};
    unsigned char *bytes = malloc(300000);

    for (size_t at = 0, i = 0; at < way->size; i++) {
        size_t left = way->size - at, size = sizes[i % 6] < left ? sizes[i % 6] : left;
        net_fill(bytes, size, way->seed, at);
        is(weft_tls_write(way->tls, bytes, size, NULL), (ssize_t)size);
        at += size;
        if (way->renews && i % 3 == 0)
            ck_assert(SSL_key_update(weft_tls_native(way->tls), SSL_KEY_UPDATE_REQUESTED));
    }
    free(bytes);
    return weft_tls_shutdown(way->tls);
}

static int receive_much(void *arg)
{
    const struct way *way = arg;
    unsigned char *bytes = malloc(50000);
    size_t at = 0;
    ssize_t n;

    while ((n = weft_tls_read(way->tls, bytes, 1 + at % 50000, 0)) > 0)
        for (ssize_t i = 0; i < n; i++, at++)
            if (bytes[i] != net_byte(way->seed, at))
                ck_abort_msg("byte %zu is another", at);
    free(bytes);
    is(at, way->size);
    return (int)n;
}

static void both_ways(bool renews)
{
    struct pair pair;

    pair_ready(&pair);
    WEFT_SCOPE(s) {
        struct way ways[] = {{pair.client, 1, MUCH, renews},
                             {pair.server, 2, MUCH, renews},
                             {pair.client, 2, MUCH, renews},
                             {pair.server, 1, MUCH, renews}};
        for (int i = 0; i < 4; i++)
            is(weft_spawn(&s, i < 2 ? send_much : receive_much, &ways[i], sizeof ways[i], NULL), 0);
    }
    pair_close(&pair);
}

TLS_TEST(much_both_ways)
{
    both_ways(false);
    return 0;
}

/* Each side's reader answers while its writer is in the middle of something. */
TLS_TEST(keys_renewed)
{
    both_ways(true);
    return 0;
}

static int reads(void *arg)
{
    char byte;

    return (int)weft_tls_read(*(weft_tls **)arg, &byte, 1, 0);
}

TLS_TEST(busy_and_cancelled)
{
    struct pair pair;
    weft_task task;
    char byte;
    int result = 1;

    pair_ready(&pair);
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        is(weft_spawn(&s, reads, &pair.client, sizeof pair.client, &opt), 0);
        ok(weft_sleep(5000000));
        is(weft_tls_read(pair.client, &byte, 1, 0), -EBUSY);
        is(weft_tls_close(pair.client), -EBUSY);
        is(weft_tls_abort(pair.client), -EBUSY);
        put(pair.client, "beside");
        is(weft_cancel(task), 1);
        is(weft_join(task, &result), 0);
        is(result, -ECANCELED);
    }
    is(weft_tls_read_until_time(pair.client, &byte, 1, 0, weft_after_ms(5)), -ETIMEDOUT);
    is(weft_tls_read_until_time(pair.client, &byte, 1, 0, 0), -ETIMEDOUT);
    put(pair.server, "!"); /* nothing was lost by all this */
    is(weft_tls_read_until_time(pair.client, &byte, 1, 0, WEFT_NEVER), 1);
    is(byte, '!');
    pair_close(&pair);
    return 0;
}

/* Who is cancelled is refused before anything is done, even if nothing would be waited for. */
static int in_vain(void *arg)
{
    struct pair *pair = *(struct pair **)arg;
    size_t done = 1;
    char byte;

    is(weft_sleep(INT64_C(3600000000000)), -ECANCELED);
    is(weft_tls_read(pair->client, &byte, 1, 0), -ECANCELED);
    is(weft_tls_write(pair->client, "x", 1, &done), -ECANCELED);
    is(done, 0);
    is(weft_tls_shutdown(pair->client), -ECANCELED);
    is(weft_tls_close(pair->client), 0); /* but this is never refused */
    return 0;
}

TLS_TEST(cancelled_before)
{
    struct pair pair, *here = &pair;
    weft_task task;
    char text[4];

    pair_ready(&pair);
    put(pair.server, "word");
    WEFT_SCOPE(s) {
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        is(weft_spawn(&s, in_vain, &here, sizeof here, &opt), 0);
        ok(weft_sleep(1000000));
        is(weft_cancel(task), 1);
        is(weft_join(task, NULL), 0);
    }
    is(weft_tls_read(pair.server, text, 1, 0), 0); /* an end in order */
    is(weft_tls_close(pair.server), 0);
    ok(weft_stream_close(pair.server_stream));
    ok(weft_stream_close(pair.client_stream));
    return 0;
}

/* A writer cut in the middle of a record: what it said it took comes, whole, and then the rest. */
static int write_cut(void *arg)
{
    struct way *way = *(struct way **)arg;
    unsigned char *bytes = malloc(way->size);
    size_t done;

    net_fill(bytes, way->size, way->seed, 0);
    is(weft_tls_write(way->tls, bytes, way->size, &done), -ECANCELED);
    ck_assert(done > 0 && done < way->size);
    is(weft_uncancel(), 0);
    is(weft_tls_write(way->tls, bytes + done, way->size - done, NULL), (ssize_t)(way->size - done));
    free(bytes);
    return weft_tls_shutdown(way->tls);
}

TLS_TEST(writer_cut)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca));
    struct pair pair;
    weft_task task;

    unix_streams(&pair);
    pair_lay(&pair, client, server, "server.test");
    pair_shake(&pair);
    WEFT_SCOPE(s) {
        struct way in = {pair.server, 7, TOO_MUCH, false}, out = in, *here = &out;
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        out.tls = pair.client;
        is(weft_spawn(&s, write_cut, &here, sizeof here, &opt), 0);
        until_it_waits();
        is(weft_cancel(task), 1);
        is(receive_much(&in), 0);
        is(weft_join(task, NULL), 0);
    }
    pair_close(&pair);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return 0;
}

TEST_MAIN("tls transfer", 60, messages, in_pieces, half_closed, cut_short, forged, start_tls,
          already_read, much_both_ways, keys_renewed, busy_and_cancelled, cancelled_before,
          writer_cut)
