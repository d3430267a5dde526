/*
 * blocks.c - checks: what file objects rely on, which read ahead, and write parts of a unit by
 * taking O_DIRECT away.
 */
#include "contract.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { REQUEST = 100, BLOCK = 4096, BLOCKS = 8, PART = 100 };

static _Alignas(BLOCK) char blocks[BLOCKS][BLOCK];

static int32_t answer(struct contract *c, struct weft__ring *ring)
{
    return contract_wait(c, ring, REQUEST).result;
}

/* A new file, which has no name any more; or why there is none. */
static int32_t new_file(struct contract *c, struct weft__ring *ring, uint64_t flags)
{
    struct weft__open_how how = {.flags = O_RDWR | O_CREAT | O_CLOEXEC | flags, .mode = 0600};
    const char *path = contract_path("blocks");
    int32_t fd;

    CONTRACT_ASK(c, ring, REQUEST, openat2, AT_FDCWD, path, &how);
    fd = contract_keep(c, answer(c, ring));
    CONTRACT_ASK(c, ring, REQUEST, unlinkat, AT_FDCWD, path,
                 0); /* some leave one that is refused */
    (void)answer(c, ring);
    return fd;
}

static int32_t write_at(struct contract *c, struct weft__ring *ring, int fd, const char *bytes,
                        uint32_t size, uint64_t offset)
{
    CONTRACT_ASK(c, ring, REQUEST, write, fd, bytes, size, offset);
    return answer(c, ring);
}

static int32_t read_at(struct contract *c, struct weft__ring *ring, int fd, char *bytes,
                       uint32_t size, uint64_t offset)
{
    CONTRACT_ASK(c, ring, REQUEST, read, fd, bytes, size, offset);
    return answer(c, ring);
}

/* -- reading ahead ---------------------------------------------------------------------------- */

/* Five blocks and a part are there; eight are asked for at once. */
static void at_once(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = new_file(c, ring, 0);
    int whole = 0, part = 0, none = 0;

    for (int i = 0; i < 6; i++) {
        memset(blocks[i], 'a' + i, BLOCK);
        write_at(c, ring, fd, blocks[i], i < 5 ? BLOCK : PART, (uint64_t)i * BLOCK);
    }
    memset(blocks, 0, sizeof blocks);
    for (int i = 0; i < BLOCKS; i++)
        CONTRACT_ASK(c, ring, REQUEST + 1 + (uint64_t)i, read, fd, blocks[i], BLOCK,
                     (uint64_t)i * BLOCK);
    for (int i = BLOCKS; i-- > 0;) {
        int32_t n = contract_wait(c, ring, REQUEST + 1 + (uint64_t)i).result;
        bool right = n == 0 || (blocks[i][0] == 'a' + i && blocks[i][n - 1] == 'a' + i);
        whole += right && n == BLOCK;
        part += right && n == PART;
        none += n == 0;
    }
    contract_say(c, "%d whole, %d part, %d none", whole, part, none);
}

static void grown_meanwhile(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = new_file(c, ring, 0);

    write_at(c, ring, fd, "abc", 3, 0);
    contract_say_result(c, "all of it", read_at(c, ring, fd, blocks[0], BLOCK, 0));
    contract_say_result(c, "the end", read_at(c, ring, fd, blocks[0] + 3, BLOCK - 3, 3));
    write_at(c, ring, fd, "de", 2, 3);
    contract_say_result(c, "again", read_at(c, ring, fd, blocks[0] + 3, BLOCK - 3, 3));
    contract_say(c, "%.5s", blocks[0]);
}

static void near_the_last_offset(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = new_file(c, ring, 0);

    contract_say_result(c, "up to it", read_at(c, ring, fd, blocks[0], 10, INT64_MAX - 10));
    contract_say_result(c, "beyond", read_at(c, ring, fd, blocks[0], 11, INT64_MAX - 10));
}

/* -- O_DIRECT --------------------------------------------------------------------------------- */

/* A file with O_DIRECT; -1, and that is the answer, where the file system has none of it. */
static int direct_file(struct contract *c, struct weft__ring *ring)
{
    int32_t fd = new_file(c, ring, O_DIRECT);

    if (fd < 0)
        contract_say_result(c, "refused", fd);
    return fd < 0 ? -1 : fd;
}

static void the_unit(struct contract *c)
{
#ifdef STATX_DIOALIGN
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = direct_file(c, ring);
    struct statx status = {.stx_mask = 0};
    uint32_t unit;

    if (fd < 0)
        return;
    CONTRACT_ASK(c, ring, REQUEST, statx, fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status);
    contract_say_result(c, "statx", answer(c, ring));
    unit = status.stx_dio_offset_align | status.stx_dio_mem_align;
    if (!(status.stx_mask & STATX_DIOALIGN))
        contract_say(c, "not told");
    else if (unit == 0)
        contract_say(c, "none to be had");
    else
        contract_say(c, "%s", unit <= BLOCK ? "at most a page" : "more than a page");
#else
    contract_say(c, "not told"); /* by these headers */
#endif
}

