/*
 * Random programs of tasks, on the simulated kernel, checked against a plain model.
 *
 * A program is a string of bytes (program.c): eight that choose the world (plan, seed, reactors,
 * connections made beforehand), then steps of four bytes each: a kind and three numbers. A step of
 * kind END closes a stretch. A stretch is the body of a task; the first is the main task's. A spawn
 * names the stretch its child runs, so one stretch may run many times at once. There are no loops
 * and a limit on tasks, so each program ends if every call comes back. Any string of bytes is a
 * program: the bytes come from a seed (program_generate) or from libFuzzer (target.c).
 *
 * The steps (steps_*.c) make the calls of the public interface in whatever order, on whatever
 * objects there are by then: a number picks one of them. What would be undefined (memory of a scope
 * that is gone, the number of a closed descriptor) is passed over; what is merely wrong (another
 * reactor's descriptor, a used-up handle, a wait for oneself) is done, and must be refused.
 *
 * The model (model.c, ends.c) is arrays and counters. It writes down what the program asked for and
 * what the calls answered, and looks at no memory of the library. It knows:
 *   - the tree: who is whose child, which scopes are open, who was asked to cancel what;
 *   - of each way of a connection the bytes sent, given away, received, and how either end ended;
 *   - of tasks and posts how they came to an end.
 * Some it knows for certain, some it cannot know to the moment (when a timer fires, when a message
 * to another reactor arrives): so what a task sees is two sets, what it MUST see and what it MAY.
 *
 * The laws:
 *   tasks     one terminal event each: the body returned or drop was called; none for a spawn that
 *             was refused. A join gives what the body returned, after that. Handles go stale.
 *   causes    weft_cancelled() says nothing that the model knows no reason for, and all that it
 *             knows for certain: explicit cancels, failed siblings, requests, through any depth of
 *             scopes, but not through shields. Then the next suspending call is refused, with that
 *             cause. No sleep outlasts a deadline around it, no wait a cancellation for long.
 *   edges     a scope closes when each of its children has ended, with the first failure of one
 *             (FAIL_FAST), -ETIMEDOUT only if its own deadline passed and somebody inside was
 *             refused, -ECANCELED only if something further out is cancelled; a certain
 *             cancellation from further out is never eaten. Limits on children hold. Clean-up
 *             actions run once, last in first out, after the last child.
 *   drains    nothing starts in a scope that drains; an idle wait ends, and only in a drain; a
 *             drain returns when all have ended.
 *   bytes     what is received is the next of what was sent, without a gap; never more than the
 *             calls reported (no effect unreported); all of it when the end of the stream is read
 *             and no error came before; and no end of the stream before the peer ended.
 *   futures   settled once, everybody is told the same; a value is taken or destroyed, once; who
 *             waits for several is told what came of each, and who owns them returns last.
 *   callbacks run or are dropped, once, in time and in order; variables are inherited.
 *   waiting   one holder of a lock; permits, items and notifications neither made nor lost; nobody
 *             waits without a reason, or is refused what it was given (objects.h).
 *   errors    in a world where nothing fails (calm, rough) each error has a reason.
 *   posts     each that was taken is run or dropped, once, in the order posted.
 *   the run   weft_run returns main's result; nothing is deadlocked; steps are bounded; memory,
 *             mappings and descriptors are as before.
 *
 * All of this runs on one thread (a simulated world is one), so the model is plain memory.
 */
#ifndef WEFT_TESTS_FUZZ_H
#define WEFT_TESTS_FUZZ_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <weft/weft.h>

enum {
    BODIES_MAX = 12,
    STEPS_MAX = 160,
    HEADER_SIZE = 8,
    STEP_SIZE = 4,
    PROGRAM_SIZE_MAX = HEADER_SIZE + STEPS_MAX * STEP_SIZE,
    REACTORS_MAX = 3,
    TASKS_MAX = 64,
    SCOPES_MAX = 176, /* those of clean-up actions counted */
    ENDS_MAX = 32,
    LISTENERS_MAX = 4,
    POSTS_MAX = 48,
    DEFERS_MAX = 48,
    WAY_MAX = 128 * 1024, /* bytes sent one way */
    BLOCKS_MAX = 3        /* nested WEFT_SCOPE blocks of a body */
};

