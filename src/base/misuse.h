/*
 * base/misuse.h - how the library says that a call was a mistake of the program.
 *
 * Every refusal that is the programmer's fault, and no other, passes through weft__misuse, once;
 * the line is drawn in docs/decisions/0020-what-is-misuse.md. Any thread, and signal handlers. What
 * always holds: in a release build all of this is nothing at all. In a debug build the place of the
 * call stands in a record of the thread only while the call that it names runs and has not yet
 * suspended: the caller sets it and puts back what was there, and every switch of stacks forgets
 * it.
 */
#ifndef WEFT_BASE_MISUSE_H
#define WEFT_BASE_MISUSE_H

#include <weft/misuse.h>

#ifdef WEFT_DEBUG

/* Initial-exec, so that a signal handler may touch it. */
extern __thread struct weft_call_site weft__call_site __attribute__((tls_model("initial-exec")));

/* A place kept in a struct: the field, filled in with the present call, and read. In a release
   build there is none. */
#define WEFT__NOTED(field) struct weft_call_site field;
#define WEFT__NOTE(field) ((field) = weft__call_site)
#define WEFT__NOTE_NONE(field) ((field).file = NULL)
#define WEFT__NOTE_OF(field) (field)
#define WEFT__NOTE_SHORT(file_field, line_field)                                                   \
    ((file_field) = weft__call_site.file, (line_field) = weft__call_site.line)

/* Calls the hook; then gives `error` back, for the call to answer. what: as in struct weft_misuse.
 */
int weft__misuse(int error, const char *what) __attribute__((cold, noinline));

/* Whoever runs next on this thread is not in the call that was noted. */
static inline void weft__call_site_forget(void)
{
    weft__call_site.file = NULL;
}

#else

#define WEFT__NOTED(field)
#define WEFT__NOTE(field) ((void)0)
#define WEFT__NOTE_NONE(field) ((void)0)
#define WEFT__NOTE_OF(field) ((struct weft_call_site){NULL, NULL, 0})
#define WEFT__NOTE_SHORT(file_field, line_field) ((void)0)

static inline int weft__misuse(int error, const char *what)
{
    (void)what;
    return error;
}

static inline void weft__call_site_forget(void)
{
}

#endif

#endif
