/*
 * sim/file_request.c - requests for files and names, tried once.
 *
 * What always holds: paths, and what else a request points at that the kernel copies when it is
 * submitted, were copied then (request->words); nothing here waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include "sim/inotify.h"
#include "sim/pipe.h"
#include "sim/ring_core.h"

/* All that goes with O_PATH. */
enum { OF_PATH = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC };

/* -- what is copied when a request is submitted ------------------------------------------------ */

/* Copies text that ends somewhere; how long it is, with its end. */
int weft__sim_copy_text(uint64_t address, char *to, size_t size, size_t *length)
{
    const char *from = (const char *)(uintptr_t)address;

    for (size_t i = 0; i < size; i++) {
        if ((i == 0 || (uintptr_t)(from + i) % WEFT__SIM_PAGE == 0) &&
            !weft__sim_is_there((void *)(uintptr_t)(from + i), 1, false))
            return -EFAULT;
        to[i] = from[i];
        if (to[i] == '\0') {
            *length = i + 1;
            return 0;
        }
    }
    return -ENAMETOOLONG;
}

static bool has_two_paths(uint8_t opcode)
{
    return opcode == WEFT__OP_RENAMEAT || opcode == WEFT__OP_LINKAT || opcode == WEFT__OP_SYMLINKAT;
}

bool weft__sim_names_files(uint8_t opcode)
{
    return opcode == WEFT__OP_OPENAT2 || opcode == WEFT__OP_STATX || opcode == WEFT__OP_UNLINKAT ||
           opcode == WEFT__OP_MKDIRAT || opcode == WEFT__OP_GETXATTR ||
           opcode == WEFT__OP_SETXATTR || has_two_paths(opcode);
}

int weft__sim_copy_names(struct weft__sim_request *request)
{
    struct weft__sqe *sqe = &request->sqe;
    char *words = weft__sim_alloc((size_t)2 * WEFT__SIM_PATH_MAX);
    size_t length;
    int error = weft__sim_copy_text(sqe->address, words, WEFT__SIM_PATH_MAX, &length);

    request->words = words;
    sqe->address = (uint64_t)(uintptr_t)words;
    if (error == 0 && has_two_paths(sqe->opcode)) {
        error = weft__sim_copy_text(sqe->offset, words + WEFT__SIM_PATH_MAX, WEFT__SIM_PATH_MAX,
                                    &length);
        sqe->offset = (uint64_t)(uintptr_t)(words + WEFT__SIM_PATH_MAX);
    } else if (error == 0 && sqe->opcode == WEFT__OP_OPENAT2) {
        struct weft__open_how *how = (struct weft__open_how *)(words + WEFT__SIM_PATH_MAX);
        if (sqe->length != sizeof *how)
            return -EINVAL;
        if (!weft__sim_is_there((void *)(uintptr_t)sqe->offset, sizeof *how, false))
            return -EFAULT;
        memcpy(how, (void *)(uintptr_t)sqe->offset, sizeof *how);
        sqe->offset = (uint64_t)(uintptr_t)how;
    }
    return error;
}

/* -- places ----------------------------------------------------------------------------------- */

static const char *text(uint64_t address)
{
    return (const char *)(uintptr_t)address;
}

/* The directory that a path begins from; NULL through *error: there is none. */
static struct weft__sim_inode *from_of(struct weft__sim *sim, int dirfd, bool absolute, int *error)
{
    struct weft__sim_file *file;
    struct weft__sim_inode *inode;

    *error = 0;
    if (absolute || dirfd == AT_FDCWD)
        return weft__sim_disk(sim)->root;
    file = weft__sim_fd_file(sim, dirfd);
    inode = file ? weft__sim_inode_behind(file) : NULL;
    if (!file)
        *error = -EBADF;
    else if (!inode || inode->kind != WEFT__SIM_DIRECTORY)
        *error = -ENOTDIR;
    else if (weft__sim_file_is_dead(sim, file))
        *error = -EIO;
    return *error == 0 ? inode : NULL;
}

static int place_within(struct weft__sim *sim, int dirfd, const char *path,
                        enum weft__sim_walk_for what_for, uint64_t resolve,
                        struct weft__sim_place *place)
{
    bool absolute = path[0] == '/' && !(resolve & RESOLVE_IN_ROOT);
    int error;
    struct weft__sim_inode *from = from_of(sim, dirfd, absolute, &error);

