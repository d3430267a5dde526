/*
 * tls/hello.c - what a server answers to a client's first message: by which of its contexts, and
 * which protocol.
 *
 * The context is chosen before anything else is done about the message. OpenSSL's callback for
 * names would come after it has looked for the session that the client wants to go on with; then a
 * client that showed its certificate to nobody could resume, under a name that demands one, what it
 * began under another. Each context marks its sessions, and takes no other's.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tls/layer.h"

/* -- names ---------------------------------------------------------------------------------- */

static bool matches(const char *pattern, const char *name)
{
    const char *dot;

    if (strncmp(pattern, "*.", 2) != 0)
        return strcasecmp(pattern, name) == 0;
    dot = strchr(name, '.');
    return dot && dot > name && strcasecmp(pattern + 1, dot) == 0;
}

static weft_tls_context *context_for(weft_tls_context *context, const char *name)
{
    for (const struct weft__tls_name *one = context->names; one; one = one->next)
        if (matches(one->name, name))
            return one->context;
    return context;
}

/* The name in the extension (RFC 6066, section 3): a list, of which a client sends one entry.
   False: there is none, or none that makes sense, about which OpenSSL will complain. */
static bool name_asked_for(SSL *ssl, char *name, size_t size)
{
    const unsigned char *bytes;
    size_t count, length;

    if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &count) || count < 5 ||
        bytes[2] != TLSEXT_NAMETYPE_host_name)
        return false;
    length = (size_t)bytes[3] << 8 | bytes[4];
    if (length == 0 || length > count - 5 || length >= size || memchr(bytes + 5, 0, length))
        return false;
    memcpy(name, bytes + 5, length);
    name[length] = '\0';
    return true;
}

static int hear_hello(SSL *ssl, int *alert, void *arg)
{
    weft_tls_context *own = arg, *other = own;
    char name[WEFT__TLS_NAME_SIZE];

    if (name_asked_for(ssl, name, sizeof name))
        other = context_for(own, name);
    if (other == own)
        return SSL_CLIENT_HELLO_SUCCESS;
    if (!SSL_set_SSL_CTX(ssl, other->ssl)) { /* no memory: then nobody is served by the wrong one */
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL_CLIENT_HELLO_ERROR;
    }
    SSL_set_verify(ssl, SSL_CTX_get_verify_mode(other->ssl), NULL);
    SSL_set_options(ssl, SSL_CTX_get_options(other->ssl));
    SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(other->ssl));
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* So that the client is told that its name was heeded. */
static int acknowledge(SSL *ssl, int *alert, void *arg)
{
    (void)ssl, (void)alert, (void)arg;
    return SSL_TLSEXT_ERR_OK;
}

int weft_tls_context_add_name(weft_tls_context *context, const char *name, weft_tls_context *other)
{
    struct weft__tls_name *one, **last;

    /* a context with a reference to itself would never go */
    if (!context || !other || other == context || !context->server || !other->server || !name ||
        !*name || strlen(name) >= sizeof one->name)
        return -EINVAL;
    one = calloc(1, sizeof *one);
    if (!one)
        return -ENOMEM;
    memcpy(one->name, name, strlen(name) + 1);
    one->context = weft_tls_context_retain(other);
    for (last = &context->names; *last; last = &(*last)->next)
        ;
    *last = one;
    return 0;
}

/* -- protocols ------------------------------------------------------------------------------ */

int weft__tls_alpn(weft_tls_context *context, const char *list)
{
    size_t size = strlen(list) + 1;
    unsigned char *wire = size <= 65535 ? malloc(size) : NULL;
    size_t length = 0;

    if (!wire)
        return size <= 65535 ? -ENOMEM : -EINVAL;
    context->alpn = wire;
    context->alpn_size = (unsigned int)size;
    for (size_t i = 0; i < size; i++) {
        if (list[i] && list[i] != ',') {
            wire[1 + i] = (unsigned char)list[i];
            length++;
            continue;
        }
        if (length == 0 || length > 255)
            return -EINVAL;
        wire[i - length] = (unsigned char)length;
        length = 0;
    }
    return 0;
}

static int choose(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_size,
                  const unsigned char *offered, unsigned int offered_size, void *arg)
{
    const weft_tls_context *context = arg;
    unsigned char *found;

    (void)ssl;
    if (SSL_select_next_proto(&found, chosen_size, context->alpn, context->alpn_size, offered,
                              offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301, section 3.2 */
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

void weft__tls_listen_to_hello(weft_tls_context *context)
{
    SSL_CTX_set_client_hello_cb(context->ssl, hear_hello, context);
    SSL_CTX_set_tlsext_servername_callback(context->ssl, acknowledge);
    if (context->alpn)
        SSL_CTX_set_alpn_select_cb(context->ssl, choose, context);
}