/* -- programs ---------------------------------------------------------------------------------- */

struct step {
    uint8_t kind, a, b, c;
};

struct program {
    const char *plan;
    bool faults;   /* the plan has some */
    uint64_t seed; /* of the world */
    int reactors;
    bool budget_of_one; /* each switch is followed by a visit to the kernel */
    int pairs;          /* connections made before the first step */
    bool unix_pairs;
    int64_t drain_ns, cancel_ns;
    int bodies;
    struct {
        int first, count;
    } body[BODIES_MAX];
    int count;
    struct step steps[STEPS_MAX];
};

struct task;
/* What runs steps of a kind. Below zero, the result is what `return last` returns. */
typedef int step_fn(struct task *task, const struct step *step);

struct kind {
    const char *name;
    const char *a, *b, *c; /* what the numbers mean, for the reader */
    step_fn *run;
    uint8_t weight; /* in a generated program */
};
extern const struct kind kinds[];
extern const int kind_count;
enum { KIND_END, KIND_RETURN, KIND_BLOCK }; /* known by number, first in the table */

void program_decode(struct program *program, const uint8_t *bytes, size_t size);
size_t program_generate(uint8_t *bytes, uint64_t seed, int plan); /* plan: an index, -1: any */
void program_print(const uint8_t *bytes, size_t size);
/* The length without the n-th step, which is taken out; 0 when there is no such step. */
size_t program_without(uint8_t *bytes, size_t size, int n, int how_many);

/* -- the model --------------------------------------------------------------------------------- */

enum { NOBODY = -1 };

struct task {
    bool used;  /* accepted by a spawn, or under way in a call */
    bool asked; /* the spawn has not answered yet */
    int body;
    int home;        /* the scope it is a child of, or NOBODY: it runs for `caller` */
    int caller;      /* of weft_call, or NOBODY */
    int near;        /* the reactor it was spawned on */
    int reactor;     /* the one it runs on, or NOBODY while that is not known */
    bool remote;     /* a message away from its home */
    bool has_handle; /* `handle` was asked for */
    bool has_drop;
    weft_task handle; /* as the spawn gave it */
    weft_task self;   /* as it sees itself, once it runs */
    int scope;        /* its innermost open scope, or NOBODY */
    bool began, returned, dropped;
    int value;         /* of the body; -ECANCELED when dropped */
    bool end_known;    /* its end was counted in `home` */
    bool consumed;     /* its handle */
    int in_joins;      /* joins that wait for it and would consume it */
    int joins;         /* the task it waits for, or NOBODY */
    int requests;      /* weft_cancel, for certain */
    int owned;         /* calls that cancel it and wait for its end */
    bool asked_to_end; /* there may be more: posted, or on their way to another reactor */
    bool inherited_must, inherited_may; /* a request made of an ancestor */
    int64_t requested_at, inherited_at;
    int64_t told_at; /* a request is on its way to it; 0: none, or taken back */
    uint64_t requested_when, inherited_when; /* the same, as serial numbers of events */
    int refusals;                            /* calls answered so */
    bool may_be_refused;                     /* there may be one more */
    bool was_requested;                      /* of it, weft_cancel */
    bool uncancelled;                        /* it took a request back */
    bool blurred;                            /* its result may be a failure nobody read */
    int depth;                               /* of blocks */
    int last;                                /* what its last step came to */
    int at;                                  /* step, for reports */
    int dies_with;                           /* a lock, or NOBODY */
    uint8_t vars[3];                         /* its context variables, by value; 0: not set */
};

