/*
 * explore.h - running a few threads of shipped code in every order, under a weak memory.
 *
 * The code under examination is compiled with the compiler's thread instrumentation and linked with
 * hooks.c in place of a sanitizer's runtime. So each of its accesses to memory, atomic or plain,
 * calls in here, and its source is what ships, to the letter.
 *
 *     scheduler.c   threads are contexts; before each atomic access another may go on. Depth first,
 *                   all choices in turn, at most so many preemptions in one execution
 *     memory.c      what a load may see: C11's acquire, release, relaxed and sequentially
 * consistent, by views; and races of plain accesses, by the same views hooks.c       what the
 * instrumentation calls mutants.c     each order at each place of the code made weaker, one at a
 * time kernel.c      what stands behind the boundary here: memory, bells, a pause scenarios_*.c who
 * does what, and what must hold at the end
 *
 * Everything runs on one thread. What always holds: an execution depends on its choices alone, so
 * the list of them is its name, and it can be run again.
 */
#ifndef EXPLORE_H
#define EXPLORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EXPLORE_THREADS_MAX = 6 }; /* the one that sets up and checks included */

struct explore_thread {
    const char *name;
    void (*run)(void);
};

struct explore_scenario {
    const char *name;
    const char *says;     /* what holds in every execution */
    void (*set_up)(void); /* before the threads start; sees nothing and nobody else */
    void (*check)(void);  /* after all have ended; sees all they did */
    bool must_fail;       /* a known wrong program: that it fails is what is tested */
    uint32_t stale;       /* loads that see anything but the newest: a bound of its own, if not 0 */
    struct explore_thread threads[EXPLORE_THREADS_MAX]; /* up to the first without a name */
};
/* Ended by NULL each. The first list is of the explorer's own tests. */
extern const struct explore_scenario *const explore_scenarios_litmus[];
extern const struct explore_scenario *const explore_scenarios_inbox[];
extern const struct explore_scenario *const explore_scenarios_post[];
extern const struct explore_scenario *const explore_scenarios_wake[];
extern const struct explore_scenario *const explore_scenarios_future[];

/* -- for scenarios and for kernel.c ---------------------------------------------------------- */

/* Memory that is watched; nothing else is. Never given out twice in one execution. All of it must
   be freed at the end. */
void *explore_alloc(size_t size);
void explore_free(void *block);
void explore_name(const volatile void *address, const char *name); /* for the printed schedule */

/* Calls it on a stack of such memory, one thread in an execution: what it lends to others in its
   frame is watched, and nobody may come there once it has returned. */
void explore_in_watched_frames(void (*run)(void));

/* One of `count` possibilities; each is taken in some execution. */
uint32_t explore_choose(uint32_t count);
/* Lets others go on until `ready` says so. It orders nothing. */
void explore_wait(bool (*ready)(void *arg), void *arg, const char *for_what);
/* Another thread may go on here, as at an atomic access. */
void explore_step(const char *what);
/* A pause in a loop that reads one atomic: its next load of that sees something newer. */
void explore_relax(void);

_Noreturn void explore_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define EXPLORE_CHECK(condition)                                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            explore_fail("%s:%d: %s", __func__, __LINE__, #condition);                             \
    } while (0)

/* -- between the parts ------------------------------------------------------------------------ */

enum { /* what an order consists of */
       EXPLORE_ACQUIRE = 1,
       EXPLORE_RELEASE = 2,
       EXPLORE_TOTAL = 4, /* its place in the one order of all sequentially consistent accesses */
};

enum explore_weakening {
    EXPLORE_AS_IS,
    EXPLORE_NO_ACQUIRE,
    EXPLORE_NO_RELEASE,
    EXPLORE_NO_TOTAL,
    EXPLORE_TORN, /* a read-modify-write becomes a load and a store */
};

/* One place in the program where an atomic access stands, known by the address it calls from. */
struct explore_site {
    uintptr_t address;
    uint32_t place; /* in the source, 1 or more: a compiler may have made several sites of one */
    const char *operation; /* "load", "swap", ... */
    uint32_t order;
    bool modifies;     /* a read-modify-write */
    uint64_t reaching; /* which scenarios come by, a bit each */
    char function[64];
    char file[64];
};
enum { EXPLORE_SITES_MAX = 128 };
extern struct explore_site explore_sites[EXPLORE_SITES_MAX];
extern uint32_t explore_site_count;
extern uint64_t explore_reaching; /* the bit of the scenario that runs now */
/* The one place that is weakened now, or 0. */
extern uint32_t explore_mutated;
extern enum explore_weakening explore_mutation;

/* memory.c */
void memory_reset(void);
void memory_start(uint32_t thread); /* a thread that sees what the running one has seen */
void memory_join(uint32_t thread);  /* the running one sees all that `thread` has done */
void memory_plain(const volatile void *address, size_t size, bool write);
uint64_t memory_load(const volatile void *address, size_t size, uint32_t order, bool newest);
void memory_store(volatile void *address, size_t size, uint64_t value, uint32_t order);
void memory_fence(uint32_t order);
/* A read-modify-write: what was there; `change` says what comes to stand there. */
uint64_t memory_modify(volatile void *address, size_t size, uint32_t order,
                       uint64_t (*change)(uint64_t old, uint64_t operand), uint64_t operand);
bool memory_swap(volatile void *address, size_t size, uint64_t *expected, uint64_t desired,
                 uint32_t success, uint32_t failure, bool weak);
/* The newest value, seen by nobody: for whoever stands outside. */
uint64_t memory_newest(const volatile void *address);
const char *memory_left(void); /* NULL, or what was not freed */
/* Is there anything newer of what the running thread loaded last? */
bool memory_newer(uint32_t thread);
void memory_must_be_newer(void);

/* scheduler.c */
extern uint32_t explore_running; /* which thread */
extern bool explore_tracing;
void explore_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct explore_bounds {
    uint32_t preemptions;
    uint32_t stale;    /* loads that see anything but the newest */
    uint32_t spurious; /* weak exchanges that fail for nothing */
    uint64_t executions_max;
};
enum { EXPLORE_CHOICES_MAX = 1024 };
struct explore_schedule {
    uint32_t length;
    uint8_t taken[EXPLORE_CHOICES_MAX];
};
struct explore_result {
    uint64_t executions;
    bool complete; /* all there are within the bounds */
    bool failed;
    uint64_t number; /* of the failing execution shown */
    uint32_t steps;
    uint32_t preemptions;
    char text[256];
    struct explore_schedule schedule;
};
/* All executions; ends at the first failing one, unless it is to find the shortest. */
void explore_all(const struct explore_scenario *scenario, const struct explore_bounds *bounds,
                 bool shortest, struct explore_result *result);
void explore_replay(const struct explore_scenario *scenario, const struct explore_bounds *bounds,
                    const struct explore_schedule *schedule, struct explore_result *result);
bool explore_may_be_stale(void);    /* within the bound? */
bool explore_may_be_spurious(void); /* the same */
void explore_was_stale(void);
void explore_was_spurious(void);

/* mutants.c */
void explore_sites_find(const struct explore_bounds *bounds); /* by running every scenario */
int explore_mutants(const struct explore_bounds *bounds);
const char *explore_weakening_name(enum explore_weakening weakening);

#endif
