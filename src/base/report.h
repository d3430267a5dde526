/*
 * base/report.h - debug mode: what is asked for, and how it is told (weft/debug.h).
 *
 * One set of settings for the process, each of them an atomic of its own, as any thread may set
 * them and any may look. A reactor copies what it needs when it sees another version.
 */
#ifndef WEFT_BASE_REPORT_H
#define WEFT_BASE_REPORT_H

#include <stdatomic.h>
#include <weft/debug.h>
#include <weft/misuse.h>

#include "base/line.h"

struct weft__debug {
    _Atomic(uint32_t) version; /* of all this: release after a change, acquire before a look */
    _Atomic(uint32_t) kinds;   /* 0: off */
    _Atomic(int64_t) slow_ns;
    _Atomic(weft_report_hook *) hook;
};
extern struct weft__debug weft__debug __attribute__((visibility("hidden")));

/* Is that kind asked for? */
static inline bool weft__debug_wants(enum weft_report_kind kind)
{
    /* relaxed: an advice; who has just been asked may be late */
    return atomic_load_explicit(&weft__debug.kinds, memory_order_relaxed) & kind;
}

/* What weft_set_debug does, the options being good; NULL: off. Gives what was before. */
struct weft_debug_opt weft__debug_set(const struct weft_debug_opt *opt);
/* -EINVAL: no such options. */
int weft__debug_check(const struct weft_debug_opt *opt);
/* Once in a process: as WEFT_DEBUG in the environment says, unless something was set before. */
void weft__debug_from_environment(void);
/* The words of that variable. False: one that is not understood. */
bool weft__debug_parse(const char *words, struct weft_debug_opt *opt);

/* Tells it: to the hook, or as a line. line: the text; report: the rest. */
void weft__report(struct weft_report *report, struct weft__line *line);

/* Where a report's thing was made or asked for. */
static inline void weft__report_place(struct weft_report *report, struct weft_call_site site)
{
    report->file = site.file;
    report->function = site.file ? site.function : NULL;
    report->line = site.file ? site.line : 0;
}

#endif
