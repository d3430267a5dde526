/* tls/layer.c - laying TLS on a stream, agreeing, and taking it off; layer.h. */
#include "tls/layer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/* -- opening -------------------------------------------------------------------------------- */

static bool is_number(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* Whom a client asks for, and what the certificate must say. */
static bool want(struct weft_tls *tls, const char *name)
{
    X509_VERIFY_PARAM *verify = SSL_get0_param(tls->ssl);

    memcpy(tls->name, name, strlen(name) + 1);
    if (is_number(name)) /* of which there is nothing to ask for: RFC 6066, section 3 */
        return X509_VERIFY_PARAM_set1_ip_asc(verify, name) > 0;
    SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(tls->ssl, name) > 0 && SSL_set1_host(tls->ssl, name) > 0;
}

static bool resume(struct weft_tls *tls)
{
    SSL_SESSION *session = weft__tls_sessions_find(&tls->context->sessions, tls->name);
    bool taken = !session || SSL_set_session(tls->ssl, session) > 0;

    SSL_SESSION_free(session);
    return taken;
}

static int set_up(struct weft_tls *tls, const struct weft_tls_opt *opt)
{
    tls->ssl = SSL_new(tls->context->ssl);
    if (!tls->ssl || weft__tls_carry(tls) < 0 || SSL_set_app_data(tls->ssl, tls) <= 0 ||
        weft__tls_append(&tls->already, opt->already, opt->already_size) < 0)
        return -ENOMEM;
    if (tls->context->server) {
        SSL_set_accept_state(tls->ssl);
        return 0;
    }
    SSL_set_connect_state(tls->ssl);
    return opt->server_name && (!want(tls, opt->server_name) || !resume(tls)) ? -ENOMEM : 0;
}

static int prepare(void *arg)
{
    void **both = arg;

    return set_up(both[0], both[1]);
}

static void destroy(struct weft_tls *tls)
{
    if (tls->ssl)
        (void)weft__tls_step(tls, WEFT__TLS_FREE, NULL, 0, NULL);
    weft__tls_drop(&tls->already);
    weft__tls_drop(&tls->out);
    weft__tls_drop(&tls->flying);
    weft__tls_drop(&tls->plain);
    weft_tls_context_put(tls->context);
    free(tls);
}

static int check(const weft_stream *stream, const weft_tls_context *context,
                 const struct weft_tls_opt *opt)
{
    size_t length = opt->server_name ? strlen(opt->server_name) : 0;

    if (!stream || !context || length >= WEFT__TLS_NAME_SIZE || (context->server && length > 0) ||
        (!context->server && context->verifies && length == 0) ||
        (opt->already_size > 0 && !opt->already))
        return -EINVAL;
    return (int)(weft_stream_write_pending(stream) < 0 ? weft_stream_write_pending(stream) : 0);
}

int weft_tls_open(weft_tls **result, weft_stream *stream, weft_tls_context *context,
                  const struct weft_tls_opt *given)
{
    struct weft_tls_opt opt;
    struct weft_tls *tls;
    int error = weft__tls_options(&opt, sizeof opt, given);

    if (error == 0)
        error = result ? check(stream, context, &opt) : -EINVAL;
    if (error < 0)
        return error;
    tls = calloc(1, sizeof *tls);
    if (!tls)
        return -ENOMEM;
    tls->stream = stream;
    tls->context = weft_tls_context_retain(context);
    tls->receiving = (weft_lock)WEFT_LOCK_INIT;
    tls->sending = (weft_lock)WEFT_LOCK_INIT;
    tls->moved = (weft_event)WEFT_EVENT_INIT;
    error = weft_call_on_big_stack(prepare, (void *[]){tls, &opt});
    if (error < 0) {
        destroy(tls);
        return error;
    }
    *result = tls;
    return 0;
}

/* -- the handshake -------------------------------------------------------------------------- */

/* What was said is sent before anything is waited for; of a failure, too, without waiting. */
static int shake(struct weft_tls *tls)
{
    int result;

    while ((result = weft__tls_step(tls, WEFT__TLS_HANDSHAKE, NULL, 0, NULL)) == -EAGAIN) {
        weft__tls_received(tls);
        result = weft__tls_flush(tls);
        if (result == 0)
            result = weft__tls_receive(tls, 0);
        if (result < 0)
            break;
    }
    weft__tls_received(tls);
    if (result > 0) {
        tls->ready = true;
        result = weft__tls_flush(tls);
    }
    weft__tls_push(tls);
    return result;
}

static int shake_alone(struct weft_tls *tls)
{
    int error = weft_lock_acquire(&tls->receiving);

    if (error < 0)
        return error;
    error = shake(tls);
    weft_lock_release(&tls->receiving);
    return error;
}

int weft_tls_handshake(weft_tls *tls, int64_t deadline)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .name = "handshake"};
    weft_scope scope;
    int error, edge;

    if (!tls)
        return -EINVAL;
    if (tls->ready || tls->error < 0)
        return tls->error;
    if (tls->users > 0)
        return -EBUSY;
    opt.deadline = deadline > 0 ? deadline : 1;
    error = weft_scope_open(&scope, &opt);
    if (error < 0)
        return error;
    tls->users++;
    error = shake_alone(tls);
    tls->users--;
    edge = weft_scope_close(&scope);
    return error == -ECANCELED && edge < 0 ? edge : error;
}

