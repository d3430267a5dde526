/*
 * ring/host_child.h - the boundary, part three: other processes.
 *
 * As with the rest of the boundary, a simulated kernel may stand behind it; its processes are
 * programs registered with it (weft/sim.h). Results are >= 0 or a negative errno, EINTR is not
 * among them. Any thread may call these; _start waits, possibly for a disk, and is made by workers
 * of the pool; _begin does not, and a word tells when it has come to something.
 *
 * What always holds: a child started is waited for by nobody but weft__host_child_reap, so its id,
 * its group's and its descriptor stand for it and for no stranger until then.
 */
#ifndef WEFT_RING_HOST_CHILD_H
#define WEFT_RING_HOST_CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

enum { WEFT__CHILD_NULL = -1 };       /* for .from: /dev/null */
enum { WEFT__CHILD_STACK = 8192 };    /* bytes: what it runs on until it is the program */
enum { WEFT__CHILD_GROUP_SAME = -1 }; /* for .group: our own */
enum { WEFT__CHILD_PIDFD_MIN = 3 };

struct weft__child_fd {
    int from;
    int to;
};

struct weft__child_limit {
    int resource;
    struct rlimit limit;
};

struct weft__child {
    char *const *paths;       /* of the program, tried one after the other; NULL at the end */
    char *const *arguments;   /* likewise */
    char *const *environment; /* likewise, and not changed until it has come to something */
    const char *directory;    /* NULL: ours */
    const struct weft__child_fd *fds;
    uint32_t fd_count;
    const struct weft__child_limit *limits;
    uint32_t limit_count;
    int group;     /* 0: a new one of its own; > 0: that one */
    bool session;  /* a new one */
    bool terminal; /* its descriptor 0 becomes the session's terminal */
    char *stack;   /* of WEFT__CHILD_STACK bytes, aligned as a stack is */
    int pid;       /* out */
    /* Out: readable once it has ended. Of _begin below WEFT__CHILD_PIDFD_MIN where there was no
       room above: then it is for the caller to end the child, whose end may take a while. */
    int pidfd;
    /* Out, of _begin. All of this is the child's until `starting` is 0: the kernel clears that, and
       wakes who waits for it as one does for a word that others share (futex(2)). */
    uint32_t starting;
    int error; /* 0: the program runs, or ran; negative: it ends, and is to be reaped */
};

/* How a child ended. */
struct weft__child_end {
    int code;   /* -1: by a signal */
    int signal; /* 0: by itself */
    bool core_dumped;
};

/* What a program is given that is given nothing else: NULL at the end, or NULL. Whoever changes the
   environment may move it. */
char *const *weft__host_child_environment(void);

/* Starts it; returns when the program runs, or could not be made to: then nothing is left. */
int weft__host_child_start(struct weft__child *child);
/* Has it start itself, and does not wait: 0, see `starting`; negative: there is nothing. */
int weft__host_child_begin(struct weft__child *child);
/* Not while a debugger looks on: it would take the child for a fork, and take its breakpoints out
   of memory that is ours. */
bool weft__host_child_may_begin(void);
/* Takes note of how it ended, and the kernel forgets it: 1; 0 it runs; -ECHILD nobody knows. */
int weft__host_child_reap(int pidfd, struct weft__child_end *end);
/* waitid(2) with WNOHANG; info->si_pid 0: nothing yet. */
int weft__host_waitid(int type, int id, siginfo_t *info, int options);
int weft__host_child_signal(int pidfd, int number);
/* The group that it is in; -ESRCH: it is gone, reaped by somebody else, and its numbers with it. */
int weft__host_child_group(int pid, int pidfd);
int weft__host_group_signal(int group, int number);

/* Signals are as programs started are to find them: which are blocked, and which are ignored. Told
   by whoever is about to change that. */
void weft__host_child_note_signals(void);

/* A terminal: fds[0] is our end, fds[1] that of a program. CLOEXEC, and never 0, 1 or 2. */
int weft__host_pty(int fds[2], uint16_t rows, uint16_t columns);

#endif
