/*
 * sim/inotify.c - watches of the simulated disk: the other answer to ring/host_watch.h.
 *
 *      change of the disk --> marks of its inode --> a queue each --(late, drawn)--> readable
 *
 * What always holds: a queue is read in the order in which things happened, also where some become
 * readable late; what equals the last in the queue is not queued again; a queue that is full has
 * one record that says so, behind which nothing is queued until there is room.
 */
#include "sim/inotify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "ring/host_watch.h"
#include "sim/ring_core.h"
#include "sim/world.h"

enum { NAME_FILL = 16 }; /* names are filled up to a multiple of that */

struct mark {
    struct mark *next;
    struct weft__sim_inode *inode; /* with a reference */
    int number;
    uint32_t mask;
};

struct told {
    struct told *next;
    int number;
    uint32_t what, cookie;
    int64_t when_ns; /* readable from then on */
    char name[WEFT__SIM_NAME_MAX + 1];
};

struct inotify {
    struct weft__sim_file file; /* first */
    struct inotify *next, **link;
    struct mark *marks;
    int numbers; /* given so far */
    struct told *first, **last;
    uint32_t count;
    bool overflown; /* and the record of it is in the queue */
    uint64_t life;  /* of the disk */
    struct weft__sim_event ripe;
};

/* -- the queue --------------------------------------------------------------------------------- */

static bool is_readable(const struct weft__sim *sim, const struct inotify *self)
{
    return self->life != sim->disk->life || (self->first && self->first->when_ns <= sim->now_ns);
}

/* The first record is readable, or will be. */
static void look(struct weft__sim *sim, struct inotify *self)
{
    if (is_readable(sim, self))
        weft__sim_file_changed(sim, &self->file, POLLIN);
    else if (self->first)
        weft__sim_at(sim, self->first->when_ns, &self->ripe);
}

static void ripen(struct weft__sim *sim, struct weft__sim_event *event)
{
    look(sim, (struct inotify *)((char *)event - offsetof(struct inotify, ripe)));
}

static struct told *last_of(const struct inotify *self)
{
    return self->first ? (struct told *)((char *)self->last - offsetof(struct told, next)) : NULL;
}

static bool is_same(const struct told *told, int number, uint32_t what, const char *name)
{
    return told->number == number && told->what == what && !(what & IN_IGNORED) &&
           strcmp(told->name, name) == 0;
}

static int64_t ripe_at(struct weft__sim *sim, struct inotify *self, const struct told *before)
{
    int64_t when_ns = sim->now_ns;

    weft__sim_step(&self->file.dice);
    if (weft__sim_chance(sim, &self->file.dice, WEFT__SIM_WATCH_LATE))
        when_ns += weft__sim_span(sim, &self->file.dice, WEFT__SIM_WATCH_NS);
    return before && before->when_ns > when_ns ? before->when_ns : when_ns;
}

static void queue(struct weft__sim *sim, struct inotify *self, int number, uint32_t what,
                  uint32_t cookie, const char *name)
{
    const struct told *before = last_of(self);
    struct told *told;

    if (before && is_same(before, number, what, name))
        return;
    if (self->count >= (uint32_t)weft__sim_most(sim, WEFT__SIM_WATCH_QUEUE)) {
        if (self->overflown)
            return;
        self->overflown = true;
        number = -1;
        what = IN_Q_OVERFLOW;
        cookie = 0;
        name = "";
    }
    told = weft__sim_alloc(sizeof *told);
    *told = (struct told){.number = number,
                          .what = what,
                          .cookie = cookie,
                          .when_ns = ripe_at(sim, self, before)};
    snprintf(told->name, sizeof told->name, "%s", name);
    *self->last = told;
    self->last = &told->next;
    self->count++;
    look(sim, self);
}

static struct told *take_out(struct inotify *self)
{
    struct told *told = self->first;

    self->first = told->next;
    if (!self->first)
        self->last = &self->first;
    self->count--;
    if (told->what & IN_Q_OVERFLOW)
        self->overflown = false;
    return told;
}

/* -- marks ------------------------------------------------------------------------------------- */

static void drop_mark(struct weft__sim_disk *disk, struct mark **link)
{
    struct mark *mark = *link;

    *link = mark->next;
    weft__sim_inode_drop(disk, mark->inode);
    weft__sim_free(mark);
}

static void tell(struct weft__sim_disk *disk, const struct weft__sim_inode *inode, uint32_t what,
                 uint32_t flags, uint32_t cookie, const char *name)
{
    for (struct inotify *self = disk->sim->inotifies; self; self = self->next)
        for (const struct mark *mark = self->marks; mark; mark = mark->next)
            if (mark->inode == inode && mark->mask & what)
                queue(disk->sim, self, mark->number, what | flags, cookie, name);
}

