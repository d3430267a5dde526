/*
 * tls/step.c - one call of OpenSSL's, on the loop's stack, and what its answer means. Its list of
 * complaints is the thread's: emptied before, and read before anything else runs.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "tls/layer.h"

struct step {
    struct weft_tls *tls;
    enum weft__tls_verb verb;
    void *buffer;
    size_t size;
    size_t *done;
};

/* The first of them says why; but where memory was short, the first may be what that led to. */
static unsigned long take_complaint(void)
{
    unsigned long first = ERR_get_error(), code = first;

    while (code && ERR_GET_REASON(code) != ERR_R_MALLOC_FAILURE)
        code = ERR_get_error();
    return code ? code : first;
}

int weft__tls_complaint(char *text, size_t size)
{
    unsigned long code = take_complaint();
    const char *words = ERR_reason_error_string(code);
    int reason = ERR_GET_REASON(code);
    char space[80];

    if (ERR_SYSTEM_ERROR(code))
        snprintf(text, size, "%s", strerror_r(reason, space, sizeof space));
    else if (words)
        snprintf(text, size, "%s", words);
    else
        ERR_error_string_n(code, text, size);
    if (ERR_SYSTEM_ERROR(code))
        return -reason;
    if (reason == ERR_R_MALLOC_FAILURE)
        return -ENOMEM;
    if (ERR_GET_LIB(code) != ERR_LIB_SSL)
        return -EPROTO;
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
        return -ECONNABORTED;
    if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED ||
        reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
        return -EKEYREJECTED;
    return -EPROTO;
}

/* For good: after one of these OpenSSL's object is of no use any more. */
static int fail(struct weft_tls *tls)
{
    long verdict = SSL_get_verify_result(tls->ssl);

    tls->error = weft__tls_complaint(tls->reason, sizeof tls->reason);
    if (tls->error == -EKEYREJECTED && verdict != X509_V_OK)
        snprintf(tls->reason, sizeof tls->reason, "%s", X509_verify_cert_error_string(verdict));
    if (tls->error == -EKEYREJECTED && verdict == X509_V_ERR_OUT_OF_MEM)
        tls->error = -ENOMEM; /* it was not looked at */
    if (tls->no_memory) {
        tls->error = -ENOMEM;
        snprintf(tls->reason, sizeof tls->reason, "no memory for what is to be sent");
    }
    return tls->error;
}

/* The peer has ended TLS, which is an answer for who reads alone: for good. */
static int ended(struct weft_tls *tls)
{
    if (tls->no_memory) /* then it is not because of the end that this did not go on */
        return fail(tls);
    tls->error = -ECONNABORTED;
    snprintf(tls->reason, sizeof tls->reason, "the peer has ended TLS");
    return tls->error;
}

static int meaning(struct weft_tls *tls, enum weft__tls_verb verb, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_ZERO_RETURN:
        return verb == WEFT__TLS_READ ? 0 : ended(tls);
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    default:
        return fail(tls);
    }
}

/* While a message of the protocol's own is there by half, nothing else may be said. */
static int say_end(struct weft_tls *tls)
{
    int result = SSL_in_init(tls->ssl) ? SSL_do_handshake(tls->ssl) : 1;

    if (result <= 0)
        return meaning(tls, WEFT__TLS_SHUTDOWN, result);
    result = SSL_shutdown(tls->ssl); /* 0: said, and not heard from the other side */
    return result < 0 ? meaning(tls, WEFT__TLS_SHUTDOWN, result) : 1;
}

static int take_step(void *arg)
{
    const struct step *step = arg;
    SSL *ssl = step->tls->ssl;
    int result = 1;

    ERR_clear_error();
    switch (step->verb) {
    case WEFT__TLS_HANDSHAKE:
        result = SSL_do_handshake(ssl);
        break;
    case WEFT__TLS_READ:
        result = SSL_read_ex(ssl, step->buffer, step->size, step->done);
        break;
    case WEFT__TLS_WRITE:
        result = SSL_write_ex(ssl, step->buffer, step->size, step->done);
        break;
    case WEFT__TLS_SHUTDOWN:
        return say_end(step->tls);
    case WEFT__TLS_FREE:
        SSL_free(ssl);
        break;
    }
    return result > 0 ? 1 : meaning(step->tls, step->verb, result);
}

int weft__tls_step(struct weft_tls *tls, enum weft__tls_verb verb, void *buffer, size_t size,
                   size_t *done)
{
    struct step step = {tls, verb, buffer, size, done};

    if (tls->error < 0 && verb != WEFT__TLS_FREE)
        return tls->error;
    return weft_call_on_big_stack(take_step, &step);
}
