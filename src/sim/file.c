/*
 * sim/file.c - open files and directories of the simulated disk.
 *
 * What always holds: a file that was open when the power went answers -EIO from then on, also when
 * the power is back; a failure of the disk is told once to each that was open when it happened.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>

#include "ring/host.h"
#include "sim/inotify.h"
#include "sim/world.h"

#define SIZE_MAX_OF_FILES (INT64_C(1) << 44)

struct open_file {
    struct weft__sim_file file; /* first */
    struct weft__sim_inode *inode;
    uint32_t flags; /* as of open(2) */
    int64_t position;
    uint64_t failures_seen;
    uint64_t life;   /* of the disk, when it was opened */
    uint64_t dentry; /* it was opened by */
};

static struct open_file *open_of(const struct weft__sim_file *file)
{
    return (struct open_file *)(uintptr_t)file;
}

struct weft__sim_disk *weft__sim_disk(const struct weft__sim *sim)
{
    return sim->disk;
}

bool weft__sim_file_is_dead(const struct weft__sim *sim, const struct weft__sim_file *file)
{
    return weft__sim_inode_behind(file) && open_of(file)->life != sim->disk->life;
}

bool weft__sim_file_is_path(const struct weft__sim_file *file)
{
    return weft__sim_inode_behind(file) && open_of(file)->flags & O_PATH;
}

static bool may_read(const struct open_file *open)
{
    return !(open->flags & O_PATH) && (open->flags & O_ACCMODE) != O_WRONLY;
}

static bool may_write(const struct open_file *open)
{
    return !(open->flags & O_PATH) && (open->flags & O_ACCMODE) != O_RDONLY;
}

bool weft__sim_file_may(const struct weft__sim_file *file, bool write)
{
    if (!weft__sim_inode_behind(file))
        return true;
    return write ? may_write(open_of(file)) : may_read(open_of(file));
}

static bool is_dead(const struct weft__sim *sim, const struct open_file *open)
{
    return open->life != sim->disk->life;
}

void weft__sim_file_tell(struct weft__sim *sim, const struct weft__sim_file *file, uint32_t what)
{
    if (!is_dead(sim, open_of(file)))
        weft__sim_tell_open(sim->disk, open_of(file)->inode, open_of(file)->dentry, what);
}

/* -- bytes ------------------------------------------------------------------------------------ */

/* O_DIRECT asks for whole sectors. Of the memory's own place nothing is asked: no decision here
   depends on an address. */
static bool is_aligned(const struct open_file *open, int64_t offset, uint32_t length)
{
    return !(open->flags & O_DIRECT) ||
           (offset % WEFT__SIM_SECTOR == 0 && length % WEFT__SIM_SECTOR == 0);
}

/* As in every kernel: no request reaches beyond the last offset that there is. */
static bool is_beyond(int64_t offset, uint32_t length)
{
    return offset > INT64_MAX - (int64_t)length;
}

static int32_t file_read(struct weft__sim *sim, struct weft__sim_file *file,
                         struct weft__sim_transfer *transfer)
{
    struct open_file *open = open_of(file);
    bool here = transfer->offset < 0;
    int64_t offset = here ? open->position : transfer->offset;
    int32_t count;

    if (is_dead(sim, open))
        return -EIO;
    if (!may_read(open))
        return -EBADF;
    if (open->inode->kind == WEFT__SIM_DIRECTORY)
        return -EISDIR;
    if (is_beyond(offset, transfer->length) || !is_aligned(open, offset, transfer->length))
        return -EINVAL;
    count = weft__sim_data_read(open->inode, transfer->memory, transfer->length, offset);
    if (here)
        open->position += count;
    return count;
}

bool weft__sim_file_ends_at(const struct weft__sim_file *file, int64_t offset)
{
    const struct open_file *open = open_of(file);

    return (offset < 0 ? open->position : offset) >= open->inode->size;
}

/* With O_SYNC or O_DSYNC it is on the disk, or the caller hears why not. */
static int32_t written(struct weft__sim *sim, struct open_file *open, int32_t count)
{
    int error = 0;

    if (count > 0 && open->flags & (O_DSYNC | (O_SYNC & ~O_DSYNC)))
        error = weft__sim_file_sync(sim, &open->file, 0);
    return error < 0 ? error : count;
}

