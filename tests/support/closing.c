/*
 * What holds of a reactor when it closes, whatever the test is about: the linker leads the calls
 * that close its parts here first (tests/CMakeLists.txt). All that was taken for a while has been
 * given back: places in the ready queue, stacks, descriptors' sides and uses.
 *
 * What does not hold is printed, and the process aborts. Called on the reactor's own thread.
 */
#include "io/fd.h"
#include "reactor/reactor.h"
#include "support/invariants.h"
#include "task/task.h"

/* Callbacks of futures that nobody has settled keep their places, and each a reference to the
   inbox, beside the reactor's own and its peers'. Others may have some, too. */
static uint32_t callbacks_at_most(const struct weft__reactor *reactor)
{
    uint32_t references = atomic_load_explicit(&reactor->inbox->references, memory_order_relaxed);

    return references - 1 - (reactor->peers != NULL);
}

/* Nothing is in flight any more and no task alive: each place in the ready queue that was reserved
   is given back, or what stands there will be dropped; of the stacks, those are out whose tasks'
   results somebody could have asked for. */
static void check_tasks(const struct weft__reactor *reactor)
{
    uint32_t ready = weft__ready_count(&reactor->ready), kept = 0;

    if (reactor->ready.reserved < ready ||
        reactor->ready.reserved - ready > callbacks_at_most(reactor))
        broken(reactor, "it closes with %u places of the ready queue reserved, and %u are taken",
               reactor->ready.reserved, ready);
    for (const struct weft__task *task = weft__tasks_of(reactor)->root.children; task;
         task = task->next)
        kept++;
    if (weft__stack_live(&reactor->stacks) != kept)
        broken(reactor, "it closes with %u stacks handed out, and %u tasks",
               weft__stack_live(&reactor->stacks), kept);
}

void __real_weft__tasks_close(struct weft__reactor *reactor);
void __wrap_weft__tasks_close(struct weft__reactor *reactor);
void __wrap_weft__tasks_close(struct weft__reactor *reactor)
{
    uint64_t id = weft__tasks_of(reactor)->id;

    weft__tasks_reap(reactor);
    check_tasks(reactor);
    __real_weft__tasks_close(reactor);
    if (weft__roll_call(id))
        broken(reactor, "it has closed, and is on the roll");
}

static void check_descriptors(const struct weft__reactor *reactor, const struct weft__io *io)
{
    if (io->uses)
        broken(reactor, "it closes, and a call uses descriptor %d", io->uses->fd);
    for (uint32_t fd = 0; fd <= io->fd_high && fd < io->fd_count; fd++) {
        const struct weft__fd *record = &io->fds[fd];
        uint64_t owner = atomic_load_explicit(&record->owner, memory_order_relaxed);
        if ((uint32_t)owner == (io->id | (uint32_t)WEFT__FD_CLOSING))
            broken(reactor, "it closes, and so does descriptor %u", fd);
        if ((uint32_t)owner != io->id)
            continue;
        if (record->uses)
            broken(reactor, "it closes with %u uses of descriptor %u", record->uses, fd);
        if (!(record->flags & WEFT__FD_POISONED) &&
            (record->sides[WEFT__READER] || record->sides[WEFT__WRITER]))
            broken(reactor, "it closes, and somebody has a side of descriptor %u", fd);
    }
}

void __real_weft__fd_release_all(struct weft__io *io);
void __wrap_weft__fd_release_all(struct weft__io *io);
void __wrap_weft__fd_release_all(struct weft__io *io)
{
    if (io->reactor) /* else a test's, for its records alone */
        check_descriptors(io->reactor, io);
    __real_weft__fd_release_all(io);
}