static void whole_units(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = direct_file(c, ring);

    if (fd < 0)
        return;
    contract_say_result(c, "whole", write_at(c, ring, fd, blocks[0], BLOCK, 0));
    contract_say_result(c, "memory", write_at(c, ring, fd, blocks[0] + 1, BLOCK, 0));
    contract_say_result(c, "size", write_at(c, ring, fd, blocks[0], PART, 0));
    contract_say_result(c, "offset", read_at(c, ring, fd, blocks[0], BLOCK, 1));
}

static bool is_direct(int fd)
{
    return weft__host_fcntl(fd, F_GETFL, 0) & O_DIRECT;
}

static void set_direct(int fd, bool direct)
{
    int flags = weft__host_fcntl(fd, F_GETFL, 0);

    (void)weft__host_fcntl(fd, F_SETFL, direct ? flags | O_DIRECT : flags & ~O_DIRECT);
}

static void taken_away(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = direct_file(c, ring);

    if (fd < 0)
        return;
    set_direct(fd, false);
    contract_say(c, "%s", is_direct(fd) ? "still" : "away");
    contract_say_result(c, "part", write_at(c, ring, fd, "x", 1, 7));
    set_direct(fd, true);
    contract_say(c, "%s", is_direct(fd) ? "back" : "not back");
    contract_say_result(c, "part", write_at(c, ring, fd, "x", 1, 7));
}

/* A part was written without it; who then reads with it has it, up to the end. */
static void a_part_at_the_end(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = direct_file(c, ring);

    if (fd < 0)
        return;
    memset(blocks[0], 'x', BLOCK);
    contract_say_result(c, "whole", write_at(c, ring, fd, blocks[0], BLOCK, 0));
    set_direct(fd, false);
    contract_say_result(c, "part", write_at(c, ring, fd, "yz", 2, BLOCK));
    set_direct(fd, true);
    contract_say_result(c, "read", read_at(c, ring, fd, blocks[1], BLOCK, BLOCK));
    contract_say(c, "%.2s", blocks[1]);
    contract_say_result(c, "the end", read_at(c, ring, fd, blocks[1], BLOCK, 2 * BLOCK));
}

#define AHEAD "src/io/file_ahead.c"
#define DIRECT "src/io/file_direct.c"
#define REFUSED ANSWER("refused -EINVAL", .whose = CONTRACT_REAL)

const struct contract_check contract_blocks[] = {
    {"ahead/at-once",
     "Blocks are asked for at once, each comes whole but for the file's end, and behind it none.",
     AHEAD,
     at_once,
     0,
     {ANSWER("5 whole, 1 part, 2 none")}},
    {"ahead/grown-meanwhile",
     "What was the end is not when the file has grown.",
     AHEAD,
     grown_meanwhile,
     0,
     {ANSWER("all of it 3, the end 0, again 2, abcde")}},
    {"ahead/near-the-last-offset",
     "Reading up to the last offset there is finds the end.",
     "src/io/file_object.h, weft__file_span",
     near_the_last_offset,
     0,
     {ANSWER("up to it 0, beyond -EINVAL")}},
    {"direct/the-unit",
     "What a file with O_DIRECT takes is told, or is a page at most.",
     DIRECT ", weft__file_ask_unit",
     the_unit,
     0,
     {ANSWER("statx 0, at most a page"), ANSWER("statx 0, not told"), ANSWER("not told"), REFUSED}},
    {"direct/whole-units",
     "Whole units are taken; what is none is refused, not taken in part.",
     DIRECT,
     whole_units,
     0,
     {ANSWER("whole 4096, memory -EINVAL, size -EINVAL, offset -EINVAL"),
      ANSWER("whole 4096, memory 4096, size -EINVAL, offset -EINVAL"),
      ANSWER("whole 4096, memory 4096, size 100, offset 4095", .whose = CONTRACT_REAL), REFUSED}},
    {"direct/taken-away",
     "O_DIRECT is taken from an open file, and put back.",
     DIRECT ", set_direct",
     taken_away,
     0,
     {ANSWER("away, part 1, back, part -EINVAL"),
      ANSWER("away, part 1, back, part 1", .whose = CONTRACT_REAL), REFUSED}},
    {"direct/a-part-at-the-end",
     "What was written without it is there for who reads with it, up to the end.",
     DIRECT ", write_part",
     a_part_at_the_end,
     0,
     {ANSWER("whole 4096, part 2, read 2, yz, the end 0"), REFUSED}},
    {0},
};