static int32_t file_write(struct weft__sim *sim, struct weft__sim_file *file,
                          struct weft__sim_transfer *transfer)
{
    struct open_file *open = open_of(file);
    bool here = transfer->offset < 0;
    int64_t offset = here ? open->position : transfer->offset;
    uint32_t length = transfer->length;
    int32_t count;

    if (is_dead(sim, open))
        return -EIO;
    if (!may_write(open))
        return -EBADF;
    if (is_beyond(offset, length))
        return -EINVAL;
    if (open->flags & O_APPEND)
        offset = open->inode->size;
    if (!is_aligned(open, offset, length))
        return -EINVAL;
    if (length > 0 && offset >= SIZE_MAX_OF_FILES)
        return -EFBIG;
    if (length > SIZE_MAX_OF_FILES - offset)
        length = (uint32_t)(SIZE_MAX_OF_FILES - offset);
    count = weft__sim_data_write(sim->disk, open->inode, transfer->memory, length, offset);
    if (count < 0)
        return count;
    if (here)
        open->position = offset + count;
    if (count > 0)
        weft__sim_file_tell(sim, file, IN_MODIFY);
    return written(sim, open, count);
}

/* -- the file as a whole ---------------------------------------------------------------------- */

/* What failed since it last heard of failures: once, and then no more. */
static int tell_failure(struct open_file *open)
{
    struct weft__sim_inode *inode = open->inode;

    if (open->failures_seen == inode->failures)
        return 0;
    open->failures_seen = inode->failures;
    inode->failure_told = true;
    return inode->failure;
}

int weft__sim_file_sync(struct weft__sim *sim, struct weft__sim_file *file, int error)
{
    struct open_file *open = open_of(file);
    struct weft__sim_disk *disk = sim->disk;
    int told;

    if (is_dead(sim, open))
        return -EIO;
    if (open->flags & O_PATH)
        return -EBADF;
    if (open->inode->kind == WEFT__SIM_DIRECTORY) {
        if (error < 0)
            return error;
        weft__sim_names_sync(disk, open->inode, UINT64_MAX);
    } else {
        (void)weft__sim_data_sync(disk, open->inode, error);
    }
    if (error == 0)
        weft__sim_xattrs_sync(open->inode);
    told = tell_failure(open);
    weft__sim_disk_changed(disk, open->inode, told);
    return told;
}

/* What is written so is in the disk's own cache, if anywhere: nothing is kept by it. */
int weft__sim_file_sync_range(struct weft__sim *sim, struct weft__sim_file *file, int64_t offset,
                              int64_t size, uint32_t flags)
{
    const uint32_t waits = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER;
    struct open_file *open = open_of(file);

    if (weft__sim_inode_behind(file) && open->flags & O_PATH)
        return -EBADF;
    if (flags & ~(waits | SYNC_FILE_RANGE_WRITE) || offset < 0 || size < 0 ||
        offset > INT64_MAX - size)
        return -EINVAL;
    if (!weft__sim_inode_behind(file))
        return -ESPIPE;
    if (is_dead(sim, open))
        return -EIO;
    return flags & waits ? tell_failure(open) : 0;
}

/* Nothing is read ahead here, and nothing let go of. */
int weft__sim_file_advise(const struct weft__sim_file *file, int64_t size, uint32_t advice)
{
    if (weft__sim_inode_behind(file) && open_of(file)->flags & O_PATH)
        return -EBADF;
    if (strcmp(file->ops->kind, "pipe") == 0)
        return -ESPIPE;
    return size < 0 || advice > POSIX_FADV_NOREUSE ? -EINVAL : 0;
}

int weft__sim_file_truncate(struct weft__sim *sim, struct weft__sim_file *file, int64_t size)
{
    struct open_file *open = open_of(file);

    if (is_dead(sim, open))
        return -EIO;
    if (open->flags & O_PATH)
        return -EBADF;
    if (size < 0 || !may_write(open) || open->inode->kind != WEFT__SIM_REGULAR)
        return -EINVAL;
    if (size > SIZE_MAX_OF_FILES)
        return -EFBIG;
    weft__sim_data_truncate(sim->disk, open->inode, size);
    weft__sim_file_tell(sim, file, IN_MODIFY);
    return 0;
}

