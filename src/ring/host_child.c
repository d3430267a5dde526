/*
 * ring/host_child.c - starting, signalling and reaping other processes.
 *
 * A child is cloned as vfork does it: it runs on our memory, on a stack of its own, until it has
 * become another program or failed. So nothing is copied, however large we are, and what went wrong
 * is told in memory; our table of descriptors, too, is its own only once it has said which of them
 * it wants. In between it may do nothing but make system calls: no locks, no allocation, no handler
 * of ours, and no errno, which is its maker's. That one may go on meanwhile; when the child has
 * left our memory, for another program's or for nothing, the kernel clears a word and wakes who
 * waits for it (CLONE_CHILD_CLEARTID).
 *
 * What always holds: no signal is let through in the child before every handler is gone; all our
 * descriptors but those asked for are closed there; a child that failed is reaped.
 */
#include "ring/host_child.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/clone.h"
#include "arch/dispatch.h"
#include "ring/host.h"
#include "ring/host_cpus.h"

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
enum { OF_ITS_OWN = 2, CLOSE_ON_EXEC = 4 }; /* close_range(2): CLOSE_RANGE_UNSHARE, _CLOEXEC */
enum { SIGNALS = 64, FDS_MAX = 80, KERNEL_SET = 8, LOOK_NS = 50000000 };

/* What sanitizers know of memory is the parent's: what runs in the child tells them nothing. Nor
   does it look at the memory of its maker's thread, where a canary would be. */
#ifdef __clang__
#define IN_CHILD __attribute__((disable_sanitizer_instrumentation, no_stack_protector))
#else
#define IN_CHILD __attribute__((no_sanitize("address", "thread", "undefined"), no_stack_protector))
#endif

/* clone(2) by the C library's other name for it, which the thread sanitizer does not wrap: it takes
   every clone for a fork, and would set itself up anew in memory that is still the parent's. */
extern int plain_clone(int (*fn)(void *), void *stack, int flags, void *argument,
                       ...) __asm__("__clone");

