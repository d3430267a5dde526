/*
 * What two ends agree on, and what they refuse. Catches a certificate that is believed though it
 * says another name, is another authority's or too old; a client that need not show one; a session
 * gone on with under a name that it was not begun for; a handshake that never ends, or whose end is
 * not told apart from another.
 */
#include "pair.h"

/* -- whom to believe ------------------------------------------------------------------------ */

struct attempt {
    int client, server; /* what the handshakes answered */
    struct weft_tls_info info;
    char why[160], why_server[160];
};

static struct attempt attempt(weft_tls_context *client, weft_tls_context *server, const char *name)
{
    struct attempt result = {0};
    struct pair pair;

    pair_open(&pair, client, server, name);
    result.client = pair.client_result;
    result.server = pair.server_result;
    if (pair.client_result == 0)
        result.info = pair_info(pair.client);
    snprintf(result.why, sizeof result.why, "%s", weft_tls_error(pair.client));
    snprintf(result.why_server, sizeof result.why_server, "%s", weft_tls_error(pair.server));
    pair_close(&pair);
    return result;
}

static struct attempt attempt_with(const char *certificate, const struct weft_tls_context_opt *opt,
                                   const char *name)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = certificate));
    weft_tls_context *client = pair_client(opt);
    struct attempt result = attempt(client, server, name);

    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return result;
}

TLS_TEST(verified)
{
    struct attempt by_name = attempt_with(server_pem, CONTEXT(.ca_file = ca), "server.test");
    struct attempt by_number = attempt_with(server_pem, CONTEXT(.ca_file = ca), "127.0.0.1");

    is(by_name.client, 0);
    is(by_name.server, 0);
    ck_assert_str_eq(by_name.why, "");
    ck_assert_str_eq(by_name.info.version, "TLSv1.3");
    ck_assert_int_gt(strlen(by_name.info.cipher), 0);
    ck_assert_str_eq(by_name.info.server_name, "server.test");
    ck_assert_str_eq(by_name.info.peer_subject, "CN = server");
    ck_assert_str_eq(by_name.info.alpn, "");
    ck_assert(by_name.info.verified && !by_name.info.resumed);
    is(by_number.client, 0);
    ck_assert(by_number.info.verified);
    return 0;
}

static void refused(const struct attempt *attempt, const char *why)
{
    is(attempt->client, -EKEYREJECTED);
    ck_assert_ptr_nonnull(strstr(attempt->why, why));
    is(attempt->server, -EPROTO); /* it was told so */
    ck_assert_ptr_nonnull(strstr(attempt->why_server, "alert"));
}

TLS_TEST(refused_certificates)
{
    struct attempt one = attempt_with(server_pem, CONTEXT(.ca_file = ca), "another.test");

    refused(&one, "ostname mismatch");
    one = attempt_with(server_pem, CONTEXT(.ca_file = ca), "127.0.0.2");
    refused(&one, "IP address mismatch");
    one = attempt_with(stranger_pem, CONTEXT(.ca_file = ca), "server.test");
    refused(&one, "issuer");
    one = attempt_with(server_pem, CONTEXT(.ca_file = other_ca), "server.test");
    refused(&one, "issuer");
    one = attempt_with(expired_pem, CONTEXT(.ca_file = ca), "server.test");
    refused(&one, "expired");
    one = attempt_with(server_pem, NULL, "server.test"); /* by the system's authorities */
    refused(&one, "issuer");
    return 0;
}

TLS_TEST(verification_off)
{
    struct attempt one =
        attempt_with(expired_pem, CONTEXT(.insecure_no_verification = true), "another.test");

    is(one.client, 0);
    is(one.server, 0);
    ck_assert(!one.info.verified);
    ck_assert_str_eq(one.info.server_name, "another.test"); /* asked for all the same */
    one = attempt_with(stranger_pem, CONTEXT(.insecure_no_verification = true), NULL);
    is(one.client, 0);
    return 0;
}

/* -- versions and protocols ----------------------------------------------------------------- */

static struct attempt agree(const struct weft_tls_context_opt *client_opt,
                            const struct weft_tls_context_opt *server_opt)
{
    struct weft_tls_context_opt client_all = *client_opt, server_all = *server_opt;
    weft_tls_context *server, *client;
    struct attempt result;

    client_all.ca_file = ca;
    server_all.certificate_file = server_pem;
    server = pair_server(&server_all);
    client = pair_client(&client_all);
    result = attempt(client, server, "server.test");
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return result;
}

