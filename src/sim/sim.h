/*
 * sim/sim.h - the world of the simulated kernel: its clock, its dice, its threads and its record.
 *
 * A world is one thread of the operating system, and everything in it happens in one order. What
 * the library takes for threads (reactors, workers of the pool) are contexts that run one at a
 * time: one of them goes on until it sleeps in a call of the boundary, or gives way in one. Who is
 * next, and what happens meanwhile, the driver decides (sim/driver.c), from the seed alone.
 *
 *      thread A             driver                            thread B
 *      enter ------------->  events that are due fire
 *      (parked)              a runnable thread is drawn -----> returns from its own enter
 *                            none: the clock jumps to the      ...
 *                            next event. None: a deadlock  <-- enter
 *
 * What always holds:
 *   - time passes only in the driver, and by the small cost of a call; nothing reads a real clock;
 *   - what happens depends on the seed, the plan and the calls made, in their order; never on an
 *     address, a process id, the number of a descriptor, or the size of a type;
 *   - words shared with a ring's owner change while that owner is inside a call of the boundary.
 *
 * Who writes what: object.h says what stands behind a descriptor, and who implements it. Sockets
 * are sim/net*.c. Rings, requests, threads, host calls and eventfds are the other files here.
 */
#ifndef WEFT_SIM_SIM_H
#define WEFT_SIM_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/knobs.h"

struct weft__sim;
struct weft__sim_net;
struct weft__sim_thread;

/* -- memory --------------------------------------------------------------------------------- */

/* The simulated kernel's own memory, which is not the library's: no allocator of a user's sees it,
   no test that lets allocations fail makes it fail. Zeroed; never NULL (the process aborts). */
void *weft__sim_alloc(size_t size) __attribute__((malloc, alloc_size(1), returns_nonnull));
void *weft__sim_grow(void *memory, size_t size_before, size_t size) __attribute__((alloc_size(3)));
void weft__sim_free(void *memory);

/* -- events --------------------------------------------------------------------------------- */

/* Something that will happen. Lies in whatever it happens to; fires once, in the driver. */
struct weft__sim_event {
    void (*fire)(struct weft__sim *sim, struct weft__sim_event *event);
    int64_t when_ns;
    uint64_t serial; /* among those of one time the first queued fires first */
    uint32_t place;  /* in the queue, counted from 1; 0: not queued */
};

/* Queues it for `when_ns` (the past counts as now). Queued already: it moves. `fire` is set. */
void weft__sim_at(struct weft__sim *sim, int64_t when_ns, struct weft__sim_event *event);
/* Takes it back; harmless when it is not queued. */
void weft__sim_take_back(struct weft__sim *sim, struct weft__sim_event *event);
static inline bool weft__sim_queued(const struct weft__sim_event *event)
{
    return event->place != 0;
}

/* -- dice ----------------------------------------------------------------------------------- */

/*
 * Decisions are drawn by name. A draw is a pure function of the seed, the name of the decision (the
 * knob), who draws (`key`: an entity made of serial numbers) and which step of that one's life it
 * is. So a decision added in one place shifts no other, and one connection's luck does not depend
 * on another's. Within one step the same knob gives the same answer: whoever comes to a decision
 * anew steps first.
 */
struct weft__sim_dice {
    uint64_t key;
    uint64_t step;
};

/* Dice of an entity: what kind it is (one of the enum below), and its serial number. */
enum weft__sim_who {
    WEFT__SIM_WHO_WORLD,
    WEFT__SIM_WHO_THREAD,
    WEFT__SIM_WHO_RING,
    WEFT__SIM_WHO_FILE,
    WEFT__SIM_WHO_REQUEST, /* serial number: see weft__sim_request */
    WEFT__SIM_WHO_NET,     /* for sim/net*: what has no file */
    WEFT__SIM_WHO_INODE,   /* of the disk */
    WEFT__SIM_WHO_PROCESS,
};
struct weft__sim_dice weft__sim_dice(enum weft__sim_who who, uint64_t serial);

static inline void weft__sim_step(struct weft__sim_dice *dice)
{
    dice->step++;
}

/* 64 even bits. */
uint64_t weft__sim_draw(struct weft__sim *sim, const struct weft__sim_dice *dice,
                        enum weft__sim_knob knob);
/* True with the knob's odds. Counts what came true, for reports. */
bool weft__sim_chance(struct weft__sim *sim, const struct weft__sim_dice *dice,
                      enum weft__sim_knob knob);
/* A number of [0, count), count > 0; whatever the knob's odds. */
uint64_t weft__sim_pick(struct weft__sim *sim, const struct weft__sim_dice *dice,
                        enum weft__sim_knob knob, uint64_t count);
/* A number within the knob's own bounds, small ones more often than large ones (even in the
   logarithm). A span of equal bounds is a constant. */
int64_t weft__sim_span(struct weft__sim *sim, const struct weft__sim_dice *dice,
                       enum weft__sim_knob knob);
/* The bounds themselves: how a plan hands over a plain number, the upper one. */
int64_t weft__sim_most(const struct weft__sim *sim, enum weft__sim_knob knob);

/* -- the record ----------------------------------------------------------------------------- */

/* Notes that something happened: into the hash, and to whoever listens. `who` is a serial number;
   `value` says what the kind means by it. No address, no descriptor's number. */
void weft__sim_note(struct weft__sim *sim, enum weft__sim_note note, uint64_t who, int64_t value);

/* -- threads -------------------------------------------------------------------------------- */

/* Sleeps until woken, returning then; the driver runs meanwhile. For calls of the boundary, on the
   running thread. `why` (a constant) and `on` (a serial number) are for the report of a deadlock.
 */
void weft__sim_park(struct weft__sim *sim, const char *why, uint64_t on);
/* Makes a parked thread runnable; harmless when it is runnable already. */
void weft__sim_wake(struct weft__sim *sim, struct weft__sim_thread *thread);
/* A place where another thread may be drawn to run first, and events that are due fire. */
void weft__sim_give_way(struct weft__sim *sim);
struct weft__sim_thread *weft__sim_running(struct weft__sim *sim);

/* -- the world ------------------------------------------------------------------------------ */

/* The calling thread's world. Outside of weft_sim_run one is made at the first use, with seed and
   plan from the environment (WEFT_SIM_SEED, WEFT_SIM_PLAN). */
struct weft__sim *weft__sim_here(void);

int64_t weft__sim_now(const struct weft__sim *sim);
/* The next serial number of that kind, from 1. Counters of their own, so that files are numbered
   alike however many requests there were. */
uint64_t weft__sim_serial(struct weft__sim *sim, enum weft__sim_who who);
/* The state of sim/net*, which hangs it in with weft__sim_net_open. */
struct weft__sim_net *weft__sim_net(const struct weft__sim *sim);

#endif
