/*
 * tls/context.c - what all connections of a kind have in common: certificates, whom to believe,
 * versions. Made by one thread, then shared; layer.h.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/layer.h"

enum { SESSIONS_MAX = 64 };

/* -- references ----------------------------------------------------------------------------- */

static void destroy(weft_tls_context *context)
{
    struct weft__tls_name *next;

    for (struct weft__tls_name *one = context->names; one; one = next) {
        next = one->next;
        weft_tls_context_put(one->context);
        free(one);
    }
    weft__tls_sessions_close(&context->sessions);
    SSL_CTX_free(context->ssl);
    BIO_meth_free(context->carrier);
    free(context->alpn);
    free(context);
}

weft_tls_context *weft_tls_context_retain(weft_tls_context *context)
{
    if (context)
        atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void weft_tls_context_put(weft_tls_context *context)
{
    if (context && atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) == 1)
        destroy(context);
}

SSL_CTX *weft_tls_context_native(weft_tls_context *context)
{
    return context ? context->ssl : NULL;
}

const char *weft_tls_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}

/* -- making one ----------------------------------------------------------------------------- */

/* A key under a password is refused; OpenSSL would ask for it on the terminal. */
static int no_password(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing, (void)arg;
    return -1;
}

static int version_of(int version)
{
    return version == WEFT_TLS_1_3 ? TLS1_3_VERSION : version == WEFT_TLS_1_2 ? TLS1_2_VERSION : 0;
}

static bool is_version(int version)
{
    return version == 0 || version_of(version) != 0;
}

/* Each of these: whether OpenSSL agrees; if not, it has a complaint. */
static bool set_versions(SSL_CTX *ssl, const struct weft_tls_context_opt *opt)
{
    int least = opt->version_min ? version_of(opt->version_min) : TLS1_2_VERSION;

    /* what its own configuration file may have changed is put right, too */
    SSL_CTX_clear_options(ssl,
                          SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    return SSL_CTX_set_min_proto_version(ssl, least) &&
           SSL_CTX_set_max_proto_version(ssl, version_of(opt->version_max));
}

/* *file: which one it is that OpenSSL complains about. */
static bool take_certificate(SSL_CTX *ssl, const struct weft_tls_context_opt *opt,
                             const char **file)
{
    const char *key = opt->key_file ? opt->key_file : opt->certificate_file;

    *file = opt->certificate_file;
    if (!*file)
        return true;
    SSL_CTX_set_default_passwd_cb(ssl, no_password);
    if (SSL_CTX_use_certificate_chain_file(ssl, *file) <= 0)
        return false;
    *file = key;
    return SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) > 0 &&
           SSL_CTX_check_private_key(ssl) > 0;
}

static bool take_authorities(weft_tls_context *context, const struct weft_tls_context_opt *opt,
                             const char **file)
{
    STACK_OF(X509_NAME) * names;

    *file = opt->ca_file;
    if (!opt->ca_file)
        return context->server || SSL_CTX_set_default_verify_paths(context->ssl) > 0;
    if (SSL_CTX_load_verify_locations(context->ssl, opt->ca_file, NULL) <= 0)
        return false;
    if (!context->server)
        return true;
    names = SSL_load_client_CA_file(opt->ca_file); /* to be told to clients */
    if (names)
        SSL_CTX_set_client_CA_list(context->ssl, names);
    return names != NULL;
}

static void demand(weft_tls_context *context, const struct weft_tls_context_opt *opt)
{
    int mode = SSL_VERIFY_NONE;

    context->verifies =
        context->server ? opt->clients != WEFT_TLS_CLIENTS_UNASKED : !opt->insecure_no_verification;
    if (context->verifies)
        mode = SSL_VERIFY_PEER;
    if (opt->clients == WEFT_TLS_CLIENTS_CERTIFIED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context->ssl, mode, NULL);
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct weft_tls *tls = SSL_get_app_data(ssl);

    if (tls->name[0])
        weft__tls_sessions_keep(&tls->context->sessions, tls->name, session);
    return 0; /* the object itself is not kept */
}

