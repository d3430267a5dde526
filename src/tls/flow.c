/*
 * tls/flow.c - bytes between the stream and OpenSSL, and who waits for what; layer.h has the
 * picture.
 */
#include <errno.h>

#include "tls/layer.h"

/* -- in ------------------------------------------------------------------------------------- */

int weft__tls_receive(struct weft_tls *tls, int flags)
{
    const void *data;
    size_t size;
    int result = weft_stream_peek(tls->stream, &data, &size, flags);

    if (result < 0)
        return result;
    tls->stream_ended = result == 0;
    if (result > 0) {
        tls->view = data;
        tls->view_at = 0;
        tls->view_size = size;
    }
    return 0;
}

static void tell_who_waits(struct weft_tls *tls)
{
    if (tls->waiting)
        weft_event_set(&tls->moved);
}

void weft__tls_received(struct weft_tls *tls)
{
    if (tls->view)
        weft_stream_consume(tls->stream, tls->view_at);
    tls->view = NULL;
    tls->view_at = tls->view_size = 0;
    tell_who_waits(tls);
}

/* -- out ------------------------------------------------------------------------------------ */

/* What cannot be sent now will never be, unless only the waiting was called off, or another has the
   stream; and then nothing behind it is, either: the peer would miss a record. */
static int sent(struct weft_tls *tls, ssize_t result)
{
    if (tls->lost == 0 && result < 0 && result != -ECANCELED && result != -ENOMEM &&
        result != -EBUSY)
        tls->lost = (int)result;
    if (tls->lost < 0) {
        weft__tls_drop(&tls->flying);
        weft__tls_drop(&tls->out);
        return tls->lost;
    }
    return result < 0 ? (int)result : 0;
}

/* As who holds `sending`. */
static int send_all(struct weft_tls *tls)
{
    int error = sent(tls, 0);

    while (error == 0 && (weft__tls_count(&tls->flying) > 0 || weft__tls_count(&tls->out) > 0)) {
        struct weft__tls_bytes *flying = &tls->flying;
        size_t done = 0;
        ssize_t result;

        if (weft__tls_count(flying) == 0) {
            *flying = tls->out;
            tls->out = (struct weft__tls_bytes){NULL, 0, 0, 0};
        }
        result = weft_stream_write(tls->stream, flying->data + flying->at, weft__tls_count(flying),
                                   &done);
        flying->at += done;
        if (weft__tls_count(flying) == 0)
            weft__tls_drop(flying);
        error = sent(tls, result);
    }
    return error;
}

int weft__tls_flush(struct weft_tls *tls)
{
    int error = weft_lock_acquire(&tls->sending);

    if (error < 0)
        return error;
    error = send_all(tls);
    weft_lock_release(&tls->sending);
    return error;
}

static void push_one(struct weft_tls *tls, struct weft__tls_bytes *bytes)
{
    ssize_t result = 0;

    if (sent(tls, 0) == 0 && weft__tls_count(bytes) > 0)
        result =
            weft_stream_write_nowait(tls->stream, bytes->data + bytes->at, weft__tls_count(bytes));
    if (result > 0)
        weft__tls_drop(bytes);
    (void)sent(tls, result);
}

void weft__tls_push(struct weft_tls *tls)
{
    if (weft_lock_held(&tls->sending))
        return; /* who holds it sends this, too */
    push_one(tls, &tls->flying);
    if (weft__tls_count(&tls->flying) == 0)
        push_one(tls, &tls->out);
}

static int wait_until_sent(struct weft_tls *tls)
{
    int error = weft_lock_acquire(&tls->sending);

    if (error < 0)
        return error;
    error = send_all(tls);
    if (error == 0)
        error = weft_stream_drain(tls->stream); /* what was pushed before, too */
    weft_lock_release(&tls->sending);
    return error;
}

int weft__tls_settle(struct weft_tls *tls)
{
    ssize_t before = weft_stream_write_pending(tls->stream);
    size_t count = weft__tls_count(&tls->out) + (before > 0 ? (size_t)before : 0);

    if (count > WEFT__TLS_OUT_MAX)
        return wait_until_sent(tls) == -ECANCELED ? -ECANCELED : 0;
    weft__tls_push(tls);
    return 0;
}

/* -- a writer that wants to read ------------------------------------------------------------ */

/* As who holds `receiving`, and gives it up. */
static int receive_and_step(struct weft_tls *tls, enum weft__tls_verb verb, void *buffer,
                            size_t size, size_t *done)
{
    int result = weft__tls_receive(tls, 0);

    if (result == 0)
        result = weft__tls_step(tls, verb, buffer, size, done);
    weft__tls_received(tls);
    weft_event_clear(&tls->moved); /* that was us */
    weft_lock_release(&tls->receiving);
    return result;
}

/* `moved` is clear as long as no reader has come further since our last step. Then only is there
   something to wait for; else what we want may be there already, and nothing more come. */
static int insist(struct weft_tls *tls, enum weft__tls_verb verb, void *buffer, size_t size,
                  size_t *done)
{
    int result = -EAGAIN;

    while (result == -EAGAIN) {
        int error = weft__tls_settle(tls);
        if (error == 0 && !weft_event_is_set(&tls->moved)) {
            error = weft_lock_acquire_nowait(&tls->receiving);
            if (error == 0) {
                result = receive_and_step(tls, verb, buffer, size, done);
                continue;
            }
            if (error == -EAGAIN) /* a reader does */
                error = weft_event_wait(&tls->moved);
        }
        if (error < 0)
            return error;
        weft_event_clear(&tls->moved);
        result = weft__tls_step(tls, verb, buffer, size, done);
    }
    return result;
}

int weft__tls_step_out(struct weft_tls *tls, enum weft__tls_verb verb, const void *buffer,
                       size_t size, size_t *done)
{
    void *bytes = (void *)(uintptr_t)buffer; /* only read */
    int result = weft__tls_step(tls, verb, bytes, size, done);

    if (result != -EAGAIN)
        return result;
    weft_event_clear(&tls->moved);
    tls->waiting = true;
    result = insist(tls, verb, bytes, size, done);
    tls->waiting = false;
    return result;
}
