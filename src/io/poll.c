/*
 * io/poll.c - weft_poll: a task waits for a descriptor to be ready.
 *
 * On the calling task. It uses the descriptor beside others (io/fd.h), so any number may wait.
 */
#include <weft/net.h>
#include <weft/poll.h>

#include "io/lookout.h"
#include "io/watcher.h"
#include "task/wait.h"

enum { EVENTS = POLLIN | POLLPRI | POLLOUT | POLLRDHUP };

static void completed(struct weft__op *op, int32_t result, uint32_t flags)
{
    struct weft__lookout *lookout =
        (struct weft__lookout *)((char *)op - offsetof(struct weft__lookout, operation.op));

    if (lookout->came == 0)
        lookout->came = weft__polled(result, lookout->wanted) ? result : 0;
    if (!(flags & WEFT__CQE_MORE))
        weft__operation_completed(op, lookout->came ? lookout->came : result, flags);
    else if (lookout->came)
        weft__op_cancel(weft__self, op);
}

static int32_t wait_once(struct weft__task *self, struct weft__lookout *lookout, int fd,
                         const struct weft__fd *record, int events, bool edges)
{
    int32_t error;
    struct weft__sqe *sqe = weft__begin_once(self, &lookout->operation, "poll", fd, record, &error);

    if (!sqe)
        return error;
    if (lookout->other && !weft__fd_is_still(lookout->other, lookout->other_word))
        return weft__leave_undone(self, &lookout->operation, sqe,
                                  weft__fd_why_not(lookout->other, lookout->other_word));
    lookout->operation.op.complete = completed;
    if (events & WEFT_IDLE)
        weft__operation_idle(&lookout->operation);
    weft__request_poll(sqe, fd, (uint32_t)(events & EVENTS), edges);
    return weft__await(self, &lookout->operation, sqe, record);
}

int32_t weft__lookout_wait(struct weft__task *self, struct weft__lookout *lookout, int fd,
                           struct weft__fd *record, int events)
{
    int32_t result;

    lookout->wanted = (events & EVENTS) | POLLHUP | (lookout->no_errors ? 0 : POLLERR);
    lookout->came = 0;
    result = wait_once(self, lookout, fd, record, events, false);
    while (result > 0 && !weft__polled(result, lookout->wanted)) {
        result = weft__admit_again(self, events & WEFT_IDLE);
        if (result == 0)
            result = wait_once(self, lookout, fd, record, events, true);
    }
    return result;
}

/* word: of who has it for himself; 0: whoever asks. */
static int poll_as(int fd, int events, uint64_t word)
{
    struct weft__lookout lookout;
    struct weft__fd_use use;
    struct weft__fd *record;
    struct weft__task *self;
    struct weft__io *io;
    int result = events & WEFT_IDLE ? weft__enter_idle(&self) : weft__enter(&self);

    if (result < 0)
        return result;
    if (events & ~(EVENTS | WEFT_IDLE))
        return weft__misuse(-EINVAL, "events that the call does not know");
    io = weft__io_of(self->reactor);
    if (word && weft__fd_word(io, fd) != word)
        return -EBADF;
    lookout.other = NULL;
    lookout.no_errors = false;
    result = weft__fd_watch(io, fd, &record);
    if (result < 0)
        return result;
    lookout.operation.word = weft__fd_word_of(record);
    weft__fd_use_begin(io, record, fd, &use, &lookout.operation.op);
    use.claimed = word != 0;
    result = weft__lookout_wait(self, &lookout, fd, record, events);
    if (weft__fd_use_end(io, record, &use))
        weft__fd_watch_end(io, record);
    if (result == -EBADF)
        weft__fd_forget_closed(io, fd, record);
    return result;
}

int weft_poll(int fd, int events)
{
    return poll_as(fd, events, 0);
}

int weft__poll_claimed(int fd, int events, uint64_t word)
{
    return poll_as(fd, events, word);
}

int weft_poll_until(int fd, int events, int64_t deadline)
{
    struct weft__until until;
    int error = weft__until_open(&until, deadline);

    if (error < 0)
        return error;
    return (int)weft__until_close(&until, weft_poll(fd, events));
}
