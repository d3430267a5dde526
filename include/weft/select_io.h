/*
 * weft/select_io.h - operations as cases of a select: bytes, connections, readiness, processes,
 * signals and what happens to files, beside queues, events and times.
 *
 *     weft_case cases[] = {
 *         weft_case_event(&enough),
 *         weft_case_recv(fd, buffer, sizeof buffer, 0),
 *         weft_case_until(weft_after_ms(500)),
 *     };
 *     int won = weft_select(cases, 3, 0);
 *
 *     if (won == 1 || (won >= 0 && weft_case_happened(&cases[1])))
 *         handle(buffer, cases[1].result);       received, though another case may have won
 *
 * Each stands for the call it is named after, with that call's arguments, and is begun as a child
 * of the select when no other case is ready. Its result is what that call returns, an error
 * included: one that ends with an error has won. One that loses is cancelled, and the select
 * returns when it has ended: with -ECANCELED nothing has happened, and any other result is what
 * came of it all the same, in the caller's hands. What a case points at stays until then.
 *
 * What asyncio would wrap in tasks and give to wait(FIRST_COMPLETED). Calls that are not here are
 * cases all the same, as a coroutine: weft_case_await(weft_coro(fn, arg, arg_size)).
 */
#ifndef WEFT_SELECT_IO_H
#define WEFT_SELECT_IO_H

#include <weft/file_object.h>
#include <weft/message.h>
#include <weft/net.h>
#include <weft/poll.h>
#include <weft/process.h>
#include <weft/select.h>
#include <weft/signal.h>
#include <weft/stream.h>
#include <weft/watch.h>

WEFT_BEGIN_DECLS

WEFT_API int weft_case_recv_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_send_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_recvmsg_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_sendmsg_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_read_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_write_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_accept_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_connect_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_poll_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_stream_read_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_process_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_signals_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_watch_(void *arg) WEFT_SUSPENDS;
WEFT_API int weft_case_file_read_(void *arg) WEFT_SUSPENDS;

static inline weft_case weft_case_operation_(weft_task_fn fn, int fd, int flags)
{
    weft_case made = weft_case_of_(WEFT_CASE_OPERATION, NULL, NULL);

    made.fd = fd;
    made.flags = flags;
    made.awaitable.fn = fn;
    return made;
}
static inline weft_case weft_case_bytes_(weft_task_fn fn, int fd, const void *item, size_t size,
                                         int flags)
{
    weft_case made = weft_case_operation_(fn, fd, flags);

    made.item = (void *)(uintptr_t)item;
    made.size = size;
    return made;
}

/* weft_recv: bytes, 0 at the end of the stream. Once received they are in `buffer` alone. */
static inline weft_case weft_case_recv(int fd, void *buffer, size_t size, int flags)
{
    return weft_case_bytes_(weft_case_recv_, fd, buffer, size, flags);
}
/* weft_send: how many bytes went, perhaps fewer than `size`; those are on their way, whoever won.
   (There is none for weft_send_all: what a half of it leaves behind is not one result.) */
static inline weft_case weft_case_send(int fd, const void *buffer, size_t size, int flags)
{
    return weft_case_bytes_(weft_case_send_, fd, buffer, size, flags);
}
/* weft_recvmsg, weft_sendmsg: a message, whole. */
static inline weft_case weft_case_recvmsg(int fd, struct msghdr *message, int flags)
{
    return weft_case_bytes_(weft_case_recvmsg_, fd, message, 0, flags);
}
static inline weft_case weft_case_sendmsg(int fd, const struct msghdr *message, int flags)
{
    return weft_case_bytes_(weft_case_sendmsg_, fd, message, 0, flags);
}
/* weft_read, weft_write (weft/fd.h): of pipes, terminals, and whatever else there is. */
static inline weft_case weft_case_read(int fd, void *buffer, size_t size)
{
    return weft_case_bytes_(weft_case_read_, fd, buffer, size, 0);
}
static inline weft_case weft_case_write(int fd, const void *buffer, size_t size)
{
    return weft_case_bytes_(weft_case_write_, fd, buffer, size, 0);
}
/* weft_accept without an address; its result is the new descriptor, which is the caller's. */
static inline weft_case weft_case_accept(int fd, int flags)
{
    return weft_case_operation_(weft_case_accept_, fd, flags);
}
/* weft_connect. 0: connected, whoever won. Any other result, -ECANCELED among them, leaves a
   descriptor that is good for weft_close and nothing else; but one that was not begun, since
   another case was ready at once, is as it was. */
static inline weft_case weft_case_connect(int fd, const struct sockaddr *address, socklen_t length)
{
    return weft_case_bytes_(weft_case_connect_, fd, address, length, 0);
}
/* weft_poll: which of `events` hold. It takes nothing, so there is nothing to lose. */
static inline weft_case weft_case_poll(int fd, int events)
{
    return weft_case_operation_(weft_case_poll_, fd, events);
}
/* weft_stream_read. */
static inline weft_case weft_case_stream_read(weft_stream *stream, void *buffer, size_t size,
                                              int flags)
{
    weft_case made = weft_case_bytes_(weft_case_stream_read_, -1, buffer, size, flags);

    made.object = stream;
    return made;
}
/* weft_process_wait: 0 and *status (NULL allowed). The process is left as it is. */
static inline weft_case weft_case_process(weft_process *process, struct weft_process_status *status)
{
    weft_case made = weft_case_bytes_(weft_case_process_, -1, status, 0, 0);

    made.object = process;
    return made;
}
/* weft_signals_wait: the number of the next signal, and *signal (NULL allowed); taken, then. */
static inline weft_case weft_case_signals(weft_signals *signals, struct weft_signal *signal)
{
    weft_case made = weft_case_bytes_(weft_case_signals_, -1, signal, 0, 0);

    made.object = signals;
    return made;
}
/* weft_watch_next: 0 and *event (NULL allowed); taken, then. */
static inline weft_case weft_case_watch(weft_watch *watch, struct weft_watch_event *event,
                                        int flags)
{
    weft_case made = weft_case_bytes_(weft_case_watch_, -1, event, 0, flags);

    made.object = watch;
    return made;
}
/* weft_file_read: how many bytes, which the position has moved by, 0 at the end of the file. One
   that loses leaves the position alone, and what it waited for goes on being read. */
static inline weft_case weft_case_file_read(weft_file *file, void *buffer, size_t size)
{
    weft_case made = weft_case_bytes_(weft_case_file_read_, -1, buffer, size, 0);

    made.object = file;
    return made;
}

WEFT_END_DECLS

#endif
