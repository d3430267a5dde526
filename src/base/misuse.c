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
#include <string.h>
#include <unistd.h>

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

struct line {
    char text[512];
    size_t length;
};

static void put(struct line *line, const char *text)
{
    size_t size = strlen(text), room = sizeof line->text - 1 - line->length;

    size = size < room ? size : room;
    memcpy(line->text + line->length, text, size);
    line->length += size;
}

static void put_number(struct line *line, int number)
{
    char digits[12];
    char *p = digits + sizeof digits - 1;

    *p = '\0';
    do {
        *--p = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0 && p > digits);
    put(line, p);
}

static const char *error_name(int error)
{
    static const struct {
        int error;
        const char *name;
    } names[] = {
        {-EPERM, "-EPERM"},   {-EINVAL, "-EINVAL"}, {-EDEADLK, "-EDEADLK"},
        {-ESTALE, "-ESTALE"}, {-EBUSY, "-EBUSY"},   {-EXDEV, "-EXDEV"},
        {-EFAULT, "-EFAULT"}, {-E2BIG, "-E2BIG"},   {-EBADF, "-EBADF"},
    };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (names[i].error == error)
            return names[i].name;
    return "an error";
}

static void put_place(struct line *line, const struct weft_misuse *misuse)
{
    if (!misuse->file) {
        put(line, "at a place not noted");
        return;
    }
    put(line, misuse->file);
    put(line, ":");
    put_number(line, misuse->line);
    put(line, ": ");
    put(line, misuse->function);
}

static void print_and_abort(const struct weft_misuse *misuse)
{
    struct line line = {.length = 0};

    put(&line, "weft: misuse: ");
    put_place(&line, misuse);
    put(&line, ": ");
    put(&line, misuse->what);
    put(&line, " (");
    put(&line, error_name(misuse->error));
    put(&line, ")");
    line.text[line.length++] = '\n';
    (void)!write(STDERR_FILENO, line.text, line.length);
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
