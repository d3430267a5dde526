/*
 * memory.c - checks: memory that a ring holds, and requests that name it.
 */
#include "contract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { MEMORY_REQUEST = 100, PAGE = 4096, PAGES = 4 };

static char held[PAGES * PAGE] __attribute__((aligned(PAGE)));

/* A file without a name that holds six bytes. */
static int file_of(struct contract *c, struct weft__ring *ring)
{
    struct weft__open_how how = {.flags = O_RDWR | O_CREAT | O_CLOEXEC, .mode = 0600};
    char path[64];
    uint64_t own = 0;
    int fd;

    (void)weft__host_entropy(&own, sizeof own);
    snprintf(path, sizeof path, "/tmp/weft-contract.%llx", (unsigned long long)own);
    CONTRACT_ASK(c, ring, MEMORY_REQUEST, openat2, AT_FDCWD, path, &how);
    fd = contract_wait(c, ring, MEMORY_REQUEST).result;
    contract_need(c, fd >= 0, "a file can be made in /tmp");
    CONTRACT_ASK(c, ring, MEMORY_REQUEST, unlinkat, AT_FDCWD, path, 0);
    contract_wait(c, ring, MEMORY_REQUEST);
    CONTRACT_ASK(c, ring, MEMORY_REQUEST, write, fd, "abcdef", 6, 0);
    contract_wait(c, ring, MEMORY_REQUEST);
    return contract_keep(c, fd);
}

/* One that names piece `piece` for memory at `at`. */
static int32_t ask(struct contract *c, struct weft__ring *ring, bool writes, int fd, char *at,
                   uint32_t size, uint32_t piece, uint8_t flags)
{
    struct weft__sqe *sqe;

    if (writes)
        CONTRACT_ASK(c, ring, MEMORY_REQUEST, write, fd, at, size, 0);
    else
        CONTRACT_ASK(c, ring, MEMORY_REQUEST, read, fd, at, size, 0);
    sqe = &ring->sqes[(ring->sq_tail - 1) & ring->sq_mask];
    weft__request_held(sqe, piece);
    sqe->flags = flags;
    return contract_wait(c, ring, MEMORY_REQUEST).result;
}

static int32_t read_held(struct contract *c, struct weft__ring *ring, int fd, char *at,
                         uint32_t size, uint32_t piece)
{
    return ask(c, ring, false, fd, at, size, piece, 0);
}

static void used(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = file_of(c, ring);
    char *middle = held + PAGE + 100;

    memset(held, 0, sizeof held);
    contract_say_result(c, "hold", weft__ring_memory_hold(ring, 3, held, sizeof held));
    contract_say_result(c, "read", read_held(c, ring, fd, middle, 64, 3));
    contract_say(c, "%s", middle);
    middle[0] = 'X';
    contract_say_result(c, "write", ask(c, ring, true, fd, middle, 2, 3, 0));
    contract_say_result(c, "at its end", read_held(c, ring, fd, held + sizeof held - 2, 2, 3));
    contract_say(c, "%.2s", held + sizeof held - 2);
    weft__ring_memory_let_go(ring);
}

static void elsewhere(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = file_of(c, ring);

    contract_say_result(c, "no table", read_held(c, ring, fd, held, 1, 0));
    weft__ring_memory_hold(ring, 0, held, PAGE);
    contract_say_result(c, "no piece", read_held(c, ring, fd, held, 1, 1));
    contract_say_result(c, "no such", read_held(c, ring, fd, held, 1, WEFT__PIECES));
    contract_say_result(c, "behind it", read_held(c, ring, fd, held + PAGE, 1, 0));
    contract_say_result(c, "over its end", read_held(c, ring, fd, held + PAGE - 1, 2, 0));
    weft__ring_memory_let_go(ring);
}

static void of_a_held_file(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = file_of(c, ring);

    weft__ring_memory_hold(ring, 0, held, PAGE);
    contract_say_result(c, "hold", weft__ring_file_hold(ring, fd));
    contract_say_result(c, "read", ask(c, ring, false, fd, held, 64, 0, WEFT__SQE_FIXED_FILE));
    weft__ring_file_let_go(ring, fd);
    weft__ring_memory_let_go(ring);
}

static void let_go(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int fd = file_of(c, ring);

    weft__ring_memory_hold(ring, 0, held, PAGE);
    weft__ring_memory_let_go(ring);
    contract_say_result(c, "then", read_held(c, ring, fd, held, 1, 0));
    contract_say_result(c, "once more", weft__ring_memory_hold(ring, 0, held, PAGE));
    contract_say_result(c, "read", read_held(c, ring, fd, held, 1, 0));
    weft__ring_memory_let_go(ring);
    weft__ring_memory_let_go(ring); /* of nothing */
}

static void that_is_none(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    void *none = weft__host_reserve(PAGE);

    contract_need(c, none != NULL, "there are addresses");
    weft__host_unreserve(none, PAGE);
    contract_say_result(c, "unmapped", weft__ring_memory_hold(ring, 0, none, PAGE));
    contract_say_result(c, "no such piece", weft__ring_memory_hold(ring, WEFT__PIECES, held, PAGE));
    weft__ring_memory_let_go(ring);
}

static void without_the_feature(struct contract *c)
{
    struct weft__ring *ring = contract_ring(c, 0, 0);
    int error = weft__ring_memory_hold(ring, 0, held, PAGE);

    contract_say(c, "%s", error == 0 ? "held" : "refused");
    if (contract_has(c, WEFT__FEATURE_FIXED_BUFFERS))
        weft__ring_memory_let_go(ring);
}

#define HOLD "src/io/arena.c, offer"
#define MARK "src/io/file_object.h, weft__file_mark"
#define HELD WEFT__FEATURE_FIXED_BUFFERS

const struct contract_check contract_memory[] = {
    {"memory/used",
     "Any part of held memory is read into and written from, by its address and its piece.",
     MARK,
     used,
     HELD,
     {ANSWER("hold 0, read 6, abcdef, write 2, at its end 2, Xb")}},
    {"memory/elsewhere",
     "What is not in the piece that is named is -EFAULT.",
     "src/io/arena.h, weft__arena_piece",
     elsewhere,
     HELD,
     {ANSWER("no table -EFAULT, no piece -EFAULT, no such -EFAULT, behind it -EFAULT, "
             "over its end -EFAULT")}},
    {"memory/of-a-held-file",
     "A request may name a held file and held memory.",
     MARK,
     of_a_held_file,
     HELD | WEFT__FEATURE_FIXED_FILES,
     {ANSWER("hold 0, read 6")}},
    {"memory/let-go",
     "Once let go it is not held, and may be held again.",
     "src/io/arena.c, weft__arena_close",
     let_go,
     HELD,
     {ANSWER("then -EFAULT, once more 0, read 1")}},
    {"memory/that-is-none",
     "Memory that is none cannot be held.",
     HOLD,
     that_is_none,
     HELD,
     {ANSWER("unmapped -EFAULT, no such piece -EINVAL")}},
    {"memory/without-the-feature",
     "Where the feature is not there it is refused.",
     HOLD,
     without_the_feature,
     0,
     {ANSWER("held", .with = HELD), ANSWER("refused", .without = HELD)}},
    {0},
};
