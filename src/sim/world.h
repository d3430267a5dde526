/*
 * sim/world.h - the state of a simulated world, for the core's own files. sim/net*.c sees sim.h.
 *
 * A world belongs to the thread of the operating system that runs it. What always holds: at most
 * one simulated thread runs; those that could are in `runnable`, in the order in which they came to
 * be; the others are parked, and an event, a request or another thread will wake them, or never.
 */
#ifndef WEFT_SIM_WORLD_H
#define WEFT_SIM_WORLD_H

#include <signal.h>

#include "coro/context.h"
#include "sim/object.h"
#include "sim/plan.h"
#include "sim/sim.h"

struct weft__reactor;
struct weft__sim_bell;
struct weft__sim_disk;
struct weft__sim_ring;
struct signalfd;
struct inotify;
struct weft__sim_program;
struct weft_sim_event;
struct weft_sim_process;

/* When a world begins: late enough to look back from. */
#define WEFT__SIM_EPOCH_NS INT64_C(1000000000000)

enum weft__sim_thread_state {
    WEFT__SIM_RUNNABLE,
    WEFT__SIM_PARKED,
    WEFT__SIM_ENDED,
};

/* What the library takes for a thread. */
struct weft__sim_thread {
    struct weft__context context;  /* where it stands, while another runs */
    struct weft__reactor *reactor; /* its weft__self, while another runs */
    int saved_errno;               /* likewise */
    enum weft__sim_thread_state state;
    bool left_to_stand;           /* runnable, but `alarm` has to fire before it is drawn again */
    struct weft__sim_event alarm; /* the end of a timed sleep, or of being left to stand */
    struct weft__sim *sim;
    uint64_t serial; /* from 1 */
    struct weft__sim_dice dice;
    int cpu;          /* pinned to, or -1 */
    const char *why;  /* it is parked */
    const void *word; /* it is blocked on; NULL: not */
    uint64_t on;
    int64_t since_ns;
    struct weft__sim_ring *ring;     /* the one it opened last; for reports */
    struct weft__sim_thread *joiner; /* waits for its end */
    struct weft__sim_thread *next;   /* of all threads of the world, newest first */
    void *(*fn)(void *arg);
    void *arg;
    char name[16];
    char *stack; /* its mapping, with a guard page below; NULL: the calling thread's own */
    size_t stack_size;
    stack_t signal_stack; /* of whoever started it: what is put back when it ends */
};

struct weft__sim {
    struct weft__sim *next; /* among those never closed */
    struct weft__sim_plan plan;
    struct weft__sim_dice dice;
    int64_t now_ns;
    uint64_t serials[WEFT__SIM_WHO_PROCESS + 1];

    /* the record */
    uint64_t hash;
    uint64_t steps;
    uint64_t faults;
    uint64_t steps_max;
    uint64_t events_fired;
    uint64_t calls; /* of the boundary */
    void (*trace)(const struct weft_sim_event *event, void *context);
    void *trace_context;

    /* the driver: driver.c, events.c */
    struct weft__sim_event **queue; /* a heap; the earliest first */
    uint32_t queue_count, queue_room;
    uint64_t event_serial;
    struct weft__sim_thread *running;
    struct weft__sim_thread *threads;
    struct weft__sim_thread **runnable;
    uint32_t runnable_count, runnable_room;
    struct weft__context outside; /* where weft_sim_run waits */
    bool has_outside;
    bool ended; /* abnormally: nothing runs any more */
    int result;
    char *report; /* what went wrong, as text */
    uint32_t cpus;
    uint32_t fds_max;

    /* descriptors: object.c */
    struct weft__sim_file **fds;
    uint32_t fds_room;
    uint32_t fds_open;
    bool backed;
    int backing;         /* the real descriptor that the numbers are copies of, while any is open */
    int spare;           /* the number that comes next; 0: to be reserved */
    uint32_t bells_seen; /* rings of bells that have been heard: bell.c */
    struct weft__sim_bell *bells;

    struct weft__sim_ring *rings; /* open, newest first: ring_core.h */
    struct weft__sim_net *net;
    struct weft__sim_disk *disk;
    struct weft_sim_process *processes; /* not reaped yet: process.h */
    struct weft__sim_program *programs;
    struct weft__sim_file *children;          /* of those who wait for processes, while any does */
    struct weft__sim_futex *futexes;          /* words that are waited for: futex.c */
    struct signalfd *signalfds;               /* signal.c */
    struct inotify *inotifies;                /* inotify.c */
    uint64_t came_true[WEFT__SIM_KNOB_COUNT]; /* draws per knob that came true */
};

extern __thread struct weft__sim *weft__sim_world __attribute__((tls_model("initial-exec")));

/* world.c. The plan text is understood already. */
void weft__sim_world_open(struct weft__sim *sim, uint64_t seed, const struct weft__sim_plan *plan);
void weft__sim_world_close(struct weft__sim *sim);

/* driver.c. A thread is made runnable; its stack is freed by _thread_free, after its end. */
struct weft__sim_thread *weft__sim_thread_new(struct weft__sim *sim, void *(*fn)(void *), void *arg,
                                              const char *name);
void weft__sim_thread_adopt(struct weft__sim *sim); /* the calling thread becomes the first */
void weft__sim_thread_free(struct weft__sim *sim, struct weft__sim_thread *thread);
/* From outside: runs until the first thread has ended, or the world has. */
void weft__sim_run_from_outside(struct weft__sim *sim);
/* Parks, at most until `deadline_ns`. */
void weft__sim_park_until(struct weft__sim *sim, const char *why, uint64_t on, int64_t deadline_ns);
/* Fires the events that are due. At the end of calls that may have caused some. */
void weft__sim_fire_due(struct weft__sim *sim);
/* Passes the time a call of the boundary takes. */
void weft__sim_charge(struct weft__sim *sim);
/* Ends the world: `what` heads the report. Outside of weft_sim_run it is printed, and the process
   aborts. */
_Noreturn void weft__sim_end(struct weft__sim *sim, int result, const char *what);
/* Counts steps; the one too many ends the world. */
void weft__sim_count_steps(struct weft__sim *sim, uint64_t count);

/* events.c: the earliest event, or NULL; and its removal. */
static inline struct weft__sim_event *weft__sim_first_event(const struct weft__sim *sim)
{
    return sim->queue_count ? sim->queue[0] : NULL;
}

/* report.c: who waits for what, into sim->report. */
void weft__sim_describe(struct weft__sim *sim, const char *what);

/* futex.c: those that threads waited for, which were left behind. */
void weft__sim_futexes_end(struct weft__sim *sim);

/* bell.c: bells rung since the last look become writes to their eventfds. */
void weft__sim_hear_bells(struct weft__sim *sim);
void weft__sim_bells_end(struct weft__sim *sim);

/* ring.c: what is in flight, a line each; and its end together with the world. */
void weft__sim_ring_describe(struct weft__sim *sim, const struct weft__sim_ring *ring,
                             void (*line)(void *context, const char *text), void *context);
void weft__sim_rings_end(struct weft__sim *sim);
/* ring.c: the switches of tasks since the last look become steps. In calls of the owner. */
void weft__sim_count_switches(struct weft__sim_ring *ring);

#endif
