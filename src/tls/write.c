/*
 * tls/write.c - the writer's side. Records are encrypted into memory, a few at a time, and then
 * sent: what is encrypted counts as written, because it cannot be taken back.
 */
#include <errno.h>
#include <limits.h>

#include "tls/layer.h"

/* Refuses who is cancelled, or on another reactor. */
static int begin(struct weft_tls *tls)
{
    int error;

    if (!tls->ready)
        return tls->error < 0 ? tls->error : -ENOTCONN;
    if (tls->writing)
        return -EBUSY;
    tls->writing = true;
    tls->users++;
    error = weft_lock_acquire(&tls->sending);
    if (error == 0) {
        weft_lock_release(&tls->sending);
        error = tls->lost;
    }
    if (error < 0) {
        tls->writing = false;
        tls->users--;
    }
    return error;
}

static void end(struct weft_tls *tls)
{
    tls->writing = false;
    tls->users--;
}

static int encrypt(struct weft_tls *tls, const char *bytes, size_t size, size_t *done)
{
    int result = 0;

    while (*done < size && result >= 0) {
        size_t piece = size - *done < WEFT__TLS_RECORD ? size - *done : WEFT__TLS_RECORD, n = 0;
        result = weft__tls_step_out(tls, WEFT__TLS_WRITE, bytes + *done, piece, &n);
        if (result > 0)
            *done += n;
        if (result > 0 && weft__tls_count(&tls->out) >= WEFT__TLS_OUT_MAX)
            result = weft__tls_flush(tls);
    }
    return result < 0 ? result : 0;
}

ssize_t weft_tls_write(weft_tls *tls, const void *buffer, size_t size, size_t *done)
{
    size_t taken = 0;
    int error;

    if (done)
        *done = 0;
    if (!tls || (!buffer && size > 0) || size > SSIZE_MAX)
        return -EINVAL;
    error = begin(tls);
    if (error < 0)
        return error;
    error = tls->shut ? -EPIPE : encrypt(tls, buffer, size, &taken);
    if (error == 0)
        error = weft__tls_flush(tls);
    end(tls);
    if (done)
        *done = taken;
    return error < 0 ? error : (ssize_t)size;
}

int weft_tls_shutdown(weft_tls *tls)
{
    int error = tls ? begin(tls) : -EINVAL;

    if (error < 0)
        return error;
    if (!tls->shut)
        error = weft__tls_step_out(tls, WEFT__TLS_SHUTDOWN, NULL, 0, NULL);
    tls->shut = tls->shut || error > 0;
    if (error >= 0)
        error = weft__tls_flush(tls);
    end(tls);
    return error;
}
