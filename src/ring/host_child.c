/*
 * ring/host_child.c - starting, signalling and reaping other processes.
 *
 * A child is cloned the way vfork does it: it runs on our memory, on a stack of its own, while the
 * thread that made it waits, until it has become another program or failed. So nothing is copied,
 * however large we are, and what went wrong is told in memory. In between it may do nothing but
 * make system calls: no locks, no allocation, no handler of ours.
 *
 * What always holds: no signal is let through in the child before every handler is gone; all our
 * descriptors but those asked for are closed there; a child that failed has been reaped.
 */
#include "ring/host_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ring/host.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
enum { CLOSE_ON_EXEC = 4 }; /* close_range(2): CLOSE_RANGE_CLOEXEC */
enum { STACK_SIZE = 65536, SIGNALS = 64, FDS_MAX = 80, KERNEL_SET = 8 };

/* What sanitizers know of memory is the parent's: what runs in the child tells them nothing. */
#define IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined")))

/* clone(2) by the C library's other name for it, which the thread sanitizer does not wrap: it takes
   every clone for a fork, and would set itself up anew in memory that is still the parent's. */
extern int plain_clone(int (*fn)(void *), void *stack, int flags, void *argument,
                       ...) __asm__("__clone");

struct start {
    const struct weft__child *child;
    sigset_t mask;
    uint64_t ignored; /* signals that were when weft began: bit number - 1 */
    int error;        /* the child's; 0: it runs */
};

extern char **environ;

/* As it was when weft began: written under its lock, before any child. */
static sigset_t mask_noted;
static uint64_t ignored_noted;

void weft__host_child_note_signals(void)
{
    struct sigaction action;

    pthread_sigmask(SIG_BLOCK, NULL, &mask_noted);
    ignored_noted = 0;
    for (int number = 1; number <= SIGNALS; number++)
        if (sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN)
            ignored_noted |= UINT64_C(1) << (number - 1);
}

/* -- in the child ------------------------------------------------------------------------------ */

/* syscall(2) past every interceptor; errno is the waiting thread's, who does not mind. */
#define CALL(...) (syscall(__VA_ARGS__) < 0 ? -errno : 0)

/* Handlers go, and execve(2) would do no more; but one may be weft's, on a signal that was ignored
   before, and so it is then again. What is ignored stays so, but for SIGPIPE, which may be weft's
   doing. The kernel's struct begins with the handler, and all zeros is the default. */
IN_CHILD static void reset_signals(const struct start *start)
{
    for (int number = 1; number <= SIGNALS; number++) {
        uint64_t action[8] = {0}, wanted[8] = {0};
        bool was_ignored = start->ignored & UINT64_C(1) << (number - 1);

        if (CALL(SYS_rt_sigaction, number, NULL, action, KERNEL_SET) < 0 ||
            action[0] == (uint64_t)(uintptr_t)SIG_DFL)
            continue;
        if (action[0] == (uint64_t)(uintptr_t)SIG_IGN && (number != SIGPIPE || was_ignored))
            continue;
        if (was_ignored)
            wanted[0] = (uint64_t)(uintptr_t)SIG_IGN;
        (void)CALL(SYS_rt_sigaction, number, wanted, NULL, KERNEL_SET);
    }
}

IN_CHILD static int place(const struct weft__child *child)
{
    int error = 0;

    if (child->session)
        error = CALL(SYS_setsid);
    else if (child->group >= 0)
        error = CALL(SYS_setpgid, 0, child->group);
    if (error == 0 && child->directory)
        error = CALL(SYS_chdir, child->directory);
    return error;
}

IN_CHILD static int highest_of(const struct weft__child *child)
{
    int highest = 2;

    for (uint32_t i = 0; i < child->fd_count; i++)
        if (child->fds[i].to > highest)
            highest = child->fds[i].to;
    return highest;
}

/* First all are copied out of the way of each other, then each to its place. */
IN_CHILD static int set_descriptors(const struct weft__child *child)
{
    int copies[FDS_MAX];
    long base = highest_of(child) + 1;

    for (uint32_t i = 0; i < child->fd_count; i++) {
        long copy = child->fds[i].from;
        if (copy == WEFT__CHILD_NULL) {
            copy = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
            if (copy < 0)
                return -errno;
        }
        copy = syscall(SYS_fcntl, copy, F_DUPFD, base);
        if (copy < 0)
            return -errno;
        copies[i] = (int)copy;
    }
    if (CALL(SYS_close_range, 3, UINT_MAX, CLOSE_ON_EXEC) < 0)
        return -errno;
    for (uint32_t i = 0; i < child->fd_count; i++)
        if (CALL(SYS_dup3, copies[i], child->fds[i].to, 0) < 0)
            return -errno;
    return 0;
}