TLS_TEST(versions)
{
    struct attempt one = agree(CONTEXT(.version_max = WEFT_TLS_1_2), CONTEXT());

    is(one.client, 0);
    ck_assert_str_eq(one.info.version, "TLSv1.2");
    one = agree(CONTEXT(), CONTEXT(.version_max = WEFT_TLS_1_2));
    ck_assert_str_eq(one.info.version, "TLSv1.2");
    one = agree(CONTEXT(.version_min = WEFT_TLS_1_3), CONTEXT(.version_max = WEFT_TLS_1_2));
    is(one.client, -EPROTO);
    is(one.server, -EPROTO);
    return 0;
}

/* A client that would take less than TLS 1.2, as OpenSSL lets it, is not served. */
TLS_TEST(too_old)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca));
    SSL_CTX *native = weft_tls_context_native(client);
    struct attempt one;

    SSL_CTX_set_security_level(native, 0);
    SSL_CTX_set_security_level(weft_tls_context_native(server), 0);
    ck_assert(SSL_CTX_set_min_proto_version(native, TLS1_VERSION));
    ck_assert(SSL_CTX_set_max_proto_version(native, TLS1_1_VERSION));
    one = attempt(client, server, "server.test");
    is(one.client, -EPROTO);
    is(one.server, -EPROTO);
    ck_assert_str_eq(one.why_server, "unsupported protocol");
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return 0;
}

static int reads_on(void *arg)
{
    char byte;

    return weft_tls_read(*(weft_tls **)arg, &byte, 1, 0) == 1 ? 0 : -EIO;
}

/* A client that begins anew in the middle is told no, and the server goes on as before. */
TLS_TEST(no_renegotiation)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *client =
        pair_client(CONTEXT(.ca_file = ca, .version_max = WEFT_TLS_1_2, .alpn = "x"));
    struct pair pair;
    SSL *native;

    pair_open(&pair, client, server, "server.test");
    is(pair.client_result, 0);
    native = weft_tls_native(pair.client);
    WEFT_SCOPE(s) {
        is(weft_spawn(&s, reads_on, &pair.server, sizeof pair.server, NULL), 0);
        is(weft_tls_write(pair.client, "x", 1, NULL), 1);
    }
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        is(weft_spawn(&s, reads_on, &pair.server, sizeof pair.server, NULL), 0);
        ck_assert(!SSL_renegotiate(native)); /* neither do we */
        SSL_clear_options(native, SSL_OP_NO_RENEGOTIATION);
        ck_assert(SSL_renegotiate(native));
        is(weft_tls_write(pair.client, "x", 1, NULL), -EPROTO);
        ck_assert_str_eq(weft_tls_error(pair.client), "no renegotiation");
        weft_scope_cancel(&s);
    }
    pair_close(&pair);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return 0;
}

TLS_TEST(protocols)
{
    struct attempt one = agree(CONTEXT(.alpn = "spdy,h2,http/1.1"), CONTEXT(.alpn = "http/1.1,h2"));

    ck_assert_str_eq(one.info.alpn, "http/1.1"); /* the server's preference */
    one = agree(CONTEXT(.alpn = "h2"), CONTEXT());
    is(one.client, 0);
    ck_assert_str_eq(one.info.alpn, "");
    one = agree(CONTEXT(), CONTEXT(.alpn = "h2"));
    is(one.client, 0);
    ck_assert_str_eq(one.info.alpn, "");
    one = agree(CONTEXT(.alpn = "h2"), CONTEXT(.alpn = "http/1.1"));
    is(one.client, -EPROTO);
    is(one.server, -EPROTO);
    ck_assert_ptr_nonnull(strstr(one.why, "no application protocol"));
    return 0;
}

/* -- several names -------------------------------------------------------------------------- */

TLS_TEST(by_name)
{
    weft_tls_context *server =
        pair_server(CONTEXT(.certificate_file = server_pem, .alpn = "first"));
    weft_tls_context *second =
        pair_server(CONTEXT(.certificate_file = second_pem, .alpn = "second"));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca, .alpn = "first,second"));
    struct attempt one;

    is(weft_tls_context_add_name(server, "*.second.test", second), 0);
    weft_tls_context_put(second);
    one = attempt(client, server, "server.test");
    is(one.client, 0);
    ck_assert_str_eq(one.info.alpn, "first");
    one = attempt(client, server, "WWW.Second.test");
    is(one.client, 0);
    ck_assert_str_eq(one.info.peer_subject, "CN = second");
    ck_assert_str_eq(one.info.alpn, "second");
    one = attempt(client, server, "a.b.second.test"); /* two labels: not that name */
    is(one.client, -EKEYREJECTED);
    one = attempt(client, server, "second.test");
    is(one.client, -EKEYREJECTED);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return 0;
}

