/*
 * A bit of everything, in a world of its own: servers and clients, storms of connections, cancels,
 * deadlines, scopes, calls between reactors, posts of foreign threads, all at once, drawn by the
 * seed. What has to hold is checked on the way and at the end: every byte of an echo; no limit
 * before its time; each task and post ended once; nothing left of timers, operations, buffers,
 * descriptors, allocations and mappings. In a world that is not broken nothing fails besides.
 */
#ifndef WEFT_TESTS_SIM_MIX_H
#define WEFT_TESTS_SIM_MIX_H

#include "simulate.h"

/* The world under way, or the last one. It is one thread: plain memory. */
struct mix {
    uint64_t seed;
    bool broken;
    uint64_t draws;
    int spawned, begun, ended, dropped; /* tasks */
    int posted, ran;
    uint64_t echoed; /* bytes */
    int complete;    /* activities that came to their ends as they should */
};
extern struct mix mix;

/* Called when the run has ended and the world has not; or NULL. */
extern void (*mix_at_end)(void);

/* Runs it in world->seed and ->plan, with ->trace, and checks it. */
void mix_run(struct world *world, bool broken);

/* -- for mix*.c ------------------------------------------------------------------------------- */

/* Fails, with the seed. */
_Noreturn void mix_failed(const char *what, long long is, long long wanted);
void mix_is(const char *what, long long value, long long wanted);
/* What has to be so unless the world is broken; says whether it is. */
bool mix_went_well(const char *what, long long value, long long wanted);
uint32_t mix_pick(uint32_t n);
/* A reactor for a child: WEFT_ON(...). */
int mix_anywhere(void);
/* Spawns a child that is counted; its argument points at a copy of `arg`. True when it was taken.
 */
bool mix_spawn(weft_scope *scope, weft_task_fn fn, long arg, int reactor, weft_task *task);
/* A descriptor, or why there is none. */
int mix_connect_to(long port);

int mix_cancels(void *arg);
int mix_limits(void *arg);
int mix_trees(void *arg);
int mix_calls(void *arg);
int mix_posted_to(void *arg);

#endif
