/*
 * sim/process.h - simulated processes: programs that are functions, each on a context of its own.
 *
 *      start --> runs --+-- returns a code ------------------------> ended --reap--> gone
 *                       +-- a signal that it neither catches nor --> (a zombie: its id and its
 *                           ignores; it is never switched to again    descriptor stand for it)
 *
 * A program sees the world through the calls of weft/sim.h alone. What always holds: a process that
 * has ended holds no file; its thread stands still and is freed when it is reaped, or with the
 * world.
 */
#ifndef WEFT_SIM_PROCESS_H
#define WEFT_SIM_PROCESS_H

#include <signal.h>
#include <weft/sim.h>

#include "sim/world.h"

enum { WEFT__SIM_PROCESS_FDS = 128, WEFT__SIM_GROUP_OURS = 1, WEFT__SIM_SESSION_OURS = 1 };

struct weft__child;

struct weft__sim_program {
    struct weft__sim_program *next;
    weft_sim_main *main; /* NULL: there, and not to be run */
    char path[];
};

struct weft_sim_process {
    struct weft_sim_process *next;
    struct weft__sim *sim;
    struct weft__sim_thread *thread;
    struct weft__sim_file *pidfd; /* no reference: it tells us when it goes */
    weft_sim_main *main;
    char **arguments, **environment; /* one block each */
    int argument_count;
    uint64_t serial;
    int pid;
    int group;
    int session;
    char *directory; /* NULL: none was named */
    struct rlimit limits[RLIM_NLIMITS];
    struct weft__sim_file *fds[WEFT__SIM_PROCESS_FDS]; /* a reference each; NULL: nothing there */
    uint64_t ignored, caught;                          /* sets of signals, bit number - 1 */
    uint64_t pending;                                  /* caught, and not told yet */
    uint64_t coming;                                   /* sent, and not there yet */
    struct weft__sim_event arrival;
    struct weft__sim_event beginning; /* until then it is not the program, and has no thread */
    struct weft__child *child;        /* what it is to be: its maker's, until then */
    struct weft__sim_waiter waiter;   /* of the call it is in */
    bool ended;
    bool reaped;
    int code;
    int signal; /* that ended it */
};

/* process.c. The process behind a descriptor's file; NULL: it is another. */
struct weft_sim_process *weft__sim_process_behind(const struct weft__sim_file *file);
/* May the process be put into it? Who is in it decides. */
bool weft__sim_group_exists(const struct weft_sim_process *process, int group);
/* A signal to all who are in it. */
void weft__sim_group_tell(struct weft__sim *sim, int group, int number,
                          struct weft__sim_dice *dice);
/* What processes that end are told on: for who waits for any of several. With a reference. */
struct weft__sim_file *weft__sim_children(struct weft__sim *sim);
/* waitid(2), without waiting: 0 and *info; -EAGAIN not yet; -ECHILD, -EINVAL, -EBADF. */
int weft__sim_waitid(struct weft__sim *sim, int type, int id, siginfo_t *info, int options);
void weft__sim_processes_end(struct weft__sim *sim);

/* Reaped: it is no more. */
void weft__sim_process_forget(struct weft_sim_process *process);

/* Its end. On its own thread that one is then to be parked for good. */
void weft__sim_process_end(struct weft_sim_process *process, int code, int signal);

/* process_call.c: a signal has come. */
void weft__sim_process_deliver(struct weft_sim_process *process, int number);

#endif