/* -- resumption ----------------------------------------------------------------------------- */

/* A connection on which the server says a word, with which the client has what it resumes by. */
static bool resumes(weft_tls_context *client, weft_tls_context *server, const char *name)
{
    struct pair pair;
    bool resumed;
    char word[4];

    pair_open(&pair, client, server, name);
    is(pair.client_result, 0);
    is(pair.server_result, 0);
    is(weft_tls_write(pair.server, "word", 4, NULL), 4);
    is(weft_tls_read_exactly(pair.client, word, 4, NULL), 4);
    resumed = pair_info(pair.client).resumed;
    is(pair_info(pair.server).resumed, resumed);
    if (resumed)
        ck_assert_str_eq(pair_info(pair.client).peer_subject, "CN = server");
    pair_close(&pair);
    return resumed;
}

static int resumed_of_four(const struct weft_tls_context_opt *opt, bool server_refuses)
{
    weft_tls_context *server =
        pair_server(CONTEXT(.certificate_file = server_pem, .no_resumption = server_refuses));
    weft_tls_context *client = pair_client(opt);
    int count = 0;

    for (int i = 0; i < 4; i++)
        count += resumes(client, server, "server.test");
    count += 10 * resumes(client, server, "127.0.0.1"); /* of that name there is none */
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return count;
}

TLS_TEST(resumption)
{
    is(resumed_of_four(CONTEXT(.ca_file = ca), false), 3);
    is(resumed_of_four(CONTEXT(.ca_file = ca, .version_max = WEFT_TLS_1_2), false), 3);
    is(resumed_of_four(CONTEXT(.ca_file = ca, .no_resumption = true), false), 0);
    is(resumed_of_four(CONTEXT(.ca_file = ca), true), 0);
    is(resumed_of_four(CONTEXT(.ca_file = ca, .version_max = WEFT_TLS_1_2), true), 0);
    return 0;
}

/* With room for one session, the other name's goes. */
TLS_TEST(sessions_forgotten)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca, .sessions_max = 1));

    ck_assert(!resumes(client, server, "server.test"));
    ck_assert(!resumes(client, server, "127.0.0.1"));
    ck_assert(resumes(client, server, "127.0.0.1"));
    ck_assert(!resumes(client, server, "server.test"));
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return 0;
}

/* Two that begin before either has ended: a session of TLS 1.3 is for one of them (RFC 8446, C.4),
   one of TLS 1.2 for both. */
static int with_session_of_two(int version)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca, .version_max = version));
    struct pair pairs[2];
    int count = 0;

    ck_assert(!resumes(client, server, "server.test"));
    for (int i = 0; i < 2; i++) {
        pair_streams(&pairs[i].client_stream, &pairs[i].server_stream);
        pair_lay(&pairs[i], client, server, "server.test");
        count += SSL_get_session(weft_tls_native(pairs[i].client)) != NULL;
    }
    for (int i = 0; i < 2; i++)
        pair_close(&pairs[i]);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return count;
}

TLS_TEST(sessions_used_once)
{
    is(with_session_of_two(WEFT_TLS_1_3), 1);
    is(with_session_of_two(WEFT_TLS_1_2), 2);
    return 0;
}

/* What one name's context gave cannot be gone on with under another, where a certificate is
   demanded of clients. */
static void cross_names(int version)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *closed = pair_server(CONTEXT(.certificate_file = server_pem, .ca_file = ca,
                                                   .clients = WEFT_TLS_CLIENTS_CERTIFIED));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca, .version_max = version));
    struct weft_tls_opt opt = {.size = sizeof opt, .server_name = "server.test"};
    struct pair pair;

    is(weft_tls_context_add_name(server, "closed.test", closed), 0);
    weft_tls_context_put(closed);
    ck_assert(!resumes(client, server, "server.test"));
    pair_streams(&pair.client_stream, &pair.server_stream);
    is(weft_tls_open(&pair.server, pair.server_stream, server, NULL), 0);
    is(weft_tls_open(&pair.client, pair.client_stream, client, &opt), 0);
    ck_assert_ptr_nonnull(SSL_get_session(weft_tls_native(pair.client)));
    ck_assert(SSL_set_tlsext_host_name(weft_tls_native(pair.client), "closed.test"));
    pair_shake(&pair);
    is(pair.server_result, -EKEYREJECTED);
    pair_close(&pair);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
}

