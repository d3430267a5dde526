/*
 * What the tests of faults share: a program is run again and again on the simulated kernel, with
 * its k-th allocation failing, for every k, and with its k-th descriptor refused. Each of its parts
 * is run again and again within one run, too, and leaves nothing behind there: what a reactor would
 * free at its end is not to lie about until then. The linker leads the calls named here to this
 * file (extra.cmake).
 */
#ifndef WEFT_TESTS_SIM_FAULTS_H
#define WEFT_TESTS_SIM_FAULTS_H

#include <errno.h>

#include "base/memory.h"
#include "io/fd.h"
#include "reactor/reactor.h"
#include "ring/host.h"
#include "sim/world.h"
#include "simulate.h"
#include "task/task.h"

struct faults {
    int (*program)(void); /* calls weft_run, and answers what that did */
    bool spared;          /* `spared` at its beginning */
};

/* A piece of such a program: 0 or more, or an error. */
struct faults_part {
    const char *name;
    int (*run)(void);
};
#define FAULTS_PART(function)                                                                      \
    {                                                                                              \
#function, function                                                                        \
    }

static unsigned refused_at, asked; /* at: 0, none */
static bool spared;                /* descriptors are neither counted nor refused now */

static inline bool refuses(void)
{
    return !spared && ++asked == refused_at;
}

int __real_weft__host_fd_lift(int fd);
int __wrap_weft__host_fd_lift(int fd);
int __wrap_weft__host_fd_lift(int fd)
{
    if (!refuses())
        return __real_weft__host_fd_lift(fd);
    weft__host_close(fd);
    return -EMFILE;
}

struct faults_run {
    const struct faults *faults;
    int result;
};

static int faults_in_world(void *arg)
{
    struct faults_run *run = arg;

    run->result = run->faults->program();
    ck_assert_uint_eq(weft__sim_world->fds_open, 0);
    return 0;
}

/* Once, with that allocation failing and that descriptor refused; 0: none. What came of it. */
static int faults_once(const struct faults *faults, uint64_t allocation, unsigned descriptor)
{
    const struct weft_sim_opt opt = {.size = sizeof opt, .seed = 1, .plan = "calm"};
    struct faults_run run = {faults, 1};
    size_t live = test_live_allocations();

    asked = 0;
    spared = faults->spared;
    refused_at = descriptor;
    weft__alloc_fail_after(allocation);
    ck_assert_int_eq(weft_sim_run(&opt, faults_in_world, &run, NULL), 0);
    weft__alloc_fail_after(0);
    ck_assert_uint_eq(test_live_allocations(), live);
    return run.result;
}

static void faults_of_allocations(const struct faults *faults)
{
    uint64_t before = weft__alloc_count(), needed;
    int failed = 0;

    ck_assert_int_ge(faults_once(faults, 0, 0), 0);
    needed = weft__alloc_count() - before;
    for (uint64_t k = 1; k <= needed; k++) {
        int is = faults_once(faults, k, 0);
        ck_assert_msg(is >= 0 || is == -ENOMEM, "allocation %d failing gave %d", (int)k, is);
        failed += is == -ENOMEM;
    }
    ck_assert_int_gt(failed, 10);
}

/* How many descriptors the program asks for. */
static unsigned faults_of_descriptors(const struct faults *faults)
{
    unsigned needed;

    ck_assert_int_ge(faults_once(faults, 0, 0), 0);
    needed = asked;
    for (unsigned k = 1; k <= needed; k++)
        ck_assert_int_eq(faults_once(faults, 0, k), -EMFILE);
    return needed;
}

/* -- within one run -----------------------------------------------------------------------------
 */

/* What the calling reactor has now. */
struct holding {
    size_t allocations;
    uint32_t fds, places, stacks, records;
};

static inline struct holding holding_now(void)
{
    const struct weft__io *io = weft__io_of(weft__self);
    struct holding now;

    weft__tasks_reap(weft__self); /* those that have ended, and nobody has come by since */
    now = (struct holding){.allocations = test_live_allocations(),
                           .fds = weft__sim_world->fds_open,
                           .places = weft__self->ready.reserved,
                           .stacks = weft__stack_live(&weft__self->stacks)};

    for (uint32_t fd = 0; fd <= io->fd_high && fd < io->fd_count; fd++)
        now.records += (uint32_t)atomic_load(&io->fds[fd].owner) == io->id;
    return now;
}

