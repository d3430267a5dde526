/*
 * sim/net_bytes.h - bytes that wait: a queue that grows. Owned by a connection.
 */
#ifndef WEFT_SIM_NET_BYTES_H
#define WEFT_SIM_NET_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct weft__net_bytes {
    uint8_t *memory;
    size_t capacity; /* a power of two, or 0 */
    size_t head;     /* of the first byte; counts on, taken modulo the capacity */
    size_t count;
};

void weft__net_bytes_push(struct weft__net_bytes *bytes, const void *memory, size_t size);
/* Copies from `offset` on, which are there, and leaves them there. memory NULL: copies nothing. */
void weft__net_bytes_look(const struct weft__net_bytes *bytes, size_t offset, void *memory,
                          size_t size);
void weft__net_bytes_drop(struct weft__net_bytes *bytes, size_t size);
/* Forgets all but the first `size`. */
void weft__net_bytes_cut(struct weft__net_bytes *bytes, size_t size);
void weft__net_bytes_free(struct weft__net_bytes *bytes);

#endif
