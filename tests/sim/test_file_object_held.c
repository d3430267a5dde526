/*
 * Open files and memory that the ring holds for file objects, on a simulated ring that does,
 * refuses, or cannot. Catches a request that names what is not held, or memory of which only a part
 * lies in the piece it names, a ring asked again after it has refused, and one that cannot taken
 * for one that refuses.
 */
#include "file_object.h"
#include "reactor/reactor.h"

/* Neither the file nor the memory is held: reads are as ever, and both are asked for once. */
static int main_not_held(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK));
    struct weft_stats stats;
    void *memory[2];

    (void)arg;
    for (int k = 0; k < 2; k++)
        same(weft_file_memory_take((size_t)256 * BLOCK, &memory[k]), 0);
    for (size_t i = 0; i < 40; i++) {
        char *bytes = memory[i % 2];
        same(weft_file_pread(file, bytes, BLOCK, (off_t)(i % BLOCKS) * BLOCK), BLOCK);
        same(bytes[BLOCK - 1], byte_of(i % BLOCKS));
    }
    same(weft_stats(&stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.files_held + stats.memory_held, 0);
    ck_assert_uint_eq(stats.holds_refused, 2);
    for (int k = 0; k < 2; k++)
        same(weft_file_memory_put(memory[k]), 0);
    return weft_file_close(file);
}

TEST(not_held)
{
    run("calm file.hold=always memory.hold=always", main_not_held);
}

/* A ring that can hold neither is not one that refuses. */
static int main_no_holding(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK));
    struct weft_stats stats;
    void *memory;

    (void)arg;
    weft__self->ring.features &= ~(WEFT__FEATURE_FIXED_FILES | WEFT__FEATURE_FIXED_BUFFERS);
    same(weft_file_memory_take(BLOCK, &memory), 0);
    for (size_t i = 0; i < 40; i++)
        same(weft_file_pread(file, memory, BLOCK, 0), BLOCK);
    same(weft_stats(&stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.files_held + stats.memory_held + stats.holds_refused, 0);
    same(weft_file_memory_put(memory), 0);
    return weft_file_close(file);
}

TEST(no_holding)
{
    run("calm", main_no_holding);
}

/* Both are. A request that names what the ring does not hold fails here as it does on io_uring. */
static int main_held(void *arg)
{
    weft_file *file = made(OPT(.block_size = BLOCK));
    struct weft_stats stats;
    void *memory[3];
    char *over_its_end;

    (void)arg;
    for (int k = 0; k < 3; k++)
        same(weft_file_memory_take((size_t)256 * BLOCK, &memory[k]), 0);
    for (size_t i = 0; i < 40; i++)
        same(weft_file_pread(file, memory[i % 3], BLOCK, (off_t)(i % BLOCKS) * BLOCK), BLOCK);
    same(weft_file_pwrite(file, memory[2], BLOCK, 0, NULL), BLOCK);
    over_its_end = (char *)memory[1] - 100;
    ck_assert_ptr_eq(over_its_end, (char *)memory[0] + 256 * BLOCK - 100);
    same(weft_file_pread(file, over_its_end, BLOCK, BLOCK), BLOCK);
    same(over_its_end[BLOCK - 1], byte_of(1));
    same(weft_stats(&stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.files_held, 1);
    ck_assert_uint_eq(stats.memory_held, 3 * 256 * BLOCK);
    ck_assert_uint_eq(stats.holds_refused, 0);
    for (int k = 0; k < 3; k++)
        same(weft_file_memory_put(memory[k]), 0);
    return weft_file_close(file);
}

TEST(held)
{
    run("calm", main_held);
}

TEST_MAIN("file_object_held", 60, not_held, no_holding, held)