TLS_TEST(sessions_stay_with_their_name)
{
    cross_names(WEFT_TLS_1_3);
    cross_names(WEFT_TLS_1_2);
    return 0;
}

/* -- certificates of clients ---------------------------------------------------------------- */

struct shown {
    int client, server, read;
    struct weft_tls_info info; /* what the server knows */
    ssize_t certificate_size;
};

static struct shown show(const char *certificate, int clients, int version)
{
    weft_tls_context *server =
        pair_server(CONTEXT(.certificate_file = server_pem, .ca_file = ca, .clients = clients));
    weft_tls_context *client = pair_client(
        CONTEXT(.ca_file = ca, .certificate_file = certificate, .version_max = version));
    struct shown result = {0};
    struct pair pair;
    char byte;

    pair_open(&pair, client, server, "server.test");
    result.client = pair.client_result;
    result.server = pair.server_result;
    if (pair.server_result == 0) {
        result.info = pair_info(pair.server);
        result.certificate_size = weft_tls_peer_certificate(pair.server, NULL, 0);
    } else if (pair.client_result == 0) {
        result.read = (int)weft_tls_read(pair.client, &byte, 1, 0);
    }
    pair_close(&pair);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return result;
}

TLS_TEST(clients)
{
    struct shown one = show(client_pem, WEFT_TLS_CLIENTS_CERTIFIED, 0);

    is(one.server, 0);
    ck_assert(one.info.verified && one.certificate_size > 100);
    ck_assert_str_eq(one.info.peer_subject, "CN = client");
    one = show(client_pem, WEFT_TLS_CLIENTS_UNASKED, 0);
    ck_assert(!one.info.verified && one.certificate_size == 0);
    one = show(NULL, WEFT_TLS_CLIENTS_ASKED, 0);
    is(one.server, 0);
    ck_assert(!one.info.verified);
    ck_assert_str_eq(one.info.peer_subject, "");
    one = show(NULL, WEFT_TLS_CLIENTS_CERTIFIED, 0); /* the client hears of it when it reads */
    is(one.server, -EKEYREJECTED);
    is(one.client, 0);
    is(one.read, -EPROTO);
    one = show(stranger_pem, WEFT_TLS_CLIENTS_ASKED, 0);
    is(one.server, -EKEYREJECTED);
    one = show(NULL, WEFT_TLS_CLIENTS_CERTIFIED, WEFT_TLS_1_2);
    is(one.server, -EKEYREJECTED);
    is(one.client, -EPROTO);
    return 0;
}

/* -- peers that speak something else, or nothing -------------------------------------------- */

/* The server's side alone, against a stream in the clear. */
static void against(weft_tls **tls, weft_stream **here, weft_stream **there)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));

    pair_streams(here, there);
    is(weft_tls_open(tls, *there, server, NULL), 0);
    weft_tls_context_put(server);
}

TLS_TEST(garbage)
{
    static const char bytes[] = "GET / HTTP/1.1\r\nHost: server.test\r\n\r\n";
    weft_stream *here, *there;
    weft_tls *tls;
    char byte;

    against(&tls, &here, &there);
    ok(weft_stream_write(here, bytes, sizeof bytes, NULL));
    is(weft_tls_handshake(tls, WEFT_NEVER), -EPROTO);
    ck_assert_str_eq(weft_tls_error(tls), "http request");
    is(weft_tls_handshake(tls, WEFT_NEVER), -EPROTO); /* for good */
    is(weft_tls_read(tls, &byte, 1, 0), -EPROTO);
    is(weft_tls_write(tls, &byte, 1, NULL), -EPROTO);
    is(weft_tls_close(tls), 0);
    ok(weft_stream_abort(there));
    ok(weft_stream_abort(here));
    return 0;
}

TLS_TEST(ends_too_soon)
{
    weft_stream *here, *there;
    weft_tls *tls;

    against(&tls, &here, &there);
    ok(weft_stream_write(here, "\x16\x03\x01", 3, NULL)); /* the beginning of a first record */
    ok(weft_stream_shutdown(here));
    is(weft_tls_handshake(tls, WEFT_NEVER), -ECONNABORTED);
    is(weft_tls_close(tls), 0);
    ok(weft_stream_close(there));
    ok(weft_stream_close(here));
    return 0;
}

