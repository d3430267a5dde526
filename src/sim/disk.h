/*
 * sim/disk.h - the simulated disk: files, directories, and what of them would outlive the power.
 *
 *      path --walk--> entry of a directory --> inode <-- open file <-- descriptor
 *                                                |
 *                          pages: `now`, what reading shows; `kept`, what is on the disk
 *                          size: likewise. Entries of a directory: likewise, and the changes
 * between
 *
 * Everything is there twice: as programs see it, and as it stands on the disk. A sync of a file
 * makes its kept half what the other is; a sync of a directory does the same for its entries, and
 * for nothing that they name. When the power goes, the kept half is what is left, and besides
 * whatever of the rest the draws let through: in a file, whole pages and torn ones; of a directory,
 * its changes in their order up to some point; a rename between two directories in both or neither.
 *
 * The disk belongs to the world and outlives every runtime in it. Owners, modes and times are kept
 * and never enforced. What always holds: an inode is there while a name (now, kept, or in a change)
 * or an open file refers to it; space is taken by the pages that a name or an open file shows now.
 *
 * disk.c: inodes, space, opening and power. disk_data.c: bytes. disk_name.c: directories, paths.
 * file.c: open files. file_request.c: the requests that name paths. inotify.c: who watches. All of
 * it on the world's thread; none of it waits.
 */
#ifndef WEFT_SIM_DISK_H
#define WEFT_SIM_DISK_H

#include "sim/object.h"

enum {
    WEFT__SIM_PAGE = 4096,
    WEFT__SIM_SECTOR = 512, /* what a disk writes whole or not at all */
    WEFT__SIM_NAME_MAX = 255,
    WEFT__SIM_PATH_MAX = 4096,
};

enum weft__sim_inode_kind { WEFT__SIM_REGULAR, WEFT__SIM_DIRECTORY, WEFT__SIM_SYMLINK };

struct weft__sim_page {
    int64_t index;
    unsigned char *now;  /* NULL: a hole, or beyond the end */
    unsigned char *kept; /* NULL: a hole; the same as `now` once synced */
    bool dirty; /* the next sync writes it. Not dirty and not the same: lost by a failure */
};

struct weft__sim_entry {
    char *name;
    struct weft__sim_inode *inode;
    uint64_t cookie; /* its place in listings */
    uint64_t dentry; /* stays the same when it is renamed: whoever opened the file by it */
};

struct weft__sim_entries {
    struct weft__sim_entry *all;
    uint32_t count, room;
};

/* One name of a directory that stands for something else than it did. */
struct weft__sim_change {
    struct weft__sim_change *next;
    uint64_t serial; /* of the call: changes of one call share it */
    char *name;
    struct weft__sim_inode *inode; /* NULL: for nothing */
    struct weft__sim_inode *other; /* the other directory of a rename; NULL: none */
};

struct weft__sim_xattr {
    struct weft__sim_xattr *next;
    char *name;
    void *value;
    uint32_t size;
};

struct weft__sim_inode {
    struct weft__sim_inode *next, **link; /* all of the disk's, by age */
    uint64_t serial;
    struct weft__sim_dice dice;
    enum weft__sim_inode_kind kind;
    uint32_t mode;
    uint32_t refs;  /* open files, entries of both halves, changes */
    uint32_t names; /* entries that stand now: the number of links */
    uint32_t opens; /* open files */
    bool counted;   /* its pages are among those used: a name or an open file shows them */
    int64_t born_ns, changed_ns, modified_ns;

    /* bytes */
    int64_t size, size_kept;
    int64_t cut; /* the least size since the last sync, where below size_kept; else INT64_MAX */
    struct weft__sim_page *pages; /* by index */
    uint32_t page_count, page_room;
    uint64_t failures; /* syncs and write-backs that failed */
    int failure;       /* what the last of them was; negative */
    bool failure_told; /* to somebody */

    /* a directory */
    struct weft__sim_inode *parent; /* without a reference; itself: the root, or removed */
    struct weft__sim_entries now, kept;
    struct weft__sim_change *changes, **changes_tail; /* from kept to now, in order */

    char *target; /* of a symbolic link */

    struct weft__sim_xattr *xattrs, *xattrs_kept; /* in the order in which they were first set */
    bool xattrs_dirty;                            /* the two differ */
};

struct weft__sim_disk {
    struct weft__sim *sim;
    struct weft__sim_inode *inodes, **inodes_tail;
    struct weft__sim_inode *root;
    struct weft__sim_dice dice;
    uint64_t serials, cookies, calls;
    uint32_t rename_cookies;
    int64_t pages_used;
    uint64_t life;         /* counts power losses: open files of an earlier one are dead */
    bool off;              /* there is no power */
    uint64_t power_off_in; /* so many more changes, and there is none; 0: it stays */
};