/* -- the end -------------------------------------------------------------------------------- */

/* Has the handshake begun, and what we say next is not to be encrypted yet? A client that has read
   the answer of TLS 1.3 has nothing more to say in the clear, and a server that gave it neither. */
static bool shakes_in_the_clear(const SSL *ssl)
{
    switch (SSL_get_state(ssl)) {
    case TLS_ST_CW_CLNT_HELLO:
        return true;
    case TLS_ST_CR_SRVR_HELLO:
    case TLS_ST_CR_CERT:
    case TLS_ST_CR_CERT_STATUS:
    case TLS_ST_CR_KEY_EXCH:
    case TLS_ST_CR_CERT_REQ:
    case TLS_ST_SW_SRVR_DONE:
    case TLS_ST_SR_CERT:
    case TLS_ST_SR_KEY_EXCH:
    case TLS_ST_SR_CERT_VRFY:
        return SSL_version(ssl) < TLS1_3_VERSION;
    default:
        return false;
    }
}

/* OpenSSL has no call for it: two records by hand, as RFC 8446, section 6.1, and RFC 5246, section
   7.2.2, have them. Without memory the stream's end is all that the peer hears. */
static void call_off(struct weft_tls *tls)
{
    static const unsigned char words[] = {
        SSL3_RT_ALERT, 3, 3, 0, 2, SSL3_AL_WARNING, SSL_AD_USER_CANCELLED,
        SSL3_RT_ALERT, 3, 3, 0, 2, SSL3_AL_WARNING, SSL_AD_CLOSE_NOTIFY};

    if (tls->error == 0 && shakes_in_the_clear(tls->ssl))
        (void)weft__tls_append(&tls->out, words, sizeof words);
}

static int leave(weft_tls *tls, bool politely)
{
    int error;

    if (!tls)
        return 0;
    if (tls->users > 0)
        return -EBUSY;
    error = weft_lock_acquire_nowait(&tls->sending); /* who may not is refused here */
    if (error < 0)
        return error;
    weft_lock_release(&tls->sending);
    if (politely && !tls->ready)
        call_off(tls);
    else if (politely && !tls->shut)
        (void)weft__tls_step(tls, WEFT__TLS_SHUTDOWN, NULL, 0, NULL);
    if (politely)
        weft__tls_push(tls);
    destroy(tls);
    return 0;
}

int weft_tls_close(weft_tls *tls)
{
    return leave(tls, true);
}

int weft_tls_abort(weft_tls *tls)
{
    return leave(tls, false);
}

/* -- what came of it ------------------------------------------------------------------------ */

static void tell_subject(X509 *certificate, char *text, size_t size)
{
    BIO *bio = BIO_new(BIO_s_mem());
    int count = 0;

    if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_ONELINE) > 0)
        count = BIO_read(bio, text, (int)size - 1);
    text[count > 0 ? count : 0] = '\0';
    BIO_free(bio);
}

static int tell(void *arg)
{
    void **both = arg;
    const struct weft_tls *tls = both[0];
    struct weft_tls_info *info = both[1];
    const char *name = SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name);
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    const unsigned char *alpn;
    unsigned int alpn_size;

    memset(info, 0, sizeof *info);
    info->version = SSL_get_version(tls->ssl);
    info->cipher = SSL_get_cipher_name(tls->ssl);
    info->resumed = SSL_session_reused(tls->ssl);
    SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_size);
    if (alpn)
        memcpy(info->alpn, alpn, alpn_size < sizeof info->alpn ? alpn_size : 0);
    if (!tls->context->server)
        name = tls->name;
    if (name && strlen(name) < sizeof info->server_name)
        memcpy(info->server_name, name, strlen(name));
    if (certificate)
        tell_subject(certificate, info->peer_subject, sizeof info->peer_subject);
    info->verified = certificate && SSL_get_verify_mode(tls->ssl) != SSL_VERIFY_NONE &&
                     SSL_get_verify_result(tls->ssl) == X509_V_OK;
    return 0;
}

int weft_tls_get_extra_info(const weft_tls *tls, struct weft_tls_info *info, size_t info_size)
{
    struct weft_tls_info all;
    void *both[] = {(void *)(uintptr_t)tls, &all};
    int error;

    if (!tls || !info || info_size > sizeof all)
        return -EINVAL;
    if (!tls->ready)
        return -ENOTCONN;
    error = weft_call_on_big_stack(tell, both);
    if (error == 0)
        memcpy(info, &all, info_size);
    return error;
}

ssize_t weft_tls_peer_certificate(const weft_tls *tls, void *der, size_t size)
{
    X509 *certificate = tls ? SSL_get0_peer_certificate(tls->ssl) : NULL;
    unsigned char *bytes = NULL;
    int count;

    if (!tls || (!der && size > 0))
        return -EINVAL;
    if (!certificate)
        return 0;
    count = i2d_X509(certificate, &bytes);
    if (count < 0)
        return -ENOMEM;
    if (size > 0)
        memcpy(der, bytes, (size_t)count < size ? (size_t)count : size);
    OPENSSL_free(bytes);
    return count;
}

const char *weft_tls_error(const weft_tls *tls)
{
    return tls ? tls->reason : "";
}

SSL *weft_tls_native(weft_tls *tls)
{
    return tls ? tls->ssl : NULL;
}
