/*
 * io/fd.c - the table of descriptors; fd.h states the rules.
 *
 * The table is address space, and memory only where a descriptor was used. It is there while any
 * reactor of the process is.
 */
#include "io/fd.h"

#include <fcntl.h>

#include "io/accept.h"
#include "io/file_watch.h"
#include "io/signal.h"
#include "io/stream.h"
#include "io/watcher.h"
#include "ring/host.h"
#include "task/wait.h"

enum { FD_COUNT_MAX = 1 << 24 };

/* Reserved by the first reactor that opens, given back by the last that closes. The lock is held
   for a system call at most, and taken only then. */
static struct {
    atomic_flag lock;
    uint32_t users;
    uint32_t count;
    struct weft__fd *records;
} table = {.lock = ATOMIC_FLAG_INIT};

static void lock_table(void)
{
    /* acquire and release: the usual pair of a lock */
    while (atomic_flag_test_and_set_explicit(&table.lock, memory_order_acquire))
        weft__host_relax();
}

static void unlock_table(void)
{
    atomic_flag_clear_explicit(&table.lock, memory_order_release);
}

static uint32_t table_count(void)
{
    uint32_t most = weft__host_fd_max();

    return most < FD_COUNT_MAX ? most : FD_COUNT_MAX;
}

int weft__fd_table_get(struct weft__fd **records, uint32_t *count)
{
    lock_table();
    if (table.users == 0) {
        table.count = table_count();
        table.records = weft__host_reserve(table.count * sizeof *table.records);
    }
    *records = table.records;
    *count = table.count;
    if (table.records)
        table.users++;
    unlock_table();
    return *records ? 0 : -ENOMEM;
}

void weft__fd_table_put(void)
{
    lock_table();
    if (--table.users == 0) {
        weft__host_unreserve(table.records, table.count * sizeof *table.records);
        table.records = NULL;
    }
    unlock_table();
}

enum { KEPT_WHEN_MOVED = WEFT__FD_NAGLE | WEFT__FD_PASSED };

/* The record has just become ours: whatever stood in it is nobody's, unless it was handed over. */
static void reset(struct weft__io *io, int fd, struct weft__fd *record)
{
    if (!(record->flags & WEFT__FD_MOVED))
        record->trouble = 0;
    record->sides[WEFT__READER] = NULL;
    record->sides[WEFT__WRITER] = NULL;
    record->acceptor = NULL;
    record->stream = NULL;
    record->closer = NULL;
    record->flags &= record->flags & WEFT__FD_MOVED ? KEPT_WHEN_MOVED | WEFT__FD_GREETED : 0;
    record->identity = 0;
    record->uses = 0;
    if ((uint32_t)fd > io->fd_high)
        io->fd_high = (uint32_t)fd;
}

static uint64_t next_word(uint64_t word, uint32_t id)
{
    return ((word >> 32) + 1) << 32 | id;
}

int weft__fd_find_slow(struct weft__io *io, int fd, struct weft__fd *record)
{
    uint64_t word = atomic_load_explicit(&record->owner, memory_order_relaxed);

    while ((uint32_t)word == 0)
        /* acquire, with the release of whoever gave it back: its last writes come before ours */
        if (atomic_compare_exchange_weak_explicit(&record->owner, &word, next_word(word, io->id),
                                                  memory_order_acquire, memory_order_relaxed)) {
            reset(io, fd, record);
            return weft__fd_verify(io, fd, record);
        }
    if ((uint32_t)(word & ~WEFT__FD_CLOSING) == io->id)
        return -EBADF;
    return weft__misuse(-EXDEV, "the descriptor is another reactor's: weft_fd_move hands it over");
}

int weft__fd_held(const struct weft__fd *record)
{
    return record->flags & WEFT__FD_POISONED ? -ENOTCONN : -EBUSY;
}

int weft__fd_refuse(const struct weft__fd *record)
{
    int error = weft__fd_held(record);

    return error == -EBUSY ? weft__misuse(error, "another call, or a stream, has the descriptor")
                           : error;
}

