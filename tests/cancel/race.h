/*
 * Races, written once and run on both kernels: which one is chosen by the linker (extra.cmake).
 *
 *     static int body(void *arg) { ... race_pick(3) ... }      a task; 0 when all went well
 *     TEST(race_04) { race_each(.body = body, .orders = true, .outcomes = 2); }
 *
 * On the real ring the body is run a thousand times, with choices and pauses drawn anew each time.
 * On the simulated kernel (cancel-sim.*) each run has a world of its own: first, where `orders` is
 * set, every sequence of choices of the body under every way in which a cancel, the operation it is
 * aimed at and their completions can meet; then a thousand seeds, a hundred thousand under
 * WEFT_LONG. What fails is printed with the command that runs exactly that one again.
 *
 * What always holds after a run, or it has failed: no task, timer, operation, buffer, descriptor,
 * allocation or mapping is left, and nothing hangs. The runs happen in a process of their own, so
 * that a crash is told as well; assertions may stand on any task's stack.
 */
#ifndef WEFT_TESTS_CANCEL_RACE_H
#define WEFT_TESTS_CANCEL_RACE_H

#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "support/test.h"

struct race {
    weft_task_fn body;    /* the main task of a runtime, or called by one; gives 0 */
    int (*run)(void);     /* or, instead: starts the runtime by itself; gives 0 */
    const char *plan;     /* of the simulation, after the one drawn: what this race is about */
    uint32_t reactors;    /* 0: one */
    uint32_t entries;     /* of the ring: weft_run_opt.ring_entries */
    uint32_t completions; /* weft_run_opt.completion_entries */
    uint32_t outcomes;    /* so many different ones (race_saw) must come up on the simulation */
    uint32_t part;        /* of the usual number of runs, 1/part; 0: all */
    bool orders;          /* enumerate before drawing */
};

#define race_each(...) race_go(__func__, &(struct race){__VA_ARGS__})
void race_go(const char *name, const struct race *race);

/* A choice: a number below n. */
uint32_t race_pick(uint32_t n);
/* Gives way a few times: yields, or short sleeps, `most` + 1 ways. Stops at a cancellation. */
void race_yields(uint32_t most);
/* A task: yields a few times and gives the int its argument points at. */
int race_yields_then(void *arg);
/* This run had the outcome number `which`, from 0. */
void race_saw(uint32_t which);
/* True on the simulated kernel. */
bool race_simulated(void);
/* While set, every allocation of the library fails. */
extern bool race_no_memory;

/* A foreign thread: of the simulated machine, or a real one. */
struct race_thread;
struct race_thread *race_thread_start(void *(*fn)(void *), void *arg);
void race_thread_join(struct race_thread *thread);
/* A short pause of a foreign thread. */
void race_pause(void);

#define race_ok(expression) ck_assert_int_ge((expression), 0)
#define race_is(expression, value) ck_assert_int_eq((expression), (value))
#define RACE_OPT(...) (&(struct weft_spawn_opt){.size = sizeof(struct weft_spawn_opt), __VA_ARGS__})
#define RACE_SCOPE(...)                                                                            \
    (&(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt), __VA_ARGS__})

/* Both ends of a TCP connection that is reset when it is closed. */
void race_pair(int fds[2]);
/* What the task is waiting for, as weft_tasks_each tells; NULL: it has ended. */
const char *race_state(weft_task task);
/* Yields until the task is in that state, or any that is not "ready" nor "running" (NULL); gives
   false when it ended before. */
bool race_until(weft_task task, const char *state);

/* -- for race_real.c and race_sim.c ----------------------------------------------------------- */

/* Called inside of the process that runs: begins the next run (picks drawn from `seed`, or, where
   the first are given, those), and tells what it is for the case that it fails. */
void race_begins(uint64_t seed, const char *plan);
/* The next sequence of picks, in order. False: that was the last. */
bool race_enumerate(bool first);
/* Takes the picks of WEFT_RACE_PICKS for all runs. */
void race_picks_given(void);
/* The main task: the body once, and what must hold after it. */
int race_main(void *body);
/* How many runs it is to have besides the enumerated ones: a thousand, a hundred thousand under
   WEFT_LONG, or WEFT_RACE_SEEDS; of that, its part. With WEFT_RACE_SAMPLE set nothing is
   enumerated, and not every outcome need come up. */
uint64_t race_count(const struct race *race);
void race_options(const struct race *race, struct weft_run_opt *opt);
/* All runs of this race; in race_real.c or race_sim.c. */
void race_runs(const struct race *race);

#endif
