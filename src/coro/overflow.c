/*
 * overflow.c: the handler of overflow.h. Everything from `put` down to `handle` runs in a signal
 * handler, on a stack of its own, while the faulting task's frame may be half built.
 */
#define _GNU_SOURCE

#include "coro/overflow.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    SIGNAL_STACK_MIN = 64 << 10, /* a hook or an older handler may want some */
    LINE_MAX_BYTES = 512,
    LEAP_MAX = 8 << 20, /* of a frame: more than a thread's whole stack no program's function has */
};

static const int signals[] = {SIGSEGV, SIGBUS};

enum { SIGNALS = sizeof signals / sizeof signals[0] };

/* Under the lock, except that the handler reads `previous`: written before ours is in place. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned installed_count;
static bool left_behind[SIGNALS]; /* somebody chained to us: ours could not be taken away */
static struct sigaction previous[SIGNALS];

static void (*_Atomic fatal_hook)(const struct weft__overflow_report *report);

/* Changed only by its thread; the handler may interrupt that between any two instructions. */
static __thread struct weft__overflow_watch *_Atomic watched
    __attribute__((tls_model("initial-exec")));

/* ---- one line, without stdio -------------------------------------------------------------- */

struct line {
    size_t length;
    char text[LINE_MAX_BYTES];
};

static void put(struct line *line, const char *text)
{
    while (*text && line->length < sizeof line->text - 1) { /* the newline fits always */
        char c = *text++;
        line->text[line->length++] = c >= ' ' && c != 0x7f ? c : '?';
    }
}

static void put_number(struct line *line, uint64_t n, unsigned base)
{
    char digits[24], *p = digits + sizeof digits - 1;

    *p = 0;
    do
        *--p = "0123456789abcdef"[n % base];
    while (n /= base);
    put(line, base == 16 ? "0x" : "");
    put(line, p);
}

static void write_report(const struct weft__overflow_report *report)
{
    struct line line = {0};

    put(&line, "weft: stack overflow in task \"");
    put(&line, report->name ? report->name : "");
    put(&line, "\" (id ");
    put_number(&line, report->id, 10);
    put(&line, "), function ");
    if (report->function_name) {
        put(&line, report->function_name);
        put(&line, " at ");
    }
    put_number(&line, (uintptr_t)report->function, 16);
    put(&line, ", stack of ");
    put_number(&line, report->stack_size, 10);
    put(&line, " bytes, fault at ");
    put_number(&line, (uintptr_t)report->fault, 16);
    if (report->leapt)
        put(&line, ", below its guard: not compiled with -fstack-clash-protection");
    line.text[line.length++] = '\n';
    for (size_t done = 0; done < line.length;) {
        ssize_t n = write(STDERR_FILENO, line.text + done, line.length - done);
        if (n < 0 && errno != EINTR)
            return;
        done += n > 0 ? (size_t)n : 0;
    }
}

/* ---- the handler -------------------------------------------------------------------------- */

/* The faulting instruction runs again when the handler returns, and then kills. */
static void die_on_return(int signal_number)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};

    sigaction(signal_number, &dfl, NULL);
}

/* A signal somebody sent does not come again by itself. */
static void pass_on(int signal_number, siginfo_t *info, void *frame)
{
    const struct sigaction *old = &previous[signal_number == SIGBUS];

    if (old->sa_flags & SA_SIGINFO) {
        old->sa_sigaction(signal_number, info, frame);
    } else if (old->sa_handler == SIG_DFL || (old->sa_handler == SIG_IGN && info->si_code > 0)) {
        die_on_return(signal_number);
        if (info->si_code <= 0)
            raise(signal_number);
    } else if (old->sa_handler != SIG_IGN) {
        old->sa_handler(signal_number);
    }
}

/* Does it lie below the stack that is in use, but not in its guard? */
static bool leapt_guard(const struct weft__overflow_watch *w, const void *fault,
                        struct weft__overflow_report *report)
{
    uintptr_t below;

    if (!w->running || !w->running(w->arg, &report->slot))
        return false;
    if ((uintptr_t)fault - (uintptr_t)w->pool->slab >= w->pool->slab_size)
        return false; /* others' memory, which others may have a handler for */
    below = (uintptr_t)weft__stack_low(w->pool, report->slot) - (uintptr_t)fault;
    report->leapt = below > w->pool->guard_size && below <= LEAP_MAX; /* above: wraps round */
    return report->leapt;
}

static bool met_guard(const struct weft__overflow_watch *w, const void *fault,
                      struct weft__overflow_report *report)
{
    bool in_guard;

    return weft__stack_slot_of(w->pool, fault, &report->slot, &in_guard) && in_guard;
}

