/*
 * io/file_ahead.c - reading ahead: the chain of blocks of a file object; file_object.h draws it.
 *
 * Completions come on the loop; all else is done by a task of the reactor, in a call.
 */
#include "io/file_object.h"

#include "ring/host.h"
#include "task/wait.h"

/* -- one block ------------------------------------------------------------------------------ */

static struct weft__reactor *reactor_of(const struct weft_file *file)
{
    return file->io->reactor;
}

static void wake_reader(struct weft_file *file)
{
    if (file->reader)
        weft__wake_now(reactor_of(file), file->reader);
}

/* With O_DIRECT at a step, and behind what was the file's end, which has moved, at a unit. */
static uint32_t goes_on_at(const struct weft__block *block)
{
    const struct weft_file *file = block->file;

    if (!file->direct)
        return block->filled;
    return block->filled & ~((block->ended ? file->unit : file->step) - 1);
}

/* The rest of the block is to be read. 0, -EAGAIN (the ring has no room now), -ENOMEM, -EBADF,
   -EXDEV. */
static int ask(struct weft__block *block)
{
    struct weft_file *file = block->file;
    struct weft__fd *record;
    struct weft__sqe *sqe;
    int error = weft__file_is_open(file) ? weft__fd_find(file->io, file->fd, &record) : -EBADF;

    if (error < 0)
        return error;
    weft__fd_use_begin(file->io, record, file->fd, &block->use, &block->op);
    sqe = weft__op_begin(reactor_of(file), &block->op);
    if (!sqe) {
        weft__fd_use_end(file->io, record, &block->use);
        return reactor_of(file)->ops.free == UINT32_MAX ? -ENOMEM : -EAGAIN;
    }
    block->from = goes_on_at(block);
    block->ended = false;
    block->changes = file->changes;
    block->filled = block->from; /* what lies behind it is the kernel's to write */
    weft__request_read(sqe, file->fd, block->data + block->from,
                       weft__file_span(file, block->offset + block->from,
                                       block->size - block->from),
                       block->offset + block->from);
    weft__file_mark(file->io, record, sqe);
    sqe->user_data = block->op.id;
    return 0;
}

static void put(struct weft__block *block)
{
    struct weft_file *file = block->file;

    file->blocks--;
    weft__block_put(file->io, block);
}

/* It has left the chain. */
static void drop(struct weft__block *block)
{
    block->file->chained--;
    if (weft__op_in_flight(&block->op)) {
        block->dropped = true;
        weft__op_cancel(reactor_of(block->file), &block->op);
    } else {
        put(block);
    }
}

static void drop_first(struct weft_file *file)
{
    struct weft__block *block = file->head;

    file->head = block->next;
    if (!file->head)
        file->tail = &file->head;
    drop(block);
}

static void drop_from(struct weft_file *file, struct weft__block **link)
{
    struct weft__block *block = *link, *next;

    *link = NULL;
    file->tail = link;
    for (; block; block = next) {
        next = block->next;
        drop(block);
    }
    wake_reader(file);
}

/* -- the chain ------------------------------------------------------------------------------ */

static void completed(struct weft__op *op, int32_t result, uint32_t flags);

/* One more block behind the last, or where the position is. What ask() says, or -ENOMEM. */
static int extend(struct weft_file *file, const struct weft__block *last)
{
    struct weft__block *block = weft__block_take(file->io, file->block_size, file->direct);
    int error;

    if (!block)
        return -ENOMEM;
    block->op.complete = completed;
    block->file = file;
    block->offset =
        last ? last->offset + last->size : file->position & ~(uint64_t)(WEFT__BLOCK_ALIGNMENT - 1);
    error = ask(block);
    if (error < 0) {
        weft__block_put(file->io, block);
        return error;
    }
    *file->tail = block;
    file->tail = &block->next;
    file->chained++;
    file->blocks++;
    return 0;
}

static struct weft__block *last_of(const struct weft_file *file)
{
    struct weft__block *block = file->head;

    while (block && block->next)
        block = block->next;
    return block;
}

/* Behind a block that is not in flight and not filled there may be nothing; behind the last that
   an offset can name there is nothing. */
static bool may_go_on(const struct weft__block *last)
{
    if (!last)
        return true;
    return (weft__op_in_flight(&last->op) || last->filled == last->size) &&
           last->offset + last->size <= INT64_MAX;
}

/* If it cannot be now, who reads there asks for it. */
static void read_ahead(struct weft_file *file)
{
    const struct weft__block *last = last_of(file);

    while (file->ahead > 0 && file->flows && !file->closing && !file->stale &&
           file->chained <= file->ahead && file->blocks <= file->ahead && may_go_on(last)) {
        if (extend(file, last) < 0)
            return;
        last = last_of(file);
    }
}

/* With O_DIRECT a part of a unit is the file's last. */
static bool is_end(const struct weft__block *block, int32_t result)
{
    const struct weft_file *file = block->file;

    if (result <= 0 || !file->direct)
        return result == 0 || (file->direct && weft__file_is_end(file, block->from, result));
    return ((uint32_t)result & (file->step - 1)) != 0;
}

