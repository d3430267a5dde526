/*
 * sim/disk_data.c - the bytes of files; disk.h says what there is of each.
 *
 * What always holds: pages lie in the order of their indexes; a page that is the same on both sides
 * is one piece of memory, which is never written; bytes of a page beyond the end are zero.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "sim/disk.h"

enum { SECTORS = WEFT__SIM_PAGE / WEFT__SIM_SECTOR };
#define NO_CUT INT64_MAX
#define KEEP_SIZE FALLOC_FL_KEEP_SIZE

static const unsigned char zeros[WEFT__SIM_PAGE];

/* -- pages ------------------------------------------------------------------------------------ */

/* The place of that page, or where it would stand. */
static uint32_t place_of(const struct weft__sim_inode *inode, int64_t index)
{
    uint32_t low = 0, high = inode->page_count;

    if (high > 0 && inode->pages[high - 1].index < index)
        return high;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (inode->pages[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct weft__sim_page *find(const struct weft__sim_inode *inode, int64_t index)
{
    uint32_t place = place_of(inode, index);

    return place < inode->page_count && inode->pages[place].index == index ? &inode->pages[place]
                                                                           : NULL;
}

static struct weft__sim_page *find_or_make(struct weft__sim_inode *inode, int64_t index)
{
    uint32_t place = place_of(inode, index);

    if (place < inode->page_count && inode->pages[place].index == index)
        return &inode->pages[place];
    if (inode->page_count == inode->page_room) {
        uint32_t room = inode->page_room ? inode->page_room * 2 : 8;
        inode->pages = weft__sim_grow(inode->pages, inode->page_room * sizeof *inode->pages,
                                      room * sizeof *inode->pages);
        inode->page_room = room;
    }
    memmove(&inode->pages[place + 1], &inode->pages[place],
            (inode->page_count - place) * sizeof *inode->pages);
    inode->page_count++;
    inode->pages[place] = (struct weft__sim_page){.index = index};
    return &inode->pages[place];
}

/* What is seen becomes `memory` (NULL: a hole). */
static void show(struct weft__sim_disk *disk, const struct weft__sim_inode *inode,
                 struct weft__sim_page *page, unsigned char *memory)
{
    if (inode->counted)
        disk->pages_used += (memory != NULL) - (page->now != NULL);
    if (page->now != page->kept)
        weft__sim_free(page->now);
    page->now = memory;
}

/* What is on the disk becomes `memory`. */
static void keep(struct weft__sim_page *page, unsigned char *memory)
{
    if (page->kept != page->now && page->kept != memory)
        weft__sim_free(page->kept);
    page->kept = memory;
}

static unsigned char *copy_of(const unsigned char *memory)
{
    unsigned char *copy = weft__sim_alloc(WEFT__SIM_PAGE);

    if (memory)
        memcpy(copy, memory, WEFT__SIM_PAGE);
    return copy;
}

/* Memory of the page that may be written. */
static unsigned char *to_write(struct weft__sim_disk *disk, const struct weft__sim_inode *inode,
                               struct weft__sim_page *page)
{
    page->dirty = true;
    if (!page->now || page->now == page->kept)
        show(disk, inode, page, copy_of(page->now));
    return page->now;
}

static void drop_empty(struct weft__sim_inode *inode)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < inode->page_count; i++)
        if (inode->pages[i].now || inode->pages[i].kept)
            inode->pages[count++] = inode->pages[i];
    inode->page_count = count;
}

void weft__sim_data_free(struct weft__sim_disk *disk, struct weft__sim_inode *inode)
{
    for (uint32_t i = 0; i < inode->page_count; i++) {
        show(disk, inode, &inode->pages[i], NULL);
        keep(&inode->pages[i], NULL);
    }
    weft__sim_free(inode->pages);
}

int64_t weft__sim_data_pages(const struct weft__sim_inode *inode)
{
    int64_t count = 0;

    for (uint32_t i = 0; i < inode->page_count; i++)
        count += inode->pages[i].now != NULL;
    return count;
}

/* -- reading and writing ---------------------------------------------------------------------- */

int32_t weft__sim_data_read(const struct weft__sim_inode *inode, void *memory, uint32_t length,
                            int64_t offset)
{
    unsigned char *to = memory;

    if (offset >= inode->size)
        return 0;
    if (length > inode->size - offset)
        length = (uint32_t)(inode->size - offset);
    for (uint32_t done = 0; done < length;) {
        int64_t at = offset + done;
        uint32_t within = (uint32_t)(at % WEFT__SIM_PAGE);
        uint32_t part =
            WEFT__SIM_PAGE - within < length - done ? WEFT__SIM_PAGE - within : length - done;
        const struct weft__sim_page *page = find(inode, at / WEFT__SIM_PAGE);
        memcpy(to + done, (page && page->now ? page->now : zeros) + within, part);
        done += part;
    }
    return (int32_t)length;
}

static bool has_room(struct weft__sim_disk *disk)
{
    return disk->pages_used < weft__sim_most(disk->sim, WEFT__SIM_DISK_SIZE) / WEFT__SIM_PAGE;
}

static void grow_to(struct weft__sim_inode *inode, int64_t size)
{
    if (size > inode->size)
        inode->size = size;
}

/* Now and then the kernel writes what is dirty by itself. Of an error somebody is told by a sync.
 */
static void write_back(struct weft__sim_disk *disk, struct weft__sim_inode *inode);

int32_t weft__sim_data_write(struct weft__sim_disk *disk, struct weft__sim_inode *inode,
                             const void *memory, uint32_t length, int64_t offset)
{
    const unsigned char *from = memory;
    uint32_t done = 0;

    while (done < length) {
        int64_t at = offset + done;
        uint32_t within = (uint32_t)(at % WEFT__SIM_PAGE);
        uint32_t part =
            WEFT__SIM_PAGE - within < length - done ? WEFT__SIM_PAGE - within : length - done;
        struct weft__sim_page *page = find(inode, at / WEFT__SIM_PAGE);
        if ((!page || !page->now) && !has_room(disk))
            break;
        page = find_or_make(inode, at / WEFT__SIM_PAGE);
        memcpy(to_write(disk, inode, page) + within, from + done, part);
        done += part;
    }
    if (done == 0)
        return length > 0 ? -ENOSPC : 0;
    grow_to(inode, offset + done);
    inode->modified_ns = inode->changed_ns = weft__sim_now(disk->sim);
    weft__sim_disk_changed(disk, inode, (int64_t)done);
    write_back(disk, inode);
    return (int32_t)done;
}

/* Beyond `size` nothing is seen. */
static void hide_beyond(struct weft__sim_disk *disk, struct weft__sim_inode *inode, int64_t size)
{
    uint32_t within = (uint32_t)(size % WEFT__SIM_PAGE);

    for (uint32_t i = place_of(inode, size / WEFT__SIM_PAGE); i < inode->page_count; i++) {
        struct weft__sim_page *page = &inode->pages[i];
        if (!page->now)
            continue;
        if (page->index == size / WEFT__SIM_PAGE && within) {
            memset(to_write(disk, inode, page) + within, 0, WEFT__SIM_PAGE - within);
        } else {
            page->dirty = true;
            show(disk, inode, page, NULL);
        }
    }
}

void weft__sim_data_truncate(struct weft__sim_disk *disk, struct weft__sim_inode *inode,
                             int64_t size)
{
    if (size < inode->size)
        hide_beyond(disk, inode, size);
    if (size < inode->size_kept && size < inode->cut)
        inode->cut = size;
    inode->size = size;
    drop_empty(inode);
    inode->modified_ns = inode->changed_ns = weft__sim_now(disk->sim);
    weft__sim_disk_changed(disk, inode, size);
}

static void punch(struct weft__sim_disk *disk, struct weft__sim_inode *inode, int64_t from,
                  int64_t to)
{
    for (int64_t at = from; at < to;) {
        int64_t next = (at / WEFT__SIM_PAGE + 1) * WEFT__SIM_PAGE;
        struct weft__sim_page *page = find(inode, at / WEFT__SIM_PAGE);
        next = next < to ? next : to;
        if (page && page->now && next - at == WEFT__SIM_PAGE) {
            page->dirty = true;
            show(disk, inode, page, NULL);
        } else if (page && page->now) {
            memset(to_write(disk, inode, page) + at % WEFT__SIM_PAGE, 0, (size_t)(next - at));
        }
        at = next;
    }
    drop_empty(inode);
}

int weft__sim_data_allocate(struct weft__sim_disk *disk, struct weft__sim_inode *inode, int mode,
                            int64_t offset, int64_t size)
{
    int64_t end;

    if (offset < 0 || size <= 0)
        return -EINVAL;
    if (__builtin_add_overflow(offset, size, &end))
        return -EFBIG;
    if (mode == (FALLOC_FL_PUNCH_HOLE | KEEP_SIZE)) {
        punch(disk, inode, offset, end < inode->size ? end : inode->size);
    } else if (mode == 0 || mode == KEEP_SIZE) {
        int64_t first = offset / WEFT__SIM_PAGE, last = (end - 1) / WEFT__SIM_PAGE;
        if (last - first >= weft__sim_most(disk->sim, WEFT__SIM_DISK_SIZE) / WEFT__SIM_PAGE)
            return -ENOSPC;
        for (int64_t index = first; index <= last; index++) {
            struct weft__sim_page *page = find(inode, index);
            if (page && page->now)
                continue;
            if (!has_room(disk))
                return -ENOSPC;
            (void)to_write(disk, inode, find_or_make(inode, index));
        }
        if (mode == 0)
            grow_to(inode, end);
    } else {
        return -EOPNOTSUPP;
    }
    inode->modified_ns = inode->changed_ns = weft__sim_now(disk->sim);
    weft__sim_disk_changed(disk, inode, size);
    return 0;
}

/* -- to the disk ------------------------------------------------------------------------------ */

/* A truncation comes to the disk: what was beyond is gone there, too. */
static void commit_cut(struct weft__sim_inode *inode)
{
    int64_t cut = inode->cut;

    if (cut == NO_CUT)
        return;
    for (uint32_t i = place_of(inode, cut / WEFT__SIM_PAGE); i < inode->page_count; i++) {
        struct weft__sim_page *page = &inode->pages[i];
        uint32_t within =
            page->index == cut / WEFT__SIM_PAGE ? (uint32_t)(cut % WEFT__SIM_PAGE) : 0;
        unsigned char *rest = within && page->kept ? copy_of(page->kept) : NULL;
        if (rest)
            memset(rest + within, 0, WEFT__SIM_PAGE - within);
        if (page->kept)
            keep(page, rest);
    }
    inode->size_kept = cut;
    inode->cut = NO_CUT;
}

static void write_page(struct weft__sim_page *page)
{
    keep(page, page->now);
    page->dirty = false;
}

static int failure_of(struct weft__sim_disk *disk, struct weft__sim_inode *inode)
{
    static const int errors[] = {-EIO, -ENOSPC, -EDQUOT, -EIO};

    return errors[weft__sim_pick(disk->sim, &inode->dice, WEFT__SIM_DISK_SYNC, 4)];
}

static void fail(struct weft__sim_disk *disk, struct weft__sim_inode *inode, int error)
{
    inode->failures++;
    inode->failure = error;
    inode->failure_told = false;
    weft__sim_note(disk->sim, WEFT__SIM_NOTE_DISK_FAIL, inode->serial, error);
}

/* Some pages, drawn, are not written, and none is dirty any more: so it is on Linux. */
static void write_some(struct weft__sim_disk *disk, struct weft__sim_inode *inode,
                       enum weft__sim_knob odds)
{
    struct weft__sim_dice dice = inode->dice;

    commit_cut(inode);
    for (uint32_t i = 0; i < inode->page_count; i++) {
        weft__sim_step(&dice);
        if (inode->pages[i].dirty && weft__sim_chance(disk->sim, &dice, odds))
            write_page(&inode->pages[i]);
    }
}

static void all_clean(struct weft__sim_inode *inode)
{
    for (uint32_t i = 0; i < inode->page_count; i++)
        inode->pages[i].dirty = false;
}

int weft__sim_data_sync(struct weft__sim_disk *disk, struct weft__sim_inode *inode, int error)
{
    weft__sim_step(&inode->dice);
    if (error == 0 && weft__sim_chance(disk->sim, &inode->dice, WEFT__SIM_DISK_SYNC))
        error = failure_of(disk, inode);
    if (error < 0) {
        write_some(disk, inode, WEFT__SIM_POWER_PAGE);
        all_clean(inode);
        fail(disk, inode, error);
        return error;
    }
    commit_cut(inode);
    for (uint32_t i = 0; i < inode->page_count; i++)
        if (inode->pages[i].dirty)
            write_page(&inode->pages[i]);
    drop_empty(inode);
    inode->size_kept = inode->size;
    return 0;
}

static void write_back(struct weft__sim_disk *disk, struct weft__sim_inode *inode)
{
    weft__sim_step(&inode->dice);
    if (!weft__sim_chance(disk->sim, &inode->dice, WEFT__SIM_DISK_WRITEBACK))
        return;
    write_some(disk, inode, WEFT__SIM_POWER_PAGE);
    if (!weft__sim_chance(disk->sim, &inode->dice, WEFT__SIM_DISK_SYNC))
        return;
    all_clean(inode);
    fail(disk, inode, failure_of(disk, inode));
}

/* -- without power ---------------------------------------------------------------------------- */

/* Of a page that was being written some sectors are new, and the others as they were. */
static void tear(struct weft__sim_disk *disk, const struct weft__sim_dice *dice,
                 struct weft__sim_page *page)
{
    uint64_t which = weft__sim_draw(disk->sim, dice, WEFT__SIM_POWER_TORN) >> 32;
    unsigned char *torn = copy_of(page->kept);

    for (uint32_t i = 0; i < SECTORS; i++)
        if (which >> i & 1)
            memcpy(torn + i * WEFT__SIM_SECTOR,
                   (page->now ? page->now : zeros) + i * WEFT__SIM_SECTOR, WEFT__SIM_SECTOR);
    keep(page, torn);
}

/* How far a file that had grown reaches: not at all, to the end of some page, or to the end. */
static int64_t size_left(struct weft__sim_disk *disk, const struct weft__sim_inode *inode)
{
    int64_t from = inode->size_kept, pages;

    if (inode->size <= from)
        return from;
    pages = inode->size / WEFT__SIM_PAGE - from / WEFT__SIM_PAGE;
    pages =
        (int64_t)weft__sim_pick(disk->sim, &inode->dice, WEFT__SIM_POWER_DATA, (uint64_t)pages + 2);
    if (pages == 0)
        return from;
    from = (from / WEFT__SIM_PAGE + pages) * WEFT__SIM_PAGE;
    return from < inode->size ? from : inode->size;
}

static void survive_in_part(struct weft__sim_disk *disk, struct weft__sim_inode *inode)
{
    struct weft__sim_dice dice = inode->dice;

    commit_cut(inode);
    for (uint32_t i = 0; i < inode->page_count; i++) {
        weft__sim_step(&dice);
        if (!inode->pages[i].dirty || !weft__sim_chance(disk->sim, &dice, WEFT__SIM_POWER_PAGE))
            continue;
        if (weft__sim_chance(disk->sim, &dice, WEFT__SIM_POWER_TORN))
            tear(disk, &dice, &inode->pages[i]);
        else
            write_page(&inode->pages[i]);
    }
    inode->size_kept = size_left(disk, inode);
}

/* What lies on the disk beyond the end is not seen, and not when the file grows either. */
static void forget_beyond(struct weft__sim_inode *inode)
{
    int64_t size = inode->size_kept;

    inode->cut = size;
    commit_cut(inode);
    inode->size_kept = size;
}

void weft__sim_data_survive(struct weft__sim_disk *disk, struct weft__sim_inode *inode)
{
    weft__sim_step(&inode->dice);
    if (weft__sim_chance(disk->sim, &inode->dice, WEFT__SIM_POWER_DATA))
        survive_in_part(disk, inode);
    forget_beyond(inode);
    for (uint32_t i = 0; i < inode->page_count; i++) {
        struct weft__sim_page *page = &inode->pages[i];
        if (page->now != page->kept)
            show(disk, inode, page, page->kept);
        page->dirty = false;
    }
    drop_empty(inode);
    inode->size = inode->size_kept;
    inode->failures = 0;
    inode->failure_told = true;
}