/* -- disk.c ------------------------------------------------------------------------------------ */

void weft__sim_disk_open(struct weft__sim *sim, struct weft__sim_disk **disk);
void weft__sim_disk_close(struct weft__sim_disk *disk);
struct weft__sim_inode *weft__sim_inode_new(struct weft__sim_disk *disk,
                                            enum weft__sim_inode_kind kind, uint32_t mode);
void weft__sim_inode_keep(struct weft__sim_inode *inode);
void weft__sim_inode_drop(struct weft__sim_disk *disk, struct weft__sim_inode *inode);
/* Its names or open files have changed: does it take space? */
void weft__sim_inode_count(struct weft__sim_disk *disk, struct weft__sim_inode *inode);
/* Something on the disk has changed: the power may be due to go. */
void weft__sim_disk_changed(struct weft__sim_disk *disk, struct weft__sim_inode *inode,
                            int64_t value);
/* The power goes: see above. Files that are open are dead, connections broken. */
void weft__sim_power_goes(struct weft__sim_disk *disk);

/* -- disk_data.c ------------------------------------------------------------------------------- */

int32_t weft__sim_data_read(const struct weft__sim_inode *inode, void *memory, uint32_t length,
                            int64_t offset);
/* How many bytes; -ENOSPC when there is room for none. */
int32_t weft__sim_data_write(struct weft__sim_disk *disk, struct weft__sim_inode *inode,
                             const void *memory, uint32_t length, int64_t offset);
void weft__sim_data_truncate(struct weft__sim_disk *disk, struct weft__sim_inode *inode,
                             int64_t size);
/* fallocate(2). */
int weft__sim_data_allocate(struct weft__sim_disk *disk, struct weft__sim_inode *inode, int mode,
                            int64_t offset, int64_t size);
/* What is seen now is kept. 0, or an error, which is drawn or (`error` below 0) asked for: then
   some of it is kept, and none of it is dirty any more. */
int weft__sim_data_sync(struct weft__sim_disk *disk, struct weft__sim_inode *inode, int error);
/* What is left of it without power. */
void weft__sim_data_survive(struct weft__sim_disk *disk, struct weft__sim_inode *inode);
void weft__sim_data_free(struct weft__sim_disk *disk, struct weft__sim_inode *inode);
int64_t weft__sim_data_pages(const struct weft__sim_inode *inode); /* that are seen now */

/* -- disk_name.c ------------------------------------------------------------------------------- */

/* Where a path leads: the directory and the last name in it, and what stands there. */
struct weft__sim_place {
    struct weft__sim_inode *directory;
    char name[WEFT__SIM_NAME_MAX + 1]; /* "": the directory itself ("/", "a/.", "..") */
    struct weft__sim_inode *inode;     /* NULL: nothing */
    bool slash;                        /* at the end of the path */
    bool dots;                         /* it ends with ".." */
};
/* What a path is for: what it stands for, the last link followed or not; or the name as such, which
   is to be made, removed or changed, and then a slash at its end says nothing yet. */
enum weft__sim_walk_for { WEFT__SIM_WHERE, WEFT__SIM_WHERE_FOLLOWED, WEFT__SIM_NAME };
/* Walks from `from`; resolve: RESOLVE_* of openat2(2), which say where it may lead. 0, -ENOENT (a
   directory on the way), -ENOTDIR, -ELOOP, -ENAMETOOLONG, -EXDEV. Nothing at the end is no error.
   */
int weft__sim_walk(struct weft__sim_disk *disk, struct weft__sim_inode *from, const char *path,
                   enum weft__sim_walk_for what_for, uint64_t resolve,
                   struct weft__sim_place *place);
/* The name stands for `inode` from now on (NULL: for nothing), as part of call `serial`. */
void weft__sim_entry_set(struct weft__sim_disk *disk, struct weft__sim_inode *directory,
                         const char *name, struct weft__sim_inode *inode, uint64_t serial,
                         struct weft__sim_inode *other);
/* The entry of that name, as it is seen now; NULL. */
struct weft__sim_entry *weft__sim_entry_find(const struct weft__sim_inode *directory,
                                             const char *name);
int weft__sim_name_unlink(struct weft__sim_disk *disk, const struct weft__sim_place *place,
                          bool directory);
int weft__sim_name_rename(struct weft__sim_disk *disk, const struct weft__sim_place *from,
                          const struct weft__sim_place *to, uint32_t flags);
