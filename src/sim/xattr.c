/*
 * sim/xattr.c - names and values beside a file's bytes, and the requests for them.
 *
 * As on ext4: names of the namespace "user." alone, on files and directories, as many as fit into
 * one block. What always holds: what is kept is what there was at the last sync of the file; when
 * the power goes, that is left, or (drawn) all that has been set since as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/xattr.h>

#include "sim/inotify.h"
#include "sim/ring_core.h"

enum {
    NAME_ROOM = 256, /* with the end */
    VALUE_MAX = 65536,
    SPACE = 4000, /* of a block, for all of them */
    ENTRY = 16,   /* what each takes besides its name and value */
};

static const char user[] = "user.";

/* -- of an inode ------------------------------------------------------------------------------ */

static struct weft__sim_xattr *find(struct weft__sim_xattr *first, const char *name)
{
    while (first && strcmp(first->name, name) != 0)
        first = first->next;
    return first;
}

static void *copy_of(const void *from, size_t size)
{
    void *copy = weft__sim_alloc(size);

    return size ? memcpy(copy, from, size) : copy;
}

static void add(struct weft__sim_xattr **last, const char *name, const void *value, uint32_t size)
{
    struct weft__sim_xattr *made = weft__sim_alloc(sizeof *made);

    *made = (struct weft__sim_xattr){.name = copy_of(name, strlen(name) + 1),
                                     .value = copy_of(value, size),
                                     .size = size};
    while (*last)
        last = &(*last)->next;
    *last = made;
}

static void free_list(struct weft__sim_xattr **list)
{
    struct weft__sim_xattr *first;

    while ((first = *list) != NULL) {
        *list = first->next;
        weft__sim_free(first->name);
        weft__sim_free(first->value);
        weft__sim_free(first);
    }
}

static void copy_list(struct weft__sim_xattr **to, const struct weft__sim_xattr *from)
{
    free_list(to);
    for (; from; from = from->next)
        add(to, from->name, from->value, from->size);
}

/* Whether there may be one of that name. */
static int check_name(const char *name)
{
    if (strncmp(name, user, sizeof user - 1) != 0)
        return -EOPNOTSUPP;
    return name[sizeof user - 1] ? 0 : -EINVAL;
}

int32_t weft__sim_xattr_get(const struct weft__sim_inode *inode, const char *name, void *memory,
                            uint32_t size)
{
    const struct weft__sim_xattr *found;
    int error = check_name(name);

    if (error < 0)
        return error;
    found = inode->kind == WEFT__SIM_SYMLINK ? NULL : find(inode->xattrs, name);
    if (!found)
        return -ENODATA;
    if (size > 0 && found->size > size)
        return -ERANGE;
    if (size > 0 && memory)
        memcpy(memory, found->value, found->size);
    return (int32_t)found->size;
}

/* What they take, with one of them being this long. */
static size_t space_with(const struct weft__sim_inode *inode, const char *name, uint32_t size)
{
    size_t space = ENTRY + strlen(name) + size;

    for (const struct weft__sim_xattr *each = inode->xattrs; each; each = each->next)
        if (strcmp(each->name, name) != 0)
            space += ENTRY + strlen(each->name) + each->size;
    return space;
}

int weft__sim_xattr_set(struct weft__sim_disk *disk, struct weft__sim_inode *inode,
                        const char *name, const void *value, uint32_t size, uint32_t flags)
{
    struct weft__sim_xattr *found = find(inode->xattrs, name);
    int error = check_name(name);

    if (inode->kind == WEFT__SIM_SYMLINK && error != -EOPNOTSUPP)
        return -EPERM;
    if (error < 0)
        return error;
    if (found && flags & XATTR_CREATE)
        return -EEXIST;
    if (!found && flags & XATTR_REPLACE)
        return -ENODATA;
    if (space_with(inode, name, size) > SPACE)
        return -ENOSPC;
    if (found) {
        weft__sim_free(found->value);
        found->value = copy_of(value, size);
        found->size = size;
    } else {
        add(&inode->xattrs, name, value, size);
    }
    inode->xattrs_dirty = true;
    inode->changed_ns = weft__sim_now(disk->sim);
    weft__sim_disk_changed(disk, inode, size);
    return 0;
}

void weft__sim_xattrs_sync(struct weft__sim_inode *inode)
{
    if (inode->xattrs_dirty)
        copy_list(&inode->xattrs_kept, inode->xattrs);
    inode->xattrs_dirty = false;
}

void weft__sim_xattrs_survive(struct weft__sim_disk *disk, struct weft__sim_inode *inode)
{
    if (!inode->xattrs_dirty)
        return;
    weft__sim_step(&inode->dice);
    if (weft__sim_chance(disk->sim, &inode->dice, WEFT__SIM_POWER_DATA))
        weft__sim_xattrs_sync(inode);
    else
        copy_list(&inode->xattrs, inode->xattrs_kept);
    inode->xattrs_dirty = false;
}

