/*
 * sim/signal.c - signals that come to the simulated program: claims, and the descriptors they are
 * read from. The other answer to ring/host_signal.h.
 *
 * What always holds: of a standard signal at most one waits, as POSIX has it; real-time signals
 * stand in line, the lowest number first.
 */
#include <errno.h>
#include <string.h>

#include "ring/host_signal.h"
#include "sim/world.h"
#include <weft/sim.h>

enum { SIGNALS = 65, QUEUED_MAX = 16384, SENDER = 1 };

struct signalfd {
    struct weft__sim_file file; /* first */
    struct signalfd *next, **link;
    uint64_t set;                     /* bit number - 1 */
    struct weft__signal_record *come; /* in order */
    uint32_t count, room;
};

static uint64_t bit_of(int number)
{
    return UINT64_C(1) << (number - 1);
}

static uint64_t bits_of(const sigset_t *set)
{
    uint64_t bits = 0;

    for (int number = 1; number < SIGNALS; number++)
        bits |= sigismember(set, number) == 1 ? bit_of(number) : 0;
    return bits;
}

static uint32_t signalfd_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    (void)sim;
    return ((struct signalfd *)file)->count > 0 ? POLLIN : 0u;
}

static void signalfd_release(struct weft__sim *sim, struct weft__sim_file *file)
{
    struct signalfd *self = (struct signalfd *)file;

    (void)sim;
    *self->link = self->next;
    if (self->next)
        self->next->link = self->link;
    weft__sim_free(self->come);
    weft__sim_free(self);
}

static const struct weft__sim_file_ops ops = {
    .kind = "signalfd",
    .poll = signalfd_poll,
    .release = signalfd_release,
};

static struct signalfd *behind(struct weft__sim *sim, int fd)
{
    struct weft__sim_file *file = weft__sim_fd_file(sim, fd);

    return file && file->ops == &ops ? (struct signalfd *)file : NULL;
}

static int open_one(struct weft__sim *sim)
{
    int error = weft__sim_fd_refused(sim, &sim->running->dice);
    struct signalfd *self;

    if (error < 0)
        return error;
    self = weft__sim_alloc(sizeof *self);
    weft__sim_file_begin(sim, &self->file, &ops);
    self->next = sim->signalfds;
    self->link = &sim->signalfds;
    if (self->next)
        self->next->link = &self->next;
    sim->signalfds = self;
    return weft__sim_fd_install(sim, &self->file);
}

int weft__host_signal_claim(const sigset_t *set, int fd)
{
    struct weft__sim *sim = weft__sim_here();
    uint64_t bits = bits_of(set);

    weft__sim_charge(sim);
    for (const struct signalfd *other = sim->signalfds; other; other = other->next)
        if (other->set & bits)
            return -EBUSY;
    if (fd < 0)
        fd = open_one(sim);
    if (fd >= 0 && !behind(sim, fd))
        return -EBADF; /* closed behind weft */
    if (fd >= 0)
        behind(sim, fd)->set = bits;
    return fd;
}

void weft__host_signal_release(const sigset_t *set, int fd)
{
    struct signalfd *self = weft__sim_here()->signalfds;
    uint64_t bits = bits_of(set);

    (void)fd; /* the one that has them, which may be closed, and waited for yet */
    while (self && !(self->set & bits))
        self = self->next;
    if (!self)
        return;
    self->set &= ~bits;
    self->count = 0;
}

int weft__host_signal_read(int fd, struct weft__signal_record *records, int count)
{
    struct weft__sim *sim = weft__sim_here();
    struct signalfd *self = behind(sim, fd);
    uint32_t taken;

    weft__sim_charge(sim);
    if (!self)
        return -EBADF; /* closed behind weft */
    taken = self->count < (uint32_t)count ? self->count : (uint32_t)count;
    if (taken == 0) /* there may be no memory for any yet */
        return 0;
    memcpy(records, self->come, taken * sizeof *records);
    self->count -= taken;
    memmove(self->come, self->come + taken, self->count * sizeof *records);
    return (int)taken;
}

static bool waits_already(const struct signalfd *self, int number)
{
    for (uint32_t i = 0; i < self->count; i++)
        if (self->come[i].number == number)
            return true;
    return false;
}

static void queue(struct signalfd *self, int number, int value)
{
    uint32_t at = self->count;

    if (self->count == self->room) {
        uint32_t room = self->room ? self->room * 2 : 16;
        self->come =
            weft__sim_grow(self->come, self->room * sizeof *self->come, room * sizeof *self->come);
        self->room = room;
    }
    for (; at > 0 && self->come[at - 1].number > number; at--)
        self->come[at] = self->come[at - 1];
    self->come[at] = (struct weft__signal_record){.number = number, .pid = SENDER, .value = value};
    self->count++;
}

int weft_sim_signal(int number, int value)
{
    struct weft__sim *sim = weft__sim_world;
    struct signalfd *self = sim ? sim->signalfds : NULL;

    if (number < 1 || number >= SIGNALS)
        return -EINVAL;
    while (self && !(self->set & bit_of(number)))
        self = self->next;
    if (!self)
        return -ESRCH;
    if (number < SIGRTMIN && waits_already(self, number))
        return 0;
    if (self->count == QUEUED_MAX)
        return -EAGAIN;
    queue(self, number, number < SIGRTMIN ? 0 : value);
    weft__sim_file_changed(sim, &self->file, POLLIN);
    weft__sim_fire_due(sim);
    return 0;
}
