/*
 * tls/carry.c - what OpenSSL takes for a connection: it reads what the view holds, and writes into
 * memory. Nothing here waits: without bytes it is told to come again.
 */
#include <errno.h>
#include <string.h>

#include "tls/layer.h"

static int give_bytes(BIO *bio, char *buffer, size_t size, size_t *done)
{
    struct weft_tls *tls = BIO_get_data(bio);
    size_t left = tls->view_size - tls->view_at;

    BIO_clear_retry_flags(bio);
    *done = weft__tls_take(&tls->already, buffer, size);
    if (*done > 0)
        return 1;
    if (left == 0) {
        if (!tls->stream_ended)
            BIO_set_retry_read(bio);
        return 0;
    }
    *done = left < size ? left : size;
    memcpy(buffer, tls->view + tls->view_at, *done);
    tls->view_at += *done;
    return 1;
}

static int take_bytes(BIO *bio, const char *buffer, size_t size, size_t *done)
{
    struct weft_tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *done = 0;
    if (weft__tls_append(&tls->out, buffer, size) < 0) {
        tls->no_memory = true;
        return 0;
    }
    *done = size;
    return 1;
}

static long control(BIO *bio, int what, long number, void *pointer)
{
    const struct weft_tls *tls = BIO_get_data(bio);

    (void)number, (void)pointer;
    switch (what) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return tls->stream_ended && tls->view_at == tls->view_size;
    default:
        return 0;
    }
}

BIO_METHOD *weft__tls_carrier(void)
{
    BIO_METHOD *carrier = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "weft");

    if (carrier && BIO_meth_set_read_ex(carrier, give_bytes) &&
        BIO_meth_set_write_ex(carrier, take_bytes) && BIO_meth_set_ctrl(carrier, control))
        return carrier;
    BIO_meth_free(carrier);
    return NULL;
}

int weft__tls_carry(struct weft_tls *tls)
{
    BIO *bio = BIO_new(tls->context->carrier);

    if (!bio)
        return -ENOMEM;
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    return 0;
}