/* Lies below the child's stack, and as long. */
struct start {
    struct weft__child *child;
    sigset_t mask;
    uint64_t to_ignore, to_default; /* sets of signals, bit number - 1: what a clone does not do */
    const struct weft__cpu_mask
        *cpus;         /* where its maker ran before it was pinned; set NULL: there */
    bool has_handlers; /* ours, still */
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

#define CALL_4(number, a, b, c, d, ...)                                                            \
    ((int)weft__arch_call((number), (long)(a), (long)(b), (long)(c), (long)(d)))
#define CALL(...) CALL_4(__VA_ARGS__, 0, 0, 0, 0, 0)

/* The kernel's struct begins with the handler, and all zeros is the default. */
IN_CHILD static void set_signal(int number, uintptr_t handler)
{
    const uint64_t action[8] = {handler};

    (void)CALL(SYS_rt_sigaction, number, action, NULL, KERNEL_SET);
}

/* As CLONE_CLEAR_SIGHAND does it, and execve(2) would; but then it is too late. */
IN_CHILD static void drop_handlers(void)
{
    for (int number = 1; number <= SIGNALS; number++) {
        uint64_t action[8] = {0};

        if (CALL(SYS_rt_sigaction, number, NULL, action, KERNEL_SET) == 0 &&
            action[0] != (uintptr_t)SIG_DFL && action[0] != (uintptr_t)SIG_IGN)
            set_signal(number, (uintptr_t)SIG_DFL);
    }
}

IN_CHILD static void set_signals(const struct start *start)
{
    if (start->has_handlers)
        drop_handlers();
    for (uint64_t set = start->to_ignore; set; set &= set - 1)
        set_signal(__builtin_ctzll(set) + 1, (uintptr_t)SIG_IGN);
    for (uint64_t set = start->to_default; set; set &= set - 1)
        set_signal(__builtin_ctzll(set) + 1, (uintptr_t)SIG_DFL);
}

IN_CHILD static int place(const struct weft__child *child)
{
    int error = 0;

    if (child->session)
        error = CALL(SYS_setsid) < 0 ? -EPERM : 0;
    else if (child->group >= 0)
        error = CALL(SYS_setpgid, 0, child->group);
    if (error == 0 && child->directory)
        error = CALL(SYS_chdir, child->directory);
    return error;
}

/* The highest number that is named, at least 2: ours, or what it becomes there. */
IN_CHILD static int highest_of(const struct weft__child *child, bool there)
{
    int highest = 2;

    for (uint32_t i = 0; i < child->fd_count; i++) {
        int fd = there ? child->fds[i].to : child->fds[i].from;
        if (fd > highest)
            highest = fd;
    }
    return highest;
}

/* Out of the way of each other. */
IN_CHILD static int copy_descriptors(const struct weft__child *child, int copies[])
{
    int base = highest_of(child, true) + 1;

    for (uint32_t i = 0; i < child->fd_count; i++) {
        int fd = child->fds[i].from;
        if (fd == WEFT__CHILD_NULL)
            fd = CALL(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR);
        copies[i] = fd < 0 ? fd : CALL(SYS_fcntl, fd, F_DUPFD, base);
        if (copies[i] < 0)
            return copies[i];
    }
    return 0;
}

/* What is above all that are named is not even copied when the table becomes its own. Then all are
   copied out of the way, and each to its place. */
IN_CHILD static int set_descriptors(const struct weft__child *child)
{
    int copies[FDS_MAX];
    int error = CALL(SYS_close_range, highest_of(child, false) + 1, UINT_MAX, OF_ITS_OWN);

    if (error < 0 || child->fd_count == 0)
        return error;
    error = copy_descriptors(child, copies);
    if (error == 0)
        error = CALL(SYS_close_range, 3, UINT_MAX, CLOSE_ON_EXEC);
    for (uint32_t i = 0; i < child->fd_count && error >= 0; i++)
        error = CALL(SYS_dup3, copies[i], child->fds[i].to, 0);
    return error < 0 ? error : 0;
}

IN_CHILD static int set_limits(const struct weft__child *child)
{
    for (uint32_t i = 0; i < child->limit_count; i++) {
        const struct rlimit *limit = &child->limits[i].limit;
        const uint64_t both[2] = {limit->rlim_cur, limit->rlim_max};
        int error = CALL(SYS_prlimit64, 0, child->limits[i].resource, both, NULL);
        if (error < 0)
            return error;
    }
    return 0;
}

/* As execvp(3): who may not be run is passed over, and told of in the end. */
IN_CHILD static int run(const struct weft__child *child)
{
    int error = -ENOENT;

    for (char *const *path = child->paths; *path; path++) {
        int why = CALL(SYS_execve, *path, child->arguments, child->environment);
        if (why != -ENOENT && why != -ENOTDIR && why != -EACCES)
            return why;
        if (why == -EACCES || !child->paths[1])
            error = why;
    }
    return error;
}

/* Where its maker could run before it was pinned; in vain is as good as it gets. */
IN_CHILD static void set_cpus(const struct weft__cpu_mask *cpus)
{
    if (cpus->set)
        (void)CALL(SYS_sched_setaffinity, 0, cpus->size, cpus->set);
}

IN_CHILD static int become(void *argument)
{
    const struct start *start = argument;
    struct weft__child *child = start->child;
    int error;

    set_signals(start);
    set_cpus(start->cpus);
    error = place(child);
    if (error == 0)
        error = set_descriptors(child);
    if (error == 0 && child->terminal)
        error = CALL(SYS_ioctl, 0, TIOCSCTTY, 0);
    if (error == 0)
        error = set_limits(child);
    if (error == 0)
        error = CALL(SYS_rt_sigprocmask, SIG_SETMASK, &start->mask, NULL, KERNEL_SET);
    child->error = error == 0 ? run(child) : error;
    (void)CALL(SYS_exit_group, 127);
    __builtin_unreachable();
}

/* -- in the parent ----------------------------------------------------------------------------- */

static void reap_failed(int pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* A clone keeps what is ignored, and makes default what has a handler. Of those that were ignored
   when weft began a handler may be weft's; and ignored though it was not, SIGPIPE may be so by
   weft. */
static void note_what_differs(struct start *start)
{
    uint64_t pipe = UINT64_C(1) << (SIGPIPE - 1);

    for (uint64_t set = ignored_noted | pipe; set; set &= set - 1) {
        struct sigaction action;

        if (sigaction(__builtin_ctzll(set) + 1, NULL, &action) < 0)
            continue;
        if (action.sa_handler == SIG_IGN)
            start->to_default |= set & -set & ~ignored_noted;
        else if (action.sa_handler != SIG_DFL)
            start->to_ignore |= set & -set & ignored_noted;
    }
}

/* Where clone3(2) is forbidden or not known, by clone(2), which leaves the handlers in place. */
static int clone_it(struct start *start, uint64_t flags)
{
    struct weft__child *child = start->child;
    char *stack = (char *)(start + 1), *top = child->stack + WEFT__CHILD_STACK;
    struct clone_args arguments = {.flags = flags | CLONE_CLEAR_SIGHAND,
                                   .pidfd = (uintptr_t)&child->pidfd,
                                   .child_tid = (uintptr_t)&child->starting,
                                   .exit_signal = SIGCHLD,
                                   .stack = (uintptr_t)stack,
                                   .stack_size = (uintptr_t)(top - stack)};
    long pid = weft__arch_clone(&arguments, sizeof arguments, become, start);

    if (pid == -ENOSYS || pid == -EPERM) {
        start->has_handlers = true;
        pid = plain_clone(become, top, (int)flags | SIGCHLD, start, &child->pidfd, NULL,
                          &child->starting);
        if (pid < 0)
            pid = -errno;
    }
    return (int)pid;
}

/* With no signal let through, and no call seen: a child has neither handlers of ours nor a thread
   that they could be told on. */
static int clone_quietly(struct start *start, uint64_t flags)
{
    bool seen = weft__dispatch_selector;
    sigset_t all, old;
    int pid;

    weft__dispatch_select(false);
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old);
    pid = clone_it(start, flags | CLONE_VM | CLONE_FILES | CLONE_PIDFD | CLONE_CHILD_CLEARTID);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    weft__dispatch_select(seen);
    return pid;
}

/* Above the lowest three, if there is room: else it stays where it is. */
static void lift(struct weft__child *child)
{
    int lifted = child->pidfd < WEFT__CHILD_PIDFD_MIN
                     ? fcntl(child->pidfd, F_DUPFD_CLOEXEC, WEFT__CHILD_PIDFD_MIN)
                     : -1;

    if (lifted < 0)
        return;
    close(child->pidfd);
    child->pidfd = lifted;
}

static int begin(struct weft__child *child, uint64_t flags)
{
    struct start *start = (struct start *)(void *)child->stack;
    int pid;

    if (child->fd_count > FDS_MAX)
        return -EINVAL;
    *start = (struct start){.child = child, .mask = mask_noted, .cpus = weft__cpu_mask_given()};
    note_what_differs(start);
    child->error = 0;
    child->starting = 1;
    pid = clone_quietly(start, flags);
    if (pid < 0)
        return pid;
    child->pid = pid;
    lift(child);
    return 0;
}

/* TracerPid of /proc/thread-self/status. */
static bool look_for_tracer(void)
{
    static const char name[] = "\nTracerPid:\t";
    char text[1024] = "", *at;
    int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    at = strstr(text, name);
    return at && at[sizeof name - 1] != '0';
}

/* Looked at now and then: who attaches a debugger takes longer than that. */
bool weft__host_child_may_begin(void)
{
    static _Atomic int64_t next_look_ns; /* relaxed: pairs with nothing, any look is as good */
    static atomic_bool traced;
    int64_t now = weft__host_now();

    if (now >= atomic_load_explicit(&next_look_ns, memory_order_relaxed)) {
        atomic_store_explicit(&traced, look_for_tracer(), memory_order_relaxed);
        atomic_store_explicit(&next_look_ns, now + LOOK_NS, memory_order_relaxed);
    }
    return !atomic_load_explicit(&traced, memory_order_relaxed);
}

char *const *weft__host_child_environment(void)
{
    return environ;
}

int weft__host_child_begin(struct weft__child *child)
{
    return begin(child, 0);
}

int weft__host_child_start(struct weft__child *child)
{
    int error = begin(child, CLONE_VFORK);

    if (error == 0 && child->pidfd < WEFT__CHILD_PIDFD_MIN) {
        kill(child->pid, SIGKILL);
        child->error = -EMFILE;
    }
    if (error == 0 && child->error < 0) {
        error = child->error;
        reap_failed(child->pid);
        close(child->pidfd);
    }
    return error;
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
    return syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0) < 0 ? -errno : 0;
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
