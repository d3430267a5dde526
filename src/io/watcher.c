/*
 * io/watcher.c - add_reader, add_writer and their removal; watcher.h draws the life of one.
 */
#include "io/watcher.h"

#include "base/memory.h"
#include "task/task.h"

enum { WATCHED_MIN = 64 }; /* descriptors that the table begins with */

/* -- the table --------------------------------------------------------------------------------- */

static struct weft__watcher **place_of(const struct weft__io *io, int fd, enum weft__side side)
{
    return (uint32_t)fd < io->watched_count ? &io->watched[fd].sides[side] : NULL;
}

static int make_room(struct weft__io *io, int fd)
{
    uint32_t count = io->watched_count ? io->watched_count : WATCHED_MIN;
    struct weft__watched *watched;

    if ((uint32_t)fd < io->watched_count)
        return 0;
    while (count <= (uint32_t)fd)
        count *= 2;
    watched = weft__calloc(count, sizeof *watched);
    if (!watched)
        return -ENOMEM;
    for (uint32_t i = 0; i < io->watched_count; i++)
        watched[i] = io->watched[i];
    weft__free(io->watched);
    io->watched = watched;
    io->watched_count = count;
    return 0;
}

/* -- the end of one ---------------------------------------------------------------------------- */

/* Nothing is in flight, nothing in the ready queue. */
static void destroy(struct weft__watcher *watcher)
{
    struct weft__io *io = watcher->io;
    bool closing = weft__fd_closing(watcher->record); /* it may be another's with the end of this */

    if (weft__fd_use_end(io, watcher->record, &watcher->use) && !closing) {
        weft__fd_watch_end(io, watcher->record);
        if (watcher->came == -EBADF)
            weft__fd_forget(io, watcher->record);
    }
    weft__free(watcher);
}

/* Takes it from the table: it is not called any more. */
static void unlist(struct weft__watcher *watcher)
{
    struct weft__watched *watched = &watcher->io->watched[watcher->use.fd];

    watched->sides[watcher->side] = NULL;
    if (!watched->sides[!watcher->side] &&
        weft__fd_claim(watcher->record) == watcher->use.claim) /* else it is another's */
        weft__fd_unwatched(watcher->record);
}

static void remove_watcher(struct weft__watcher *watcher)
{
    struct weft__reactor *reactor = watcher->io->reactor;
    enum weft__watcher_state state = watcher->state;

    unlist(watcher);
    watcher->state = WEFT__WATCHER_LEAVES;
    watcher->use.given_up = true;
    if (state == WEFT__WATCHER_ARMED) {
        weft__op_cancel(reactor, &watcher->op);
    } else if (state == WEFT__WATCHER_READY) {
        weft__ready_forget(&reactor->ready, watcher->place, &watcher->callback);
        destroy(watcher);
    }
}

/* -- being armed and told ---------------------------------------------------------------------- */

static void make_ready(struct weft__watcher *watcher, int32_t came)
{
    struct weft__ready *ready = &watcher->io->reactor->ready;

    watcher->state = WEFT__WATCHER_READY;
    watcher->came = came;
    watcher->place = ready->tail;
    weft__ready_push_callback(ready, &watcher->callback);
}

static void arm(struct weft__watcher *watcher, bool edges);

/* Was the number closed behind it, and is another's by now? */
static bool is_lost(const struct weft__watcher *watcher)
{
    return weft__fd_claim(watcher->record) != watcher->use.claim;
}

static int32_t events_of(const struct weft__watcher *watcher)
{
    return watcher->side == WEFT__READER ? POLLIN : POLLOUT;
}

/* Nothing is in flight any more. */
static void ended(struct weft__watcher *watcher, int32_t result)
{
    if (watcher->state == WEFT__WATCHER_LEAVES) {
        weft__ready_release(&watcher->io->reactor->ready);
        destroy(watcher);
    } else if (watcher->came || result < 0) {
        make_ready(watcher, watcher->came ? watcher->came : result);
    } else {
        arm(watcher, true);
    }
}

static void completed(struct weft__op *op, int32_t result, uint32_t flags)
{
    struct weft__watcher *watcher =
        (struct weft__watcher *)((char *)op - offsetof(struct weft__watcher, op));

    if (weft__polled(result, events_of(watcher) | POLLERR | POLLHUP))
        watcher->came = result;
    if (!(flags & WEFT__CQE_MORE))
        ended(watcher, result);
    else if (watcher->came)
        weft__op_cancel(watcher->io->reactor, op);
}

/* While the kernel takes no requests it tries again in the next turn. Without memory it is told
   that, and that its number is another's. */
static void arm(struct weft__watcher *watcher, bool edges)
{
    struct weft__reactor *reactor = watcher->io->reactor;
    struct weft__sqe *sqe;

    if (__builtin_expect(is_lost(watcher), 0)) {
        make_ready(watcher, -EBADF);
        return;
    }
    sqe = weft__op_begin(reactor, &watcher->op);
    if (!sqe) {
        make_ready(watcher, reactor->ops.free == UINT32_MAX ? -ENOMEM : 0);
        return;
    }
    watcher->state = WEFT__WATCHER_ARMED;
    watcher->came = 0;
    weft__request_poll(sqe, watcher->use.fd, (uint32_t)events_of(watcher), edges);
    sqe->user_data = watcher->op.id;
}