static void settle(struct weft__block *block, int32_t result)
{
    if (result >= 0)
        block->filled = block->from + (uint32_t)result;
    if (is_end(block, result))
        block->ended = true;
    else if (result < 0 &&
             !weft__result_is_cancel(result)) /* else it goes on when somebody comes there */
        block->error = result;
    if (block->filled == block->size && !block->file->sought)
        block->file->flows = true;
}

static void completed(struct weft__op *op, int32_t result, uint32_t flags)
{
    struct weft__block *block = (struct weft__block *)op;
    struct weft_file *file = block->file;

    _Static_assert(offsetof(struct weft__block, op) == 0, "cast above");
    (void)flags;
    weft__fd_use_end(file->io, &file->io->fds[file->fd], &block->use);
    if (block->dropped) {
        put(block);
        wake_reader(file); /* who waits for room, perhaps */
        weft__file_block_ended(file);
        return;
    }
    settle(block, result);
    wake_reader(file);
    read_ahead(file);
}

/* -- what the position's reader needs -------------------------------------------------------- */

enum state { BYTES, END, TROUBLE, WAIT, ASK };

static enum state state_of(const struct weft_file *file)
{
    const struct weft__block *head = file->head;

    if (!head)
        return file->blocks < file->ahead + 2 ? ASK : WAIT;
    if (weft__file_held(file) > 0)
        return BYTES;
    if (weft__op_in_flight(&head->op))
        return WAIT;
    if (head->error < 0)
        return TROUBLE;
    return head->ended && head->changes == file->changes ? END : ASK;
}

static int park(struct weft__task *self, struct weft_file *file)
{
    struct weft__wait wait = {.what = "read", .fd = file->fd};
    int error;

    file->reader = &wait;
    error = weft__wait_for_wake(self, &wait, true);
    file->reader = NULL;
    return error;
}

/* Has the block at the position read. While the ring has no room the loop makes some. */
static int demand(struct weft__task *self, struct weft_file *file)
{
    int error = file->head ? ask(file->head) : extend(file, NULL);

    if (error == 0) {
        read_ahead(file);
        return 0;
    }
    self->cause = WEFT_CAUSE_NONE;
    if (error != -EAGAIN)
        return error;
    weft__fiber_yield(self->reactor);
    return weft__admit_again(self, false);
}

/* Did the error befall another page than the position is in? Whoever seeks ahead within a block
   that was not filled begins at his own. */
static bool is_elsewhere(const struct weft_file *file)
{
    uint64_t reached = file->head->offset + file->head->filled;

    return file->position - reached >= WEFT__BLOCK_ALIGNMENT;
}

int weft__file_wait(struct weft__task *self, struct weft_file *file)
{
    int unit = file->direct && !file->unit ? weft__file_ask_unit(file) : 0;

    if (unit < 0)
        return unit;
    for (;;) {
        enum state state = state_of(file);
        int error = 0;

        if (file->closing)
            return weft__task_pass_on(self, -ECANCELED);
        if (state == BYTES)
            return 1;
        if (state == TROUBLE && is_elsewhere(file)) {
            weft__file_forget(file);
            continue;
        }
        if (state == END || state == TROUBLE) {
            error = file->head->error;
            self->cause = WEFT_CAUSE_NONE;
            weft__file_forget(file); /* who comes again is told anew */
            return state == END ? 0 : error;
        }
        error = state == ASK ? demand(self, file) : park(self, file);
        if (error < 0)
            return error;
    }
}

/* -- moving --------------------------------------------------------------------------------- */

void weft__file_forget(struct weft_file *file)
{
    file->flows = false;
    file->stale = file->viewing;
    drop_from(file, file->viewing ? &file->head->next : &file->head);
}

/* Blocks that lie before the position. */
static void leave_behind(struct weft_file *file)
{
    while (file->head && file->position - file->head->offset >= file->head->size)
        drop_first(file);
}

void weft__file_take(struct weft_file *file, size_t count)
{
    const struct weft__block *before = file->head;

    file->position += count;
    leave_behind(file);
    if (file->head != before) {
        file->sought = false;
        file->flows = true;
    }
    if (file->stale) {
        file->stale = false;
        weft__file_forget(file);
    }
    read_ahead(file);
}

void weft__file_move(struct weft_file *file, uint64_t position)
{
    bool back = file->head && position < file->head->offset;

    file->position = position;
    if (!back)
        leave_behind(file);
    if (file->head && !back)
        return;
    weft__file_forget(file);
    file->sought = true;
}

void weft__file_changed(struct weft_file *file, uint64_t offset, uint64_t size)
{
    struct weft__block **link = &file->head;

    file->changes++;
    while (*link && ((*link)->offset >= offset + size || (*link)->offset + (*link)->size <= offset))
        link = &(*link)->next;
    if (!*link)
        return;
    if (link == &file->head && file->viewing) {
        file->stale = true;
        link = &file->head->next;
    }
    drop_from(file, link);
}