int weft__sim_file_allocate(struct weft__sim *sim, struct weft__sim_file *file, int mode,
                            int64_t offset, int64_t size)
{
    struct open_file *open = open_of(file);
    int error;

    if (is_dead(sim, open))
        return -EIO;
    if (offset < 0 || size <= 0)
        return -EINVAL;
    if (!may_write(open))
        return -EBADF;
    if (offset > SIZE_MAX_OF_FILES || size > SIZE_MAX_OF_FILES - offset)
        return -EFBIG;
    error = weft__sim_data_allocate(sim->disk, open->inode, mode, offset, size);
    if (error == 0)
        weft__sim_file_tell(sim, file, IN_MODIFY);
    return error;
}

/* -- from file to file ------------------------------------------------------------------------ */

static int may_copy(const struct weft__sim *sim, const struct open_file *in,
                    const struct open_file *out)
{
    if (is_dead(sim, in) || is_dead(sim, out))
        return -EIO;
    if (in->inode->kind == WEFT__SIM_DIRECTORY || out->inode->kind == WEFT__SIM_DIRECTORY)
        return -EISDIR;
    return may_read(in) && may_write(out) && !(out->flags & O_APPEND) ? 0 : -EBADF;
}

int64_t weft__sim_file_copy_size(const struct weft__sim_file *in, int64_t offset_in,
                                 const struct weft__sim_file *out, int64_t offset_out, size_t size)
{
    const struct open_file *from = open_of(in), *to = open_of(out);

    if (!weft__sim_inode_behind(in) || weft__sim_inode_behind(in) != weft__sim_inode_behind(out))
        return size < INT64_MAX ? (int64_t)size : INT64_MAX;
    return weft__copy_within(from->inode->size, offset_in < 0 ? from->position : offset_in,
                             offset_out < 0 ? to->position : offset_out, size);
}

/* What was written and not kept (O_SYNC) moves no position. */
int32_t weft__sim_file_copy(struct weft__sim *sim, struct weft__sim_file *in, int64_t offset_in,
                            struct weft__sim_file *out, int64_t offset_out, size_t size,
                            uint32_t most)
{
    struct open_file *from = open_of(in), *to = open_of(out);
    bool here = offset_in < 0;
    int64_t there = here ? from->position : offset_in, left = from->inode->size - there;
    int64_t whole = weft__sim_file_copy_size(in, offset_in, out, offset_out, size);
    int error = may_copy(sim, from, to);
    int32_t count;
    void *bytes;

    if (error < 0 || whole < 0)
        return error < 0 ? error : (int32_t)whole;
    if (left <= 0 || whole == 0)
        return 0;
    whole = whole < left ? whole : left;
    whole = whole < most ? whole : most;
    bytes = weft__sim_alloc((size_t)whole);
    count = weft__sim_data_read(from->inode, bytes, (uint32_t)whole, there);
    if (count > 0) {
        struct weft__sim_transfer put = {.memory = bytes,
                                         .length = (uint32_t)count,
                                         .offset = offset_out};
        count = file_write(sim, out, &put);
    }
    if (here && count > 0)
        from->position += count;
    weft__sim_free(bytes);
    return count;
}

/* -- listing ---------------------------------------------------------------------------------- */

static const unsigned char types[] = {
    [WEFT__SIM_REGULAR] = DT_REG, [WEFT__SIM_DIRECTORY] = DT_DIR, [WEFT__SIM_SYMLINK] = DT_LNK};

/* Puts an entry; its length, or 0: it does not fit. */
static size_t put_entry(void *memory, size_t room, const char *name,
                        const struct weft__sim_inode *inode, int64_t position)
{
    size_t length = offsetof(struct dirent64, d_name) + strlen(name) + 1;
    struct dirent64 *entry = memory;

    length = (length + 7) & ~(size_t)7;
    if (length > room)
        return 0;
    memset(memory, 0, length);
    entry->d_ino = inode->serial;
    entry->d_off = position;
    entry->d_reclen = (unsigned short)length;
    entry->d_type = types[inode->kind];
    memcpy(entry->d_name, name, strlen(name) + 1);
    return length;
}

/* The first entry from a position on; NULL at the end. Positions 0 and 1 are "." and "..", others
   cookies plus 1, so that what comes and goes meanwhile moves nobody else. */
static const char *entry_from(const struct weft__sim_inode *directory, int64_t *position,
                              const struct weft__sim_inode **inode)
{
    if (*position < 2) {
        *inode = *position == 0 ? directory : directory->parent;
        return (*position)++ == 0 ? "." : "..";
    }
    for (uint32_t i = 0; i < directory->now.count; i++)
        if (directory->now.all[i].cookie + 1 >= (uint64_t)*position) {
            *inode = directory->now.all[i].inode;
            *position = (int64_t)directory->now.all[i].cookie + 2;
            return directory->now.all[i].name;
        }
    return NULL;
}

