/*
 * io/file_watch.c - what happens to files, told to tasks; file_watch.h draws the way.
 *
 * On the reactor it was opened on. What always holds: what was read from the kernel is in the
 * watch's bytes until a task takes it, and between taking and telling nothing suspends.
 */
#include "io/file_watch.h"

#include <errno.h>
#include <string.h>
#include <weft/net.h>
#include <weft/poll.h>

#include "base/memory.h"
#include "io/lookout.h"
#include "io/offload.h"
#include "io/use.h"
#include "ring/host.h"
#include "ring/host_watch.h"
#include "task/task.h"
#include "task/wait.h"

static const uint32_t ways = WEFT_WATCH_ONLY_DIRECTORY | WEFT_WATCH_NO_FOLLOW;

_Static_assert((size_t)WEFT__WATCH_BYTES >= (size_t)WEFT__WATCH_RECORD_MAX, "one fits");

/* -- its life ---------------------------------------------------------------------------------- */

int weft_watch_open(weft_watch **result)
{
    struct weft__io *io;
    struct weft_watch *watch;
    int fd;

    if (!weft__self)
        return weft__outside();
    if (!result)
        return weft__misuse(-EINVAL, "nowhere to put the watch");
    io = weft__io_of(weft__self);
    watch = weft__calloc(1, sizeof *watch);
    if (!watch)
        return -ENOMEM;
    fd = weft__host_watch_open();
    if (fd >= 0)
        fd = weft__fd_adopt(io, fd) < 0 ? -EMFILE : fd;
    if (fd < 0) {
        weft__free(watch);
        return fd;
    }
    *watch = (struct weft_watch){.io = io,
                                 .fd = fd,
                                 .owner = weft__fd_word(io, fd),
                                 .next = io->watches,
                                 .link = &io->watches};
    if (watch->next)
        watch->next->link = &watch->next;
    io->watches = watch;
    *result = watch;
    return 0;
}

/* False: its descriptor was closed behind it, and the number may be another's by now. */
static bool is_open(const struct weft_watch *watch)
{
    return !watch->lost && weft__fd_word(watch->io, watch->fd) == watch->owner;
}

static int gone(void)
{
    return weft__misuse(-EBADF, "the watch's descriptor was closed, but not by weft_watch_close");
}

/* Of foreign code, if it has the number, no record tells: from here on that is not touched. */
static int lose(struct weft_watch *watch)
{
    watch->lost = true;
    weft__fd_end_claimed(watch->io, watch->fd, watch->owner);
    return gone();
}

bool weft__file_watches_have(const struct weft__io *io, int fd)
{
    const struct weft_watch *watch = io->watches;

    while (watch && !(watch->fd == fd && is_open(watch)))
        watch = watch->next;
    return watch != NULL;
}

static void destroy(struct weft_watch *watch)
{
    *watch->link = watch->next;
    if (watch->next)
        watch->next->link = watch->link;
    weft__free(watch);
}

void weft__file_watches_stop(struct weft__io *io)
{
    while (io->watches) {
        if (is_open(io->watches))
            weft__host_close(io->watches->fd);
        destroy(io->watches);
    }
}

static int check(const struct weft_watch *watch)
{
    if (!weft__self)
        return weft__outside();
    if (!watch)
        return weft__misuse(-EINVAL, "no watch");
    if (watch->io->reactor != weft__self)
        return weft__misuse(-EXDEV, "the watch is another reactor's");
    return 0;
}

/* A user before anything that may suspend, so that who closes it meanwhile waits for us. */
static int begin(struct weft_watch *watch)
{
    int error = check(watch);

    if (error < 0)
        return error;
    if (!weft__task_self())
        return weft__outside();
    watch->users++;
    return 0;
}

static int end(struct weft_watch *watch, int result)
{
    if (--watch->users == 0 && watch->closer)
        weft__wake_now(watch->io->reactor, watch->closer);
    return result;
}

/* Ends the poll; who waits for the lock then looks, too. */
static int close_descriptor(struct weft_watch *watch)
{
    if (is_open(watch))
        return weft_close(watch->fd) == -EBADF ? -EBADF : 0;
    weft__fd_end_claimed(watch->io, watch->fd, watch->owner);
    return gone();
}

int weft_watch_close(weft_watch *watch)
{
    struct weft__wait wait = {.what = "close", .fd = -1};
    struct weft__task *self = weft__task_self();
    int error;

    if (!self)
        return weft__outside();
    if (!watch)
        return 0;
    error = check(watch);
    if (error < 0)
        return error;
    if (watch->closing)
        return -EALREADY;
    weft__enter_release(self);
    watch->closing = true;
    error = close_descriptor(watch);
    watch->closer = &wait;
    while (watch->users > 0)
        (void)weft__wait_for_wake(self, &wait, false);
    if (watch->lost)
        weft__fd_forget_lost(watch->io, watch->fd, watch->owner);
    destroy(watch);
    return error;
}

