/*
 * base/misuse.c - the hook for mistakes of the program; misuse.h says when it is called.
 *
 * The hook is the process's, set from any thread. The one that is there by default writes one line
 * to descriptor 2 by itself, with a buffer on the stack: it may run on a task's small stack, or in
 * a signal handler.
 */
#include "base/misuse.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/line.h"

/* NULL: the default. Release, with the acquire of who calls it: the hook's own data were set up. */
static _Atomic(weft_misuse_hook *) current_hook;

weft_misuse_hook *weft_misuse_hook_set(weft_misuse_hook *hook)
{
    return atomic_exchange_explicit(&current_hook, hook, memory_order_acq_rel);
}

#ifdef WEFT_DEBUG

__thread struct weft_call_site weft__call_site __attribute__((tls_model("initial-exec")));

struct weft_call_site weft_call_site_set_(struct weft_call_site site)
{
    struct weft_call_site before = weft__call_site;

    weft__call_site = site;
    return before;
}

/* -- the default: one line, and the end ------------------------------------------------------ */

static void print_and_abort(const struct weft_misuse *misuse)
{
    struct weft__line line;

    weft__line_begin(&line);
    weft__line_put(&line, "weft: misuse: ");
    weft__line_put_place(&line, misuse->file, misuse->line, misuse->function,
                         "at a place not noted");
    weft__line_put(&line, ": ");
    weft__line_put(&line, misuse->what);
    weft__line_put(&line, " (");
    weft__line_put_error(&line, misuse->error);
    weft__line_put(&line, ")");
    weft__line_write(&line, STDERR_FILENO);
    abort();
}

int weft__misuse(int error, const char *what)
{
    struct weft_call_site site = weft__call_site;
    struct weft_misuse misuse = {.file = site.file,
                                 .function = site.file ? site.function : NULL,
                                 .line = site.file ? site.line : 0,
                                 .error = error,
                                 .what = what};
    weft_misuse_hook *hook = atomic_load_explicit(&current_hook, memory_order_acquire);
    int saved_errno = errno;

    weft__call_site_forget(); /* what the hook calls is not where the program went wrong */
    (hook ? hook : print_and_abort)(&misuse);
    weft__call_site = site;
    errno = saved_errno;
    return error;
}

#else

/* Nobody reads the place in a release build, so nothing is kept of it. */
struct weft_call_site weft_call_site_set_(struct weft_call_site site)
{
    return site;
}

#endif