/* A server gives what it knows to the client, sealed, and remembers nothing. */
static bool set_sessions(weft_tls_context *context, const struct weft_tls_context_opt *opt)
{
    unsigned char mark[SSL_MAX_SID_CTX_LENGTH];
    long mode = context->server ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_CLIENT;

    if (RAND_bytes(mark, sizeof mark) <= 0 ||
        SSL_CTX_set_session_id_context(context->ssl, mark, sizeof mark) <= 0)
        return false;
    if (opt->no_resumption) {
        SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_options(context->ssl, SSL_OP_NO_TICKET);
        return SSL_CTX_set_num_tickets(context->ssl, 0) > 0;
    }
    SSL_CTX_set_session_cache_mode(context->ssl, mode | SSL_SESS_CACHE_NO_INTERNAL);
    if (!context->server)
        SSL_CTX_sess_set_new_cb(context->ssl, keep_session);
    return true;
}

static bool offer_protocols(weft_tls_context *context)
{
    if (context->server)
        weft__tls_listen_to_hello(context);
    else if (context->alpn)
        return SSL_CTX_set_alpn_protos(context->ssl, context->alpn, context->alpn_size) == 0;
    return true;
}

static int check(bool server, const struct weft_tls_context_opt *opt)
{
    bool versions = is_version(opt->version_min) && is_version(opt->version_max);
    bool clients = opt->clients >= 0 && opt->clients <= WEFT_TLS_CLIENTS_CERTIFIED;

    if (!versions || !clients || (opt->key_file && !opt->certificate_file))
        return -EINVAL;
    if (!server)
        return opt->clients != WEFT_TLS_CLIENTS_UNASKED ? -EINVAL : 0;
    if (!opt->certificate_file || opt->insecure_no_verification || opt->sessions_max)
        return -EINVAL;
    return opt->clients != WEFT_TLS_CLIENTS_UNASKED && !opt->ca_file ? -EINVAL : 0;
}

static int set_up(weft_tls_context *context, const struct weft_tls_context_opt *opt,
                  const char **file)
{
    int error = weft__tls_sessions_open(&context->sessions,
                                        opt->sessions_max ? opt->sessions_max : SESSIONS_MAX);

    if (error == 0 && opt->alpn)
        error = weft__tls_alpn(context, opt->alpn);
    if (error < 0)
        return error;
    context->carrier = weft__tls_carrier();
    context->ssl = SSL_CTX_new(context->server ? TLS_server_method() : TLS_client_method());
    if (!context->carrier || !context->ssl)
        return -ENOMEM;
    if (!set_versions(context->ssl, opt) || !set_sessions(context, opt) ||
        !offer_protocols(context) || !take_certificate(context->ssl, opt, file) ||
        !take_authorities(context, opt, file))
        return -EPROTO;
    demand(context, opt);
    return 0;
}

static int make(weft_tls_context **result, const struct weft_tls_context_opt *given, bool server)
{
    char text[WEFT__TLS_REASON_SIZE] = "";
    struct weft_tls_context_opt opt;
    const char *file = NULL;
    weft_tls_context *context;
    int error = weft__tls_options(&opt, sizeof opt, given);

    if (error < 0 || !result || check(server, &opt) < 0)
        return -EINVAL;
    context = calloc(1, sizeof *context);
    if (!context)
        return -ENOMEM;
    atomic_init(&context->references, 1);
    context->server = server;
    ERR_clear_error();
    error = set_up(context, &opt, &file);
    if (error == -EPROTO)
        error = weft__tls_complaint(text, sizeof text);
    ERR_clear_error();
    if (error < 0) {
        if (opt.reason && opt.reason_size > 0)
            snprintf(opt.reason, opt.reason_size, "%s%s%s", file ? file : "", file ? ": " : "",
                     text);
        weft_tls_context_put(context);
        return error;
    }
    *result = context;
    return 0;
}

int weft_tls_client_context(weft_tls_context **context, const struct weft_tls_context_opt *opt)
{
    return make(context, opt, false);
}

int weft_tls_server_context(weft_tls_context **context, const struct weft_tls_context_opt *opt)
{
    return make(context, opt, true);
}
