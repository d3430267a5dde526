/*
 * weft/debug.h - debug mode: what goes wrong in a program though no call of it is wrong.
 *
 * Mistakes that a call can see are the business of weft/misuse.h. Debug mode tells of what shows
 * only in running: a task that keeps its reactor from all others, an error that nobody was told, a
 * system call that waits and with it the whole reactor. It is asyncio's debug mode: off unless
 * asked for, in every build of the library; by weft_set_debug, by weft_run_opt.debug, or by
 * WEFT_DEBUG in the environment (docs/debugging.md). While it is off it costs nothing that can be
 * measured.
 *
 * Nothing here is refused or changed because of it: it reports, to a hook or in one line to
 * standard error. A debug build of the library knows files and lines; any other one tells
 * functions.
 */
#ifndef WEFT_DEBUG_H
#define WEFT_DEBUG_H

#include <weft/base.h>
#include <weft/task.h>

WEFT_BEGIN_DECLS

enum weft_report_kind {
    WEFT_REPORT_SLOW = 1,    /* a task or a callback kept its reactor for too long */
    WEFT_REPORT_UNHEARD = 2, /* a task or a future failed, and nobody was told */
    /* a system call that may wait was made in a task or callback, past weft: told before it is
       made. Each system call of each task then costs a signal; x86-64 only, not with sanitizers */
    WEFT_REPORT_BLOCKING = 4,
};

/* What the hook is told. May grow at its end. Texts and the report itself last until it returns. */
struct weft_report {
    enum weft_report_kind kind;
    const char *text; /* the whole of it, one line without its newline */
    /* SLOW: the call that ended it; of a callback, the call that asked for it. UNHEARD: where the
       task was spawned, or the future made. BLOCKING: the call of weft's that the task came out of.
       NULL, NULL, 0: not known. */
    const char *file;
    const char *function;
    int line;
    weft_task task;      /* {0, 0}: a callback, a future */
    const char *name;    /* of the task or future; NULL: a callback */
    const void *code;    /* the function of the task, or of the callback; NULL: a future */
    int64_t span_ns;     /* SLOW: for how long */
    const void *address; /* BLOCKING: behind the instruction that makes the call; */
    const void *caller; /* and behind the call of the function that does, in the program; or NULL */
    long call;          /* BLOCKING: its number */
    int error;          /* UNHEARD: which, a negative errno */
};

/*
 * Called on the thread where it was found out: the reactor's, on its loop's stack or on that of the
 * task, or, of a future, that of whoever let go of it last; a BLOCKING one in a handler of SIGSYS,
 * at the call itself, so there it may do what signal handlers may. Must not suspend.
 */
typedef void weft_report_hook(const struct weft_report *report);

struct weft_debug_opt {
    size_t size;            /* sizeof(struct weft_debug_opt) */
    uint32_t kinds;         /* enum weft_report_kind, or'ed; 0: SLOW and UNHEARD, the cheap ones */
    int64_t slow_ns;        /* what is too long, in nanoseconds; 0: 100 ms */
    weft_report_hook *hook; /* NULL: a line to standard error */
};

/*
 * Turns debug mode on for every reactor of the process, with opt in force instead of what was; NULL
 * turns it off. The calling reactor knows at once, the others from their next turn. Any thread, at
 * any time. Wins over the environment. (asyncio: loop.set_debug, loop.slow_callback_duration)
 *
 * Returns 0; -EINVAL kinds there are not, a negative span, no size; -ENOSYS the kernel or the
 * machine cannot tell BLOCKING. weft_run answers the same of its option; the environment asks for
 * what there is.
 */
WEFT_API int weft_set_debug(const struct weft_debug_opt *opt);

/* Is it on? Any thread. (asyncio: loop.get_debug) */
WEFT_API bool weft_get_debug(void);

WEFT_END_DECLS

#endif
