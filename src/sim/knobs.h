/*
 * sim/knobs.h - every decision that the simulated kernel draws, by name, and every kind of note.
 *
 * A table, nothing else. A plan sets a knob by its name ("recv.short=1/8", "net.latency=1ms..3ms");
 * a name once given stays, because seeds are replayed by it. New ones may stand anywhere: a draw
 * depends on the name and not on the place.
 *
 *      CHANCE(ID, "name", calm, rough)              odds in parts per million
 *      FAULT(ID, "name", broken)                    the same, of something that goes wrong
 *      SPAN(ID, "name", calm_low, calm_high, rough_low, rough_high)     bounds, both included
 *
 * `calm` is the well-behaved kernel. `rough` is a legal one of the worst kind: late, out of order,
 * in small pieces, but nothing fails that a correct program could notice. `broken` is rough, and
 * things fail besides: only there do faults have odds. Spans of time are in nanoseconds, and
 * their names end in the plan as they are (units are written with the values).
 */
#ifndef WEFT_SIM_KNOBS_H
#define WEFT_SIM_KNOBS_H

#include "sim/disk_knobs.h"
#include "sim/net_knobs.h"
#include "sim/process_knobs.h"

#define WEFT__SIM_KNOBS(CHANCE, SPAN, FAULT)                                                       \
    /* the driver */                                                                               \
    CHANCE(SCHEDULE, "sched.other", 0, 250000) /* who gives way is overtaken */                    \
    CHANCE(STARVE, "sched.starve", 0, 2000)    /* a runnable thread is left to stand */            \
    SPAN(STARVE_NS, "sched.starve_time", 0, 0, 1000, 2000000)                                      \
    SPAN(CALL_NS, "call.cost", 100, 100, 50, 2000) /* what a call of the boundary takes */         \
    FAULT(CLOCK_JUMP, "clock.jump", 200)           /* the machine stood still */                   \
    SPAN(CLOCK_JUMP_NS, "clock.jump_time", 0, 0, 1000000, 5000000000)                              \
    /* beginning: a ring, its bell, its buffers, its files, memory; another thread */              \
    FAULT(RING_OPEN, "ring.open", 500)    /* none is to be had */                                  \
    FAULT(RING_LACKS, "ring.lacks", 5000) /* something that is optional is not there */            \
    FAULT(BELL_OPEN, "bell.open", 500)    /* no eventfd */                                         \
    FAULT(BELL_COPY, "bell.copy", 5000)   /* no descriptor for other rings' messages */            \
    FAULT(BUFFERS_OPEN, "buffers.open", 500)                                                       \
    FAULT(FILE_HOLD, "file.hold", 5000)                                                            \
    FAULT(MEMORY_HOLD, "memory.hold", 50000)                                                       \
    FAULT(THREAD_NONE, "thread.none", 500)                                                         \
    /* a ring */                                                                                   \
    CHANCE(ENTER_REFUSED, "enter.again", 0, 5000) /* -EAGAIN or -EBUSY, nothing done */            \
    CHANCE(ENTER_SHORT, "enter.short", 0, 10000)  /* part of the queue is taken */                 \
    CHANCE(ENTER_SIGNAL, "enter.eintr", 0, 10000) /* a sleep ends and nothing has come */          \
    FAULT(ENTER_LOST, "enter.lost", 0)            /* a completion is lost: -EBADR */               \
    SPAN(SQ_SIZE, "sq.size", 15, 15, 2, 9)        /* of the queues at most, as a power of two */   \
    SPAN(CQ_SIZE, "cq.size", 16, 16, 4, 14)                                                        \
    CHANCE(SQ_FULL, "sq.full", 0, 200000) /* no request to be had */                               \
    CHANCE(CQ_FULL, "cq.full", 0, 5000)   /* the queue is taken to be full */                      \
    /* a request */                                                                                \
    CHANCE(INLINE, "op.inline", 1000000, 400000) /* tried at submission, not later */              \
    CHANCE(MUCH_LATER, "op.late", 0, 30000)      /* what is later is much later */                 \
    SPAN(LATER_NS, "op.later_time", 0, 0, 100, 50000)                                              \
    SPAN(MUCH_LATER_NS, "op.late_time", 0, 0, 100000, 5000000)                                     \
    SPAN(WAKE_NS, "op.wake_time", 0, 0, 0, 20000)     /* from a change to the next try */          \
    FAULT(HANG, "op.hang", 0)                         /* not before it is cancelled */             \
    CHANCE(SHORT, "op.short", 0, 150000)              /* a transfer moves less than it could */    \
    FAULT(ERRNO, "op.errno", 2000)                    /* an error that leaves no trace */          \
    FAULT(RESET, "op.reset", 500)                     /* the object breaks, for all who use it */  \
    CHANCE(SPURIOUS, "op.spurious", 0, 20000)         /* woken, and nothing is there */            \
    CHANCE(MULTI_END, "multishot.end", 0, 30000)      /* no MORE, for no reason */                 \
    SPAN(MULTI_MAX, "multishot.batch", 32, 32, 1, 32) /* completions in one go */                  \
    CHANCE(BUFFER_NONE, "buffers.none", 0, 10000)     /* a ring of buffers is found empty */       \
    CHANCE(BUFFER_ON_ERROR, "buffers.on_error", 0, 200000) /* a failed one names a buffer */       \
    CHANCE(BUFFER_EARLY, "buffers.early", 0, 300000)       /* so before there is data */           \
    CHANCE(HELD, "op.held", 0, 100000)                     /* done, but told and written later */  \
    CHANCE(NONEMPTY, "recv.nonempty", 1000000, 700000) /* "more is there" is said when it is */    \
    /* zero-copy sends */                                                                          \
    SPAN(ZC_NOTIFY_NS, "zc.notify_time", 20000, 20000, 0, 5000000) /* after it was sent */         \
    CHANCE(ZC_COPIED, "zc.copied", 0, 300000)         /* the notification says: it was copied */   \
    SPAN(ZC_MIN, "zc.min", 16384, 16384, 4096, 65536) /* what a measurement would come to */       \
    /* cancelling: the answer, the operation's end, and their order */                             \
    SPAN(CANCEL_CASE, "cancel.case", 0, 0, 0, 11)                                                  \
    SPAN(CANCEL_NS, "cancel.time", 0, 0, 0, 200000)                                                \
    CHANCE(CANCEL_FIRST, "cancel.answer_first", 1000000, 500000)                                   \
    CHANCE(CANCEL_MISSED, "cancel.missed", 0, 0) /* "not found", and nothing is done */            \
    /* files of the host, files in general */                                                      \
    FAULT(FD_NONE, "fd.none", 500)       /* -EMFILE: none more in this process */                  \
    FAULT(FD_FULL, "fd.full", 0)         /* -ENFILE: nor in the whole machine */                   \
    FAULT(HOST_ERRNO, "host.errno", 500) /* a direct call fails for want of memory */              \
    WEFT__SIM_PROCESS_KNOBS(CHANCE, SPAN, FAULT)                                                   \
    WEFT__SIM_DISK_KNOBS(CHANCE, SPAN, FAULT)                                                      \
    WEFT__SIM_NET_KNOBS(CHANCE, SPAN, FAULT)                                                       \
    /* a receive for all that comes, armed to wait first, overlooks an end: see request.c */       \
    CHANCE(END_UNSEEN, "recv.end_unseen", 0, 500000)

