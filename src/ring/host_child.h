/*
 * ring/host_child.h - the boundary, part three: other processes.
 *
 * As with the rest of the boundary, a simulated kernel may stand behind it; its processes are
 * programs registered with it (weft/sim.h). Results are >= 0 or a negative errno, EINTR is not
 * among them. Any thread may call these; _start waits, possibly for a disk, and is made by workers
 * of the pool.
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
enum { WEFT__CHILD_GROUP_SAME = -1 }; /* for .group: our own */

struct weft__child_fd {
    int from;
    int to;
};

struct weft__child_limit {
    int resource;
    struct rlimit limit;
};

struct weft__child {
    char *const *paths;     /* of the program, tried one after the other; NULL at the end */
    char *const *arguments; /* likewise */
    char *const *environment;
    const char *directory; /* NULL: ours */
    const struct weft__child_fd *fds;
    uint32_t fd_count;
    const struct weft__child_limit *limits;
    uint32_t limit_count;
    int group;     /* 0: a new one of its own; > 0: that one */
    bool session;  /* a new one */
    bool terminal; /* its descriptor 0 becomes the session's terminal */
    int pid;       /* out */
    int pidfd;     /* out: readable once it has ended */
};

/* How a child ended. */
struct weft__child_end {
    int code;   /* -1: by a signal */
    int signal; /* 0: by itself */
    bool core_dumped;
};

/* Starts it; returns when the program runs, or could not be made to: then nothing is left. */
int weft__host_child_start(struct weft__child *child);
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
