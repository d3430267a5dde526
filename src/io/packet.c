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
    struct weft__lookout lookout = {.operation = {.word = wait->operation->word}};
    int32_t result;

    *side = &lookout.operation.op;
    result = weft__lookout_wait(wait->self, &lookout, wait->fd, wait->record, POLLOUT);
    if (weft__fd_claim(wait->record) == wait->operation->word >> 32) /* else it is another's */
        *side = &wait->operation->op;
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

int weft__packet_wait(struct weft__packet_wait *wait)
{
    int error = weft__admit_again(wait->self, false);

    if (error == 0 && !weft__fd_is_still(wait->record, wait->operation->word))
        error =
            weft__task_pass_on(wait->self, weft__fd_why_not(wait->record, wait->operation->word));
    if (error == 0)
        error = wait->addressed ? sleep_a_while(wait) : poll_for_room(wait);
    return error == 0 ? weft__admit_again(wait->self, false) : error;
}