static void ends_instead_for(weft_tls *tls)
{
    is(weft_tls_handshake(tls, WEFT_NEVER), -ECONNABORTED);
    ck_assert_int_gt(strlen(weft_tls_error(tls)), 0);
    is(weft_tls_handshake(tls, WEFT_NEVER), -ECONNABORTED); /* for good */
}

/* The end of TLS in the clear, in the middle of a handshake, is none that is done. */
TLS_TEST(ends_instead)
{
    static const char end[] = {0x15, 3, 3, 0, 2, 1, 0};
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca));
    struct pair pair;

    pair_streams(&pair.client_stream, &pair.server_stream);
    pair_lay(&pair, client, server, "server.test");
    ok(weft_stream_write(pair.server_stream, end, sizeof end, NULL));
    ends_instead_for(pair.client); /* and has said its first message */
    ok(weft_stream_write(pair.client_stream, end, sizeof end, NULL));
    ends_instead_for(pair.server);
    pair_close(&pair);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return 0;
}

TLS_TEST(too_slow)
{
    weft_stream *here, *there;
    weft_tls *tls;
    char byte;

    against(&tls, &here, &there);
    ok(weft_stream_write(here, "\x16\x03\x01", 3, NULL));
    is(weft_tls_handshake(tls, weft_after_ms(20)), -ETIMEDOUT);
    is(weft_tls_handshake(tls, 0), -ETIMEDOUT); /* at once */
    is(weft_tls_read(tls, &byte, 1, 0), -ENOTCONN);
    is(weft_tls_write(tls, &byte, 1, NULL), -ENOTCONN);
    is(weft_tls_shutdown(tls), -ENOTCONN);
    is(weft_tls_get_extra_info(tls, &(struct weft_tls_info){0}, sizeof(struct weft_tls_info)),
       -ENOTCONN);
    is(weft_tls_close(tls), 0);
    ok(weft_stream_close(there));
    ok(weft_stream_close(here));
    return 0;
}

static int shakes(void *arg)
{
    return weft_tls_handshake(*(weft_tls **)arg, WEFT_NEVER);
}

TLS_TEST(cancelled)
{
    weft_stream *here, *there;
    weft_task task;
    weft_tls *tls;
    int result = 0;

    against(&tls, &here, &there);
    ok(weft_stream_write(here, "\x16\x03\x01", 3, NULL));
    WEFT_SCOPE(s, .on_error = WEFT_KEEP_GOING) {
        struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
        is(weft_spawn(&s, shakes, &tls, sizeof tls, &opt), 0);
        ok(weft_sleep(10000000));
        is(weft_tls_close(tls), -EBUSY);
        is(weft_tls_handshake(tls, WEFT_NEVER), -EBUSY);
        is(weft_cancel(task), 1);
        is(weft_join(task, &result), 0);
        is(result, -ECANCELED);
    }
    is(weft_tls_abort(tls), 0);
    ok(weft_stream_close(there));
    ok(weft_stream_close(here));
    return 0;
}

/* A handshake that was cut by its deadline goes on where it was. */
TLS_TEST(goes_on)
{
    weft_tls_context *server = pair_server(CONTEXT(.certificate_file = server_pem));
    weft_tls_context *client = pair_client(CONTEXT(.ca_file = ca));
    struct pair pair;

    pair_streams(&pair.client_stream, &pair.server_stream);
    pair_lay(&pair, client, server, "server.test");
    is(weft_tls_handshake(pair.client, weft_after_ms(5)), -ETIMEDOUT);
    is(weft_tls_handshake(pair.server, weft_after_ms(5)), -ETIMEDOUT);
    pair_shake(&pair);
    is(pair.client_result, 0);
    is(pair.server_result, 0);
    is(weft_tls_handshake(pair.client, WEFT_NEVER), 0);
    pair_close(&pair);
    weft_tls_context_put(client);
    weft_tls_context_put(server);
    return 0;
}

TEST_MAIN("tls handshake", 60, verified, refused_certificates, verification_off, versions, too_old,
          no_renegotiation, protocols, by_name, resumption, sessions_forgotten, sessions_used_once,
          sessions_stay_with_their_name, clients, garbage, ends_too_soon, ends_instead, too_slow,
          cancelled, goes_on)
