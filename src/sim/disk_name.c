/*
 * sim/disk_name.c - directories and paths; disk.h says what there is of each.
 *
 * What always holds: kept entries and the changes, one after the other, make the entries that are
 * seen now; an entry, a change, and nothing else here holds a reference to its inode; `names` of an
 * inode counts the entries that are seen.
 */
#include <errno.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "sim/inotify.h"

enum { LINKS_MAX = 40, RENAME_FLAG_NOREPLACE = 1, RENAME_FLAG_EXCHANGE = 2 };

/* -- entries ---------------------------------------------------------------------------------- */

static char *copy_name(const char *name)
{
    size_t size = strlen(name) + 1;

    return memcpy(weft__sim_alloc(size), name, size);
}

static struct weft__sim_entry *find(const struct weft__sim_entries *entries, const char *name)
{
    for (uint32_t i = 0; i < entries->count; i++)
        if (strcmp(entries->all[i].name, name) == 0)
            return &entries->all[i];
    return NULL;
}

struct weft__sim_entry *weft__sim_entry_find(const struct weft__sim_inode *directory,
                                             const char *name)
{
    return find(&directory->now, name);
}

static void add(struct weft__sim_disk *disk, struct weft__sim_entries *entries, const char *name,
                struct weft__sim_inode *inode)
{
    if (entries->count == entries->room) {
        uint32_t room = entries->room ? entries->room * 2 : 4;
        entries->all = weft__sim_grow(entries->all, entries->room * sizeof *entries->all,
                                      room * sizeof *entries->all);
        entries->room = room;
    }
    weft__sim_inode_keep(inode);
    entries->all[entries->count++] = (struct weft__sim_entry){.name = copy_name(name),
                                                              .inode = inode,
                                                              .cookie = ++disk->cookies,
                                                              .dentry = disk->cookies};
}

static void take_out(struct weft__sim_disk *disk, struct weft__sim_entries *entries,
                     struct weft__sim_entry *entry)
{
    struct weft__sim_inode *inode = entry->inode;
    uint32_t at = (uint32_t)(entry - entries->all);

    weft__sim_free(entry->name);
    memmove(entry, entry + 1, (--entries->count - at) * sizeof *entry);
    weft__sim_inode_drop(disk, inode);
}

static void set(struct weft__sim_disk *disk, struct weft__sim_entries *entries, const char *name,
                struct weft__sim_inode *inode)
{
    struct weft__sim_entry *entry = find(entries, name);

    if (entry)
        take_out(disk, entries, entry);
    if (inode)
        add(disk, entries, name, inode);
}

static void clear(struct weft__sim_disk *disk, struct weft__sim_entries *entries)
{
    while (entries->count > 0)
        take_out(disk, entries, &entries->all[entries->count - 1]);
    weft__sim_free(entries->all);
    *entries = (struct weft__sim_entries){.all = NULL};
}

/* -- changes ---------------------------------------------------------------------------------- */

static void note_change(struct weft__sim_inode *directory, const char *name,
                        struct weft__sim_inode *inode, uint64_t serial,
                        struct weft__sim_inode *other)
{
    struct weft__sim_change *change = weft__sim_alloc(sizeof *change);

    *change = (struct weft__sim_change){.serial = serial,
                                        .name = copy_name(name),
                                        .inode = inode,
                                        .other = other};
    if (inode)
        weft__sim_inode_keep(inode);
    if (other)
        weft__sim_inode_keep(other);
    *directory->changes_tail = change;
    directory->changes_tail = &change->next;
}

/* The first change, out of the list. */
static struct weft__sim_change *take_change(struct weft__sim_inode *directory)
{
    struct weft__sim_change *change = directory->changes;

    directory->changes = change->next;
    if (!directory->changes)
        directory->changes_tail = &directory->changes;
    return change;
}

static void free_change(struct weft__sim_disk *disk, struct weft__sim_change *change)
{
    if (change->inode)
        weft__sim_inode_drop(disk, change->inode);
    if (change->other)
        weft__sim_inode_drop(disk, change->other);
    weft__sim_free(change->name);
    weft__sim_free(change);
}

/* What a rename did in the other directory is kept together with what it did here. */
void weft__sim_names_sync(struct weft__sim_disk *disk, struct weft__sim_inode *directory,
                          uint64_t serial)
{
    while (directory->changes && directory->changes->serial <= serial) {
        struct weft__sim_change *change = take_change(directory);
        set(disk, &directory->kept, change->name, change->inode);
        if (change->other)
            weft__sim_names_sync(disk, change->other, change->serial);
        free_change(disk, change);
    }
}

