/*
 * runtime/runtime.h - the set of reactors that one weft_run starts and stops.
 *
 * Reactor 0 runs on the calling thread and leads; the others each on a thread of their own. They
 * speak by messages alone:
 *
 *      starting   each member opens its reactor and tells the leader       (opened)
 *      running    the leader starts main; when main ends, or someone asked for a stop, the leader
 *                 tells every member                                        (wind)
 *      winding    each drains or cancels its root and tells the leader when
 *                 the last task has ended, or when it gave up               (wound)
 *      flushing   when all have: the leader asks each for one more turn    (flush)
 *                 in which bells it had queued for others are rung; it
 *                 answers as before                                         (wound)
 *      ending     then the leader tells every member to end                (finish)
 *                 each ends what is armed, closes, and its thread ends
 *
 * So no door closes while a task on any reactor could still knock, or a bell is on its way to it.
 */
#ifndef WEFT_RUNTIME_RUNTIME_H
#define WEFT_RUNTIME_RUNTIME_H

#include <stdatomic.h>
#include <weft/executor.h>
#include <weft/runtime.h>

#include "reactor/reactor.h"
#include "runtime/dump.h"
#include "task/task.h"

struct weft__handle;
struct weft__runtime;

/* One reactor of the runtime. The messages are sent once each, `wound` twice. */
struct weft__member {
    struct weft__reactor reactor; /* first */
    struct weft__runtime *runtime;
    struct weft__thread *thread; /* NULL for the leader */
    struct weft__message opened;
    struct weft__message drain;
    struct weft__message ask; /* to the leader: somebody here asked for a stop */
    struct weft__message wind;
    struct weft__message wound;
    struct weft__message flush;
    struct weft__message finish;
    struct weft__dump dump;
    struct weft__timer limit;   /* the next deadline of the winding */
    struct weft__handle *armed; /* callbacks whose time has not come */
    int64_t soft_ns;
    int64_t hard_ns;
    int error; /* of opening */
    char error_text[256];
    bool open;
    bool draining; /* a stop was asked for */
    bool winding;
    bool main_over; /* the member has been told that main has ended */
    bool wound_sent;
    bool gave_up;
};

struct weft__runtime {
    struct weft__runtime *next; /* in weft__runtimes; changed under process.c's lock */
    struct weft__runtime **link;
    struct weft_run_opt opt;
    weft_task_fn fn;
    const void *arg;
    size_t arg_size;
    struct weft_loop *loop; /* whose this is; NULL: weft_run's */
    int result;
    uint64_t serial;
    uint32_t count;
    uint32_t answers; /* members that have reported, in the present phase */
    bool stopping;
    bool ended;   /* main has, or is given up; the leader's alone */
    bool flushed; /* every member has been asked for one more turn; the leader's alone */
    struct weft__peers *peers;
    _Atomic(struct weft_executor *) executor; /* made when first asked for */
    struct weft__member *members[];
};

static inline struct weft__member *weft__member_of(struct weft__reactor *reactor)
{
    return (struct weft__member *)reactor;
}

/* The member that a message or a timer of its own is in. */
#define WEFT__MEMBER_OF(message, field)                                                            \
    ((struct weft__member *)((char *)(message)-offsetof(struct weft__member, field)))

/* On the calling thread of weft_run, or a loop's. */
static inline struct weft__member *weft__leader_of(const struct weft__runtime *runtime)
{
    return runtime->members[0];
}

/* Memory for `count` reactors, none of them open. NULL: none to be had. */
struct weft__runtime *weft__runtime_new(uint32_t count);
void weft__runtime_free(struct weft__runtime *runtime);
/* Opens and closes one of them, on its own thread. A member that gave up is abandoned instead. */
int weft__member_open(struct weft__member *member, uint32_t index);
void weft__member_close(struct weft__member *member);
/* Turns until somebody says done. */
void weft__member_run(struct weft__reactor *reactor);
/* The leader's: starts the others and waits until each has opened or failed: 0, or the first error;
   some could not open, so the others end without having run anything; waits for their threads. */
int weft__members_start(struct weft__runtime *runtime);
void weft__members_call_off(struct weft__runtime *runtime);
void weft__members_join(struct weft__runtime *runtime);

/* wind.c: what a member does with its messages; and, once it has tasks, who hears of a stop and of
   the end of the last of them. */
void weft__wind_init(struct weft__member *member);
void weft__wind_attend(struct weft__member *member);
/* Main has ended: every member is told. On the leader. */
void weft__main_ended(struct weft__runtime *runtime);
/* The next deadline of the member's end, in place of the one before. */
void weft__member_limit(struct weft__member *member, int64_t deadline_ns,
                        void (*fire)(struct weft__timer *timer));

/* A loop's: turns until somebody says done; and ends what is left in it, as weft_run does when main
   has ended. On its thread, and its reactor is the current one. */
void weft__loop_run(struct weft__runtime *runtime);
void weft__loop_wind(struct weft__runtime *runtime);

/* Tells of a slice that was too long (debug.c). */
/* And of a system call that waits, in a signal handler. */
void weft__tell_blocking(struct weft__reactor *reactor, const struct weft__trap *trap);
/* Settings as they are to be: copied, and checked. */
int weft__debug_take(struct weft_debug_opt *own, const struct weft_debug_opt *opt);
void weft__tell_slow(struct weft__reactor *reactor, const struct weft__slice *slice,
                     int64_t span_ns);

/* Process-wide pieces: SIGPIPE, SIGTERM, the overflow handler, the allocator, fork. */
int weft__process_enter(const struct weft_run_opt *opt);
void weft__process_leave(const struct weft_run_opt *opt);
/*
 * Every runtime of the process, the latest first; one that gave up stays for good. Nothing in the
 * library reads it: it is there for debuggers, whose only way in from a core is a global name
 * (tools/gdb/weft.py), and for leak checkers, which take what hangs here for reachable.
 */
extern struct weft__runtime *weft__runtimes __attribute__((visibility("hidden")));
void weft__process_list(struct weft__runtime *runtime);
void weft__process_unlist(struct weft__runtime *runtime); /* harmless when it was never listed */
/* Adds the leader's inbox to those that the handler of SIGTERM stops, or takes it away again: after
   that the handler does not touch it any more. */
void weft__process_stop_target(struct weft_inbox *inbox, bool add);

#endif