IN_CHILD static int set_limits(const struct weft__child *child)
{
    for (uint32_t i = 0; i < child->limit_count; i++) {
        const struct rlimit *limit = &child->limits[i].limit;
        const uint64_t both[2] = {limit->rlim_cur, limit->rlim_max};
        if (CALL(SYS_prlimit64, 0, child->limits[i].resource, both, NULL) < 0)
            return -errno;
    }
    return 0;
}

/* As execvp(3): who may not be run is passed over, and told of in the end. */
IN_CHILD static int run(const struct weft__child *child)
{
    int error = -ENOENT;

    for (char *const *path = child->paths; *path; path++) {
        int why = CALL(SYS_execve, *path, child->arguments,
                       child->environment ? child->environment : environ);
        if (why != -ENOENT && why != -ENOTDIR && why != -EACCES)
            return why;
        if (why == -EACCES || !child->paths[1])
            error = why;
    }
    return error;
}

IN_CHILD static int become(void *argument)
{
    struct start *start = argument;
    const struct weft__child *child = start->child;

    reset_signals(start);
    start->error = place(child);
    if (start->error == 0)
        start->error = set_descriptors(child);
    if (start->error == 0 && child->terminal)
        start->error = CALL(SYS_ioctl, 0, TIOCSCTTY, 0);
    if (start->error == 0)
        start->error = set_limits(child);
    if (start->error == 0)
        start->error = CALL(SYS_rt_sigprocmask, SIG_SETMASK, &start->mask, NULL, KERNEL_SET);
    if (start->error == 0)
        start->error = run(child);
    syscall(SYS_exit_group, 127);
    __builtin_unreachable();
}

/* -- in the parent ----------------------------------------------------------------------------- */

static void reap_failed(int pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* On a stack of its own: the child's frames would be written over ours. */
static int clone_it(struct start *start, char *stack, int *pidfd)
{
    sigset_t all, old;
    int pid;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    pid = plain_clone(become, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD,
                      start, pidfd);
    if (pid < 0)
        pid = -errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return pid;
}

int weft__host_child_start(struct weft__child *child)
{
    struct start start = {.child = child, .mask = mask_noted, .ignored = ignored_noted};
    int pidfd = -1, pid;
    char *stack;

    if (child->fd_count > FDS_MAX)
        return -EINVAL;
    stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK,
                 -1, 0);
    if (stack == MAP_FAILED)
        return -ENOMEM;
    pid = clone_it(&start, stack, &pidfd);
    munmap(stack, STACK_SIZE);
    if (pid < 0)
        return pid;
    if (start.error < 0) {
        reap_failed(pid);
        close(pidfd);
        return start.error;
    }
    child->pid = pid;
    child->pidfd = weft__host_fd_lift(pidfd);
    if (child->pidfd < 0) { /* no room above the lowest three, where it was */
        kill(pid, SIGKILL);
        reap_failed(pid);
        return child->pidfd;
    }
    return 0;
}

int weft__host_child_reap(int pidfd, struct weft__child_end *end)
{
    siginfo_t info = {.si_pid = 0};
    int result;

    do
        result = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
    while (result < 0 && errno == EINTR);
    if (result < 0)
        return -errno;
    if (info.si_pid == 0)
        return 0;
    *end = (struct weft__child_end){
        .code = info.si_code == CLD_EXITED ? info.si_status : -1,
        .signal = info.si_code == CLD_EXITED ? 0 : info.si_status,
        .core_dumped = info.si_code == CLD_DUMPED,
    };
    return 1;
}

int weft__host_waitid(int type, int id, siginfo_t *info, int options)
{
    int result;

    do
        result = waitid((idtype_t)type, (id_t)id, info, options);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

int weft__host_child_signal(int pidfd, int number)
{
    return CALL(SYS_pidfd_send_signal, pidfd, number, NULL, 0);
}

int weft__host_child_group(int pid, int pidfd)
{
    int group;

    if (weft__host_child_signal(pidfd, 0) == -ESRCH)
        return -ESRCH;
    group = getpgid(pid);
    return group < 0 ? -errno : group;
}

int weft__host_group_signal(int group, int number)
{
    if (group <= 1 || group == getpgrp())
        return -ENOTSUP; /* -1 would be everybody */
    return kill(-group, number) < 0 ? -errno : 0;
}

/* -- terminals --------------------------------------------------------------------------------- */

static int open_program_end(int master, uint16_t rows, uint16_t columns)
{
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    char name[64];
    int fd;

    if (grantpt(master) < 0 || unlockpt(master) < 0 || ioctl(master, TIOCSWINSZ, &size) < 0)
        return -errno;
    if (ptsname_r(master, name, sizeof name) != 0)
        return -ENOTTY;
    fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return weft__host_fd_lift(fd < 0 ? -errno : fd);
}

int weft__host_pty(int fds[2], uint16_t rows, uint16_t columns)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), other;

    master = weft__host_fd_lift(master < 0 ? -errno : master);
    if (master < 0)
        return master;
    other = open_program_end(master, rows, columns);
    if (other < 0) {
        close(master);
        return other;
    }
    fds[0] = master;
    fds[1] = other;
    return 0;
}
