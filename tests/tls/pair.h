/*
 * Two ends of a connection with TLS on both, in two tasks of one reactor: what the tests of TLS
 * share. The same on both kernels.
 */
#ifndef WEFT_TESTS_TLS_PAIR_H
#define WEFT_TESTS_TLS_PAIR_H

#include <openssl/ssl.h>
#include <weft/tls.h>

#include "certificates.h"
#include "support/net.h"

#define is(expression, value) ck_assert_int_eq((expression), (value))
#define PATIENCE_NS INT64_C(60000000000)

#define CONTEXT(...)                                                                               \
    (&(struct weft_tls_context_opt){.size = sizeof(struct weft_tls_context_opt), __VA_ARGS__})

struct pair {
    weft_stream *client_stream, *server_stream;
    weft_tls *client, *server;
    int client_result, server_result; /* of the handshakes */
};

static inline weft_tls_context *pair_server(const struct weft_tls_context_opt *opt)
{
    weft_tls_context *context;

    is(weft_tls_server_context(&context, opt), 0);
    return context;
}

static inline weft_tls_context *pair_client(const struct weft_tls_context_opt *opt)
{
    weft_tls_context *context;

    is(weft_tls_client_context(&context, opt), 0);
    return context;
}

static inline void pair_streams(weft_stream **here, weft_stream **there)
{
    int one, two;

    net_pair(&one, &two);
    is(weft_stream_open(one, NULL, here), 0);
    is(weft_stream_open(two, NULL, there), 0);
}

/* The layers are laid, and nothing said yet. */
static inline void pair_lay(struct pair *pair, weft_tls_context *client, weft_tls_context *server,
                            const char *name)
{
    struct weft_tls_opt opt = {.size = sizeof opt, .server_name = name};

    is(weft_tls_open(&pair->client, pair->client_stream, client, &opt), 0);
    is(weft_tls_open(&pair->server, pair->server_stream, server, NULL), 0);
}

static inline int pair_serve(void *arg)
{
    struct pair *pair = *(struct pair **)arg;

    pair->server_result = weft_tls_handshake(pair->server, weft_after_ns(PATIENCE_NS));
    return 0;
}

static inline void pair_shake(struct pair *pair)
{
    WEFT_SCOPE(s) {
        is(weft_spawn(&s, pair_serve, &pair, sizeof pair, NULL), 0);
        pair->client_result = weft_tls_handshake(pair->client, weft_after_ns(PATIENCE_NS));
        if (pair->client_result < 0) /* so that a server that waits for more hears of it */
            (void)weft_stream_shutdown(pair->client_stream);
    }
}

/* Both contexts stay the caller's. */
static inline void pair_open(struct pair *pair, weft_tls_context *client, weft_tls_context *server,
                             const char *name)
{
    pair_streams(&pair->client_stream, &pair->server_stream);
    pair_lay(pair, client, server, name);
    pair_shake(pair);
}

static inline void pair_close(struct pair *pair)
{
    is(weft_tls_close(pair->client), 0);
    is(weft_tls_close(pair->server), 0);
    ok(weft_stream_close(pair->client_stream));
    ok(weft_stream_close(pair->server_stream));
}

/* A pair that has agreed. */
static inline void pair_ready(struct pair *pair)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca));

    pair_open(pair, client, server, "server.test");
    is(pair->client_result, 0);
    is(pair->server_result, 0);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
}

static inline struct weft_tls_info pair_info(const weft_tls *tls)
{
    struct weft_tls_info info;

    is(weft_tls_get_extra_info(tls, &info, sizeof info), 0);
    return info;
}

/* A case: fn on one reactor, with certificates. */
static inline void pair_run(weft_task_fn fn)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 1};

    certificates_make();
    is(weft_run(fn, NULL, 0, &opt), 0);
    certificates_remove();
}

#define TLS_TEST(name)                                                                             \
    static int name##_in_weft(void *arg);                                                          \
    TEST(name)                                                                                     \
    {                                                                                              \
        pair_run(name##_in_weft);                                                                  \
    }                                                                                              \
    static int name##_in_weft(void *arg __attribute__((unused)))

#endif
