/*
 * sim/disk.c - the disk begins, ends, and loses its power; inodes are made and freed.
 *
 * What always holds: after the power is gone the two halves of everything are the same.
 */
#include "sim/disk.h"

#include <errno.h>
#include <string.h>
#include <weft/sim.h>

#include "sim/inotify.h"
#include "sim/world.h"

enum { DIRECTORY_MODE = 0755, TMP_MODE = 01777 };

/* -- inodes ----------------------------------------------------------------------------------- */

struct weft__sim_inode *weft__sim_inode_new(struct weft__sim_disk *disk,
                                            enum weft__sim_inode_kind kind, uint32_t mode)
{
    struct weft__sim_inode *inode = weft__sim_alloc(sizeof *inode);

    inode->serial = ++disk->serials;
    inode->dice = weft__sim_dice(WEFT__SIM_WHO_INODE, inode->serial);
    inode->kind = kind;
    inode->mode = mode;
    inode->refs = 1;
    inode->cut = INT64_MAX;
    inode->failure_told = true;
    inode->changes_tail = &inode->changes;
    inode->parent = inode;
    inode->born_ns = inode->changed_ns = inode->modified_ns = weft__sim_now(disk->sim);
    inode->link = disk->inodes_tail;
    *disk->inodes_tail = inode;
    disk->inodes_tail = &inode->next;
    return inode;
}

void weft__sim_inode_keep(struct weft__sim_inode *inode)
{
    inode->refs++;
}

void weft__sim_inode_count(struct weft__sim_disk *disk, struct weft__sim_inode *inode)
{
    bool counts = inode->names > 0 || inode->opens > 0;

    if (counts != inode->counted)
        disk->pages_used += counts ? weft__sim_data_pages(inode) : -weft__sim_data_pages(inode);
    if (inode->counted && !counts)
        weft__sim_tell_gone(disk, inode);
    inode->counted = counts;
}

static void free_inode(struct weft__sim_disk *disk, struct weft__sim_inode *inode)
{
    *inode->link = inode->next;
    if (inode->next)
        inode->next->link = inode->link;
    else
        disk->inodes_tail = inode->link;
    weft__sim_names_free(disk, inode);
    weft__sim_data_free(disk, inode);
    weft__sim_xattrs_free(inode);
    weft__sim_free(inode->target);
    weft__sim_free(inode);
}

void weft__sim_inode_drop(struct weft__sim_disk *disk, struct weft__sim_inode *inode)
{
    if (--inode->refs == 0)
        free_inode(disk, inode);
}

/* -- the disk --------------------------------------------------------------------------------- */

static void make_directory(struct weft__sim_disk *disk, const char *name, uint32_t mode)
{
    struct weft__sim_inode *inode = weft__sim_inode_new(disk, WEFT__SIM_DIRECTORY, mode);

    inode->parent = disk->root;
    weft__sim_entry_set(disk, disk->root, name, inode, ++disk->calls, NULL);
    weft__sim_inode_drop(disk, inode);
}

void weft__sim_disk_open(struct weft__sim *sim, struct weft__sim_disk **disk)
{
    struct weft__sim_disk *made = weft__sim_alloc(sizeof *made);

    made->sim = sim;
    made->dice = weft__sim_dice(WEFT__SIM_WHO_INODE, 0);
    made->inodes_tail = &made->inodes;
    made->root = weft__sim_inode_new(made, WEFT__SIM_DIRECTORY, DIRECTORY_MODE);
    make_directory(made, "tmp", TMP_MODE);
    weft__sim_names_sync(made, made->root, made->calls);
    *disk = made;
}

/* Directories may refer to one another in their changes: all references go first. */
void weft__sim_disk_close(struct weft__sim_disk *disk)
{
    struct weft__sim_inode *inode, *next;

    for (inode = disk->inodes; inode; inode = inode->next)
        weft__sim_inode_keep(inode);
    for (inode = disk->inodes; inode; inode = inode->next)
        weft__sim_names_free(disk, inode);
    weft__sim_inode_drop(disk, disk->root);
    for (inode = disk->inodes; inode; inode = next) {
        next = inode->next;
        weft__sim_inode_drop(disk, inode);
    }
    weft__sim_free(disk);
}

/* -- power ------------------------------------------------------------------------------------ */

static void break_connections(struct weft__sim *sim)
{
    for (uint32_t fd = 0; fd < sim->fds_room; fd++)
        if (sim->fds[fd] && sim->fds[fd]->ops->is_socket && sim->fds[fd]->ops->fault)
            sim->fds[fd]->ops->fault(sim, sim->fds[fd], -ECONNRESET);
}

/* What lies on the disk then is all there is; what nothing names any more is freed. */
void weft__sim_power_goes(struct weft__sim_disk *disk)
{
    struct weft__sim_inode *inode, *next;

    disk->off = true;
    disk->power_off_in = 0;
    disk->life++;
    weft__sim_tell_power(disk);
    weft__sim_note(disk->sim, WEFT__SIM_NOTE_POWER, disk->life, 0);
    for (inode = disk->inodes; inode; inode = inode->next)
        weft__sim_inode_keep(inode);
    for (inode = disk->inodes; inode; inode = inode->next)
        if (inode->kind == WEFT__SIM_DIRECTORY)
            weft__sim_names_survive(disk, inode);
    for (inode = disk->inodes; inode; inode = inode->next) {
        if (inode->kind == WEFT__SIM_DIRECTORY)
            weft__sim_names_restore(disk, inode);
        else
            weft__sim_data_survive(disk, inode);
        weft__sim_xattrs_survive(disk, inode);
    }
    for (inode = disk->inodes; inode; inode = next) {
        next = inode->next;
        weft__sim_inode_drop(disk, inode);
    }
    break_connections(disk->sim);
}

void weft__sim_disk_changed(struct weft__sim_disk *disk, struct weft__sim_inode *inode,
                            int64_t value)
{
    weft__sim_note(disk->sim, WEFT__SIM_NOTE_DISK, inode->serial, value);
    if (disk->power_off_in > 0 && --disk->power_off_in == 0)
        weft__sim_power_goes(disk);
}

/* -- <weft/sim.h> ----------------------------------------------------------------------------- */

int weft_sim_power_off(void)
{
    if (!weft__sim_world)
        return -EPERM;
    if (!weft__sim_world->disk->off)
        weft__sim_power_goes(weft__sim_world->disk);
    return 0;
}

int weft_sim_power_off_after(uint64_t changes)
{
    if (!weft__sim_world)
        return -EPERM;
    weft__sim_world->disk->power_off_in = changes;
    return 0;
}

bool weft_sim_power_is_off(void)
{
    return weft__sim_world && weft__sim_world->disk->off;
}

int weft_sim_power_on(void)
{
    if (!weft__sim_world)
        return -EPERM;
    weft__sim_world->disk->off = false;
    return 0;
}
