/*
 * Contexts and layers that are asked for wrongly, contexts that several reactors share, and
 * servers. Catches an option that is ignored, a wait for a password on the terminal, memory of a
 * context that goes before its last user, and a connection that a drain cuts in two.
 */
#include "pair.h"

static int client_says(const struct weft_tls_context_opt *opt)
{
    weft_tls_context *context;
    int error = weft_tls_client_context(&context, opt);

    if (error == 0)
        weft_tls_context_put(context);
    return error;
}

static int server_says(const struct weft_tls_context_opt *opt)
{
    weft_tls_context *context;
    int error = weft_tls_server_context(&context, opt);

    if (error == 0)
        weft_tls_context_put(context);
    return error;
}

TEST(mistakes)
{
    struct {
        struct weft_tls_context_opt opt;
        char more[8];
    } newer = {.opt = {.size = sizeof newer}};
    weft_tls_context *context, *other;

    certificates_make();
    is(weft_tls_client_context(NULL, NULL), -EINVAL);
    is(client_says(&(struct weft_tls_context_opt){.size = 1}), -EINVAL);
    is(client_says(&newer.opt), 0);
    newer.more[7] = 1;
    is(client_says(&newer.opt), -EINVAL);
    is(client_says(&(struct weft_tls_context_opt){.size = sizeof(size_t)}), 0);
    is(client_says(CONTEXT(.version_min = 11)), -EINVAL);
    is(client_says(CONTEXT(.version_max = 14)), -EINVAL);
    is(client_says(CONTEXT(.key_file = server_pem)), -EINVAL);
    is(client_says(CONTEXT(.clients = WEFT_TLS_CLIENTS_ASKED)), -EINVAL);
    is(client_says(CONTEXT(.alpn = "")), -EINVAL);
    is(client_says(CONTEXT(.alpn = "a,,b")), -EINVAL);
    is(client_says(CONTEXT(.alpn = "a,")), -EINVAL);
    is(server_says(NULL), -EINVAL);
    is(server_says(CONTEXT(.certificate_file = server_pem, .clients = 3)), -EINVAL);
    is(server_says(CONTEXT(.certificate_file = server_pem, .clients = 1)), -EINVAL);
    is(server_says(CONTEXT(.certificate_file = server_pem, .sessions_max = 1)), -EINVAL);
    is(server_says(CONTEXT(.certificate_file = server_pem, .insecure_no_verification = true)),
       -EINVAL);
    is(weft_tls_server_context(&context, CONTEXT(.certificate_file = server_pem)), 0);
    is(weft_tls_server_context(&other, CONTEXT(.certificate_file = server_pem)), 0);
    ck_assert_ptr_nonnull(weft_tls_context_native(context));
    is(weft_tls_context_add_name(context, "", other), -EINVAL);
    is(weft_tls_context_add_name(context, "a.test", NULL), -EINVAL);
    is(weft_tls_context_add_name(context, "a.test", context), -EINVAL); /* it would never go */
    weft_tls_context_put(other);
    weft_tls_context_put(context);
    weft_tls_context_put(NULL);
    ck_assert_ptr_null(weft_tls_context_retain(NULL));
    ck_assert_ptr_nonnull(strstr(weft_tls_library(), "OpenSSL 3."));
    certificates_remove();
}

static void locked_key(const char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *out = fopen(path, "w");

    ck_assert_ptr_nonnull(out);
    ck_assert(
        PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(), (unsigned char *)"word", 4, NULL, NULL));
    fclose(out);
    EVP_PKEY_free(key);
}

TEST(files)
{
    char reason[200] = "before", little[4] = "abc";
    const char *locked;

    certificates_make();
    locked = certificates_path("locked");
    locked_key(locked);
    is(server_says(CONTEXT(.certificate_file = "/nonexistent", .reason = reason,
                           .reason_size = sizeof reason)),
       -ENOENT);
    ck_assert_str_eq(reason, "/nonexistent: No such file or directory");
    is(server_says(CONTEXT(.certificate_file = ca, .reason = reason, .reason_size = sizeof reason)),
       -EPROTO); /* there is no key in it */
    ck_assert_str_ne(reason, "");
    ck_assert_ptr_null(strstr(reason, "No such file")); /* another than before */
    is(server_says(CONTEXT(.certificate_file = server_pem, .key_file = client_pem, .reason = little,
                           .reason_size = sizeof little)),
       -EPROTO);
    ck_assert_str_eq(little, "/tm"); /* as much as there is room for */
    is(server_says(CONTEXT(.certificate_file = server_pem, .key_file = client_pem, .reason = reason,
                           .reason_size = sizeof reason)),
       -EPROTO);
    ck_assert_ptr_nonnull(strstr(reason, "client.pem: key values mismatch"));
    is(server_says(CONTEXT(.certificate_file = server_pem, .key_file = locked)), -EPROTO);
    is(client_says(CONTEXT(.ca_file = "/nonexistent")), -ENOENT);
    is(client_says(CONTEXT(.ca_file = locked)), -EPROTO);
    is(server_says(CONTEXT(.certificate_file = server_pem, .ca_file = locked, .clients = 1)),
       -EPROTO);
    is(client_says(CONTEXT(.certificate_file = client_pem, .ca_file = ca)), 0);
    certificates_remove();
}

