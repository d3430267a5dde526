/*
 * io/packet.c - until a Unix peer has room for one message more; packet.h says why.
 */
#include "io/packet.h"

#include <weft/poll.h>

#include "io/lookout.h"
#include "ring/host.h"
#include "task/wait.h"

enum { PAUSE_MIN_NS = 1000000, PAUSE_MAX_NS = 16000000 };

bool weft__fd_ask_packets(int fd, struct weft__fd *record)
{
    int domain = 0, type = 0;
    socklen_t length = sizeof domain;

    if (record->flags & WEFT__FD_TYPED)
        return true;
    record->flags |= WEFT__FD_TYPED;
    if (weft__host_getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0 || domain != AF_UNIX)
        return false;
    length = sizeof type;
    if (weft__host_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 || type == SOCK_STREAM)
        return false;
    record->flags |= WEFT__FD_PACKETS;
    return true;
}

/* The poll holds the side meanwhile, so that a close finds it. */
static int poll_for_room(const struct weft__packet_wait *wait)
{
    struct weft__op **side = &wait->record->sides[WEFT__WRITER];
    struct weft__lookout lookout = {.other = NULL};
    int32_t result;

    *side = &lookout.operation.op;
    result = weft__lookout_wait(wait->self, &lookout, wait->fd, wait->record, POLLOUT);
    if (*side == &lookout.operation.op) /* else the record was reset meanwhile */
        *side = wait->op;
    return result < 0 ? result : 0;
}

/* Poll says that there is room to send, which is not what is wanting. */
static int sleep_a_while(struct weft__packet_wait *wait)
{
    struct weft__wait sleep = {.what = "room at a peer", .fd = wait->fd};
    int error;

    wait->pause_ns = wait->pause_ns == 0                 ? PAUSE_MIN_NS
                     : wait->pause_ns * 2 < PAUSE_MAX_NS ? wait->pause_ns * 2
                                                         : PAUSE_MAX_NS;
    error = weft__wait_for_wake_until(wait->self, &sleep, true, weft__host_now() + wait->pause_ns);
    return error == -ETIME ? 0 : error;
}

/* Is the descriptor gone? By weft_close; or behind its back, and the number given out again: then
   the record has been reset. */
static bool is_gone(const struct weft__packet_wait *wait)
{
    if (!weft__fd_closing(wait->record) && wait->record->sides[WEFT__WRITER] == wait->op)
        return false;
    wait->self->cause = WEFT_CAUSE_NONE;
    return true;
}

int weft__packet_wait(struct weft__packet_wait *wait)
{
    int error = weft__admit_again(wait->self, false);

    if (error == 0 && is_gone(wait))
        return -ECANCELED;
    if (error == 0)
        error = wait->addressed ? sleep_a_while(wait) : poll_for_room(wait);
    if (error == 0)
        error = weft__admit_again(wait->self, false);
    return error == 0 && is_gone(wait) ? -ECANCELED : error;
}