void weft__sim_entry_set(struct weft__sim_disk *disk, struct weft__sim_inode *directory,
                         const char *name, struct weft__sim_inode *inode, uint64_t serial,
                         struct weft__sim_inode *other)
{
    struct weft__sim_entry *before = find(&directory->now, name);

    note_change(directory, name, inode, serial, other);
    if (inode)
        inode->names++;
    if (before)
        before->inode->names--;
    if (before)
        weft__sim_inode_count(disk, before->inode);
    set(disk, &directory->now, name, inode);
    if (inode)
        weft__sim_inode_count(disk, inode);
    directory->modified_ns = directory->changed_ns = weft__sim_now(disk->sim);
    if (inode)
        inode->changed_ns = directory->changed_ns;
}

/* -- paths ------------------------------------------------------------------------------------ */

/* A walk under way: what is still to be walked is text of its own, as links come between. */
struct walk {
    struct weft__sim_disk *disk;
    struct weft__sim_inode *at;
    struct weft__sim_inode *root; /* where a slash leads, and where ".." stays */
    uint64_t resolve;
    char rest[2 * WEFT__SIM_PATH_MAX];
    uint32_t links;
};

/* The next name of the rest; its length, 0 at the end. Slashes before and behind it are passed. */
static size_t next_name(struct walk *walk, char name[WEFT__SIM_NAME_MAX + 1], bool *last,
                        bool *slash)
{
    const char *from = walk->rest + strspn(walk->rest, "/");
    size_t length = strcspn(from, "/"), behind = strspn(from + length, "/");

    if (length > WEFT__SIM_NAME_MAX)
        return SIZE_MAX;
    memcpy(name, from, length);
    name[length] = '\0';
    *slash = behind > 0;
    *last = from[length + behind] == '\0';
    from += length + behind;
    for (char *to = walk->rest; (*to = *from) != '\0'; to++) /* forward: the two overlap */
        from++;
    return length;
}

/* A link is walked in the place of its name. */
static int follow_link(struct walk *walk, const struct weft__sim_inode *link, bool slash)
{
    char rest[sizeof walk->rest];
    int length;

    if (++walk->links > LINKS_MAX || walk->resolve & RESOLVE_NO_SYMLINKS)
        return -ELOOP;
    if (link->target[0] == '/' && walk->resolve & RESOLVE_BENEATH)
        return -EXDEV;
    length = snprintf(rest, sizeof rest, "%s%s%s", link->target, slash || walk->rest[0] ? "/" : "",
                      walk->rest);
    if (length >= (int)sizeof rest)
        return -ENAMETOOLONG;
    memcpy(walk->rest, rest, (size_t)length + 1);
    if (rest[0] == '/')
        walk->at = walk->root;
    return 0;
}

/* The directory itself, by a name that says so. */
static bool is_itself(struct walk *walk, const char *name)
{
    if (strcmp(name, "..") == 0)
        walk->at = walk->at == walk->root ? walk->root : walk->at->parent;
    else if (strcmp(name, ".") != 0 && name[0])
        return false;
    return true;
}

static int step(struct walk *walk, enum weft__sim_walk_for what_for, struct weft__sim_place *place,
                bool *over)
{
    bool last, slash;
    size_t length = next_name(walk, place->name, &last, &slash);
    struct weft__sim_entry *entry;

    *over = last;
    if (length == SIZE_MAX)
        return -ENAMETOOLONG;
    if (walk->at->kind != WEFT__SIM_DIRECTORY)
        return -ENOTDIR;
    place->slash = slash;
    place->dots = strcmp(place->name, "..") == 0;
    place->directory = walk->at;
    if (place->dots && walk->at == walk->root && walk->resolve & RESOLVE_BENEATH)
        return -EXDEV;
    if (is_itself(walk, place->name)) {
        place->name[0] = '\0';
        place->inode = place->directory = walk->at;
        return 0;
    }
    entry = find(&walk->at->now, place->name);
    place->inode = entry ? entry->inode : NULL;
    if (entry && entry->inode->kind == WEFT__SIM_SYMLINK &&
        (!last || what_for == WEFT__SIM_WHERE_FOLLOWED || (slash && what_for != WEFT__SIM_NAME))) {
        *over = false;
        return follow_link(walk, entry->inode, slash);
    }
    if (!last && !entry)
        return -ENOENT;
    if (!last)
        walk->at = entry->inode;
    return 0;
}

