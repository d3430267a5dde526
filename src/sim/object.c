/*
 * sim/object.c - files, who waits for them, and descriptors; object.h tells the story.
 *
 * What always holds: a descriptor's number is taken in the real process too, by something that
 * nothing can be done with.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "sim/world.h"

/* The numbers begin here, above what a program has open by itself: then they are the same in every
   run, though nothing depends on it. */
enum { FD_FIRST = 64 };

/* -- files ---------------------------------------------------------------------------------- */

void weft__sim_file_begin(struct weft__sim *sim, struct weft__sim_file *file,
                          const struct weft__sim_file_ops *ops)
{
    file->ops = ops;
    file->refs = 1;
    file->serial = weft__sim_serial(sim, WEFT__SIM_WHO_FILE);
    file->dice = weft__sim_dice(WEFT__SIM_WHO_FILE, file->serial);
    file->waiters_tail = &file->waiters;
    weft__sim_note(sim, WEFT__SIM_NOTE_OPEN, file->serial, 0);
}

void weft__sim_file_keep(struct weft__sim_file *file)
{
    file->refs++;
}

void weft__sim_file_drop(struct weft__sim *sim, struct weft__sim_file *file)
{
    if (--file->refs > 0)
        return;
    weft__sim_note(sim, WEFT__SIM_NOTE_RELEASE, file->serial, 0);
    file->ops->release(sim, file);
}

/* -- waiting -------------------------------------------------------------------------------- */

void weft__sim_wait_on(struct weft__sim_file *file, struct weft__sim_waiter *waiter)
{
    waiter->next = NULL;
    waiter->link = file->waiters_tail;
    waiter->file = file;
    *file->waiters_tail = waiter;
    file->waiters_tail = &waiter->next;
}

void weft__sim_wait_no_more(struct weft__sim_waiter *waiter)
{
    if (!waiter->link)
        return;
    *waiter->link = waiter->next;
    if (waiter->next)
        waiter->next->link = waiter->link;
    else
        waiter->file->waiters_tail = waiter->link;
    waiter->link = NULL;
}

void weft__sim_file_changed(struct weft__sim *sim, struct weft__sim_file *file, uint32_t events)
{
    struct weft__sim_waiter *last, *waiter, *next;

    if (!file->waiters)
        return;
    /* Those who were there when it changed: who waits again comes behind the last of them. The list
       changes under us only at its end, and by each waiter for itself. */
    last = (struct weft__sim_waiter *)((char *)file->waiters_tail -
                                       offsetof(struct weft__sim_waiter, next));
    for (waiter = file->waiters; waiter; waiter = next) {
        bool is_last = waiter == last;

        next = is_last ? NULL : waiter->next;
        if (events & (waiter->events | POLLERR | POLLHUP))
            waiter->notify(sim, waiter, events);
    }
}

/* -- descriptors ---------------------------------------------------------------------------- */

/* The lowest free number from FD_FIRST on, or an errno of the real process. */
static int reserve_number(const struct weft__sim *sim)
{
    int fd = fcntl(sim->backing, F_DUPFD_CLOEXEC, FD_FIRST);

    return fd < 0 ? -errno : fd;
}

/* One number is reserved ahead while any is open, so that it is known whether there is one. What
   backs the numbers is kept open as long. */
bool weft__sim_fd_available(struct weft__sim *sim)
{
    if (sim->fds_open >= sim->fds_max)
        return false;
    if (!sim->backed)
        sim->backing = open("/", O_PATH | O_CLOEXEC);
    sim->backed = sim->backing >= 0;
    if (sim->backed && sim->spare <= 0)
        sim->spare = reserve_number(sim);
    return sim->backed && sim->spare > 0;
}

int weft__sim_fd_refused(struct weft__sim *sim, const struct weft__sim_dice *dice)
{
    if (weft__sim_chance(sim, dice, WEFT__SIM_FD_NONE))
        return -EMFILE;
    return weft__sim_chance(sim, dice, WEFT__SIM_FD_FULL) ? -ENFILE : 0;
}

static void give_up_spare(struct weft__sim *sim)
{
    if (sim->fds_open > 0 || !sim->backed)
        return;
    if (sim->spare > 0)
        close(sim->spare);
    close(sim->backing);
    sim->spare = 0;
    sim->backed = false;
}

static void make_room(struct weft__sim *sim, uint32_t fd)
{
    uint32_t room = sim->fds_room ? sim->fds_room : 256;

    while (room <= fd)
        room *= 2;
    if (room > sim->fds_room)
        sim->fds =
            weft__sim_grow(sim->fds, sim->fds_room * sizeof *sim->fds, room * sizeof *sim->fds);
    sim->fds_room = room;
}

int weft__sim_fd_install(struct weft__sim *sim, struct weft__sim_file *file)
{
    int fd;

    if (!weft__sim_fd_available(sim)) {
        give_up_spare(sim);
        weft__sim_file_drop(sim, file);
        return -EMFILE;
    }
    fd = sim->spare;
    sim->spare = 0;
    make_room(sim, (uint32_t)fd);
    if (sim->fds[fd]) { /* somebody closed it past the boundary, and the number came again */
        weft__sim_file_drop(sim, sim->fds[fd]);
        sim->fds_open--;
    }
    sim->fds[fd] = file;
    sim->fds_open++;
    (void)weft__sim_fd_available(sim); /* always one ahead: what a program counts is steady */
    return fd;
}

struct weft__sim_file *weft__sim_fd_file(struct weft__sim *sim, int fd)
{
    return fd >= 0 && (uint32_t)fd < sim->fds_room ? sim->fds[fd] : NULL;
}

int weft__sim_fd_close(struct weft__sim *sim, int fd)
{
    struct weft__sim_file *file = weft__sim_fd_file(sim, fd);

    if (!file)
        return -EBADF;
    sim->fds[fd] = NULL;
    sim->fds_open--;
    close(fd);
    give_up_spare(sim);
    weft__sim_file_drop(sim, file);
    return 0;
}
