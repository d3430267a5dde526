/*
 * tls/read.c - the reader's side. What it wants goes from OpenSSL into its own memory; only who
 * looks for a delimiter has it kept in `plain` until it is found.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "tls/layer.h"

/* Refuses who is cancelled, or on another reactor. */
static int begin(struct weft_tls *tls)
{
    int error;

    if (!tls->ready)
        return tls->error < 0 ? tls->error : -ENOTCONN;
    if (tls->reading)
        return -EBUSY;
    tls->reading = true;
    tls->users++;
    error = weft_lock_acquire(&tls->receiving);
    if (error < 0) {
        tls->reading = false;
        tls->users--;
    }
    return error;
}

static void end(struct weft_tls *tls)
{
    weft_lock_release(&tls->receiving);
    tls->reading = false;
    tls->users--;
    weft__tls_received(tls);
}

/* One step of OpenSSL's after another, until it has given something: how much; 0 the end. */
static ssize_t decrypt(struct weft_tls *tls, void *buffer, size_t size, int flags)
{
    int result = 0;

    while (result == 0 && !tls->finished) {
        size_t done = 0;
        result = weft__tls_step(tls, WEFT__TLS_READ, buffer, size, &done);
        weft__tls_received(tls);
        if (result != -EAGAIN)
            weft__tls_push(tls); /* an answer, an alert; what was decrypted is not waited with */
        if (result > 0)
            return (ssize_t)done;
        tls->finished = result == 0;
        if (result == -EAGAIN)
            result = weft__tls_settle(tls); /* who asks and does not listen is not heard */
        if (result == 0 && !tls->finished)
            result = weft__tls_receive(tls, flags);
    }
    return result;
}

static ssize_t read_some(struct weft_tls *tls, void *buffer, size_t size, int flags)
{
    size_t count = weft__tls_take(&tls->plain, buffer, size);

    return count > 0 || size == 0 ? (ssize_t)count : decrypt(tls, buffer, size, flags);
}

ssize_t weft_tls_read(weft_tls *tls, void *buffer, size_t size, int flags)
{
    ssize_t result;

    if (!tls || (!buffer && size > 0) || flags & ~WEFT_IDLE)
        return -EINVAL;
    result = begin(tls);
    if (result < 0)
        return result;
    result = read_some(tls, buffer, size < SSIZE_MAX ? size : SSIZE_MAX, flags);
    end(tls);
    return result;
}

ssize_t weft_tls_read_until_time(weft_tls *tls, void *buffer, size_t size, int flags,
                                 int64_t deadline)
{
    struct weft_scope_opt opt = {.size = sizeof opt, .deadline = deadline > 0 ? deadline : 1};
    weft_scope scope;
    ssize_t result = weft_scope_open(&scope, &opt);
    int edge;

    if (result < 0)
        return result;
    result = weft_tls_read(tls, buffer, size, flags);
    edge = weft_scope_close(&scope);
    return result == -ECANCELED && edge < 0 ? edge : result;
}

static ssize_t read_all(struct weft_tls *tls, char *buffer, size_t size, size_t *done)
{
    while (*done < size) {
        ssize_t n = read_some(tls, buffer + *done, size - *done, 0);
        if (n <= 0)
            return n < 0 ? n : -ENODATA;
        *done += (size_t)n;
    }
    return (ssize_t)size;
}

ssize_t weft_tls_read_exactly(weft_tls *tls, void *buffer, size_t size, size_t *done)
{
    size_t received = 0;
    ssize_t result;

    if (done)
        *done = 0;
    if (!tls || (!buffer && size > 0) || size > SSIZE_MAX)
        return -EINVAL;
    result = begin(tls);
    if (result < 0)
        return result;
    result = read_all(tls, buffer, size, &received);
    end(tls);
    if (done)
        *done = received;
    return result;
}

/* -- up to a delimiter ---------------------------------------------------------------------- */

/* As much more as OpenSSL has, a record at most: behind what is there. */
static ssize_t gather(struct weft_tls *tls, int flags)
{
    struct weft__tls_bytes *plain = &tls->plain;
    ssize_t n = weft__tls_reserve(plain, WEFT__TLS_RECORD);

    if (n == 0)
        n = decrypt(tls, plain->data + plain->end, WEFT__TLS_RECORD, flags);
    if (n > 0)
        plain->end += (size_t)n;
    if (weft__tls_count(plain) == 0)
        weft__tls_drop(plain);
    return n;
}

/* How many bytes up to the delimiter's end, within `size`; looks at each byte once, but for a
   delimiter's length before what is new. */
static ssize_t find(struct weft_tls *tls, const void *delimiter, size_t delimiter_size, size_t size,
                    int flags)
{
    const struct weft__tls_bytes *plain = &tls->plain;
    size_t seen = 0;

    for (;;) {
        size_t count = weft__tls_count(plain);
        const char *from = count ? plain->data + plain->at : NULL, *hit = NULL;
        ssize_t n;

        if (count >= seen + delimiter_size)
            hit = memmem(from + seen, count - seen, delimiter, delimiter_size);
        if (hit)
            count = (size_t)(hit - from) + delimiter_size;
        if (hit && count <= size)
            return (ssize_t)count;
        if (count >= size)
            return -EMSGSIZE;
        if (count >= delimiter_size)
            seen = count - delimiter_size + 1;
        n = gather(tls, count > 0 ? 0 : flags);
        if (n <= 0)
            return n < 0 ? n : -ENODATA;
    }
}

ssize_t weft_tls_read_until(weft_tls *tls, const void *delimiter, size_t delimiter_size,
                            void *buffer, size_t size, int flags)
{
    ssize_t result;

    if (!tls || !delimiter || delimiter_size == 0 || (!buffer && size > 0) || flags & ~WEFT_IDLE)
        return -EINVAL;
    result = begin(tls);
    if (result < 0)
        return result;
    result = find(tls, delimiter, delimiter_size, size, flags);
    if (result > 0)
        (void)weft__tls_take(&tls->plain, buffer, (size_t)result);
    end(tls);
    return result;
}

ssize_t weft_tls_read_line(weft_tls *tls, char *line, size_t size, int flags)
{
    ssize_t result =
        line && size > 0 ? weft_tls_read_until(tls, "\n", 1, line, size - 1, flags) : -EINVAL;

    if (result > 0)
        line[result] = '\0';
    return result;
}

int weft_tls_at_eof(const weft_tls *tls)
{
    return tls ? tls->finished && weft__tls_count(&tls->plain) == 0 : -EINVAL;
}