/* -- what is watched --------------------------------------------------------------------------- */

struct addition {
    int fd;
    const char *path;
    uint32_t mask;
};

static int64_t add_there(void *arg)
{
    const struct addition *addition = arg;

    return weft__host_watch_add(addition->fd, addition->path, addition->mask);
}

/* By another task, under the caller. */
static int closed(void)
{
    return weft__task_pass_on(weft__task_self(), -ECANCELED);
}

static int add(struct weft_watch *watch, const char *path, uint32_t mask)
{
    struct addition addition = {.fd = watch->fd, .path = path, .mask = mask};
    struct weft__use use;
    int result;

    if (watch->closing)
        return closed();
    result = weft__enter(&use.self);
    if (result == 0 && !watch->closing && !is_open(watch))
        result = gone();
    if (result == 0)
        result = weft__use_open(&use, watch->fd);
    if (result < 0)
        return result;
    result = (int)weft__offload_run(use.self, "watch", watch->fd, add_there, &addition);
    weft__use_close(&use, result);
    return result;
}

int weft_watch_add(weft_watch *watch, const char *path, uint32_t mask)
{
    int error = check(watch);

    if (error < 0)
        return error;
    if (!path || !(mask & WEFT_WATCH_ALL) || mask & ~(WEFT_WATCH_ALL | ways))
        return weft__misuse(-EINVAL, "no path, nothing asked for, or what there is not");
    error = begin(watch);
    return error < 0 ? error : end(watch, add(watch, path, mask));
}

int weft_watch_remove(weft_watch *watch, int number)
{
    int error = check(watch);

    if (error < 0)
        return error;
    if (watch->closing)
        return -EINVAL;
    return is_open(watch) ? weft__host_watch_remove(watch->fd, number) : gone();
}

/* -- what happened ----------------------------------------------------------------------------- */

/* The kernel's are. */
static bool is_whole(const struct weft_watch *watch)
{
    const struct weft__watch_record *record =
        (const struct weft__watch_record *)(watch->bytes + watch->at);
    size_t size = watch->end - watch->at;

    return size >= sizeof *record && size - sizeof *record >= record->room;
}

static int tell(struct weft_watch *watch, struct weft_watch_event *event)
{
    const struct weft__watch_record *record =
        (const struct weft__watch_record *)(watch->bytes + watch->at);

    if (!is_whole(watch))
        return lose(watch);
    watch->at += (uint32_t)sizeof *record + record->room;
    if (!event)
        return 0;
    event->number = record->number;
    event->what = record->what;
    event->cookie = record->cookie;
    event->name[0] = '\0';
    if (record->room > 0) /* with its end */
        memcpy(event->name, record->name,
               record->room < sizeof event->name ? record->room : sizeof event->name);
    return 0;
}

/* Nothing lies there: what has happened meanwhile. How many bytes; 0: nothing. */
static int read_more(struct weft_watch *watch)
{
    ssize_t n = weft__host_watch_read(watch->fd, watch->bytes, sizeof watch->bytes);

    watch->at = 0;
    watch->end = n > 0 ? (uint32_t)n : 0;
    return (int)n;
}

/* The poll has ended by an error: called off, closed, or lost. */
static int poll_ended(const struct weft_watch *watch, int error)
{
    if (error == -ECANCELED && weft_cause() != WEFT_CAUSE_NONE)
        return error;
    if (watch->closing)
        return closed();
    return is_open(watch) ? error : gone();
}

/* With the lock. */
static int next(struct weft_watch *watch, struct weft_watch_event *event, int flags)
{
    for (;;) {
        int came = 0;

        if (watch->closing)
            return closed();
        if (!is_open(watch))
            return gone();
        if (watch->at == watch->end)
            came = read_more(watch);
        if (came < 0)
            return came == -EBADF ? lose(watch) : came;
        if (watch->at < watch->end)
            return tell(watch, event);
        came = weft__poll_claimed(watch->fd, POLLIN | flags, watch->owner);
        if (came < 0 && came != -EINTR && came != -ENOMEM)
            return poll_ended(watch, came);
        if (came == -ENOMEM) /* the kernel has none just now */
            (void)weft_yield();
    }
}

int weft_watch_next(weft_watch *watch, struct weft_watch_event *event, int flags)
{
    int result = begin(watch);

    if (result < 0)
        return result;
    if (flags & ~WEFT_IDLE)
        return end(watch, weft__misuse(-EINVAL, "flags that the call does not know"));
    result = weft_lock_acquire(&watch->lock);
    if (result == 0) {
        result = next(watch, event, flags);
        (void)weft_lock_release(&watch->lock);
    }
    return end(watch, result);
}
