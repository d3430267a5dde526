/*
 * A layer that is taken off in the middle of its handshake says so, as long as that can be said in
 * the clear. Catches a peer left to guess whether the connection was cut, and words that the peer
 * takes for an attack, or that are said where nobody asked for them.
 */
#include "pair.h"

static int shakes(void *arg)
{
    return weft_tls_handshake(*(weft_tls **)arg, WEFT_NEVER);
}

/* Says what it has to say first, which comes in `there`, and is cancelled. */
static void say_first(weft_tls *tls, weft_stream *there)
{
    const void *view;
    weft_task task;
    size_t size;
    int result;

    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        is(weft_spawn(&s, shakes, &tls, sizeof tls, &opt), 0);
        is(weft_stream_peek(there, &view, &size, 0), 1);
        is(weft_stream_consume(there, 0), 0);
        is(weft_cancel(task), 1);
        is(weft_join(task, &result), 0);
        is(result, -ECANCELED);
    }
}

/* What who stays hears in the middle of a handshake. */
static void hears(weft_tls *stays, const char *word)
{
    char byte;

    if (word) {
        is(weft_tls_handshake(stays, WEFT_NEVER), -ECONNABORTED);
        ck_assert_str_eq(weft_tls_error(stays), word);
    } else {
        is(weft_tls_handshake(stays, WEFT_NEVER), 0);
        is(weft_tls_read(stays, &byte, 1, 0), -ECONNABORTED);
        ck_assert_str_eq(weft_tls_error(stays), "unexpected eof while reading");
    }
}

static void call_off(weft_tls_context *server, int version, bool server_leaves, const char *word)
{
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca, .version_max = version));
    struct pair pair;

    pair_streams(&pair.client_stream, &pair.server_stream);
    pair_lay(&pair, client, server, "server.test");
    say_first(pair.client, pair.server_stream);
    if (server_leaves) {
        say_first(pair.server, pair.client_stream);
        is(weft_tls_close(pair.server), 0);
        ok(weft_stream_shutdown(pair.server_stream));
        hears(pair.client, word);
        pair.server = NULL;
    } else {
        is(weft_tls_close(pair.client), 0);
        ok(weft_stream_shutdown(pair.client_stream));
        hears(pair.server, word);
        pair.client = NULL;
    }
    pair_close(&pair);
    weft_tls_context_put(client);
}

TLS_TEST(called_off)
{
    static const char word[] = "the peer has ended TLS";
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));

    call_off(server, WEFT_TLS_1_2, false, word);
    call_off(server, WEFT_TLS_1_3, false, word);
    call_off(server, WEFT_TLS_1_2, true, word);
    call_off(server, WEFT_TLS_1_3, true, NULL); /* which could not say it in the clear any more */
    weft_tls_context_put(server);
    return 0;
}

/* What a client has said before its stream ends, of which the last bytes. */
static size_t said_by(int (*leave)(weft_tls *), bool begins, const char *hears, char *last,
                      size_t size)
{
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca));
    struct weft_tls_opt opt = {.size = sizeof opt, .server_name = "server.test"};
    weft_stream *here, *there;
    char all[4096];
    size_t count = 0;
    weft_tls *tls;

    pair_streams(&here, &there);
    is(weft_tls_open(&tls, here, client, &opt), 0);
    if (begins)
        say_first(tls, there);
    if (hears) {
        ok(weft_stream_write(there, hears, strlen(hears), NULL));
        is(weft_tls_handshake(tls, WEFT_NEVER), -EPROTO);
    }
    is(leave(tls), 0);
    ok(weft_stream_shutdown(here));
    is(weft_stream_read_exactly(there, all, sizeof all, &count), -ENODATA);
    if (count >= size)
        memcpy(last, all + count - size, size);
    ok(weft_stream_close(here));
    ok(weft_stream_close(there));
    weft_tls_context_put(client);
    return count;
}

/* Behind the first message. An abort says nothing of it; nor does who has not begun, or has failed.
 */
TLS_TEST(called_off_in_so_many_bytes)
{
    static const char words[] = {21, 3, 3, 0, 2, 1, 90, 21, 3, 3, 0, 2, 1, 0};
    char last[sizeof words] = "";

    ck_assert_uint_gt(said_by(weft_tls_close, true, NULL, last, sizeof last), 100);
    ck_assert_mem_eq(last, words, sizeof words);
    (void)said_by(weft_tls_abort, true, NULL, last, sizeof last);
    ck_assert_mem_ne(last, words, sizeof words);
    is(said_by(weft_tls_close, false, NULL, last, sizeof last), 0);
    ck_assert_uint_gt(said_by(weft_tls_close, true, "SSH-2.0-x\r\n", last, sizeof last), 100);
    ck_assert_mem_ne(last, words, sizeof words);
    return 0;
}

TEST_MAIN("tls call_off", 60, called_off, called_off_in_so_many_bytes)