struct scope {
    bool used, open, closing;
    weft_scope *scope; /* NULL: of a clean-up action, the library's own */
    weft_scope memory; /* of those that are not on a stack */
    int owner;         /* task, or NOBODY: the root of `reactor` */
    int outer, reactor;
    bool fail_fast, shield;
    uint32_t max;
    int64_t deadline; /* WEFT_NEVER: none */
    unsigned may;     /* causes it may have been cancelled with, as bits */
    bool must;        /* it was, for certain */
    unsigned first;   /* by nothing before that, so with this cause, which stays; 0: not known */
    int64_t must_at;
    uint64_t must_when;
    bool draining;
    int64_t drain_at, soft, hard;
    int waiting;        /* tasks in a spawn into it */
    int spawned, ended; /* children; those known to have ended */
    int unsure;         /* of those not known to have: whose body has returned */
    int errors;         /* children known to have failed */
    int first_error;
    int latest[4]; /* the newest first */
    bool blurred;  /* a child ended at a time, or with a result, that is not known */
    int refusals;  /* of anybody inside */
    bool cut;      /* somebody inside was refused for a certain cause further out */
    bool cleaning; /* its clean-up actions have begun */
    int defer_count;
};

struct way {           /* the bytes one end sends */
    uint64_t sent;     /* reported as sent, or given away */
    uint64_t unsure;   /* of them, given away last: not known to have gone */
    uint64_t offering; /* at most so many more: a call is under way */
};

enum end_state { END_OPEN, END_CLOSING, END_CLOSED };
struct end {
    bool used;
    enum end_state state;
    bool tcp;
    uint32_t name; /* of the side that connected, known to both; 0: not yet */
    bool accepted;
    int peer; /* end, or NOBODY */
    int fd;
    int reactor; /* NOBODY: whose comes next */
    weft_stream *stream;
    struct way out;
    uint64_t received;
    int readers, writers; /* tasks in calls */
    int flushers;         /* in calls of the writing side that move no bytes of their own */
    bool viewed;
    size_t giving; /* of the view, by a task that has not come back yet; it may be away already */
    int giver;     /* who */
    bool failed;   /* an error of the connection was told to somebody */
    bool shut_out; /* its way out was ended, or may have been */
    bool shut_in;
    bool ended; /* the end of the stream was read */
};

struct listener {
    bool used;
    enum end_state state;
    bool tcp;
    int fd, reactor, port;
    int takers;
    char address[40];
};

struct post {
    int taken, ran, dropped;
    int from, to, order;
    int spawns; /* body that the callback starts, or NOBODY */
};

struct defer {
    int ran, task, scope, position;
    bool sleeps;
};

struct model {
    struct task tasks[TASKS_MAX];
    struct scope scopes[SCOPES_MAX]; /* the first ones are the roots of the reactors */
    struct end ends[ENDS_MAX];
    struct listener listeners[LISTENERS_MAX];
    struct post posts[POSTS_MAX];
    struct defer defers[DEFERS_MAX];
    int task_count, scope_count, end_count, listener_count, post_count, defer_count;
    int orders[REACTORS_MAX][REACTORS_MAX]; /* the latest post that ran, by from and to */
    uint32_t names;
    uint64_t events; /* so far: a clock that never stands still */
    /* what was ready on a reactor at that event has run since */
    uint64_t passed[REACTORS_MAX];
    int gathering; /* tasks that wait for several things, in calls */
    bool main_over;
    int64_t stopped_at, main_over_at; /* WEFT_NEVER: not yet */
    int main_result, run_result;
    bool returned;
};
extern struct model model;
extern struct program program;
extern uint64_t steps_run; /* of programs, for the rate */