/* The ready queue is made believe that it is full: whenever it needs more places than it ever has
   it asks for room here, and is told that there is some, but for one time. */
static struct {
    uint32_t feigned; /* places that are taken by nobody */
    uint32_t most;    /* taken otherwise */
    unsigned asked, refused_at;
} places;

int __real_weft__ready_grow(struct weft__ready *ready);
int __wrap_weft__ready_grow(struct weft__ready *ready);
int __wrap_weft__ready_grow(struct weft__ready *ready)
{
    uint32_t taken = ready->reserved - places.feigned;

    if (places.feigned == 0 || ready != &weft__self->ready)
        return __real_weft__ready_grow(ready);
    ck_assert_uint_le(taken, ready->mask);
    if (taken < places.most) /* one that was given back */
        return 0;
    if (++places.asked == places.refused_at)
        return -ENOMEM;
    places.most = taken + 1;
    return 0;
}

static int faults_run_part(void *arg)
{
    const struct weft_scope_opt opt = {.size = sizeof opt, .on_error = WEFT_KEEP_GOING};
    weft_scope scope;
    int result;

    ok(weft_scope_open(&scope, &opt));
    result = (*(const struct faults_part **)arg)->run();
    (void)!weft_scope_close(&scope); /* an error of a task is the part's as well */
    return result;
}

static inline int faults_once_more(const struct faults_part *part)
{
    weft_task task;
    const struct weft_spawn_opt opt = {.size = sizeof opt, .task = &task};
    int result = weft_create_task(faults_run_part, &part, sizeof part, &opt);

    if (result == 0)
        ok(weft_join(task, &result));
    return result;
}

/* What has begun to end has a moment for it. */
static inline void faults_check(const struct faults_part *part, const struct holding *before,
                                const char *what, unsigned k, int result)
{
    struct holding now;

    ok(weft_sleep(100000000));
    now = holding_now();
    ck_assert_msg(result >= 0 || result == -ENOMEM, "%s: %s %u failing gave %d", part->name, what,
                  k, result);
    ck_assert_msg(
        memcmp(&now, before, sizeof now) == 0,
        "%s: %s %u failing left %zd allocations, %d descriptors, %d places, %d stacks and %d "
        "records of descriptors",
        part->name, what, k, now.allocations - before->allocations, (int)(now.fds - before->fds),
        (int)(now.places - before->places), (int)(now.stacks - before->stacks),
        (int)(now.records - before->records));
}

static inline void faults_of_places(const struct faults_part *part, const struct holding *before)
{
    struct weft__ready *ready = &weft__self->ready;

    places.refused_at = 0;
    do {
        int result;
        places.refused_at++;
        places.asked = 0;
        places.most = ready->reserved;
        places.feigned = ready->mask + 1;
        ready->reserved += places.feigned;
        result = faults_once_more(part);
        ready->reserved -= places.feigned;
        places.feigned = 0;
        faults_check(part, before, "place", places.refused_at, result);
    } while (places.asked >= places.refused_at);
}

/* In a task: the part once more and again, each time without the next of its allocations, or of its
   places in the ready queue. What is kept for the next time is there after the first two. */
static inline void faults_within(const struct faults_part *part)
{
    struct holding before;
    uint64_t needed;

    ok(faults_once_more(part));
    ok(faults_once_more(part));
    ok(weft_sleep(100000000));
    before = holding_now();
    needed = weft__alloc_count();
    ok(faults_once_more(part));
    needed = weft__alloc_count() - needed;
    faults_check(part, &before, "nothing", 0, 0);
    for (unsigned k = 1; k <= needed; k++) {
        int result;
        weft__alloc_fail_after(k);
        result = faults_once_more(part);
        weft__alloc_fail_after(0);
        faults_check(part, &before, "allocation", k, result);
    }
    faults_of_places(part, &before);
}

#endif
