/*
 * A connection from beginning to end, by two tasks of one reactor, in which anything may go wrong:
 * each side answers what came of it. Nothing here asserts, since that asks for memory, too.
 */
#ifndef WEFT_TESTS_TLS_TALK_H
#define WEFT_TESTS_TLS_TALK_H

#include "pair.h"

enum { SIZE = 40000, LINE = 20000 };

static char sent[SIZE], taken[SIZE], answer[LINE], line[LINE + 1];

struct talk {
    struct pair pair;
    weft_tls_context *client, *server;
    int client_result, server_result;
    int laid, closed; /* what became of the layers themselves */
    bool wrong_one;   /* the client has seen the certificate of another than it asked for */
    SSL_CTX *named;   /* the one whose it is to see */
};

static int hear(weft_tls *tls)
{
    ssize_t n = weft_tls_read_exactly(tls, taken, sizeof taken, NULL);

    if (n == SIZE && memcmp(taken, sent, SIZE) != 0)
        return -EBADMSG;
    return n < 0 ? (int)n : 0;
}

static int say_end(weft_tls *tls)
{
    int error = weft_tls_shutdown(tls);
    ssize_t n;
    char byte;

    if (error < 0)
        return error;
    n = weft_tls_read(tls, &byte, 1, 0);
    return n > 0 ? -EBADMSG : (int)n;
}

static int serve(struct talk *talk)
{
    weft_tls *tls = talk->pair.server;
    int error = weft_tls_handshake(tls, weft_after_ns(PATIENCE_NS));

    if (error == 0)
        error = hear(tls);
    if (error < 0)
        return error;
    error = (int)weft_tls_write(tls, answer, LINE, NULL);
    return error < 0 ? error : say_end(tls);
}

static int serves(void *arg)
{
    struct talk *talk = *(struct talk **)arg;

    talk->server_result = serve(talk);
    if (talk->server_result < 0) /* the other side is not to wait for more */
        (void)weft_stream_shutdown(talk->pair.server_stream);
    return 0;
}

static int ask(struct talk *talk)
{
    weft_tls *tls = talk->pair.client;
    int error = weft_tls_handshake(tls, weft_after_ns(PATIENCE_NS));

    if (error == 0)
        error = (int)weft_tls_write(tls, sent, SIZE, NULL);
    if (error > 0)
        error = (int)weft_tls_read_line(tls, line, sizeof line, 0);
    if (error < 0)
        return error;
    return error == LINE ? say_end(tls) : -EBADMSG;
}

static int talk_both(struct talk *talk)
{
    weft_scope scope;
    int error = weft_scope_open(&scope, NULL);

    if (error < 0)
        return error;
    error = weft_spawn(&scope, serves, &talk, sizeof talk, NULL);
    if (error == 0)
        talk->client_result = ask(talk);
    (void)weft_stream_shutdown(talk->pair.client_stream);
    (void)weft_scope_close(&scope);
    return error;
}

static int lay(struct talk *talk)
{
    struct weft_tls_opt opt = {.size = sizeof opt, .server_name = "server.test"};
    int error = weft_tls_open(&talk->pair.client, talk->pair.client_stream, talk->client, &opt);

    if (error < 0)
        return error;
    error = weft_tls_open(&talk->pair.server, talk->pair.server_stream, talk->server, NULL);
    return error < 0 ? error : talk_both(talk);
}

/* A failure of the one end, or, since that one then leaves, of the other. */
static bool is_answer(int result)
{
    return result == 0 || result == -ENOMEM || result == -EPROTO || result == -EKEYREJECTED ||
           result == -ECONNABORTED || result == -EPIPE || result == -ECONNRESET;
}

/* Two new streams. May assert, as may talk_end. */
static void talk_begin(struct talk *talk)
{
    talk->pair = (struct pair){NULL, NULL, NULL, NULL, 0, 0};
    talk->client_result = talk->server_result = talk->laid = talk->closed = 0;
    talk->wrong_one = false;
    pair_streams(&talk->pair.client_stream, &talk->pair.server_stream);
}

static void talk_through(struct talk *talk)
{
    int server;

    talk->laid = lay(talk);
    talk->wrong_one = talk->client_result == -EKEYREJECTED &&
                      SSL_get_SSL_CTX(weft_tls_native(talk->pair.server)) != talk->named;
    talk->closed = weft_tls_close(talk->pair.client);
    server = weft_tls_close(talk->pair.server);
    if (server < 0)
        talk->closed = server;
}

/* Whatever went wrong was told, and nothing else. The first failure, or 0. */
static int talk_end(struct talk *talk)
{
    is(talk->closed, 0); /* always finishes */
    ck_assert(talk->laid == 0 || talk->laid == -ENOMEM);
    ck_assert(!talk->wrong_one);
    if (!is_answer(talk->client_result) || !is_answer(talk->server_result))
        ck_abort_msg("client %d, server %d", talk->client_result, talk->server_result);
    ok(weft_stream_abort(talk->pair.client_stream));
    ok(weft_stream_abort(talk->pair.server_stream));
    if (talk->laid < 0)
        return talk->laid;
    return talk->client_result < 0 ? talk->client_result : talk->server_result;
}

/* The server's own certificate is not the one that the client will believe. */
static void talk_open(struct talk *talk, bool resumes)
{
    weft_tls_context *named;

    memset(answer, 'x', LINE - 1);
    answer[LINE - 1] = '\n';
    named = pair_server(CONTEXT(.certificate_file = server_pem));
    talk->server = pair_server(CONTEXT(.certificate_file = second_pem));
    is(weft_tls_context_add_name(talk->server, "server.test", named), 0);
    talk->named = weft_tls_context_native(named);
    weft_tls_context_put(named);
    talk->client = pair_client(CONTEXT(.ca_file = ca, .no_resumption = !resumes));
}

static void talk_close(struct talk *talk)
{
    weft_tls_context_put(talk->client);
    weft_tls_context_put(talk->server);
}

#endif