/* A law is broken: says so, with all that helps, and ends the process. */
_Noreturn void broke(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What was asked for is due to have happened after so long, in a world that is slow, but no worse.
 */
enum { SOON_NS = 100000000 };

#define CAUSE(name) (1u << WEFT_CAUSE_##name)

/* What a task sees of cancellations and drains. */
struct view {
    unsigned may; /* causes */
    bool must;
    int64_t must_since;
    bool drain_may, drain_must;
    int64_t far_since;   /* of causes behind a message, which arrives some time after */
    int64_t drain_since; /* when drain_must */
    int64_t due_since;   /* of the deadlines around it the first to have passed; else WEFT_NEVER */
};
struct view view_of(const struct task *task);
/* ... who has entered `scope`; what was certain at the event `until`. cut: marks the scopes inside
   of something certain. */
struct view view_look(int scope, const struct task *task, uint64_t until, bool cut);
/* What the scope may be cancelled with, by itself; *hard: and maybe through shields. */
unsigned scope_causes(const struct scope *scope, int64_t now, bool *hard);
/* ... of a scope, from inside; what was certain at the event `until`. */
struct view view_of_scope(const struct scope *scope, uint64_t until);

/* Around each call that suspends. SETTLED: it may answer without looking at cancellations; UNDER:
   what it works on may be closed meanwhile, by somebody else; IDLE: a drain may end it; NOT_MINE:
   -ECANCELED and -ESHUTDOWN may be said of the scope and not of the caller; SLOW: it ends when
   somebody else has, whatever the caller is told. */
enum { PLAIN = 0, SETTLED = 1, UNDER = 2, IDLE = 4, NOT_MINE = 8, SLOW = 16 };
struct call {
    struct task *task;
    int before; /* weft_cancelled() */
    bool drained;
    uint64_t when;
    int64_t begun;
};
struct call call_begin(struct task *task);
int64_t call_end(const struct call *call, int64_t result, int flags);
void call_cut(struct task *task);
/* Somebody was told at `told` to end a wait begun at `begun`: did he, within a reasonable time? */
void check_soon(const struct task *task, int64_t told, int64_t begun);

int task_index(const struct task *task);
/* errno is the task's own: set before a call that suspends, checked after it. */
void errno_mark(const struct task *task);
void errno_check(const struct task *task);
struct task *task_new(int body);
void task_ended(struct task *task, int value, bool dropped);
bool task_may_result(const struct task *task, int result);
void task_requested(struct task *task); /* weft_cancel said 1, here */
int scope_new(struct task *owner, bool fail_fast, bool shield, int64_t deadline, uint32_t max);
/* The innermost scope of the task is left, with this result; NO_RESULT: nobody knows it. */
enum { NO_RESULT = 1 << 30 };
void scope_closed(struct task *task, int result);
void scope_cancelled(struct scope *scope, enum weft_cause cause);
void check_counts(const struct scope *scope);
void model_reset(void);
void model_check_end(void);

/* ends.c: bytes */
unsigned char *way_bytes(const struct end *end);
int end_new(int fd, bool tcp, bool accepted, uint32_t name);
void ends_match(int index);
size_t way_offer(struct end *end, size_t size);
void way_moved(struct end *end, size_t count, size_t size);
/* Somebody else has read: then a view that is being given away has been. */
void end_given(struct end *end);
void end_received(struct end *end, const void *data, size_t size);
void end_verify(const struct end *end, const void *data, size_t size);
void end_of_stream(struct end *end);
/* Is there a reason for this error? */
void end_error(struct end *end, int64_t error, bool writes);

/* the interpreter */
int task_main(void *arg);
int run_main(void *arg);
struct task_arg {
    int32_t task;
    uint32_t size;
    unsigned char filler[WEFT_ARG_SIZE_MAX - 8];
};
size_t arg_fill(struct task_arg *arg, const struct task *task, int choice);
void task_drop(void *arg);
int64_t span_of(uint8_t choice);
size_t size_of(uint8_t choice);
int run_steps(struct task *task, int first, int count, bool *left);
void prologue(struct task *task);
void close_what_is_left(void);

/* one run: 0, or the process ends */
void run_program(const uint8_t *bytes, size_t size);

#endif
