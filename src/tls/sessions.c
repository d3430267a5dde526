/*
 * tls/sessions.c - what a client was given to resume by: for each name the newest. Any thread,
 * under the lock, which is held for a few steps along a short list.
 *
 * Kept as bytes, and made anew for who uses it: objects of OpenSSL's are not shared by threads
 * here.
 *
 * A session of TLS 1.3 is used once (RFC 8446, C.4): finding it takes it off the list.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "tls/layer.h"

struct weft__tls_session {
    struct weft__tls_session *next;
    unsigned char *bytes; /* as DER */
    int size;
    bool once; /* it is to be used */
    char name[WEFT__TLS_NAME_SIZE];
};

int weft__tls_sessions_open(struct weft__tls_sessions *sessions, uint32_t count_max)
{
    sessions->count_max = count_max;
    sessions->lock = CRYPTO_THREAD_lock_new();
    return sessions->lock ? 0 : -ENOMEM;
}

static void drop(struct weft__tls_sessions *sessions, struct weft__tls_session **place)
{
    struct weft__tls_session *one = *place;

    *place = one->next;
    sessions->count--;
    OPENSSL_free(one->bytes);
    free(one);
}

void weft__tls_sessions_close(struct weft__tls_sessions *sessions)
{
    while (sessions->list)
        drop(sessions, &sessions->list);
    CRYPTO_THREAD_lock_free(sessions->lock);
}

static struct weft__tls_session **place_of(struct weft__tls_sessions *sessions, const char *name)
{
    struct weft__tls_session **place = &sessions->list;

    while (*place && strcasecmp((*place)->name, name) != 0)
        place = &(*place)->next;
    return place;
}

static void drop_eldest(struct weft__tls_sessions *sessions)
{
    struct weft__tls_session **place = &sessions->list;

    while ((*place)->next)
        place = &(*place)->next;
    drop(sessions, place);
}

void weft__tls_sessions_keep(struct weft__tls_sessions *sessions, const char *name,
                             SSL_SESSION *session)
{
    struct weft__tls_session *one = calloc(1, sizeof *one);
    struct weft__tls_session **place;

    if (!one)
        return;
    memcpy(one->name, name, strlen(name) + 1);
    one->once = SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
    one->size = SSL_SESSION_is_resumable(session) ? i2d_SSL_SESSION(session, &one->bytes) : 0;
    if (one->size <= 0) {
        free(one);
        return;
    }
    CRYPTO_THREAD_write_lock(sessions->lock);
    place = place_of(sessions, name);
    if (*place)
        drop(sessions, place);
    one->next = sessions->list;
    sessions->list = one;
    if (++sessions->count > sessions->count_max)
        drop_eldest(sessions);
    CRYPTO_THREAD_unlock(sessions->lock);
}

SSL_SESSION *weft__tls_sessions_find(struct weft__tls_sessions *sessions, const char *name)
{
    struct weft__tls_session **place;
    SSL_SESSION *found = NULL;

    CRYPTO_THREAD_write_lock(sessions->lock);
    place = place_of(sessions, name);
    if (*place) {
        const unsigned char *bytes = (*place)->bytes;
        found = d2i_SSL_SESSION(NULL, &bytes, (*place)->size);
        if (!found || (*place)->once)
            drop(sessions, place);
    }
    CRYPTO_THREAD_unlock(sessions->lock);
    return found;
}
