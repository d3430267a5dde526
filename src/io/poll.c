/*
 * io/poll.c - weft_poll: a task waits for a descriptor to be ready.
 *
 * On the calling task. It uses the descriptor beside others (io/use.h), so any number may wait.
 */
#include <weft/net.h>
#include <weft/poll.h>

#include "io/use.h"
#include "io/watcher.h"
#include "task/wait.h"

enum { EVENTS = POLLIN | POLLPRI | POLLOUT | POLLRDHUP };

struct look {
    struct weft__use use;
    int32_t wanted; /* POLL*, with those that always count */
    int32_t came;   /* of them; 0: none so far */
};

static void completed(struct weft__op *op, int32_t result, uint32_t flags)
{
    struct look *look = (struct look *)((char *)op - offsetof(struct look, use.operation.op));

    if (look->came == 0)
        look->came = weft__polled(result, look->wanted) ? result : 0;
    if (!(flags & WEFT__CQE_MORE))
        weft__operation_completed(op, look->came ? look->came : result, flags);
    else if (look->came)
        weft__op_cancel(weft__self, op);
}

static int begin(struct look *look, int fd, int events)
{
    struct weft__use *use = &look->use;
    struct weft__io *io;
    int error = events & WEFT_IDLE ? weft__enter_idle(&use->self) : weft__enter(&use->self);

    if (error < 0)
        return error;
    if (events & ~(EVENTS | WEFT_IDLE))
        return weft__misuse(-EINVAL, "events that the call does not know");
    look->wanted = (events & EVENTS) | POLLERR | POLLHUP;
    look->came = 0;
    io = weft__io_of(use->self->reactor);
    error = weft__fd_watch(io, fd, &use->record);
    if (error == 0)
        weft__fd_use_begin(io, use->record, fd, &use->of, &use->operation.op);
    return error;
}

static int32_t wait_once(struct look *look, int fd, int events, bool edges)
{
    struct weft__use *use = &look->use;
    struct weft__sqe *sqe = weft__operation_begin(use->self, &use->operation, "poll", fd);

    if (!sqe)
        return weft__operation_error(use->self);
    use->operation.op.complete = completed;
    if (events & WEFT_IDLE)
        weft__operation_idle(&use->operation);
    weft__request_poll(sqe, fd, (uint32_t)(events & EVENTS), edges);
    return weft__use_wait(use, sqe);
}

int weft_poll(int fd, int events)
{
    struct look look;
    int32_t result = begin(&look, fd, events);

    if (result < 0)
        return result;
    result = wait_once(&look, fd, events, false);
    while (result > 0 && !weft__polled(result, look.wanted)) {
        result = weft__admit_again(look.use.self, events & WEFT_IDLE);
        if (result == 0)
            result = wait_once(&look, fd, events, true);
    }
    weft__use_close(&look.use, result);
    weft__fd_watch_end(weft__io_of(look.use.self->reactor), look.use.record);
    return result;
}

int weft_poll_until(int fd, int events, int64_t deadline)
{
    struct weft__until until;
    int error = weft__until_open(&until, deadline);

    if (error < 0)
        return error;
    return (int)weft__until_close(&until, weft_poll(fd, events));
}
