/*
 * coro/blocking.c - which system calls wait, and how each is told not to.
 */
#define _GNU_SOURCE

#include "coro/blocking.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "coro/sanitize.h"

typedef bool waits_fn(const uintptr_t *arguments);

static bool always(const uintptr_t *arguments)
{
    (void)arguments;
    return true;
}

/* Of the descriptor that is the first argument. */
static bool on_descriptor(const uintptr_t *arguments)
{
    int flags = fcntl((int)arguments[0], F_GETFL);

    return flags >= 0 && !(flags & O_NONBLOCK);
}

static bool with_flags_sixth(const uintptr_t *arguments)
{
    return !(arguments[5] & RWF_NOWAIT) && on_descriptor(arguments);
}

static bool is_pipe(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

/* From one to the other, at least one of them a pipe, whose flag `told_not_to` is; of two pipes
   each one's own flag is for both. */
static bool between(int from, int to, bool told_not_to)
{
    int in = fcntl(from, F_GETFL), out = fcntl(to, F_GETFL);

    if (in < 0 || out < 0)
        return false;
    if (is_pipe(from) && is_pipe(to))
        return !told_not_to && !((in | out) & O_NONBLOCK);
    return (!(in & O_NONBLOCK) && !(told_not_to && is_pipe(from))) ||
           (!(out & O_NONBLOCK) && !(told_not_to && is_pipe(to)));
}
static bool on_splice(const uintptr_t *arguments)
{
    return between((int)arguments[0], (int)arguments[2], arguments[5] & SPLICE_F_NONBLOCK);
}
static bool on_tee(const uintptr_t *arguments)
{
    return between((int)arguments[0], (int)arguments[1], arguments[3] & SPLICE_F_NONBLOCK);
}

static bool with_flags_third(const uintptr_t *arguments)
{
    return !(arguments[2] & MSG_DONTWAIT) && on_descriptor(arguments);
}
static bool with_flags_fourth(const uintptr_t *arguments)
{
    return !(arguments[3] & MSG_DONTWAIT) && on_descriptor(arguments);
}

/* Of a timeval, too: its microseconds. None that could be looked at: then the kernel refuses it. */
static bool some_time(uintptr_t address)
{
    struct timespec span;
    int error = address ? weft__dispatch_copy(&span, (const void *)address, sizeof span) : 0;

    if (!address || error < 0)
        return error != -EFAULT;
    return span.tv_sec != 0 || span.tv_nsec != 0;
}
static bool with_ms_fourth(const uintptr_t *arguments)
{
    return (int)arguments[3] != 0;
}
static bool with_time_third(const uintptr_t *arguments)
{
    return some_time(arguments[2]);
}
static bool with_time_fourth(const uintptr_t *arguments)
{
    return some_time(arguments[3]);
}
static bool with_time_fifth(const uintptr_t *arguments)
{
    return some_time(arguments[4]);
}

static bool on_futex(const uintptr_t *arguments)
{
    switch (arguments[1] & FUTEX_CMD_MASK) {
    case FUTEX_WAIT:
    case FUTEX_WAIT_BITSET:
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
    case FUTEX_WAIT_REQUEUE_PI:
        return true;
    default:
        return false;
    }
}
static bool on_sync(const uintptr_t *arguments)
{
    return arguments[2] & MS_SYNC;
}
static bool on_file_lock(const uintptr_t *arguments)
{
    return !(arguments[1] & LOCK_NB) && !(arguments[1] & LOCK_UN);
}
static bool on_record_lock(const uintptr_t *arguments)
{
    return (int)arguments[1] == F_SETLKW || (int)arguments[1] == F_OFD_SETLKW;
}
static bool on_child(const uintptr_t *arguments)
{
    return !(arguments[2] & WNOHANG);
}
static bool on_any_child(const uintptr_t *arguments)
{
    return !(arguments[3] & WNOHANG);
}

#define CALL(name, waits)                                                                          \
    {                                                                                              \
        SYS_##name, #name, waits                                                                   \
    }

/* Calls that younger machines have in one form only. */
#ifdef SYS_poll
static bool with_ms_third(const uintptr_t *arguments)
{
    return (int)arguments[2] != 0;
}
#define OLDER                                                                                      \
    CALL(poll, with_ms_third), CALL(select, with_time_fifth), CALL(epoll_wait, with_ms_fourth),    \
        CALL(pause, always),
#else
#define OLDER
#endif

static const struct {
    long number;
    const char *name;
    waits_fn *waits;
} calls[] = {CALL(read, on_descriptor),
             CALL(write, on_descriptor),
             CALL(readv, on_descriptor),
             CALL(writev, on_descriptor),
             CALL(pread64, on_descriptor),
             CALL(pwrite64, on_descriptor),
             CALL(preadv, on_descriptor),
             CALL(pwritev, on_descriptor),
             CALL(preadv2, with_flags_sixth),
             CALL(pwritev2, with_flags_sixth),
             CALL(recvfrom, with_flags_fourth),
             CALL(sendto, with_flags_fourth),
             CALL(recvmsg, with_flags_third),
             CALL(sendmsg, with_flags_third),
             CALL(recvmmsg, with_flags_fourth),
             CALL(sendmmsg, with_flags_fourth),
             CALL(sendfile, on_descriptor),
             CALL(splice, on_splice),
             CALL(tee, on_tee),
             CALL(copy_file_range, always),
             CALL(connect, on_descriptor),
             CALL(accept, on_descriptor),
             CALL(accept4, on_descriptor),
             CALL(ppoll, with_time_third),
             CALL(pselect6, with_time_fifth),
             CALL(epoll_pwait, with_ms_fourth),
             CALL(epoll_pwait2, with_time_fourth),
             CALL(nanosleep, always),
             CALL(clock_nanosleep, always),
             CALL(futex, on_futex),
             CALL(flock, on_file_lock),
             CALL(fcntl, on_record_lock),
             CALL(wait4, on_child),
             CALL(waitid, on_any_child),
             CALL(fsync, always),
             CALL(fdatasync, always),
             CALL(sync, always),
             CALL(syncfs, always),
             CALL(msync, on_sync),
             CALL(rt_sigsuspend, always),
             CALL(rt_sigtimedwait, with_time_third),
             OLDER};

int weft__blocking_probe(void)
{
    return weft__san_is_cramped() ? -ENOSYS : weft__dispatch_probe();
}

const char *weft__blocking_name(const struct weft__trap *trap)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        if (calls[i].number == trap->number)
            return calls[i].waits(trap->arguments) ? calls[i].name : NULL;
    return NULL;
}