void weft__sim_tell_name(struct weft__sim_disk *disk, struct weft__sim_inode *directory,
                         const char *name, const struct weft__sim_inode *inode, uint32_t what,
                         uint32_t cookie)
{
    tell(disk, directory, what, inode->kind == WEFT__SIM_DIRECTORY ? IN_ISDIR : 0, cookie, name);
}

void weft__sim_tell_self(struct weft__sim_disk *disk, struct weft__sim_inode *inode, uint32_t what)
{
    tell(disk, inode, what, 0, 0, "");
}

/* The entry it was opened by, wherever it is by now. A directory has one at most. */
static const struct weft__sim_entry *entry_in(const struct weft__sim_inode *directory,
                                              const struct weft__sim_inode *inode, uint64_t dentry)
{
    for (uint32_t i = 0; i < directory->now.count; i++) {
        const struct weft__sim_entry *entry = &directory->now.all[i];
        if (entry->inode == inode &&
            (inode->kind == WEFT__SIM_DIRECTORY || entry->dentry == dentry))
            return entry;
    }
    return NULL;
}

void weft__sim_tell_open(struct weft__sim_disk *disk, struct weft__sim_inode *inode,
                         uint64_t dentry, uint32_t what)
{
    uint32_t flags = inode->kind == WEFT__SIM_DIRECTORY ? IN_ISDIR : 0;
    const struct weft__sim_entry *entry = NULL;
    struct weft__sim_inode *directory = disk->inodes;

    if (!disk->sim->inotifies)
        return;
    while (directory && !(entry = entry_in(directory, inode, dentry)))
        directory = directory->next;
    if (entry)
        tell(disk, directory, what, flags, 0, entry->name);
    if (entry || inode == disk->root)
        tell(disk, inode, what, flags, 0, "");
}

void weft__sim_tell_gone(struct weft__sim_disk *disk, struct weft__sim_inode *inode)
{
    for (struct inotify *self = disk->sim->inotifies; self; self = self->next)
        for (struct mark **link = &self->marks; *link;) {
            const struct mark *mark = *link;
            if (mark->inode != inode) {
                link = &(*link)->next;
                continue;
            }
            if (mark->mask & IN_DELETE_SELF)
                queue(disk->sim, self, mark->number, IN_DELETE_SELF, 0, "");
            queue(disk->sim, self, mark->number, IN_IGNORED, 0, "");
            drop_mark(disk, link);
        }
}

uint32_t weft__sim_rename_cookie(struct weft__sim_disk *disk)
{
    return ++disk->rename_cookies;
}

static void forget(struct weft__sim_disk *disk, struct inotify *self)
{
    while (self->marks)
        drop_mark(disk, &self->marks);
    while (self->first)
        weft__sim_free(take_out(self));
    weft__sim_take_back(disk->sim, &self->ripe);
}

void weft__sim_tell_power(struct weft__sim_disk *disk)
{
    for (struct inotify *self = disk->sim->inotifies; self; self = self->next) {
        forget(disk, self);
        look(disk->sim, self);
    }
}

/* -- the object -------------------------------------------------------------------------------- */

static uint32_t inotify_poll(struct weft__sim *sim, struct weft__sim_file *file)
{
    return is_readable(sim, (struct inotify *)file) ? POLLIN : 0u;
}

static void inotify_release(struct weft__sim *sim, struct weft__sim_file *file)
{
    struct inotify *self = (struct inotify *)file;

    forget(sim->disk, self);
    *self->link = self->next;
    if (self->next)
        self->next->link = self->link;
    weft__sim_free(self);
}

static void inotify_describe(struct weft__sim *sim, const struct weft__sim_file *file, char *text,
                             size_t size)
{
    (void)sim;
    snprintf(text, size, "%u records", ((const struct inotify *)file)->count);
}

static const struct weft__sim_file_ops ops = {
    .kind = "inotify",
    .poll = inotify_poll,
    .describe = inotify_describe,
    .release = inotify_release,
};

/* -- ring/host_watch.h ------------------------------------------------------------------------- */

static struct inotify *behind(struct weft__sim *sim, int fd)
{
    struct weft__sim_file *file = weft__sim_fd_file(sim, fd);

    return file && file->ops == &ops ? (struct inotify *)file : NULL;
}

