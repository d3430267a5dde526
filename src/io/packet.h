/*
 * io/packet.h - sending through Unix sockets that keep messages apart (SOCK_DGRAM, SOCK_SEQPACKET).
 *
 * Such a send copies its bytes before it learns that the receiver has no room. A request that waits
 * in the ring begins again behind the bytes it has copied: the receiver gets an empty message, the
 * sender hears 0, and the bytes are gone. So these are asked not to wait (MSG_DONTWAIT), and the
 * task waits here between one try and the next. On the calling task, who holds the writer's side.
 */
#ifndef WEFT_IO_PACKET_H
#define WEFT_IO_PACKET_H

#include "io/fd.h"
#include "task/operation.h"

/* Asks the kernel, once for each record. */
bool weft__fd_ask_packets(int fd, struct weft__fd *record);

static inline bool weft__fd_sends_packets(int fd, struct weft__fd *record)
{
    if (__builtin_expect((record->flags & (WEFT__FD_TYPED | WEFT__FD_PACKETS)) == WEFT__FD_TYPED,
                         1))
        return false;
    return weft__fd_ask_packets(fd, record);
}

struct weft__packet_wait {
    struct weft__task *self;
    struct weft__operation *operation; /* which holds the writer's side */
    struct weft__fd *record;
    int fd;
    bool addressed;   /* to one of many peers, whose room nobody can poll for */
    int64_t pause_ns; /* 0 at first */
};

/* After an -EAGAIN: until it is worth another try. 0; -ECANCELED, -ENOMEM, -EBADF. */
int weft__packet_wait(struct weft__packet_wait *wait);

#endif