static bool find_overflow(const void *fault, struct weft__overflow_report *report)
{
    for (struct weft__overflow_watch *w = watched; w; w = w->next) {
        if (!leapt_guard(w, fault, report) && !met_guard(w, fault, report))
            continue;
        report->fault = fault;
        report->stack_size = weft__stack_size(w->pool, report->slot);
        if (w->describe)
            w->describe(w->arg, report);
        return true;
    }
    return false;
}

static void handle(int signal_number, siginfo_t *info, void *frame)
{
    struct weft__overflow_report report = {0};
    int saved_errno = errno;

    /* si_code above 0: the kernel says so; si_addr means nothing in a signal that was sent. */
    if (info->si_code > 0 && find_overflow(info->si_addr, &report)) {
        void (*hook)(const struct weft__overflow_report *) = fatal_hook;

        write_report(&report);
        if (hook)
            hook(&report);
        die_on_return(signal_number);
    } else {
        pass_on(signal_number, info, frame);
    }
    errno = saved_errno;
}

/* ---- installing --------------------------------------------------------------------------- */

static bool is_ours(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) && action->sa_sigaction == handle;
}

/* The first `count` of them as they were. */
static void take_away(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct sigaction now;

        if (sigaction(signals[i], NULL, &now) == 0 && is_ours(&now))
            sigaction(signals[i], &previous[i], NULL);
        else
            left_behind[i] = true;
    }
}

static int put_one_in_place(unsigned i)
{
    struct sigaction ours = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    struct sigaction now;

    sigemptyset(&ours.sa_mask);
    if (sigaction(signals[i], NULL, &now) < 0)
        return -errno;
    if (is_ours(&now) || left_behind[i]) /* a chain to us and back would never end */
        return 0;
    previous[i] = now;
    return sigaction(signals[i], &ours, NULL) < 0 ? -errno : 0;
}

/* All of them, or none. */
static int put_in_place(void)
{
    for (unsigned i = 0; i < SIGNALS; i++) {
        int rc = put_one_in_place(i);

        if (rc < 0) {
            take_away(i);
            return rc;
        }
    }
    return 0;
}

int weft__overflow_install(void)
{
    int rc = 0;

    pthread_mutex_lock(&lock);
    if (installed_count == 0)
        rc = put_in_place();
    if (rc == 0)
        installed_count++;
    pthread_mutex_unlock(&lock);
    return rc;
}

void weft__overflow_remove(void)
{
    pthread_mutex_lock(&lock);
    if (installed_count && --installed_count == 0)
        take_away(SIGNALS);
    pthread_mutex_unlock(&lock);
}

void weft__overflow_hook_set(void (*hook)(const struct weft__overflow_report *report))
{
    fatal_hook = hook;
}

/* ---- a thread ----------------------------------------------------------------------------- */

static size_t signal_stack_size(size_t page)
{
    size_t size = 4 * (size_t)getauxval(AT_MINSIGSTKSZ);

    if (size < SIGNAL_STACK_MIN)
        size = SIGNAL_STACK_MIN;
    return (size + page - 1) / page * page;
}

/* The calling thread's, for all who have begun on it. */
static __thread struct {
    unsigned count;   /* of those who have */
    char *map;        /* a guard, then the stack */
    size_t map_size;  /* in bytes */
    stack_t previous; /* put back at the last end */
} own;

static int install_stack(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = signal_stack_size(page);
    stack_t stack = {.ss_size = size};
    char *map = mmap(NULL, size + page, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    int rc;

    if (map == MAP_FAILED)
        return -ENOMEM;
    stack.ss_sp = map + page;
    if (mprotect(map, page, PROT_NONE) < 0 || sigaltstack(&stack, &own.previous) < 0) {
        rc = -errno;
        munmap(map, size + page);
        return rc;
    }
    own.map = map;
    own.map_size = size + page;
    return 0;
}

int weft__overflow_thread_begin(struct weft__overflow_thread *thread)
{
    int rc = own.count == 0 ? install_stack() : 0;

    thread->begun = rc == 0;
    own.count += thread->begun;
    return rc;
}

void weft__overflow_thread_end(struct weft__overflow_thread *thread)
{
    if (!thread->begun)
        return;
    thread->begun = false;
    if (--own.count > 0)
        return;
    sigaltstack(&own.previous, NULL);
    munmap(own.map, own.map_size);
}

void weft__overflow_watch(struct weft__overflow_watch *watch)
{
    watch->next = watched;
    watched = watch;
}

void weft__overflow_unwatch(struct weft__overflow_watch *watch)
{
    struct weft__overflow_watch *prev = watched;

    if (prev == watch) {
        watched = watch->next;
        return;
    }
    while (prev && prev->next != watch)
        prev = prev->next;
    if (prev)
        prev->next = watch->next;
}
