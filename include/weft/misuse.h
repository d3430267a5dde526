/*
 * weft/misuse.h - what a debug build does about calls that are mistakes of the program.
 *
 * A call that is wrong whatever peer, user and kernel do (from outside a task, from another
 * reactor, NULL where memory is needed, options out of range, a second reader, waiting for oneself,
 * a handle used up) answers with an error and changes nothing, in every build. A debug build of the
 * library (CMake's Debug) calls a hook first, with the place of the call; unless the program sets
 * another hook, that prints one line to standard error and aborts. A release build never calls it.
 * Which errors count and which do not: docs/decisions/0020-what-is-misuse.md.
 *
 * The place is known of calls in files that are compiled with WEFT_DEBUG defined and include
 * <weft/weft.h>: there <weft/call_sites.h> makes macros of the calls' names. The CMake package
 * defines it in a consumer's Debug configuration. Library and program may differ in this.
 */
#ifndef WEFT_MISUSE_H
#define WEFT_MISUSE_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/* What the hook is told. May grow at its end. */
struct weft_misuse {
    const char *file;     /* of the call; NULL: not known, see above */
    const char *function; /* the call's name; NULL: not known */
    int line;
    int error;        /* what the call is about to answer: a negative errno */
    const char *what; /* what is wrong, in words: "called outside of a task" */
};

/*
 * Called on the thread, and on the task's stack, that made the call, before it returns; in a signal
 * handler if it was made there. The call answers when the hook returns. The hook may ask
 * (weft_tasks_each, weft_current_task), but must neither suspend nor misuse a call itself.
 */
typedef void weft_misuse_hook(const struct weft_misuse *misuse);

/*
 * Sets the hook of the process, NULL for the one that prints and aborts, and returns the one
 * before. Any thread, at any time; async-signal-safe. In a release build too, where nothing calls
 * it.
 */
WEFT_API weft_misuse_hook *weft_misuse_hook_set(weft_misuse_hook *hook);

/* Where the calling thread makes its present call; file is NULL when no call is known. */
struct weft_call_site {
    const char *file;
    const char *function;
    int line;
};

/* Behind <weft/call_sites.h>: sets the place, and returns the one before, to be set again. */
WEFT_API struct weft_call_site weft_call_site_set_(struct weft_call_site site);

WEFT_END_DECLS

#endif
