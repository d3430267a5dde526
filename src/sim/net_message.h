/*
 * sim/net_message.h - where messages end among bytes that wait, and what came with them.
 */
#ifndef WEFT_SIM_NET_MESSAGE_H
#define WEFT_SIM_NET_MESSAGE_H

#include "sim/message.h"

/* A stretch of the bytes of a socket: of packets each message is one, of streams those that came
   with files. Positions count bytes since the beginning. */
struct weft__net_mark {
    struct weft__net_mark *next;
    uint64_t begin, end;
    struct sockaddr_storage from;
    socklen_t from_length;
    struct weft__sim_rights *rights;
};

struct weft__net_marks {
    struct weft__net_mark *first, *last;
    uint64_t written, read; /* positions */
};

/* The next `size` bytes are one, with what the message brings, which is taken. message: NULL
 * allowed.
 */
struct weft__net_mark *weft__net_mark_add(struct weft__net_marks *marks, uint32_t size,
                                          struct weft__sim_message *message);
/* The first has been read. message gets what came with it; NULL: that is dropped. */
void weft__net_mark_take(struct weft__sim *sim, struct weft__net_marks *marks,
                         struct weft__sim_message *message);
void weft__net_marks_free(struct weft__sim *sim, struct weft__net_marks *marks);

#endif