TLS_TEST(layers)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *other = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca));
    struct weft_tls_opt named = {.size = sizeof named, .server_name = "server.test"};
    struct weft_tls_opt nothing = {.size = sizeof nothing, .already_size = 1};
    char name[300];
    weft_stream *here, *there;
    struct weft_tls_info info;
    weft_tls *tls;

    pair_streams(&here, &there);
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    is(weft_tls_open(NULL, here, client, &named), -EINVAL);
    is(weft_tls_open(&tls, NULL, client, &named), -EINVAL);
    is(weft_tls_open(&tls, here, NULL, &named), -EINVAL);
    is(weft_tls_open(&tls, here, client, NULL), -EINVAL); /* whom? */
    is(weft_tls_open(&tls, here, server, &named), -EINVAL);
    is(weft_tls_open(&tls, here, server, &nothing), -EINVAL);
    named.server_name = name;
    is(weft_tls_open(&tls, here, client, &named), -EINVAL);
    named.size = 1;
    is(weft_tls_open(&tls, here, client, &named), -EINVAL);
    is(weft_tls_context_add_name(client, "a.test", server), -EINVAL);
    is(weft_tls_context_add_name(server, name, other), -EINVAL);
    weft_tls_context_put(other);
    is(weft_tls_open(&tls, here, server, NULL), 0);
    weft_tls_context_put(server);
    weft_tls_context_put(client);
    is(weft_tls_read(NULL, name, 1, 0), -EINVAL);
    is(weft_tls_read(tls, NULL, 1, 0), -EINVAL);
    is(weft_tls_read(tls, name, 1, 1), -EINVAL);
    is(weft_tls_read_exactly(tls, NULL, 1, NULL), -EINVAL);
    is(weft_tls_read_exactly(tls, name, 1, NULL), -ENOTCONN);
    is(weft_tls_read_until(tls, "", 0, name, 1, 0), -EINVAL);
    is(weft_tls_read_until(tls, "x", 1, name, 1, 0), -ENOTCONN);
    is(weft_tls_read_line(tls, name, 0, 0), -EINVAL);
    is(weft_tls_write(tls, NULL, 1, NULL), -EINVAL);
    is(weft_tls_shutdown(NULL), -EINVAL);
    is(weft_tls_handshake(NULL, 1), -EINVAL);
    is(weft_tls_at_eof(NULL), -EINVAL);
    is(weft_tls_get_extra_info(tls, NULL, 1), -EINVAL);
    is(weft_tls_get_extra_info(tls, &info, sizeof info + 1), -EINVAL);
    is(weft_tls_peer_certificate(NULL, NULL, 0), -EINVAL);
    is(weft_tls_peer_certificate(tls, NULL, 0), 0);
    ck_assert_str_eq(weft_tls_error(NULL), "");
    ck_assert_ptr_null(weft_tls_native(NULL));
    ck_assert_ptr_null(weft_tls_context_native(NULL));
    is(weft_tls_close(NULL), 0);
    is(weft_tls_close(tls), 0);
    ok(weft_stream_close(here));
    ok(weft_stream_close(there));
    return 0;
}

/* -- a server on two reactors, with one context --------------------------------------------- */

static weft_tls_context *shared_server, *shared_client;

static int repeat(weft_stream *stream, void *arg)
{
    char line[64];
    weft_tls *tls;
    ssize_t n;
    int error = weft_tls_open(&tls, stream, arg, NULL);

    if (error < 0)
        return error;
    n = weft_tls_handshake(tls, weft_after_ns(PATIENCE_NS));
    while (n >= 0 && (n = weft_tls_read_line(tls, line, sizeof line, WEFT_IDLE)) > 0)
        n = weft_tls_write(tls, line, (size_t)n, NULL);
    weft_tls_close(tls);
    return n == -ENODATA || n == -ESHUTDOWN ? 0 : (int)n;
}

