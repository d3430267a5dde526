/*
 * reactor/observe.h - what is noted of a reactor's work for whoever looks: its trace, and its
 * slices.
 *
 * A slice is the time from when a task or a callback begins to run until another one does, or the
 * loop. Nothing else of the reactor moves in it, so a long one is told in debug mode. While nobody
 * looks, `observed` is 0, and all of this is the one test of it at each switch.
 *
 * The reactor's own; the settings (base/report.h) are copied at the beginning of a turn.
 */
#ifndef WEFT_REACTOR_OBSERVE_H
#define WEFT_REACTOR_OBSERVE_H

#include <weft/stats.h>

#include "base/misuse.h"
#include "base/report.h"

struct weft__fiber;
struct weft__reactor;

/* In weft__reactor.observed. */
enum {
    WEFT__OBSERVE_TRACE = 1,
    WEFT__OBSERVE_SLICES = 2,
    WEFT__OBSERVE_CALLS = 4, /* system calls are seen in slices: arch/dispatch.h */
};

struct weft__slice {
    uint32_t version;           /* of the settings that were copied */
    int64_t slow_ns;            /* from here on it is told */
    int64_t begun_ns;           /* 0: no slice runs */
    struct weft__fiber *fiber;  /* whose it is; NULL: a callback's */
    const void *code;           /* of a callback: its function */
    struct weft_call_site from; /* the call it came out of; of a callback, where it was asked for */
    struct weft_call_site to;   /* the call it went into; file NULL also at the end of the task */
    bool ended;                 /* with its task */
};

/* Something happened: behind WEFT__TRACE, when somebody looks. */
void weft__observe(struct weft__reactor *reactor, enum weft_trace_kind kind, uint64_t slot,
                   int32_t value) __attribute__((cold));
/* The settings have changed. */
void weft__observe_refresh(struct weft__reactor *reactor) __attribute__((cold));
/* Nothing is to be seen any more: the reactor ends, on its thread. */
void weft__observe_end(struct weft__reactor *reactor);
/* A callback begins; what runs stops, and the loop goes on. */
void weft__slice_begin_call(struct weft__reactor *reactor, const void *code,
                            const struct weft_call_site *site) __attribute__((cold));
void weft__slice_end(struct weft__reactor *reactor) __attribute__((cold));

#endif
