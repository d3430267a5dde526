/*
 * A layer of TLS that cannot go on: its stream is another's or lost, its peer asks and does not
 * listen, or a writer wants to read first. Catches what was encrypted and dropped, answers without
 * end, a writer and a reader that wait for each other, and one that misses what the other did.
 */
#include "transfer.h"

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

TEST_MAIN("tls waiting", 60, stream_busy, stream_lost, answers_bounded, wants_to_read,
          wants_to_read_and_meets_a_reader)
