/*
 * Bytes through a layer of TLS. Catches bytes lost between the clear and the encrypted, a record
 * left by half when its writer was cancelled, an end that was cut short and is taken for one in
 * order, two tasks that wait for each other, and a layer that keeps memory or a view.
 */
#include "pair.h"

/* -- reading and writing -------------------------------------------------------------------- */

static void put(weft_tls *tls, const char *text)
{
    size_t done = 0;

    is(weft_tls_write(tls, text, strlen(text), &done), (ssize_t)strlen(text));
    is(done, strlen(text));
}

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

enum { MUCH = 3 * 1024 * 1024, TOO_MUCH = 16 * 1024 * 1024 /* for the kernel to keep */ };

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

/* A Unix socket, of which the kernel keeps little. */
static void unix_streams(struct pair *pair)
{
    char address[64];
    int listener, fd;

    snprintf(address, sizeof address, "unix:@weft-tls-%d", getpid());
    listener = weft_listen_tcp(address, NULL);
    ok(listener);
    fd = weft_connect_tcp(address, NULL);
    ok(fd);
    is(weft_stream_open(fd, NULL, &pair->client_stream), 0);
    fd = weft_accept(listener, NULL, NULL, 0);
    ok(fd);
    is(weft_stream_open(fd, NULL, &pair->server_stream), 0);
    ok(weft_close(listener));
}

/* Nobody reads: it goes on until nothing more fits. */
static void until_it_waits(void)
{
    uint64_t before;

    do {
        before = net_stats().bytes_sent;
        ok(weft_sleep(5000000));
    } while (before != net_stats().bytes_sent);
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

/* -- a stream that does not take what is encrypted -------------------------------------------- */

static int write_in_the_clear(void *arg)
{
    char *bytes = calloc(1, TOO_MUCH);

    is(weft_stream_write(*(weft_stream **)arg, bytes, TOO_MUCH, NULL), TOO_MUCH);
    free(bytes);
    return 0;
}

/* Another has the stream, which is a mistake: what was encrypted meanwhile is not dropped. */
TLS_TEST(stream_busy)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca));
    char *bytes = malloc(TOO_MUCH);
    struct pair pair;
    size_t done;

    unix_streams(&pair);
    pair_lay(&pair, client, server, "server.test");
    pair_shake(&pair);
    WEFT_SCOPE(s) {
        is(weft_spawn(&s, write_in_the_clear, &pair.client_stream, sizeof(weft_stream *), NULL), 0);
        until_it_waits();
        is(weft_tls_write(pair.client, "one ", 4, &done), -EBUSY);
        is(done, 4);
        is(weft_stream_read_exactly(pair.server_stream, bytes, TOO_MUCH, NULL), TOO_MUCH);
    }
    put(pair.client, "two");
    is(weft_tls_read_exactly(pair.server, bytes, 7, NULL), 7);
    ck_assert_int_eq(memcmp(bytes, "one two", 7), 0);
    free(bytes);
    pair_close(&pair);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return 0;
}

/* The peer is gone: nothing is encrypted that cannot be sent, and what has come is read. */
TLS_TEST(stream_lost)
{
    struct pair pair;
    ssize_t result;
    char text[4];
    size_t done;

    pair_ready(&pair);
    put(pair.server, "word");
    is(weft_tls_read(pair.client, text, 1, 0), 1);
    is(weft_tls_abort(pair.server), 0);
    ok(weft_stream_close(pair.server_stream));
    while ((result = weft_tls_write(pair.client, "x", 1, NULL)) == 1)
        ok(weft_sleep(1000000));
    is(weft_tls_write(pair.client, "x", 1, &done), result);
    is(done, 0);
    is(weft_tls_shutdown(pair.client), result);
    is(weft_tls_read_exactly(pair.client, text + 1, 3, NULL), 3);
    ck_assert_int_eq(memcmp(text, "word", 4), 0);
    is(weft_tls_close(pair.client), 0);
    ok(weft_stream_abort(pair.client_stream));
    return 0;
}

/* -- a peer that asks and does not listen ---------------------------------------------------- */

enum { QUESTIONS = 20000 };

