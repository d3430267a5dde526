/*
 * What the tests of file objects on a simulated disk share: files whose blocks are of one letter
 * each, read whole, or for so long.
 */
#ifndef WEFT_TESTS_SIM_FILE_OBJECT_H
#define WEFT_TESTS_SIM_FILE_OBJECT_H

#include <fcntl.h>

#include "simulate.h"

#define same(a, b) ck_assert_int_eq((a), (b))
#define MS INT64_C(1000000)
#define OPT(...) (&(struct weft_file_opt){.size = sizeof(struct weft_file_opt), __VA_ARGS__})

enum { BLOCK = 4096, BLOCKS = 8 };

static inline char byte_of(size_t block)
{
    return (char)('a' + block);
}

/* A file of eight blocks, each of a letter of its own. */
static inline weft_file *made(const struct weft_file_opt *opt)
{
    static char bytes[BLOCKS * BLOCK];
    int fd = weft_open("/tmp/a", O_RDWR | O_CREAT, 0600);
    weft_file *file;

    for (size_t i = 0; i < BLOCKS; i++)
        memset(bytes + i * BLOCK, byte_of(i), BLOCK);
    same(weft_pwrite_all(fd, bytes, sizeof bytes, 0, NULL), sizeof bytes);
    same(weft_file_from_fd(fd, opt, &file), 0);
    return file;
}

/* One block of that byte, in another file. */
static inline weft_file *another(char byte)
{
    char bytes[BLOCK];
    weft_file *file;
    int fd = weft_open("/tmp/b", O_RDWR | O_CREAT, 0600);

    memset(bytes, byte, sizeof bytes);
    same(weft_pwrite_all(fd, bytes, sizeof bytes, 0, NULL), sizeof bytes);
    same(weft_file_from_fd(fd, OPT(.block_size = BLOCK, .no_ahead = true), &file), 0);
    return file;
}

/* The block at the position is read, whole. */
static inline void expect(weft_file *file, size_t block)
{
    char bytes[BLOCK];

    same(weft_file_read_exactly(file, bytes, BLOCK, NULL), BLOCK);
    ck_assert_int_eq(bytes[0], byte_of(block));
    ck_assert_int_eq(bytes[BLOCK - 1], byte_of(block));
}

static inline void run(const char *plan, weft_task_fn task)
{
    struct world world = {.seed = 1, .plan = plan, .task = task};

    same(world_run(&world), 0);
}

static inline int64_t read_until(weft_file *file, void *bytes, size_t size, int64_t ms)
{
    weft_scope limit;
    ssize_t n;

    same(weft_timeout(&limit, ms * MS), 0);
    n = weft_file_read(file, bytes, size);
    return weft_scope_close(&limit) < 0 ? -ETIMEDOUT : n;
}

#endif
