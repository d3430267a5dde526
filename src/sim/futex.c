/*
 * sim/futex.c - words of memory that requests and threads wait for; see futex(2).
 *
 * A word that is waited for is an object, which those who wait hold. What always holds: a wake-up
 * wakes so many of those who wait now, the longest waiting first, and none of them is lost: from
 * then on its wait has its result. Words are told apart by their addresses, also where two of these
 * are the same memory; no decision depends on an address.
 */
#include <errno.h>
#include <stdio.h>

#include "ring/host.h"
#include "sim/ring_core.h"

struct weft__sim_futex {
    struct weft__sim_file file; /* first */
    struct weft__sim_futex *next, **link;
    const void *word;
};

static uint32_t futex_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    (void)sim, (void)file;
    return 0; /* it is woken, never ready */
}

static void futex_describe(struct weft__sim *sim, const struct weft__sim_file *file, char *text,
                           size_t size)
{
    const struct weft__sim_futex *futex = (const struct weft__sim_futex *)file;

    (void)sim;
    snprintf(text, size, "value %u",
             __atomic_load_n((const uint32_t *)futex->word, __ATOMIC_RELAXED));
}

static void futex_release(struct weft__sim *sim, struct weft__sim_file *file)
{
    struct weft__sim_futex *futex = (struct weft__sim_futex *)file;

    (void)sim;
    *futex->link = futex->next;
    if (futex->next)
        futex->next->link = futex->link;
    weft__sim_free(futex);
}

static const struct weft__sim_file_ops futex_ops = {
    .kind = "futex",
    .poll = futex_poll,
    .describe = futex_describe,
    .release = futex_release,
};

static struct weft__sim_futex *find(const struct weft__sim *sim, const void *word)
{
    struct weft__sim_futex *futex = sim->futexes;

    while (futex && futex->word != word)
        futex = futex->next;
    return futex;
}

struct weft__sim_file *weft__sim_futex_of(struct weft__sim *sim, const void *word)
{
    struct weft__sim_futex *futex = find(sim, word);

    if (futex) {
        weft__sim_file_keep(&futex->file);
        return &futex->file;
    }
    futex = weft__sim_alloc(sizeof *futex);
    weft__sim_file_begin(sim, &futex->file, &futex_ops);
    futex->word = word;
    futex->next = sim->futexes;
    futex->link = &sim->futexes;
    if (futex->next)
        futex->next->link = &futex->next;
    sim->futexes = futex;
    return &futex->file;
}

void weft__sim_futexes_end(struct weft__sim *sim)
{
    struct weft__sim_futex *futex;

    while ((futex = sim->futexes) != NULL)
        futex_release(sim, &futex->file);
}

static bool differs(const void *word, uint32_t value)
{
    return __atomic_load_n((const uint32_t *)word, __ATOMIC_ACQUIRE) != value;
}

static int check(const void *word)
{
    if ((uintptr_t)word % sizeof(uint32_t))
        return -EINVAL;
    return weft__sim_is_there((void *)(uintptr_t)word, sizeof(uint32_t), false) ? 0 : -EFAULT;
}

/* -- requests --------------------------------------------------------------------------------- */

bool weft__sim_futex_differs(const struct weft__sim_request *request)
{
    return differs((const void *)(uintptr_t)request->sqe.address, (uint32_t)request->sqe.offset);
}

int32_t weft__sim_perform_futex(const struct weft__sim_request *request)
{
    int error = check((const void *)(uintptr_t)request->sqe.address);

    return error < 0 ? error : -EAGAIN; /* it waits; or says so, if the word differs */
}

/* -- direct calls ----------------------------------------------------------------------------- */

struct sleeper {
    struct weft__sim_waiter waiter;
    struct weft__sim_thread *thread;
    bool woken;
};

static void told(struct weft__sim *sim, struct weft__sim_waiter *waiter, uint32_t events)
{
    struct sleeper *sleeper = (struct sleeper *)waiter; /* its first */

    (void)events;
    weft__sim_wait_no_more(waiter);
    sleeper->woken = true;
    weft__sim_wake(sim, sleeper->thread);
}

static void begin(struct weft__sim *sim, struct sleeper *sleeper, const void *word)
{
    *sleeper =
        (struct sleeper){.waiter = {.events = POLLIN, .notify = told}, .thread = sim->running};
    weft__sim_wait_on(weft__sim_futex_of(sim, word), &sleeper->waiter);
}

static void end(struct weft__sim *sim, struct sleeper *sleeper, const void *word)
{
    weft__sim_wait_no_more(&sleeper->waiter);
    weft__sim_file_drop(sim, &find(sim, word)->file);
}

int weft__host_futex_wait(const void *word, uint32_t value, bool own, const void *stop)
{
    struct weft__sim *sim = weft__sim_here();
    struct sleeper sleeper, stopper;
    int error = check(word);

    (void)own;
    weft__sim_charge(sim);
    weft__sim_give_way(sim);
    if (error < 0)
        return error;
    if (differs(stop, 0))
        return -ECANCELED;
    if (differs(word, value))
        return -EAGAIN;
    begin(sim, &sleeper, word);
    begin(sim, &stopper, stop);
    while (!sleeper.woken && !stopper.woken)
        weft__sim_park(sim, "a word", 0);
    end(sim, &stopper, stop);
    end(sim, &sleeper, word);
    return sleeper.woken ? 0 : -ECANCELED;
}

int weft__sim_futex_wake(struct weft__sim *sim, const void *word, int count)
{
    struct weft__sim_futex *futex = find(sim, word);
    int woken = 0;

    while (futex && futex->file.waiters && woken < count) {
        futex->file.waiters->notify(sim, futex->file.waiters, POLLIN);
        woken++;
    }
    return woken;
}

int weft__host_futex_wake(const void *word, int count, bool own)
{
    struct weft__sim *sim = weft__sim_here();
    int error = own ? 0 : check(word); /* a private one is an address, and no more */
    int woken;

    weft__sim_charge(sim);
    if (error < 0)
        return error;
    woken = weft__sim_futex_wake(sim, word, count);
    weft__sim_fire_due(sim);
    return woken;
}