int weft__fd_adopt(struct weft__io *io, int fd)
{
    struct weft__fd *record;
    uint64_t word;

    if ((uint32_t)fd >= io->fd_count) {
        weft__host_close(fd);
        return -EMFILE;
    }
    record = &io->fds[fd];
    word = atomic_load_explicit(&record->owner, memory_order_relaxed);
    /* acquire, with weft__fd_close_publish: who closed the number before has written its last */
    while (!atomic_compare_exchange_weak_explicit(&record->owner, &word, next_word(word, io->id),
                                                  memory_order_acquire, memory_order_relaxed))
        ;
    if ((uint32_t)(word & ~WEFT__FD_CLOSING) == io->id) { /* closed behind us */
        weft__fd_let_go(io, fd, record);
        if (record->stream)
            weft__stream_lose(record->stream);
        if (record->acceptor)
            weft__acceptor_lose(record->acceptor);
        weft__fd_end_claimed(io, fd, word);
    }
    record->flags = 0; /* another file */
    reset(io, fd, record);
    return 0;
}

void weft__fd_discard(struct weft__io *io, int fd)
{
    /* acquire: as in weft__fd_adopt. The kernel has seen to the order, a sanitizer sees this one */
    if ((uint32_t)fd < io->fd_count)
        (void)atomic_load_explicit(&io->fds[fd].owner, memory_order_acquire);
    weft__host_close(fd);
}

/* Holds both sides of a poisoned descriptor; never in flight. */
static struct weft__op poison;

void weft__fd_poison(struct weft__fd *record)
{
    record->flags |= WEFT__FD_POISONED;
    for (int side = WEFT__READER; side <= WEFT__WRITER; side++)
        if (!record->sides[side])
            record->sides[side] = &poison;
}

static void give_back(struct weft__fd *record, uint64_t word)
{
    /* release, with the acquire of the next claim */
    atomic_compare_exchange_strong_explicit(&record->owner, &word, word & ~(uint64_t)UINT32_MAX,
                                            memory_order_release, memory_order_relaxed);
}

int weft__fd_refuse_file(const struct weft__fd *record)
{
    if (record->flags & WEFT__FD_FILE)
        return weft__misuse(-EBUSY, "a file object has the descriptor");
    return 0;
}

/* Of an object that has it for itself, and open: reading what is open for writing is an -EBADF,
   too. */
static bool is_of_an_object(const struct weft__io *io, const struct weft__fd *record)
{
    int fd = (int)(record - io->fds);

    return (record->flags & WEFT__FD_FILE || weft__file_watches_have(io, fd) ||
            weft__signals_have(io, fd)) &&
           weft__host_fcntl(fd, F_GETFD, 0) != -EBADF;
}

void weft__fd_forget(struct weft__io *io, struct weft__fd *record)
{
    uint64_t word = atomic_load_explicit(&record->owner, memory_order_relaxed);

    if ((uint32_t)word == io->id && !record->sides[WEFT__READER] && !record->sides[WEFT__WRITER] &&
        !record->uses && !is_of_an_object(io, record)) {
        weft__fd_let_go(io, (int)(record - io->fds), record);
        give_back(record, word);
    }
}

void weft__fd_forget_closed(struct weft__io *io, int fd, struct weft__fd *record)
{
    if (weft__host_fcntl(fd, F_GETFD, 0) == -EBADF)
        weft__fd_forget(io, record);
}

void weft__fd_forget_lost(struct weft__io *io, int fd, uint64_t word)
{
    if (weft__fd_word(io, fd) == word)
        weft__fd_forget(io, &io->fds[fd]);
}

void weft__fd_hand_over(struct weft__io *io, struct weft__fd *record)
{
    record->flags |= WEFT__FD_MOVED;
    weft__fd_forget(io, record);
}

void weft__fd_hold(struct weft__io *io, int fd, struct weft__fd *record)
{
    int error = weft__ring_file_hold(&io->reactor->ring, fd);

    if (error == 0) {
        record->flags |= WEFT__FD_HELD;
        WEFT__COUNT(io->reactor, files_held);
    } else if (error != -ENOTSUP) {
        WEFT__COUNT(io->reactor, holds_refused);
    }
}

void weft__fd_let_go(struct weft__io *io, int fd, struct weft__fd *record)
{
    if (!(record->flags & WEFT__FD_HELD))
        return;
    record->flags &= ~(uint32_t)WEFT__FD_HELD;
    weft__ring_file_let_go(&io->reactor->ring, fd);
}

