/*
 * weft/runtime.h - starting and stopping: weft_run and its options.
 */
#ifndef WEFT_RUNTIME_H
#define WEFT_RUNTIME_H

#include <weft/base.h>
#include <weft/task.h>

WEFT_BEGIN_DECLS

struct weft_debug_opt; /* weft/debug.h */

struct weft_allocator {
    void *(*alloc)(size_t size, void *context);
    void *(*realloc)(void *memory, size_t size, void *context);
    void (*free)(void *memory, void *context);
    void *context;
};

/* What a task was doing, for reports. */
struct weft_task_info {
    size_t size; /* sizeof(struct weft_task_info) */
    weft_task task;
    const char *name; /* as given to weft_spawn, else "task" */
    weft_task_fn fn;
    const char *waits_for; /* "recv", "sleep", "join", ...; "ready" or "running" */
    int fd;                /* the descriptor it waits on, or -1 */
    int cause;             /* enum weft_cause it is cancelled with, 0 if not */
    uint32_t reactor;
    uint64_t since_turn; /* the loop turn in which it began to wait */
    size_t stack_size;   /* bytes */
};

struct weft_run_opt {
    size_t size;          /* sizeof(struct weft_run_opt) */
    uint32_t reactors;    /* 0: one. WEFT_REACTORS_ALL: one per usable CPU */
    bool no_pinning;      /* do not pin (one reactor alone is never pinned) */
    bool no_sigpipe;      /* leave SIGPIPE as it is (default: ignored meanwhile) */
    bool stop_on_sigterm; /* SIGTERM and SIGINT call weft_stop */
    int64_t drain_ns;     /* span from weft_stop to cancelling; 0: 5 s */
    int64_t cancel_ns;    /* span from cancelling to giving up; 0: 5 s */
    const struct weft_allocator *allocator; /* NULL: malloc */
    uint32_t ring_entries;                  /* submission slots per ring; 0: 512 */
    uint32_t completion_entries;            /* completion slots per ring; 0: 16384 */
    uint32_t tasks_max;                     /* alive at one time on a reactor; 0: 2^21 */
    uint32_t budget; /* switches per loop turn; 0: 256. 1 forces the rare path */
    bool no_look;    /* never look at the inbox before sleeping */
    /* Called once for each task that was left over at the end, before it is cancelled (held =
       false), and for each that still held at the hard deadline (held = true). On that task's
       reactor. */
    void (*on_leftover)(const struct weft_task_info *info, bool held, void *context);
    /* Called before the process aborts because the kernel lost a completion. May be NULL. */
    void (*on_fatal)(const char *what, void *context);
    void *context;
    char *error_text; /* receives the reason when start-up fails; NULL allowed */
    size_t error_text_size;
    /* Debug mode, as by weft_set_debug, from the start to the end of the run, for the process; then
       it is what it was. NULL: as it is. */
    const struct weft_debug_opt *debug;
    /* On this signal (SIGUSR1, SIGQUIT) each reactor writes the tree of its tasks, with their
       stacks, to dump_fd (0: standard error), as weft_print_tasks does, at the end of its turn; one
       that runs a task just then says at once which, and where. 0: on none. The handler that was
       there before is called, too, and put back in the end. SIGKILL, SIGSTOP, SIGSYS and the
       signals of faults (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP) are refused: -EINVAL. */
    int dump_signal;
    int dump_fd;
    /* Memory that is given (weft_send_give) is sent from where it lies when it is so many bytes or
       more; less is copied. 0: from where that costs less on this machine, measured when first
       needed, once in a process, for some milliseconds. WEFT_ZERO_COPY_MEASURE: the same, measured
       before the run begins. WEFT_ZERO_COPY_NEVER: all is copied. */
    uint32_t zero_copy_min;
    size_t main_stack_size; /* of the main task's stack, as weft_spawn_opt.stack_size; 0: 64 KiB */
};

#define WEFT_ZERO_COPY_NEVER UINT32_MAX
#define WEFT_ZERO_COPY_MEASURE (UINT32_MAX - 1)

#define WEFT_REACTORS_ALL UINT32_MAX
#define WEFT_REACTORS_MAX 1024u

/*
 * Starts the reactors (the calling thread becomes reactor 0), runs fn(arg) as the main task there,
 * then cancels and joins what is left, stops the reactors and returns what fn returned. Arguments
 * as for weft_spawn. Any number of runtimes per process, one reactor per thread.
 *
 * Returns main's result; -ETIMEDOUT when tasks still held at the hard deadline (on_leftover named
 * them; their memory is leaked rather than freed under the kernel); -EINVAL, -ENOMEM; -E2BIG
 * arg_size or main_stack_size too large; -EDEADLK from inside a task; -ENOTSUP in a child of fork;
 * -EMFILE or -ENFILE no descriptors left for the rings and bells; -EAGAIN a thread could not be
 * started, or no more memory may be locked; -ENOSYS, -EPERM or -ENOMEM io_uring cannot be had:
 * opt->error_text has the cause (kernel age, sysctl, seccomp, memlock) and the cure.
 */
WEFT_API int weft_run(weft_task_fn fn, const void *arg, size_t arg_size,
                      const struct weft_run_opt *opt);

/*
 * Asks the calling task's runtime to stop: its root scopes drain for drain_ns, then are cancelled;
 * weft_run returns. Returns 0; -EPERM outside a task. From other threads: weft_stop_post.
 */
WEFT_API int weft_stop(void);

/* The number of reactors of the calling task's runtime, and the index of the one it runs on. */
WEFT_API uint32_t weft_reactors(void);
WEFT_API uint32_t weft_reactor_index(void);

/*
 * Runs fn(arg) as a task on another reactor and waits for its end; arguments as for weft_spawn.
 * The remote task sees what the caller sees: its cancellation, with the cause, and its drain. Its
 * end is awaited in any case. Returns what fn returned, else as weft_spawn; -ERANGE no such
 * reactor.
 */
WEFT_API int weft_call(uint32_t reactor, weft_task_fn fn, const void *arg,
                       size_t arg_size) WEFT_SUSPENDS;

/* Which features of the kernel the running ring uses, a line of text for people and bug reports. */
WEFT_API int weft_features(char *text, size_t text_size);

WEFT_END_DECLS

#endif