/* Its entries are kept, up to call `serial`. */
void weft__sim_names_sync(struct weft__sim_disk *disk, struct weft__sim_inode *directory,
                          uint64_t serial);
/* How many of its changes outlive the power, drawn; and the entries as they are then. */
void weft__sim_names_survive(struct weft__sim_disk *disk, struct weft__sim_inode *directory);
void weft__sim_names_restore(struct weft__sim_disk *disk, struct weft__sim_inode *directory);
void weft__sim_names_free(struct weft__sim_disk *disk, struct weft__sim_inode *directory);

/* -- trouble.c --------------------------------------------------------------------------------- */

/* What a worker's call meets besides what it would, by the plan: an error, or 0; *length: no more
   bytes than these, of a call that comes back with less. May take a while. */
int weft__sim_call_trouble(struct weft__sim *sim, uint8_t call, const struct weft__sim_file *file,
                           uint32_t *length);

/* -- xattr.c ----------------------------------------------------------------------------------- */

/* The value's length, which is put there where it fits; -ENODATA, -ERANGE, ... memory NULL: how
   long it is. */
int32_t weft__sim_xattr_get(const struct weft__sim_inode *inode, const char *name, void *memory,
                            uint32_t size);
int weft__sim_xattr_set(struct weft__sim_disk *disk, struct weft__sim_inode *inode,
                        const char *name, const void *value, uint32_t size, uint32_t flags);
void weft__sim_xattrs_sync(struct weft__sim_inode *inode);
void weft__sim_xattrs_survive(struct weft__sim_disk *disk, struct weft__sim_inode *inode);
void weft__sim_xattrs_free(struct weft__sim_inode *inode);

/* -- file.c ------------------------------------------------------------------------------------ */

/* Of an open file or folder: as F_GETFL has them. */
int weft__sim_file_flags(const struct weft__sim_file *file);
/* Those that F_SETFL changes. */
void weft__sim_file_set_flags(struct weft__sim_file *file, uint32_t flags);
/* So many bytes as a transfer cut short to `limit` moves: of O_DIRECT, whole sectors. */
uint32_t weft__sim_file_limit(const struct weft__sim_file *file, uint32_t limit);
/* An open file of the inode, one reference the caller's. flags: as of open(2). dentry: of the entry
   it was opened by; 0: none. */
struct weft__sim_file *weft__sim_file_of(struct weft__sim *sim, struct weft__sim_inode *inode,
                                         uint32_t flags, uint64_t dentry);
/* To those who watch it: what was done to an open file. */
void weft__sim_file_tell(struct weft__sim *sim, const struct weft__sim_file *file, uint32_t what);
/* The inode behind an open file; NULL: it is no file of the disk. */
struct weft__sim_inode *weft__sim_inode_behind(const struct weft__sim_file *file);
/* Whether its disk has lost power since it was opened. */
bool weft__sim_file_is_dead(const struct weft__sim *sim, const struct weft__sim_file *file);
bool weft__sim_file_is_path(const struct weft__sim_file *file); /* opened with O_PATH */
/* Whether it was opened for that; what is no file of the disk says so itself. */
bool weft__sim_file_may(const struct weft__sim_file *file, bool write);
/* Whether a read there would find the end; below 0: at its position. */
bool weft__sim_file_ends_at(const struct weft__sim_file *file, int64_t offset);
int weft__sim_file_sync(struct weft__sim *sim, struct weft__sim_file *file, int error);
int weft__sim_file_sync_range(struct weft__sim *sim, struct weft__sim_file *file, int64_t offset,
                              int64_t size, uint32_t flags);
int weft__sim_file_advise(const struct weft__sim_file *file, int64_t size, uint32_t advice);
int weft__sim_file_truncate(struct weft__sim *sim, struct weft__sim_file *file, int64_t size);
int weft__sim_file_allocate(struct weft__sim *sim, struct weft__sim_file *file, int mode,
                            int64_t offset, int64_t size);
/* copy_file_range(2), at most so many bytes of it, and how much of it there is (ring/host.h); at
   positions: -1. */
int32_t weft__sim_file_copy(struct weft__sim *sim, struct weft__sim_file *in, int64_t offset_in,
                            struct weft__sim_file *out, int64_t offset_out, size_t size,
                            uint32_t most);
int64_t weft__sim_file_copy_size(const struct weft__sim_file *in, int64_t offset_in,
                                 const struct weft__sim_file *out, int64_t offset_out, size_t size);
int32_t weft__sim_file_list(struct weft__sim *sim, struct weft__sim_file *file, void *memory,
                            size_t size);

struct weft__sim_disk *weft__sim_disk(const struct weft__sim *sim);

#endif