static int say_and_hear(void *arg)
{
    struct weft_tls_opt opt = {.size = sizeof opt, .server_name = "server.test"};
    char address[32], line[64];
    weft_stream *stream;
    weft_tls *tls;

    snprintf(address, sizeof address, "127.0.0.1:%d", *(int *)arg);
    is(weft_open_connection(address, NULL, &stream), 0);
    is(weft_tls_open(&tls, stream, shared_client, &opt), 0);
    is(weft_tls_handshake(tls, weft_after_ns(PATIENCE_NS)), 0);
    for (int i = 0; i < 5; i++) {
        is(weft_tls_write(tls, "hello\n", 6, NULL), 6);
        is(weft_tls_read_line(tls, line, sizeof line, 0), 6);
    }
    is(weft_tls_shutdown(tls), 0);
    is(weft_tls_read(tls, line, 1, 0), 0);
    is(weft_tls_close(tls), 0);
    return weft_stream_close(stream);
}

static int serves(void *arg)
{
    struct weft_server_opt opt = {.size = sizeof opt, .every_reactor = true};
    struct weft_server_counts counts;
    weft_server *server;
    int port;

    (void)arg;
    is(weft_start_server(&server, "127.0.0.1:0", repeat, shared_server, &opt), 0);
    port = weft_server_port(server);
    WEFT_SCOPE(s) {
        for (int i = 0; i < 20; i++) {
            struct weft_spawn_opt there = {.size = sizeof there, .reactor = WEFT_ON(i % 2)};
            is(weft_spawn(&s, say_and_hear, &port, sizeof port, &there), 0);
        }
    }
    is(weft_server_drain(server, weft_after_ns(PATIENCE_NS), WEFT_NEVER), 0);
    is(weft_server_counts(server, &counts, sizeof counts), 0);
    is(counts.finished, 20);
    is(weft_server_close(server), 0);
    return 0;
}

TEST(shared_by_reactors)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    certificates_make();
    shared_server = pair_server(CONTEXT(.certificate_file = server_pem));
    shared_client = pair_client(CONTEXT(.ca_file = ca));
    is(weft_run(serves, NULL, 0, &opt), 0);
    weft_tls_context_put(shared_server);
    weft_tls_context_put(shared_client);
    certificates_remove();
}

/* Who waits for a line when the server drains is let go, with an end in order. */
static int drained(void *arg)
{
    struct weft_tls_opt named = {.size = sizeof named, .server_name = "server.test"};
    char address[32], line[64];
    weft_server *server;
    weft_stream *stream;
    weft_tls *tls;

    (void)arg;
    is(weft_start_server(&server, "127.0.0.1:0", repeat, shared_server, NULL), 0);
    snprintf(address, sizeof address, "127.0.0.1:%d", weft_server_port(server));
    is(weft_open_connection(address, NULL, &stream), 0);
    is(weft_tls_open(&tls, stream, shared_client, &named), 0);
    is(weft_tls_handshake(tls, weft_after_ns(PATIENCE_NS)), 0);
    is(weft_tls_write(tls, "a\n", 2, NULL), 2);
    is(weft_tls_read_line(tls, line, sizeof line, 0), 2);
    is(weft_server_drain(server, weft_after_ns(PATIENCE_NS), WEFT_NEVER), 0); /* nobody is cut */
    is(weft_tls_read(tls, line, 1, 0), 0);
    is(weft_tls_close(tls), 0);
    ok(weft_stream_close(stream));
    return weft_server_close(server);
}

TEST(drain)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 1};

    certificates_make();
    shared_server = pair_server(CONTEXT(.certificate_file = server_pem));
    shared_client = pair_client(CONTEXT(.ca_file = ca));
    is(weft_run(drained, NULL, 0, &opt), 0);
    weft_tls_context_put(shared_server);
    weft_tls_context_put(shared_client);
    certificates_remove();
}

/* -- not in a task of that reactor ---------------------------------------------------------- */

static int from_elsewhere(void *arg)
{
    weft_tls *tls = *(weft_tls **)arg;
    char byte;

    is(weft_tls_read(tls, &byte, 1, 0), -EPERM);
    is(weft_tls_write(tls, "x", 1, NULL), -EPERM);
    is(weft_tls_close(tls), -EPERM);
    return 0;
}

static int on_first(void *arg)
{
    struct weft_spawn_opt there = {.size = sizeof there, .reactor = WEFT_ON(1)};
    struct pair pair;

    (void)arg;
    pair_ready(&pair);
    WEFT_SCOPE(s)
        is(weft_spawn(&s, from_elsewhere, &pair.client, sizeof pair.client, &there), 0);
    pair_close(&pair);
    return 0;
}

TEST(elsewhere)
{
    struct weft_run_opt opt = {.size = sizeof opt, .reactors = 2};

    certificates_make();
    is(weft_run(on_first, NULL, 0, &opt), 0);
    certificates_remove();
}

TEST_MAIN("tls context", 60, mistakes, files, layers, shared_by_reactors, drain, elsewhere)