int weft__sim_walk(struct weft__sim_disk *disk, struct weft__sim_inode *from, const char *path,
                   enum weft__sim_walk_for what_for, uint64_t resolve,
                   struct weft__sim_place *place)
{
    bool scoped = resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT);
    bool absolute = path[0] == '/' && !(resolve & RESOLVE_IN_ROOT);
    struct walk walk = {.disk = disk,
                        .at = absolute ? disk->root : from,
                        .root = scoped ? from : disk->root,
                        .resolve = resolve};
    bool over = false;
    int error = 0;

    if (!path[0])
        return -ENOENT;
    if (absolute && resolve & RESOLVE_BENEATH)
        return -EXDEV;
    if (!walk.at)
        return -ENOTDIR;
    if (snprintf(walk.rest, sizeof walk.rest, "%s", path) >= WEFT__SIM_PATH_MAX)
        return -ENAMETOOLONG;
    while (error == 0 && !over)
        error = step(&walk, what_for, place, &over);
    if (error == 0 && what_for != WEFT__SIM_NAME && place->slash && place->inode &&
        place->inode->kind != WEFT__SIM_DIRECTORY)
        error = -ENOTDIR;
    return error;
}

/* -- names that go and change ----------------------------------------------------------------- */

int weft__sim_name_unlink(struct weft__sim_disk *disk, const struct weft__sim_place *place,
                          bool directory)
{
    struct weft__sim_inode *inode = place->inode;

    if (!inode)
        return -ENOENT;
    if (!directory && (inode->kind == WEFT__SIM_DIRECTORY))
        return -EISDIR;
    if ((directory || place->slash) && inode->kind != WEFT__SIM_DIRECTORY)
        return -ENOTDIR;
    if (!place->name[0])
        return place->dots ? -ENOTEMPTY : inode == disk->root ? -EBUSY : -EINVAL;
    if (directory && inode->now.count > 0)
        return -ENOTEMPTY;
    weft__sim_inode_keep(inode);
    inode->changed_ns = weft__sim_now(disk->sim);
    inode->parent = inode;
    if (!directory)
        weft__sim_tell_self(disk, inode, IN_ATTRIB);
    weft__sim_entry_set(disk, place->directory, place->name, NULL, ++disk->calls, NULL);
    weft__sim_tell_name(disk, place->directory, place->name, inode, IN_DELETE, 0);
    weft__sim_disk_changed(disk, place->directory, 0);
    weft__sim_inode_drop(disk, inode);
    return 0;
}

static bool is_within(const struct weft__sim_inode *inode, const struct weft__sim_inode *directory)
{
    while (inode != directory && inode != inode->parent)
        inode = inode->parent;
    return inode == directory;
}

static int may_rename(const struct weft__sim_place *from, const struct weft__sim_place *to,
                      uint32_t flags)
{
    bool directory;

    if (flags & ~(uint32_t)(RENAME_FLAG_NOREPLACE | RENAME_FLAG_EXCHANGE) ||
        flags == (RENAME_FLAG_NOREPLACE | RENAME_FLAG_EXCHANGE))
        return -EINVAL;
    if (!from->name[0] || !to->name[0])
        return from->name[0] && flags & RENAME_FLAG_NOREPLACE ? -EEXIST : -EBUSY;
    if (!from->inode)
        return -ENOENT;
    directory = from->inode->kind == WEFT__SIM_DIRECTORY;
    if (flags & RENAME_FLAG_NOREPLACE && to->inode)
        return -EEXIST;
    if (flags & RENAME_FLAG_EXCHANGE && !to->inode)
        return -ENOENT;
    if (flags & RENAME_FLAG_EXCHANGE && to->slash && to->inode->kind != WEFT__SIM_DIRECTORY)
        return -ENOTDIR;
    if (!directory && (from->slash || (to->slash && !(flags & RENAME_FLAG_EXCHANGE))))
        return -ENOTDIR;
    if (directory && is_within(to->directory, from->inode))
        return -EINVAL;
    if (to->inode && to->inode->kind == WEFT__SIM_DIRECTORY &&
        is_within(from->directory, to->inode))
        return flags & RENAME_FLAG_EXCHANGE ? -EINVAL : -ENOTEMPTY;
    if (!to->inode || flags & RENAME_FLAG_EXCHANGE || to->inode == from->inode)
        return 0;
    if (directory && to->inode->kind != WEFT__SIM_DIRECTORY)
        return -ENOTDIR;
    if (!directory && to->inode->kind == WEFT__SIM_DIRECTORY)
        return -EISDIR;
    return directory && to->inode->now.count > 0 ? -ENOTEMPTY : 0;
}

static void tell_move(struct weft__sim_disk *disk, const struct weft__sim_place *from,
                      const struct weft__sim_place *to, struct weft__sim_inode *inode)
{
    uint32_t cookie = weft__sim_rename_cookie(disk);

    weft__sim_tell_name(disk, from->directory, from->name, inode, IN_MOVED_FROM, cookie);
    weft__sim_tell_name(disk, to->directory, to->name, inode, IN_MOVED_TO, cookie);
}