static void tell(struct weft__watcher *watcher)
{
    bool over = weft__inbox_winds(watcher->io->reactor->inbox);

    watcher->state = WEFT__WATCHER_CALLS;
    if (__builtin_expect(watcher->came > 0 && is_lost(watcher), 0))
        watcher->came = -EBADF; /* nothing of another's */
    if (watcher->came < 0 || over)
        remove_watcher(watcher);
    if (watcher->came != 0 && !over)
        watcher->fn(watcher->use.fd, watcher->came, watcher->arg);
}

static void callback_run(struct weft__callback *callback)
{
    struct weft__watcher *watcher = (struct weft__watcher *)callback;
    struct weft__reactor *reactor = watcher->io->reactor;

    /* its place was just given back, so there is one to be had */
    (void)weft__ready_reserve(&reactor->ready);
    tell(watcher);
    if (watcher->state != WEFT__WATCHER_LEAVES) {
        arm(watcher, false);
    } else {
        weft__ready_release(&reactor->ready);
        destroy(watcher);
    }
}

/* The reactor stops; whoever drops it gives its place back. */
static void callback_drop(struct weft__callback *callback)
{
    struct weft__watcher *watcher = (struct weft__watcher *)callback;

    unlist(watcher);
    destroy(watcher);
}

/* -- beginning --------------------------------------------------------------------------------- */

static int create(struct weft__io *io, int fd, struct weft__fd *record,
                  struct weft__watcher **watcher)
{
    if (make_room(io, fd) < 0)
        return -ENOMEM;
    *watcher = weft__calloc(1, sizeof **watcher);
    if (!*watcher)
        return -ENOMEM;
    if (weft__ready_reserve(&io->reactor->ready) < 0) {
        weft__free(*watcher);
        return -ENOMEM;
    }
    (*watcher)->callback = (struct weft__callback){.run = callback_run, .drop = callback_drop};
    (*watcher)->op.complete = completed;
    (*watcher)->io = io;
    (*watcher)->record = record;
    weft__fd_use_begin(io, record, fd, &(*watcher)->use, &(*watcher)->op);
    return 0;
}

static int add(int fd, enum weft__side side, weft_ready_fn *fn, void *arg)
{
    struct weft__reactor *reactor = weft__self;
    struct weft__watcher **place, *watcher;
    struct weft__fd *record;
    struct weft__io *io;
    int error;

    if (!fn)
        return weft__misuse(-EINVAL, "no function");
    if (!reactor)
        return weft__outside();
    if (weft__inbox_winds(reactor->inbox) || weft__inbox_closed(reactor->inbox))
        return -ESHUTDOWN;
    io = weft__io_of(reactor);
    error = weft__fd_watch(io, fd, &record);
    if (error < 0)
        return error;
    place = place_of(io, fd, side);
    if (place && *place && is_lost(*place))
        remove_watcher(*place); /* of who had the number before */
    if (place && *place) {
        (*place)->fn = fn;
        (*place)->arg = arg;
        return 0;
    }
    error = create(io, fd, record, &watcher);
    if (error < 0) {
        weft__fd_watch_end(io, record);
        return error;
    }
    watcher->fn = fn;
    watcher->arg = arg;
    watcher->side = side;
    io->watched[fd].sides[side] = watcher;
    arm(watcher, false);
    return 0;
}

int weft_add_reader(int fd, weft_ready_fn *fn, void *arg)
{
    return add(fd, WEFT__READER, fn, arg);
}

int weft_add_writer(int fd, weft_ready_fn *fn, void *arg)
{
    return add(fd, WEFT__WRITER, fn, arg);
}

/* -- removing ---------------------------------------------------------------------------------- */

static int take_out(int fd, enum weft__side side)
{
    struct weft__watcher **place;

    if (!weft__self)
        return weft__outside();
    place = place_of(weft__io_of(weft__self), fd, side);
    if (!place || !*place)
        return 0;
    remove_watcher(*place);
    return 1;
}

int weft_remove_reader(int fd)
{
    return take_out(fd, WEFT__READER);
}

int weft_remove_writer(int fd)
{
    return take_out(fd, WEFT__WRITER);
}

static void remove_both(struct weft__io *io, uint32_t fd)
{
    for (int side = WEFT__READER; side <= WEFT__WRITER; side++)
        if (io->watched[fd].sides[side])
            remove_watcher(io->watched[fd].sides[side]);
}

void weft__watchers_close(struct weft__io *io, int fd)
{
    if ((uint32_t)fd < io->watched_count)
        remove_both(io, (uint32_t)fd);
}

static struct weft__watcher *watcher_of(const struct weft__io *io, const struct weft__fd_use *use)
{
    for (int side = WEFT__READER; side <= WEFT__WRITER; side++) {
        struct weft__watcher **place = place_of(io, use->fd, side);
        if (place && *place && &(*place)->use == use)
            return *place;
    }
    return NULL;
}

bool weft__watcher_uses(const struct weft__io *io, const struct weft__fd_use *use)
{
    return watcher_of(io, use) != NULL;
}

void weft__watcher_claimed(struct weft__io *io, int fd)
{
    io->watched[fd].sides[WEFT__READER]->use.claimed = true;
}

bool weft__watcher_end(struct weft__io *io, const struct weft__fd_use *use)
{
    struct weft__watcher *watcher = watcher_of(io, use);

    if (watcher)
        remove_watcher(watcher);
    return watcher != NULL;
}

void weft__watchers_stop(struct weft__io *io)
{
    for (uint32_t fd = 0; fd < io->watched_count; fd++)
        remove_both(io, fd);
}