void weft__fd_let_go_of_lost(struct weft__io *io, int fd)
{
    const struct weft__fd *record = &io->fds[fd];
    /* relaxed: of a record that is not ours nothing else is looked at */
    uint64_t word = atomic_load_explicit(&record->owner, memory_order_relaxed);
    bool ours = (uint32_t)(word & ~WEFT__FD_CLOSING) == io->id;

    if (ours && (record->flags & WEFT__FD_HELD || (record->stream && record->stream->held_file)))
        return;
    weft__ring_file_let_go(&io->reactor->ring, fd);
}

/* -- waiting for one that may be somebody else's ------------------------------------------------
 */

int weft__fd_watch(struct weft__io *io, int fd, struct weft__fd **record)
{
    uint64_t before = 0;
    int error;

    if ((uint32_t)fd < io->fd_count)
        before = atomic_load_explicit(&io->fds[fd].owner, memory_order_relaxed);
    error = weft__fd_find(io, fd, record);
    if (error < 0)
        return error;
    /* a claim has been counted, and it is ours: so we have just made it */
    if (atomic_load_explicit(&(*record)->owner, memory_order_relaxed) >> 32 != before >> 32)
        (*record)->flags |= WEFT__FD_LENT;
    if ((*record)->stream || (*record)->acceptor)
        return weft__misuse(-EBUSY, "a stream or weft_accept takes what comes");
    return (*record)->flags & WEFT__FD_POISONED ? -ENOTCONN : 0;
}

void weft__fd_unwatched(struct weft__fd *record)
{
    if (!(record->flags & WEFT__FD_LENT))
        return;
    record->flags = WEFT__FD_LENT;
    record->identity = 0;
}

void weft__fd_watch_end(struct weft__io *io, struct weft__fd *record)
{
    if (record->flags & WEFT__FD_LENT && record->trouble == 0)
        weft__fd_forget(io, record);
}

int weft__fd_why_not(const struct weft__fd *record, uint64_t word)
{
    return weft__fd_claim(record) == (uint32_t)(word >> 32) ? -ECANCELED : -EBADF;
}

bool weft__fd_used(const struct weft__io *io, int fd, const struct weft__fd *record)
{
    uint64_t word = atomic_load_explicit(&record->owner, memory_order_relaxed);

    if (__builtin_expect(record->uses == 0, 1))
        return false;
    for (const struct weft__fd_use *use = io->uses; use; use = use->next)
        if (use->fd == fd && use->claim == word >> 32 && !use->given_up)
            return true;
    return false;
}

void weft__fd_uses_cancel(struct weft__io *io, int fd, const struct weft__fd *record)
{
    uint32_t claim = weft__fd_claim(record);

    for (struct weft__fd_use *use = io->uses; use; use = use->next)
        if (use->fd == fd && use->claim == claim)
            weft__op_cancel(io->reactor, use->op);
}

void weft__fd_end_claimed(struct weft__io *io, int fd, uint64_t word)
{
    struct weft__fd_use *next;

    for (struct weft__fd_use *use = io->uses; use; use = next) {
        next = use->next;
        if (use->fd != fd || use->claim != (uint32_t)(word >> 32) || !use->claimed)
            continue;
        if (!weft__watcher_end(io, use)) /* which may have freed it */
            weft__op_cancel(io->reactor, use->op);
    }
}

/* None of the calls waits for anything. */
void weft__fd_ask_kind(int fd, struct weft__fd *record)
{
    int type = 0;
    socklen_t length = sizeof type;

    record->flags |= WEFT__FD_KNOWN;
    if (weft__host_seeks(fd) == 0)
        record->flags |= WEFT__FD_SEEKS;
    else if (weft__host_getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0)
        record->flags |= WEFT__FD_SOCKET | WEFT__FD_EXPECT;
    else if (weft__host_fcntl(fd, F_GETPIPE_SZ, 0) >= 0)
        record->flags |= WEFT__FD_PIPE;
}

uint32_t weft__fd_identity(int fd)
{
    uint64_t device, inode;
    uint32_t mixed;

    if (weft__host_identity(fd, &device, &inode) < 0)
        return 0;
    mixed = (uint32_t)(inode ^ inode >> 32 ^ device * 2654435761u); /* neighbours must differ */
    return mixed ? mixed : 1;
}

/* -- closed by nobody in particular ------------------------------------------------------------ */

/* Stands where a task would wait for the uses to end. */
static struct weft__wait nobody;

