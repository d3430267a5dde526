/*
 * io/process.h - inside a process: its keeper, and who waits for it.
 *
 *      create ------> keeper (a task, the scope's child)
 *        |              | begins it, and waits for a word (or has a worker of the pool start it)
 *        | <-- started -+
 *        v              | waits for its end (WAITID, or a poll of its descriptor)
 *      handle           |    cancelled, or closed: SIGTERM to the group, the grace, SIGKILL
 *        |              | reaps it, wakes who waits
 *        v              v
 *      close: waits for the keeper to have finished; frees it
 *
 * Because the keeper is an ordinary child of its scope, everything that scopes say of tasks holds
 * for processes: joined, cancelled, drained, counted, named.
 *
 * Belongs to the reactor that started it. What always holds: between the start and the reaping the
 * id, the group's id and `pidfd` stand for this process, so no signal hits a stranger.
 */
#ifndef WEFT_IO_PROCESS_H
#define WEFT_IO_PROCESS_H

#include <weft/process.h>

#include "io/io.h"
#include "ring/host_child.h"
#include "task/task.h"

enum { WEFT__PROCESS_FDS_MAX = 64, WEFT__PROCESS_LIMITS_MAX = 16, WEFT__PROCESS_FD_MAX = 127 };

struct weft__process_waiter {
    struct weft__wait wait; /* first */
    struct weft__process_waiter *next, **link;
};

/* What a start needs, until it is done. The creator's. */
struct weft__launch {
    struct weft__child child;
    struct weft__child_fd fds[3 + WEFT__PROCESS_FDS_MAX];
    struct weft__child_limit limits[WEFT__PROCESS_LIMITS_MAX];
    int theirs[3]; /* ends of pipes that the process gets, ours to close; -1: none */
    _Alignas(16) char stack[WEFT__CHILD_STACK];
    char *paths[]; /* to its end; behind them the environment's words, and what paths point at */
};

enum weft__process_state {
    WEFT__PROCESS_STARTING,
    WEFT__PROCESS_FAILED, /* never started */
    WEFT__PROCESS_RUNS,
    WEFT__PROCESS_ENDED,
};

struct weft_process {
    struct weft__io *io;
    struct weft_process *next, **link; /* among the reactor's */
    enum weft__process_state state;
    int error; /* why it could not be started; -ECHILD: how it ended is not known */
    struct weft_process_status status;
    weft_stream *streams[3]; /* of a terminal thrice the same. Closed, they are kept to the end */
    int pid;
    int pidfd;
    int group;   /* 0: our own */
    bool leads;  /* that group is its own, and ends with it */
    bool pty;    /* it has a terminal: one stream, both ways */
    bool ending; /* it is to be ended */
    bool closing;
    bool ended; /* state, as those who wait for it look at it */
    int64_t grace_ns;
    uint32_t users;              /* tasks inside a call that looks at it after a wait */
    struct weft__launch *launch; /* while it is started */
    struct weft__op *watch;      /* the keeper's request, when it may be interrupted */
    struct weft__wait *creator;  /* waits for the start */
    struct weft__wait *closer;   /* waits for the users to leave */
    struct weft__process_waiter *waiters;
};

/* process.c: the body of a keeper; its argument is a pointer to the pointer to the process. */
int weft__process_keep(void *arg);
/* 0; -EINVAL, -EPERM, -EXDEV, -EBADF it is being closed. Any call of a task of the reactor. */
int weft__process_check(const struct weft_process *process);
/* One of its streams; NULL: there is none, or it is closed. */
weft_stream *weft__process_stream(const struct weft_process *process, int which);
void weft__process_leave_user(struct weft_process *process);
void weft__process_free(struct weft_process *process);
/* The io layer stops: frees those that were never closed. */
void weft__processes_stop(struct weft__io *io);

#endif
