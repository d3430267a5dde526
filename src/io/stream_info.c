/*
 * io/stream_info.c - what a stream is, and between whom.
 */
#include <string.h>

#include "io/stream.h"
#include "ring/host.h"

static int kind_of(const struct weft_stream *stream, const struct sockaddr_storage *local)
{
    if (stream->plain)
        return WEFT_STREAM_PIPE;
    return local->ss_family == AF_UNIX ? WEFT_STREAM_UNIX : WEFT_STREAM_TCP;
}

/* How much of an address there is; none after an error. */
static socklen_t size_of(int error, socklen_t size)
{
    if (error < 0)
        return 0;
    return size < sizeof(struct sockaddr_storage) ? size : sizeof(struct sockaddr_storage);
}

int weft_stream_get_extra_info(const weft_stream *stream, struct weft_stream_info *info,
                               size_t info_size)
{
    struct weft_stream_info all = {.peer_size = sizeof all.peer, .local_size = sizeof all.local};
    int error;

    if (!stream || !info || info_size == 0 || info_size > sizeof all)
        return weft__misuse(-EINVAL, "no stream, or nowhere to put what is known of it");
    if (!weft__self)
        return weft__outside();
    if (stream->closing)
        return -EBADF;
    all.fd = stream->fd;
    error = weft__host_getsockname(all.fd, (struct sockaddr *)&all.local, &all.local_size);
    all.kind = kind_of(stream, &all.local);
    all.local_size = size_of(error, all.local_size);
    error = weft__host_getpeername(all.fd, (struct sockaddr *)&all.peer, &all.peer_size);
    all.peer_size = size_of(error, all.peer_size);
    memcpy(info, &all, info_size);
    return 0;
}