static int ask_and_ask(void *arg)
{
    weft_tls *tls = *(weft_tls **)arg;

    for (int i = 0; i < QUESTIONS; i++) {
        ck_assert(SSL_key_update(weft_tls_native(tls), SSL_KEY_UPDATE_REQUESTED));
        is(weft_tls_write(tls, "x", 1, NULL), 1);
    }
    return weft_tls_shutdown(tls);
}

static int read_to_end(void *arg)
{
    weft_tls *tls = *(weft_tls **)arg;
    char bytes[512];
    ssize_t n;

    while ((n = weft_tls_read(tls, bytes, sizeof bytes, 0)) > 0)
        ;
    is(n, 0);
    return weft_tls_shutdown(tls);
}

/* Its answers wait in memory, but not more than a limit of them: then we do not listen either. */
TLS_TEST(answers_bounded)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca));
    struct pair pair;

    unix_streams(&pair);
    pair_lay(&pair, client, server, "server.test");
    pair_shake(&pair);
    WEFT_SCOPE(s) {
        is(weft_spawn(&s, ask_and_ask, &pair.client, sizeof pair.client, NULL), 0);
        is(weft_spawn(&s, read_to_end, &pair.server, sizeof pair.server, NULL), 0);
        until_it_waits();
        ck_assert_int_gt(weft_stream_write_pending(pair.server_stream), 1000);
        /* the limit, and the answers to what was held at that moment */
        ck_assert_int_le(weft_stream_write_pending(pair.server_stream), 2 * 65536 + 1000);
        is(read_to_end(&pair.client), 0);
    }
    pair_close(&pair);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return 0;
}

/* -- a writer that wants to read ------------------------------------------------------------ */

/* Passes bytes on; those to the client only while `left` is not used up. */
struct relay {
    weft_stream *from, *to;
    size_t left;
    weft_event more;
};

static int pass_on(void *arg)
{
    struct relay *relay = *(struct relay **)arg;
    const void *data;
    size_t size;
    int result;

    while ((result = weft_stream_peek(relay->from, &data, &size, 0)) > 0) {
        size_t part = size < relay->left ? size : relay->left;
        is(weft_stream_write(relay->to, data, part, NULL), (ssize_t)part);
        is(weft_stream_consume(relay->from, part), 0);
        relay->left -= part;
        if (relay->left == 0) {
            weft_event_clear(&relay->more);
            is(weft_event_wait(&relay->more), 0);
        }
    }
    return result < 0 ? result : weft_stream_shutdown(relay->to);
}

static void let_through(struct relay *relay, size_t size)
{
    relay->left = size;
    weft_event_set(&relay->more);
}

static int reads_x(void *arg)
{
    char byte = 0;

    is(weft_tls_read(*(weft_tls **)arg, &byte, 1, 0), 1);
    is(byte, 'x');
    return 0;
}

struct writing {
    weft_tls *tls;
    bool done;
};

static int writes(void *arg)
{
    struct writing *writing = *(struct writing **)arg;
    ssize_t result = weft_tls_write(writing->tls, "from here", 9, NULL);

    writing->done = true;
    return result == 9 ? 0 : (int)result;
}

/* A ticket, which holds the client's certificate, comes in several records, and the first of them
   by itself: until the rest is there OpenSSL lets nothing be written. */
static void half_a_ticket(struct pair *pair, struct relay *down, bool with_reader)
{
    struct writing writing = {pair->client, false}, *here = &writing;
    char text[16];

    WEFT_SCOPE(s) {
        down->left = 600;
        ck_assert(SSL_new_session_ticket(weft_tls_native(pair->server)));
        put(pair->server, "x"); /* the ticket goes before it */
        if (with_reader) {
            is(weft_spawn(&s, reads_x, &pair->client, sizeof pair->client, NULL), 0);
            while (!SSL_in_init(weft_tls_native(pair->client)))
                ok(weft_sleep(1000000));
        } else {
            do
                is(weft_tls_read_until_time(pair->client, text, 1, 0, weft_after_ms(5)),
                   -ETIMEDOUT);
            while (!SSL_in_init(weft_tls_native(pair->client)));
        }
        is(weft_spawn(&s, writes, &here, sizeof here, NULL), 0);
        ok(weft_sleep(5000000));
        ck_assert(!writing.done);
        let_through(down, SIZE_MAX);
        is(weft_tls_read_exactly(pair->server, text, 9, NULL), 9);
        if (!with_reader)
            is(weft_tls_read(pair->client, text, 1, 0), 1);
    }
}