bool weft__fd_held_by_call(const struct weft__fd *record)
{
    for (int side = WEFT__READER; side <= WEFT__WRITER; side++)
        if (record->sides[side] && record->sides[side] != &poison)
            return true;
    return false;
}

void weft__fd_close_later(struct weft__io *io, struct weft__fd *record)
{
    uint64_t word = atomic_load_explicit(&record->owner, memory_order_relaxed);
    int fd = (int)(record - io->fds);

    record->closer = record->uses ? &nobody : NULL;
    if (record->closer)
        return;
    weft__fd_let_go(io, fd, record);
    weft__fd_close_publish(record, word);
    weft__host_close(fd);
    weft__fd_close_end(record, word);
    weft__accept_freed(io);
}

void weft__fd_wake_closer(struct weft__io *io, struct weft__fd *record)
{
    if (record->closer == &nobody)
        weft__fd_close_later(io, record);
    else if (record->closer)
        weft__wake_now(io->reactor, record->closer);
}

void weft__fd_wake_closers_of_lost(struct weft__io *io, int fd)
{
    for (struct weft__closer *closer = io->closers; closer; closer = closer->next)
        if (closer->wait.fd == fd)
            weft__wake_now(io->reactor, &closer->wait);
}

void weft__fd_closer_begin(struct weft__io *io, struct weft__fd *record,
                           struct weft__closer *closer)
{
    closer->claim = weft__fd_claim(record);
    closer->next = io->closers;
    closer->link = &io->closers;
    if (closer->next)
        closer->next->link = &closer->next;
    io->closers = closer;
    record->closer = &closer->wait;
}

void weft__fd_closer_end(struct weft__fd *record, struct weft__closer *closer)
{
    *closer->link = closer->next;
    if (closer->next)
        closer->next->link = closer->link;
    if (!weft__fd_closer_lost(record, closer))
        record->closer = NULL;
}

void weft__fd_leave_slow(struct weft__io *io, struct weft__fd *record, enum weft__side side,
                         struct weft__op *op)
{
    uint64_t word = atomic_load_explicit(&record->owner, memory_order_relaxed);

    if ((uint32_t)(word & ~WEFT__FD_CLOSING) != io->id || record->sides[side] != op) {
        weft__fd_wake_closers_of_lost(io, (int)(record - io->fds));
        return;
    }
    record->sides[side] = NULL;
    weft__fd_wake_closer(io, record);
}

void weft__fd_note_passed(struct weft__io *io, int fd)
{
    if ((uint32_t)fd < io->fd_count &&
        (uint32_t)atomic_load_explicit(&io->fds[fd].owner, memory_order_relaxed) == io->id)
        io->fds[fd].flags |= WEFT__FD_PASSED;
}

bool weft__fd_closes_here(const struct weft__io *io, int fd)
{
    if ((uint32_t)fd >= io->fd_count)
        return false;
    return (uint32_t)atomic_load_explicit(&io->fds[fd].owner, memory_order_relaxed) ==
           (io->id | (uint32_t)WEFT__FD_CLOSING);
}

uint64_t weft__fd_close_begin(struct weft__fd *record)
{
    uint64_t word = atomic_load_explicit(&record->owner, memory_order_relaxed) | WEFT__FD_CLOSING;

    if (record->flags & WEFT__FD_POISONED)
        for (int side = WEFT__READER; side <= WEFT__WRITER; side++)
            if (record->sides[side] == &poison)
                record->sides[side] = NULL;
    atomic_store_explicit(&record->owner, word, memory_order_relaxed);
    return word;
}

void weft__fd_close_publish(struct weft__fd *record, uint64_t word)
{
    uint64_t expected = word;

    /* the same word once more, for its release: see weft__fd_adopt */
    atomic_compare_exchange_strong_explicit(&record->owner, &expected, word, memory_order_release,
                                            memory_order_relaxed);
}

void weft__fd_close_end(struct weft__fd *record, uint64_t word)
{
    give_back(record, word);
}

void weft__fd_release_all(struct weft__io *io)
{
    for (uint32_t fd = 0; fd <= io->fd_high && fd < io->fd_count; fd++) {
        struct weft__fd *record = &io->fds[fd];
        uint64_t word = atomic_load_explicit(&record->owner, memory_order_relaxed);
        if ((uint32_t)(word & ~WEFT__FD_CLOSING) == io->id)
            give_back(record, word);
    }
}