/* After the names have changed. Who opened a file by its name has it by the new one. */
static void tell_rename(struct weft__sim_disk *disk, const struct weft__sim_place *from,
                        const struct weft__sim_place *to, bool exchanged,
                        const uint64_t dentries[2])
{
    weft__sim_entry_find(to->directory, to->name)->dentry = dentries[0];
    tell_move(disk, from, to, from->inode);
    if (to->inode && !exchanged && to->inode->kind != WEFT__SIM_DIRECTORY)
        weft__sim_tell_self(disk, to->inode, IN_ATTRIB);
    weft__sim_tell_self(disk, from->inode, IN_MOVE_SELF);
    if (!exchanged)
        return;
    weft__sim_entry_find(from->directory, from->name)->dentry = dentries[1];
    tell_move(disk, to, from, to->inode);
    weft__sim_tell_self(disk, to->inode, IN_MOVE_SELF);
}

int weft__sim_name_rename(struct weft__sim_disk *disk, const struct weft__sim_place *from,
                          const struct weft__sim_place *to, uint32_t flags)
{
    struct weft__sim_inode *inode = from->inode, *replaced = to->inode;
    bool across = from->directory != to->directory;
    int error = may_rename(from, to, flags);
    uint64_t serial, dentries[2];

    if (error < 0 || replaced == inode)
        return error;
    serial = ++disk->calls;
    dentries[0] = weft__sim_entry_find(from->directory, from->name)->dentry;
    dentries[1] = replaced ? weft__sim_entry_find(to->directory, to->name)->dentry : 0;
    weft__sim_inode_keep(inode);
    inode->opens++; /* by the call, as long as it lasts: neither goes before all is told */
    if (replaced) {
        weft__sim_inode_keep(replaced);
        replaced->opens++;
        replaced->parent = replaced;
    }
    weft__sim_entry_set(disk, from->directory, from->name,
                        flags & RENAME_FLAG_EXCHANGE ? replaced : NULL, serial,
                        across ? to->directory : NULL);
    weft__sim_entry_set(disk, to->directory, to->name, inode, serial,
                        across ? from->directory : NULL);
    if (inode->kind == WEFT__SIM_DIRECTORY)
        inode->parent = to->directory;
    if (flags & RENAME_FLAG_EXCHANGE && replaced->kind == WEFT__SIM_DIRECTORY)
        replaced->parent = from->directory;
    tell_rename(disk, from, to, flags & RENAME_FLAG_EXCHANGE, dentries);
    inode->opens--;
    if (replaced) {
        replaced->opens--;
        weft__sim_inode_count(disk, replaced);
    }
    weft__sim_disk_changed(disk, to->directory, 0);
    if (replaced)
        weft__sim_inode_drop(disk, replaced);
    weft__sim_inode_drop(disk, inode);
    return 0;
}

/* -- without power ---------------------------------------------------------------------------- */

void weft__sim_names_survive(struct weft__sim_disk *disk, struct weft__sim_inode *directory)
{
    struct weft__sim_change *change = directory->changes;
    uint64_t count = 0;

    for (; change; change = change->next)
        count++;
    weft__sim_step(&directory->dice);
    if (count == 0 || !weft__sim_chance(disk->sim, &directory->dice, WEFT__SIM_POWER_NAMES))
        return;
    count = weft__sim_pick(disk->sim, &directory->dice, WEFT__SIM_POWER_NAMES, count);
    for (change = directory->changes; count > 0; count--)
        change = change->next;
    weft__sim_names_sync(disk, directory, change->serial);
}

static void forget_changes(struct weft__sim_disk *disk, struct weft__sim_inode *directory)
{
    while (directory->changes)
        free_change(disk, take_change(directory));
}

void weft__sim_names_restore(struct weft__sim_disk *disk, struct weft__sim_inode *directory)
{
    forget_changes(disk, directory);
    for (uint32_t i = 0; i < directory->now.count; i++) {
        directory->now.all[i].inode->names--;
        weft__sim_inode_count(disk, directory->now.all[i].inode);
    }
    clear(disk, &directory->now);
    for (uint32_t i = 0; i < directory->kept.count; i++) {
        struct weft__sim_inode *inode = directory->kept.all[i].inode;
        add(disk, &directory->now, directory->kept.all[i].name, inode);
        inode->names++;
        weft__sim_inode_count(disk, inode);
        if (inode->kind == WEFT__SIM_DIRECTORY)
            inode->parent = directory;
    }
}

void weft__sim_names_free(struct weft__sim_disk *disk, struct weft__sim_inode *directory)
{
    forget_changes(disk, directory);
    clear(disk, &directory->now);
    clear(disk, &directory->kept);
}