static int make_ticket(void *arg)
{
    return SSL_new_session_ticket(arg) && SSL_do_handshake(arg) > 0 ? 0 : -EPROTO;
}

enum { TURNS = 6 };

struct turns {
    int reader, rest;
    int writer; /* twice that, and one more: behind the others of that turn */
};

/* A reader, the rest of the ticket, and the writer, come each at its turn; and for the reader
   nothing follows until the writer is through. */
static void half_a_ticket_and_turns(struct pair *pair, struct relay *down,
                                    const struct turns *turns)
{
    struct writing writing = {pair->client, false}, *here = &writing;
    char text[16];

    WEFT_SCOPE(s) {
        down->left = 600;
        is(weft_call_on_big_stack(make_ticket, weft_tls_native(pair->server)), 0);
        put(pair->server, "");
        do
            is(weft_tls_read_until_time(pair->client, text, 1, 0, weft_after_ms(5)), -ETIMEDOUT);
        while (!SSL_in_init(weft_tls_native(pair->client)));
        for (int half = 0; half < 2 * TURNS; half++) {
            if (half == turns->writer)
                is(weft_spawn(&s, writes, &here, sizeof here, NULL), 0);
            if (half == 2 * turns->reader)
                is(weft_spawn(&s, reads_x, &pair->client, sizeof pair->client, NULL), 0);
            if (half == 2 * turns->rest)
                let_through(down, SIZE_MAX);
            if (half % 2)
                is(weft_yield(), 0);
        }
        is(weft_tls_read_exactly(pair->server, text, 9, NULL), 9);
        put(pair->server, "x");
    }
}

static void through_relays(bool with_reader, const struct turns *turns)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem, .ca_file = ca,
                                                   .clients = WEFT_TLS_CLIENTS_CERTIFIED));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca, .certificate_file = client_pem));
    struct relay down = {.left = SIZE_MAX, .more = WEFT_EVENT_INIT};
    struct relay up = down, *passes[] = {&down, &up};
    struct pair pair;

    pair_streams(&pair.client_stream, &up.from);
    pair_streams(&down.from, &pair.server_stream);
    up.to = down.from;
    down.to = up.from;
    pair_lay(&pair, client, server, "server.test");
    SSL_set_max_send_fragment(weft_tls_native(pair.server), 512);
    SSL_set_num_tickets(weft_tls_native(pair.server), 0);
    WEFT_SCOPE(s) {
        is(weft_spawn(&s, pass_on, &passes[0], sizeof passes[0], NULL), 0);
        is(weft_spawn(&s, pass_on, &passes[1], sizeof passes[1], NULL), 0);
        pair_shake(&pair);
        is(pair.server_result, 0);
        if (turns)
            half_a_ticket_and_turns(&pair, &down, turns);
        else
            half_a_ticket(&pair, &down, with_reader);
        ok(weft_stream_shutdown(pair.client_stream));
        ok(weft_stream_shutdown(pair.server_stream));
    }
    pair_close(&pair);
    ok(weft_stream_close(up.from));
    ok(weft_stream_close(down.from));
    weft_tls_context_put(client);
    weft_tls_context_put(server);
}

TLS_TEST(wants_to_read)
{
    through_relays(false, NULL);
    through_relays(true, NULL);
    return 0;
}

/* Whatever the reader does while the writer is on its way to wait, it is not missed. */
TLS_TEST(wants_to_read_and_meets_a_reader)
{
    for (int reader = 0; reader < TURNS; reader += 3)
        for (int rest = 0; rest < TURNS; rest++)
            for (int writer = 0; writer < 2 * TURNS; writer++)
                through_relays(true, &(struct turns){reader, rest, writer});
    return 0;
}

TEST_MAIN("tls transfer", 60, messages, in_pieces, half_closed, cut_short, forged, start_tls,
          already_read, much_both_ways, keys_renewed, busy_and_cancelled, cancelled_before,
          writer_cut, stream_busy, stream_lost, answers_bounded, wants_to_read,
          wants_to_read_and_meets_a_reader)