#define WEFT__SIM_NOTES(NOTE)                                                                      \
    NOTE(RUN, "run") /* a thread goes on; who: its serial number */                                \
    NOTE(PARK, "park")                                                                             \
    NOTE(SUBMIT, "submit") /* who: the request; value: its opcode */                               \
    NOTE(RESULT, "result") /* who: the request; value: the result */                               \
    NOTE(FLAGS, "flags")   /* of the completion noted just before, without buffer ids */           \
    NOTE(CANCEL, "cancel") /* who: the request cancelled; value: the case drawn */                 \
    NOTE(FAULT, "fault")   /* who: the file; value: the error */                                   \
    NOTE(OPEN, "open")     /* who: the file; value: none */                                        \
    NOTE(RELEASE, "release")                                                                       \
    NOTE(CLOCK, "clock") /* value: nanoseconds jumped */                                           \
    WEFT__SIM_PROCESS_NOTES(NOTE)                                                                  \
    WEFT__SIM_DISK_NOTES(NOTE)                                                                     \
    WEFT__SIM_NET_NOTES(NOTE)

#define WEFT__SIM_KNOB_ID(id, ...) WEFT__SIM_##id,
enum weft__sim_knob {
    WEFT__SIM_KNOBS(WEFT__SIM_KNOB_ID, WEFT__SIM_KNOB_ID, WEFT__SIM_KNOB_ID) /* */
    WEFT__SIM_KNOB_COUNT
};

#define WEFT__SIM_NOTE_ID(id, name) WEFT__SIM_NOTE_##id,
enum weft__sim_note { WEFT__SIM_NOTES(WEFT__SIM_NOTE_ID) WEFT__SIM_NOTE_COUNT };

#endif