int weft__host_watch_open(void)
{
    struct weft__sim *sim = weft__sim_here();
    int error = weft__sim_fd_refused(sim, &sim->running->dice);
    struct inotify *self;

    weft__sim_charge(sim);
    if (error < 0)
        return error;
    self = weft__sim_alloc(sizeof *self);
    weft__sim_file_begin(sim, &self->file, &ops);
    self->file.flags = O_NONBLOCK;
    self->last = &self->first;
    self->life = sim->disk->life;
    self->ripe.fire = ripen;
    self->next = sim->inotifies;
    self->link = &sim->inotifies;
    if (self->next)
        self->next->link = &self->next;
    sim->inotifies = self;
    return weft__sim_fd_install(sim, &self->file);
}

static int mark(struct weft__sim *sim, struct inotify *self, struct weft__sim_inode *inode,
                uint32_t mask)
{
    struct weft__sim_dice *dice = &sim->running->dice;
    struct mark *made;

    for (const struct mark *other = self->marks; other; other = other->next)
        if (other->inode == inode)
            return -EEXIST;
    if (weft__sim_chance(sim, dice, WEFT__SIM_HOST_ERRNO))
        return weft__sim_pick(sim, dice, WEFT__SIM_HOST_ERRNO, 2) ? -ENOSPC : -ENOMEM;
    made = weft__sim_alloc(sizeof *made);
    *made =
        (struct mark){.next = self->marks, .inode = inode, .number = ++self->numbers, .mask = mask};
    weft__sim_inode_keep(inode);
    self->marks = made;
    return made->number;
}

int weft__host_watch_add(int fd, const char *path, uint32_t mask)
{
    struct weft__sim *sim = weft__sim_here();
    int64_t span_ns = weft__sim_span(sim, &sim->running->dice, WEFT__SIM_DISK_NS);
    struct weft__sim_place place;
    struct inotify *self;
    int error;

    weft__sim_charge(sim);
    if (span_ns > 0)
        weft__sim_park_until(sim, "the disk", 0, sim->now_ns + span_ns);
    self = behind(sim, fd);
    if (!self)
        return -EBADF;
    if (sim->disk->off || self->life != sim->disk->life)
        return -EIO;
    error = weft__sim_place_of(sim, AT_FDCWD, path,
                               mask & IN_DONT_FOLLOW ? WEFT__SIM_WHERE : WEFT__SIM_WHERE_FOLLOWED,
                               &place);
    if (error < 0 || !place.inode)
        return error < 0 ? error : -ENOENT;
    if (mask & IN_ONLYDIR && place.inode->kind != WEFT__SIM_DIRECTORY)
        return -ENOTDIR;
    return mark(sim, self, place.inode, mask);
}

int weft__host_watch_remove(int fd, int number)
{
    struct weft__sim *sim = weft__sim_here();
    struct inotify *self = behind(sim, fd);
    struct mark **link;

    weft__sim_charge(sim);
    if (!self)
        return -EBADF;
    for (link = &self->marks; *link && (*link)->number != number;)
        link = &(*link)->next;
    if (!*link)
        return -EINVAL;
    queue(sim, self, number, IN_IGNORED, 0, "");
    drop_mark(sim->disk, link);
    weft__sim_fire_due(sim);
    return 0;
}

/* One record, if it fits: how long it is; else 0. */
static size_t put(char *memory, size_t size, const struct told *told)
{
    struct weft__watch_record *record = (struct weft__watch_record *)memory;
    size_t length = strlen(told->name);
    size_t room = length ? (length / NAME_FILL + 1) * NAME_FILL : 0;

    if (sizeof *record + room > size)
        return 0;
    *record = (struct weft__watch_record){.number = told->number,
                                          .what = told->what,
                                          .cookie = told->cookie,
                                          .room = (uint32_t)room};
    memset(record->name, 0, room);
    memcpy(record->name, told->name, length);
    return sizeof *record + room;
}

ssize_t weft__host_watch_read(int fd, void *memory, size_t size)
{
    struct weft__sim *sim = weft__sim_here();
    struct inotify *self = behind(sim, fd);
    size_t used = 0, length = 1;

    weft__sim_charge(sim);
    if (!self)
        return -EBADF;
    if (self->life != sim->disk->life)
        return -EIO;
    while (length > 0 && is_readable(sim, self)) {
        length = put((char *)memory + used, size - used, self->first);
        used += length;
        if (length > 0)
            weft__sim_free(take_out(self));
    }
    look(sim, self);
    return used == 0 && length == 0 ? -EINVAL : (ssize_t)used; /* there is one, and no room */
}