    return error < 0 ? error
                     : weft__sim_walk(weft__sim_disk(sim), from, path, what_for, resolve, place);
}

int weft__sim_place_of(struct weft__sim *sim, int dirfd, const char *path,
                       enum weft__sim_walk_for what_for, struct weft__sim_place *place)
{
    return place_within(sim, dirfd, path, what_for, 0, place);
}

/* Whether a name may be made there. */
static int may_make(const struct weft__sim_disk *disk, const struct weft__sim_place *place)
{
    if (place->inode)
        return -EEXIST;
    return place->directory != disk->root && place->directory->names == 0 ? -ENOENT : 0;
}

static void put_there(struct weft__sim_disk *disk, const struct weft__sim_place *place,
                      struct weft__sim_inode *inode)
{
    weft__sim_entry_set(disk, place->directory, place->name, inode, ++disk->calls, NULL);
    weft__sim_tell_name(disk, place->directory, place->name, inode, IN_CREATE, 0);
    weft__sim_disk_changed(disk, place->directory, (int64_t)inode->serial);
}

/* -- opening ---------------------------------------------------------------------------------- */

static int may_open(const struct weft__sim_place *place, uint64_t flags)
{
    const struct weft__sim_inode *inode = place->inode;
    bool writes = (flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC;

    if (flags & O_CREAT && flags & O_EXCL)
        return -EEXIST;
    if (inode->kind == WEFT__SIM_SYMLINK && !(flags & O_PATH && flags & O_NOFOLLOW))
        return flags & O_DIRECTORY ? -ENOTDIR : -ELOOP;
    if (inode->kind == WEFT__SIM_DIRECTORY && (writes || flags & O_CREAT) && !(flags & O_PATH))
        return -EISDIR;
    return flags & O_DIRECTORY && inode->kind != WEFT__SIM_DIRECTORY ? -ENOTDIR : 0;
}

static enum weft__sim_walk_for what_for(const char *path, uint64_t flags)
{
    size_t length = strlen(path);

    if (flags & O_CREAT && (flags & O_EXCL || (length > 0 && path[length - 1] == '/')))
        return WEFT__SIM_NAME;
    return flags & O_NOFOLLOW ? WEFT__SIM_WHERE : WEFT__SIM_WHERE_FOLLOWED;
}

/* Finds or makes what is to be opened, with a reference, and the entry that stands for it. 1: it
   was there; 0: it was made. */
static int find_to_open(struct weft__sim *sim, struct weft__sim_request *request,
                        const struct weft__open_how *how, struct weft__sim_inode **inode,
                        uint64_t *dentry)
{
    struct weft__sim_disk *disk = weft__sim_disk(sim);
    struct weft__sim_place place;
    int error =
        place_within(sim, request->sqe.fd, text(request->sqe.address),
                     what_for(text(request->sqe.address), how->flags), how->resolve, &place);

    if (error < 0)
        return error;
    if (how->flags & O_CREAT && place.slash && place.name[0])
        return -EISDIR;
    if (!place.inode && !(how->flags & O_CREAT))
        return -ENOENT;
    if (place.inode) {
        error = may_open(&place, how->flags);
        if (error < 0)
            return error;
        weft__sim_inode_keep(place.inode);
        *inode = place.inode;
        *dentry = place.name[0] ? weft__sim_entry_find(place.directory, place.name)->dentry : 0;
        return 1;
    }
    error = may_make(disk, &place);
    if (error < 0)
        return error;
    *inode = weft__sim_inode_new(disk, WEFT__SIM_REGULAR, (uint32_t)how->mode);
    *dentry = disk->cookies + 1; /* the next that is given */
    put_there(disk, &place, *inode);
    return 0;
}

/* What is said before the path is looked at, in the kernel's order. */
static int check_how(const struct weft__open_how *how)
{
    const uint64_t known = O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND |
                           O_NONBLOCK | O_SYNC | O_ASYNC | O_DIRECT | O_DIRECTORY | O_NOFOLLOW |
                           O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE;
    const uint64_t ways = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS |
                          RESOLVE_BENEATH | RESOLVE_IN_ROOT | RESOLVE_CACHED;
    const uint64_t scoped = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
    bool makes = how->flags & O_CREAT || (how->flags & O_TMPFILE) == O_TMPFILE;

    if (how->flags & ~known || how->resolve & ~ways || (how->resolve & scoped) == scoped ||
        (makes ? how->mode & ~UINT64_C(07777) : how->mode) ||
        (how->flags & O_CREAT && how->flags & O_DIRECTORY) || (how->flags & O_ACCMODE) == O_ACCMODE)
        return -EINVAL;
    if (how->flags & O_PATH && how->flags & ~(uint64_t)OF_PATH)
        return -EINVAL;
    if ((how->flags & O_TMPFILE) == O_TMPFILE)
        return -EOPNOTSUPP;
    return how->resolve & RESOLVE_CACHED && how->flags & (O_TRUNC | O_CREAT) ? -EAGAIN : 0;
}

static int32_t perform_open(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    const struct weft__open_how *how = (const void *)(uintptr_t)request->sqe.offset;
    struct weft__sim_disk *disk = weft__sim_disk(sim);
    struct weft__sim_inode *inode;
    struct weft__sim_file *file;
    uint64_t life = disk->life, dentry = 0;
    int error = check_how(how);

    if (error < 0)
        return error;
    /* as the kernel: the number first */
    error = weft__sim_fd_available(sim) ? weft__sim_fd_refused(sim, &request->dice) : -EMFILE;
    if (error < 0)
        return error;
    error = find_to_open(sim, request, how, &inode, &dentry);
    if (error < 0)
        return error;
    if (how->flags & O_TRUNC && inode->kind == WEFT__SIM_REGULAR && inode->size > 0 &&
        life == disk->life)
        weft__sim_data_truncate(disk, inode, 0);
    if (how->flags & O_TRUNC && error > 0 && life == disk->life)
        weft__sim_tell_open(disk, inode, dentry, IN_MODIFY);
    file = life == disk->life ? weft__sim_file_of(sim, inode, (uint32_t)how->flags, dentry) : NULL;
    weft__sim_inode_drop(disk, inode);
    return file ? weft__sim_fd_install(sim, file)
                : -EIO; /* its last change was that of the power */
}

/* -- what is there ---------------------------------------------------------------------------- */

static struct statx_timestamp stamp(int64_t ns)
{
    return (struct statx_timestamp){.tv_sec = ns / 1000000000,
                                    .tv_nsec = (uint32_t)(ns % 1000000000)};
}

static void describe(const struct weft__sim_inode *inode, struct statx *status)
{
    static const uint16_t kinds[] = {[WEFT__SIM_REGULAR] = S_IFREG,
                                     [WEFT__SIM_DIRECTORY] = S_IFDIR,
                                     [WEFT__SIM_SYMLINK] = S_IFLNK};
    uint32_t below = 0;
    bool regular = inode->kind == WEFT__SIM_REGULAR;

    for (uint32_t i = 0; i < inode->now.count; i++)
        below += inode->now.all[i].inode->kind == WEFT__SIM_DIRECTORY;
    *status = (struct statx){
        .stx_mask = STATX_BASIC_STATS | STATX_BTIME | (regular ? STATX_DIOALIGN : 0),
        .stx_blksize = WEFT__SIM_PAGE,
        .stx_nlink = inode->kind == WEFT__SIM_DIRECTORY ? 2 + below : inode->names,
        .stx_mode = (uint16_t)(kinds[inode->kind] | (inode->mode & 07777)),
        .stx_ino = inode->serial,
        .stx_size = (uint64_t)(inode->kind == WEFT__SIM_SYMLINK ? (int64_t)strlen(inode->target)
                                                                : inode->size),
        .stx_blocks = (uint64_t)weft__sim_data_pages(inode) * (WEFT__SIM_PAGE / 512),
        .stx_btime = stamp(inode->born_ns),
        .stx_ctime = stamp(inode->changed_ns),
        .stx_mtime = stamp(inode->modified_ns),
        .stx_atime = stamp(inode->modified_ns),
        .stx_dev_minor = 1,
        .stx_dio_mem_align = regular ? WEFT__SIM_SECTOR : 0,
        .stx_dio_offset_align = regular ? WEFT__SIM_SECTOR : 0,
    };
}

/* What a descriptor stands for that is no file of the disk. */
static int describe_other(const struct weft__sim_file *file, struct statx *status)
{
    bool pipe = strcmp(file->ops->kind, "pipe") == 0;

    *status = (struct statx){
        .stx_mask = STATX_BASIC_STATS,
        .stx_blksize = WEFT__SIM_PAGE,
        .stx_nlink = 1,
        .stx_mode = (uint16_t)((file->ops->is_socket ? S_IFSOCK
                                : pipe               ? S_IFIFO
                                                     : 0) |
                               0600),
        .stx_ino = file->serial,
    };
    return 0;
}

static int status_of(struct weft__sim_request *request, struct statx *status)
{
    struct weft__sim *sim = request->ring->sim;
    const char *path = text(request->sqe.address);
    uint32_t flags = request->sqe.op_flags;
    struct weft__sim_place place;
    int error;

    if (!path[0] && flags & AT_EMPTY_PATH && request->sqe.fd != AT_FDCWD) {
        struct weft__sim_file *file = weft__sim_fd_file(sim, request->sqe.fd);
        if (!file)
            return -EBADF;
        place.inode = weft__sim_inode_behind(file);
        if (!place.inode)
            return describe_other(file, status);
        if (weft__sim_file_is_dead(sim, file))
            return -EIO;
    } else {
        error = weft__sim_place_of(sim, request->sqe.fd, path,
                                   flags & AT_SYMLINK_NOFOLLOW ? WEFT__SIM_WHERE
                                                               : WEFT__SIM_WHERE_FOLLOWED,
                                   &place);
        if (error < 0 || !place.inode)
            return error < 0 ? error : -ENOENT;
    }
    describe(place.inode, status);
    return 0;
}

static int32_t perform_statx(struct weft__sim_request *request)
{
    uint32_t flags = request->sqe.op_flags;
    struct statx status;
    int error;

    if (request->sqe.length & 0x80000000u || /* STATX__RESERVED */
        flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH |
                            AT_STATX_SYNC_TYPE) ||
        (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
        return -EINVAL;
    error = status_of(request, &status);
    if (error == 0 && request->nowhere)
        error = -EFAULT;
    if (error == 0) {
        weft__sim_lent_open(&request->lent);
        memcpy(request->lent.memory, &status, sizeof status);
        weft__sim_lent_shut(&request->lent);
    }
    return error;
}

/* -- names ------------------------------------------------------------------------------------ */

static int32_t perform_unlink(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    const char *path = text(request->sqe.address);
    uint32_t flags = request->sqe.op_flags;
    struct weft__sim_place place;
    int error;

    if (flags & ~(uint32_t)AT_REMOVEDIR)
        return -EINVAL;
    error = weft__sim_place_of(sim, request->sqe.fd, path, WEFT__SIM_NAME, &place);
    if (error < 0)
        return error;
    if (!place.inode && !flags) /* or the name of a Unix socket */
        return weft__sim_net_unlink(sim, path);
    return weft__sim_name_unlink(weft__sim_disk(sim), &place, flags & AT_REMOVEDIR);
}

static int32_t perform_mkdir(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    struct weft__sim_disk *disk = weft__sim_disk(sim);
    struct weft__sim_place place;
    struct weft__sim_inode *inode;
    int error = weft__sim_place_of(sim, request->sqe.fd, text(request->sqe.address), WEFT__SIM_NAME,
                                   &place);

    if (error == 0)
        error = may_make(disk, &place);
    if (error < 0)
        return error;
    inode = weft__sim_inode_new(disk, WEFT__SIM_DIRECTORY, request->sqe.length);
    inode->parent = place.directory;
    put_there(disk, &place, inode);
    weft__sim_inode_drop(disk, inode);
    return 0;
}

static int32_t perform_symlink(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    struct weft__sim_disk *disk = weft__sim_disk(sim);
    const char *target = text(request->sqe.address);
    struct weft__sim_place place;
    struct weft__sim_inode *inode;
    int error =
        weft__sim_place_of(sim, request->sqe.fd, text(request->sqe.offset), WEFT__SIM_NAME, &place);

    if (!target[0])
        return -ENOENT;
    if (error == 0)
        error = may_make(disk, &place);
    if (error == 0 && place.slash)
        error = -ENOENT;
    if (error < 0)
        return error;
    inode = weft__sim_inode_new(disk, WEFT__SIM_SYMLINK, 0777);
    inode->target = memcpy(weft__sim_alloc(strlen(target) + 1), target, strlen(target) + 1);
    put_there(disk, &place, inode);
    weft__sim_inode_drop(disk, inode);
    return 0;
}

static int32_t perform_link(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    struct weft__sim_disk *disk = weft__sim_disk(sim);
    uint32_t flags = request->sqe.op_flags;
    struct weft__sim_place from, to;
    int error;

    if (flags & ~(uint32_t)AT_SYMLINK_FOLLOW)
        return -EINVAL;
    error =
        weft__sim_place_of(sim, request->sqe.fd, text(request->sqe.address),
                           flags & AT_SYMLINK_FOLLOW ? WEFT__SIM_WHERE_FOLLOWED : WEFT__SIM_WHERE,
                           &from);
    if (error == 0 && !from.inode)
        error = -ENOENT;
    if (error == 0)
        error = weft__sim_place_of(sim, (int)request->sqe.length, text(request->sqe.offset),
                                   WEFT__SIM_NAME, &to);
    if (error == 0)
        error = may_make(disk, &to);
    if (error == 0 && to.slash)
        error = -ENOENT;
    if (error == 0 && from.inode->kind == WEFT__SIM_DIRECTORY)
        error = -EPERM;
    if (error < 0)
        return error;
    weft__sim_tell_self(disk, from.inode, IN_ATTRIB);
    put_there(disk, &to, from.inode);
    return 0;
}

static int32_t perform_rename(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    struct weft__sim_place from, to;
    int error =
        weft__sim_place_of(sim, request->sqe.fd, text(request->sqe.address), WEFT__SIM_NAME, &from);

    if (error == 0)
        error = weft__sim_place_of(sim, (int)request->sqe.length, text(request->sqe.offset),
                                   WEFT__SIM_NAME, &to);
    return error < 0
               ? error
               : weft__sim_name_rename(weft__sim_disk(sim), &from, &to, request->sqe.op_flags);
}

/* -- all of them ------------------------------------------------------------------------------ */

int32_t weft__sim_perform_names(struct weft__sim_request *request)
{
    switch (request->sqe.opcode) {
    case WEFT__OP_OPENAT2:
        return perform_open(request);
    case WEFT__OP_STATX:
        return perform_statx(request);
    case WEFT__OP_UNLINKAT:
        return perform_unlink(request);
    case WEFT__OP_MKDIRAT:
        return perform_mkdir(request);
    case WEFT__OP_SYMLINKAT:
        return perform_symlink(request);
    case WEFT__OP_LINKAT:
        return perform_link(request);
    case WEFT__OP_GETXATTR:
    case WEFT__OP_SETXATTR:
        return weft__sim_perform_xattr(request);
    default:
        return perform_rename(request);
    }
}

bool weft__sim_is_of_whole_file(uint8_t opcode)
{
    return opcode == WEFT__OP_FSYNC || opcode == WEFT__OP_FALLOCATE ||
           opcode == WEFT__OP_FTRUNCATE || opcode == WEFT__OP_SYNC_RANGE ||
           opcode == WEFT__OP_FADVISE || opcode == WEFT__OP_FGETXATTR ||
           opcode == WEFT__OP_FSETXATTR;
}

int32_t weft__sim_perform_whole(struct weft__sim_request *request)
{
    struct weft__sim *sim = request->ring->sim;
    const struct weft__sqe *sqe = &request->sqe;
    struct weft__sim_file *file = request->file;

    if (sqe->opcode == WEFT__OP_FSYNC && sqe->op_flags & ~(uint32_t)WEFT__FSYNC_DATA)
        return -EINVAL;
    if (sqe->opcode == WEFT__OP_SYNC_RANGE)
        return weft__sim_file_sync_range(sim, file, (int64_t)sqe->offset, sqe->length,
                                         sqe->op_flags);
    if (weft__sim_is_xattr(sqe->opcode))
        return weft__sim_perform_xattr(request);
    if (sqe->opcode == WEFT__OP_FADVISE)
        return weft__sim_file_advise(file, sqe->length, sqe->op_flags);
    if (!weft__sim_inode_behind(file))
        return sqe->opcode == WEFT__OP_FALLOCATE ? weft__sim_pipe_allocate(file) : -EINVAL;
    if (sqe->opcode == WEFT__OP_FSYNC)
        return weft__sim_file_sync(sim, file, 0);
    if (sqe->opcode == WEFT__OP_FTRUNCATE)
        return weft__sim_file_truncate(sim, file, (int64_t)sqe->offset);
    return weft__sim_file_allocate(sim, file, (int)sqe->length, (int64_t)sqe->offset,
                                   (int64_t)sqe->address);
}