void weft__sim_xattrs_free(struct weft__sim_inode *inode)
{
    free_list(&inode->xattrs);
    free_list(&inode->xattrs_kept);
}

/* -- what is copied when a request is submitted ------------------------------------------------ */

bool weft__sim_is_xattr(uint8_t opcode)
{
    return weft__sim_sets_xattr(opcode) || opcode == WEFT__OP_GETXATTR ||
           opcode == WEFT__OP_FGETXATTR;
}

bool weft__sim_sets_xattr(uint8_t opcode)
{
    return opcode == WEFT__OP_SETXATTR || opcode == WEFT__OP_FSETXATTR;
}

static int copy_value(struct weft__sim_request *request)
{
    struct weft__sqe *sqe = &request->sqe;
    void *value = (void *)(uintptr_t)sqe->offset;

    if (sqe->length > VALUE_MAX)
        return -E2BIG;
    if (sqe->length > 0 && !weft__sim_is_there(value, sqe->length, false))
        return -EFAULT;
    request->held = copy_of(value, sqe->length);
    sqe->offset = (uint64_t)(uintptr_t)request->held;
    return 0;
}

/* In the kernel's order: the name, the value, the path. */
int weft__sim_copy_xattr(struct weft__sim_request *request)
{
    struct weft__sqe *sqe = &request->sqe;
    char *words = weft__sim_alloc(NAME_ROOM + WEFT__SIM_PATH_MAX);
    size_t length;
    int error;

    request->words = words;
    if (sqe->op_flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE))
        return -EINVAL;
    error = weft__sim_copy_text(sqe->address, words, NAME_ROOM, &length);
    if (error == -ENAMETOOLONG || (error == 0 && length == 1))
        return -ERANGE;
    if (error == 0 && weft__sim_sets_xattr(sqe->opcode))
        error = copy_value(request);
    if (error == 0 && weft__sim_names_files(sqe->opcode))
        error = weft__sim_copy_text(sqe->address3, words + NAME_ROOM, WEFT__SIM_PATH_MAX, &length);
    sqe->address = (uint64_t)(uintptr_t)words;
    sqe->address3 = (uint64_t)(uintptr_t)(words + NAME_ROOM);
    return error;
}

/* -- tried once ------------------------------------------------------------------------------- */

static int32_t get(struct weft__sim_request *request, const struct weft__sim_inode *inode)
{
    const char *name = (const char *)(uintptr_t)request->sqe.address;
    uint32_t size = request->sqe.length < VALUE_MAX ? request->sqe.length : VALUE_MAX;
    int32_t result = weft__sim_xattr_get(inode, name, NULL, size);

    if (result <= 0 || size == 0)
        return result;
    if (request->nowhere)
        return -EFAULT;
    weft__sim_lent_open(&request->lent);
    result = weft__sim_xattr_get(inode, name, request->lent.memory, size);
    weft__sim_lent_shut(&request->lent);
    return result;
}

static int32_t of_inode(struct weft__sim_request *request, struct weft__sim_inode *inode)
{
    const struct weft__sqe *sqe = &request->sqe;

    if (!weft__sim_sets_xattr(sqe->opcode))
        return get(request, inode);
    return weft__sim_xattr_set(weft__sim_disk(request->ring->sim), inode,
                               (const char *)(uintptr_t)sqe->address,
                               (const void *)(uintptr_t)sqe->offset, sqe->length, sqe->op_flags);
}

static uint64_t dentry_of(const struct weft__sim_place *place)
{
    return place->name[0] ? weft__sim_entry_find(place->directory, place->name)->dentry : 0;
}

int32_t weft__sim_perform_xattr(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    bool sets = weft__sim_sets_xattr(request->sqe.opcode);
    struct weft__sim_place place;
    int error;

    if (request->file) {
        struct weft__sim_inode *inode = weft__sim_inode_behind(request->file);
        if (weft__sim_file_is_path(request->file))
            return -EBADF;
        if (!inode) /* pipes and sockets have no such names */
            return sets ? -EPERM : -ENODATA;
        error = weft__sim_file_is_dead(sim, request->file) ? -EIO : of_inode(request, inode);
        if (sets && error == 0)
            weft__sim_file_tell(sim, request->file, IN_ATTRIB);
        return error;
    }
    error = weft__sim_place_of(sim, AT_FDCWD, (const char *)(uintptr_t)request->sqe.address3,
                               WEFT__SIM_WHERE_FOLLOWED, &place);
    if (error == 0 && !place.inode)
        error = -ENOENT;
    if (error == 0)
        error = of_inode(request, place.inode);
    if (sets && error == 0)
        weft__sim_tell_open(sim->disk, place.inode, dentry_of(&place), IN_ATTRIB);
    return error;
}
