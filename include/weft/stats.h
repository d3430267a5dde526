/*
 * weft/stats.h - what a reactor has done and what its tasks do now.
 *
 * Counters are plain 64-bit words that only their reactor writes; another thread reads each of them
 * whole, though not all of them at one instant.
 */
#ifndef WEFT_STATS_H
#define WEFT_STATS_H

#include <weft/base.h>
#include <weft/post.h>
#include <weft/runtime.h>

WEFT_BEGIN_DECLS

#define WEFT_STATS_VERSION 1

struct weft_stats {
    uint64_t version;   /* WEFT_STATS_VERSION */
    uint64_t turns;     /* loop turns */
    uint64_t switches;  /* switches into a task, from the loop or from another task */
    uint64_t callbacks; /* callbacks run */
    uint64_t tasks_started;
    uint64_t tasks_ended;
    uint64_t tasks_alive;
    uint64_t tasks_alive_max;
    uint64_t enters;         /* io_uring_enter calls */
    uint64_t enters_waiting; /* of them, those that were ready to sleep */
    uint64_t sqes;           /* requests submitted */
    uint64_t cqes;           /* completions reaped */
    uint64_t ops_in_flight;
    uint64_t cancels_sent; /* ASYNC_CANCEL requests */
    uint64_t sq_full;      /* times a request found the submission queue full */
    uint64_t cq_overflows; /* times the kernel had to queue completions */
    uint64_t unknown_completions;
    uint64_t timers_armed; /* arm calls */
    uint64_t timers_fired;
    uint64_t timers_alive;
    uint64_t posts;       /* messages taken from the inbox */
    uint64_t bells;       /* wake-ups that the bell caused */
    uint64_t sleeps;      /* times the reactor announced that it sleeps */
    uint64_t looks;       /* times it looked before sleeping */
    uint64_t looks_hit;   /* of them, those that found work */
    uint64_t allocations; /* blocks asked of the allocator, by the whole process */
    uint64_t accepts;
    uint64_t accept_errors;
    uint64_t accept_backoffs; /* pauses for want of descriptors */
    uint64_t recv_pauses;     /* streams paused: cap on buffers held, or none left */
    uint64_t recv_rearms;
    uint64_t bytes_received;
    uint64_t bytes_sent;
    uint64_t posts_dropped;       /* not run at the stop */
    uint64_t accepts_turned_away; /* closed at once for want of descriptors */
    uint64_t zero_copy_sends;     /* made to be sent from where it lay */
    uint64_t zero_copy_copied;    /* of them, those that the kernel copied all the same */
    uint64_t files_held;          /* open files that the ring was given to hold, of file objects */
    uint64_t memory_held;         /* bytes of memory that it was given to hold */
    uint64_t holds_refused;       /* of both, what it did not take: used without */
};

/*
 * Copies the counters of one reactor. `size` is sizeof(struct weft_stats) of the caller.
 * weft_stats: the calling reactor's; -EPERM elsewhere. weft_stats_read: any thread; -ESHUTDOWN
 * after the reactor has stopped.
 */
WEFT_API int weft_stats(struct weft_stats *stats, size_t size);
WEFT_API int weft_stats_read(weft_inbox *inbox, struct weft_stats *stats, size_t size);

/*
 * Calls fn for each task of the calling reactor; fn must not suspend, spawn or cancel. Stops when
 * fn returns non-zero and returns that; else 0; -EPERM outside a task or callback.
 */
WEFT_API int weft_tasks_each(int (*fn)(const struct weft_task_info *info, void *context),
                             void *context);

/* One scheduling event. */
struct weft_trace_event {
    uint64_t turn; /* the loop turn it happened in */
    uint64_t task; /* the task's slot */
    uint32_t kind; /* enum weft_trace_kind */
    int32_t value; /* PARK: fd or -1; END: the result; CANCEL: the cause; else 0 */
};
enum weft_trace_kind {
    WEFT_TRACE_SPAWN = 1,
    WEFT_TRACE_RUN,
    WEFT_TRACE_PARK,
    WEFT_TRACE_END,
    WEFT_TRACE_CANCEL,
    WEFT_TRACE_TURN
};

/*
 * The trace of the calling reactor: weft_trace starts it (count > 0: a power of two, events kept)
 * or stops it (0), weft_trace_read copies the latest events, oldest first. Returns 0 / how many
 * were copied; -EINVAL, -ENOMEM, -EPERM.
 */
WEFT_API int weft_trace(uint32_t count);
WEFT_API int weft_trace_read(struct weft_trace_event *events, uint32_t count_max);

WEFT_END_DECLS

#endif