int32_t weft__sim_file_list(struct weft__sim *sim, struct weft__sim_file *file, void *memory,
                            size_t size)
{
    struct open_file *open = open_of(file);
    const struct weft__sim_inode *inode;
    size_t used = 0;

    if (is_dead(sim, open))
        return -EIO;
    if (open->flags & O_PATH)
        return -EBADF;
    if (open->inode->kind != WEFT__SIM_DIRECTORY)
        return -ENOTDIR;
    if (open->inode->names == 0 && open->inode != sim->disk->root)
        return -ENOENT;
    for (;;) {
        int64_t position = open->position;
        const char *name = entry_from(open->inode, &position, &inode);
        size_t length =
            name ? put_entry((char *)memory + used, size - used, name, inode, position) : 0;
        if (length == 0)
            return used == 0 && name ? -EINVAL : (int32_t)used;
        open->position = position;
        used += length;
    }
}

/* -- the object ------------------------------------------------------------------------------- */

static void file_describe(struct weft__sim *sim, const struct weft__sim_file *file, char *text,
                          size_t size)
{
    const struct open_file *open = open_of(file);

    snprintf(text, size, "inode %llu, %lld bytes%s", (unsigned long long)open->inode->serial,
             (long long)open->inode->size, is_dead(sim, open) ? ", dead" : "");
}

static void file_release(struct weft__sim *sim, struct weft__sim_file *file)
{
    struct weft__sim_inode *inode = open_of(file)->inode;

    if (may_write(open_of(file)))
        weft__sim_file_tell(sim, file, IN_CLOSE_WRITE);
    inode->opens--;
    weft__sim_inode_count(sim->disk, inode);
    weft__sim_inode_drop(sim->disk, inode);
    weft__sim_free(file);
}

static const struct weft__sim_file_ops file_ops = {
    .kind = "file",
    .read = file_read,
    .write = file_write,
    .describe = file_describe,
    .release = file_release,
};

static const struct weft__sim_file_ops directory_ops = {
    .kind = "directory",
    .read = file_read,
    .write = file_write,
    .describe = file_describe,
    .release = file_release,
};

struct weft__sim_inode *weft__sim_inode_behind(const struct weft__sim_file *file)
{
    return file->ops == &file_ops || file->ops == &directory_ops ? open_of(file)->inode : NULL;
}

/* Those that only say how to open are not kept. */
int weft__sim_file_flags(const struct weft__sim_file *file)
{
    const uint32_t once = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC | O_NONBLOCK;

    return (int)((open_of(file)->flags & ~once) | file->flags);
}

void weft__sim_file_set_flags(struct weft__sim_file *file, uint32_t flags)
{
    const uint32_t changes = O_APPEND | O_DIRECT | O_NOATIME;
    struct open_file *open = open_of(file);

    open->flags = (open->flags & ~changes) | (flags & changes);
}

uint32_t weft__sim_file_limit(const struct weft__sim_file *file, uint32_t limit)
{
    const uint32_t rest = WEFT__SIM_SECTOR - 1;

    if (!weft__sim_inode_behind(file) || !(open_of(file)->flags & O_DIRECT) ||
        limit > UINT32_MAX - rest)
        return limit;
    return (limit + rest) & ~rest;
}

/* A failure that nobody has been told of is for whoever opens next, too. */
struct weft__sim_file *weft__sim_file_of(struct weft__sim *sim, struct weft__sim_inode *inode,
                                         uint32_t flags, uint64_t dentry)
{
    struct open_file *open = weft__sim_alloc(sizeof *open);

    weft__sim_file_begin(sim, &open->file,
                         inode->kind == WEFT__SIM_DIRECTORY ? &directory_ops : &file_ops);
    weft__sim_inode_keep(inode);
    inode->opens++;
    weft__sim_inode_count(sim->disk, inode);
    open->inode = inode;
    open->flags = flags;
    open->file.flags = flags & O_NONBLOCK;
    open->life = sim->disk->life;
    open->dentry = dentry;
    open->failures_seen = inode->failures - (inode->failure_told ? 0 : 1);
    return &open->file;
}
