/* tls/bytes.c - bytes that wait on the heap, and options of any age; see layer.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tls/layer.h"

enum { ROOM_LEAST = 1024, OPTION_SIZE_MAX = 4096 };

/* To the front of the memory, so that all the room is behind them. */
static void move_up(struct weft__tls_bytes *bytes)
{
    size_t count = weft__tls_count(bytes);

    if (bytes->at > 0 && count > 0)
        memmove(bytes->data, bytes->data + bytes->at, count);
    bytes->at = 0;
    bytes->end = count;
}

int weft__tls_reserve(struct weft__tls_bytes *bytes, size_t size)
{
    size_t room = bytes->room > ROOM_LEAST ? bytes->room : ROOM_LEAST;
    char *data;

    if (bytes->room - bytes->end >= size)
        return 0;
    move_up(bytes);
    if (bytes->room - bytes->end >= size)
        return 0;
    while (room - bytes->end < size)
        room *= 2;
    data = realloc(bytes->data, room);
    if (!data)
        return -ENOMEM;
    bytes->data = data;
    bytes->room = room;
    return 0;
}

int weft__tls_append(struct weft__tls_bytes *bytes, const void *data, size_t size)
{
    int error = weft__tls_reserve(bytes, size);

    if (error < 0 || size == 0)
        return error;
    memcpy(bytes->data + bytes->end, data, size);
    bytes->end += size;
    return 0;
}

size_t weft__tls_take(struct weft__tls_bytes *bytes, void *data, size_t size)
{
    size_t count = weft__tls_count(bytes) < size ? weft__tls_count(bytes) : size;

    if (count > 0)
        memcpy(data, bytes->data + bytes->at, count);
    bytes->at += count;
    if (bytes->at == bytes->end)
        weft__tls_drop(bytes);
    return count;
}

void weft__tls_drop(struct weft__tls_bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct weft__tls_bytes){NULL, 0, 0, 0};
}

int weft__tls_options(void *to, size_t size, const void *from)
{
    const unsigned char *given = from;
    size_t count = 0;

    memset(to, 0, size);
    if (!given)
        return 0;
    memcpy(&count, given, sizeof count);
    if (count < sizeof count || count > OPTION_SIZE_MAX)
        return -EINVAL;
    for (size_t i = size; i < count; i++)
        if (given[i])
            return -EINVAL;
    memcpy(to, given, count < size ? count : size);
    return 0;
}
