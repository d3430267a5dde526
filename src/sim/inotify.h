/*
 * sim/inotify.h - what happens to the disk, told to those who watch it: the calls that the disk's
 * own files make where something happens. See inotify(7).
 *
 * What always holds: what is told of one call is told in the kernel's order, the directory before
 * the file; nothing is told of an open file whose name is gone.
 */
#ifndef WEFT_SIM_INOTIFY_H
#define WEFT_SIM_INOTIFY_H

#include "sim/disk.h"

/* To those who watch the directory: what happened to that name, which stands for `inode`. */
void weft__sim_tell_name(struct weft__sim_disk *disk, struct weft__sim_inode *directory,
                         const char *name, const struct weft__sim_inode *inode, uint32_t what,
                         uint32_t cookie);
/* To those who watch it itself. */
void weft__sim_tell_self(struct weft__sim_disk *disk, struct weft__sim_inode *inode, uint32_t what);
/* To those who watch the directory it is in, by the name it was opened by, and to those who watch
   it itself. */
void weft__sim_tell_open(struct weft__sim_disk *disk, struct weft__sim_inode *inode,
                         uint64_t dentry, uint32_t what);
/* Its last name and its last user are gone: the watches of it end. */
void weft__sim_tell_gone(struct weft__sim_disk *disk, struct weft__sim_inode *inode);
/* A cookie for the two halves of a rename. */
uint32_t weft__sim_rename_cookie(struct weft__sim_disk *disk);
/* The power goes: who watched watches a disk that is no more. */
void weft__sim_tell_power(struct weft__sim_disk *disk);

#endif
