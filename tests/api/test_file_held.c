/*
 * File objects whose open file and memory the ring holds: what is read and written is the same
 * wherever the memory is, however often it is asked for; a close ends what is in flight, a deadline
 * and a cancellation what they are for; the descriptor's number is free at once; memory is taken,
 * used up, and put back. Catches a request that names the wrong piece or file, memory given out
 * twice, and what stays behind.
 */
#include "support/file.h"
#include "support/misuse.h"

enum { PAGE = 4096, OFTEN = 40, READERS = 8, MIB = 1 << 20 };

#define OPT(...) (&(struct weft_file_opt){.size = sizeof(struct weft_file_opt), __VA_ARGS__})

static void *memory_of(size_t size)
{
    void *memory = NULL;

    same(weft_file_memory_take(size, &memory), 0);
    ck_assert_ptr_nonnull(memory);
    ck_assert_uint_eq((uintptr_t)memory % PAGE, 0);
    return memory;
}

static void back(void *memory)
{
    same(weft_file_memory_put(memory), 0);
}

/* O_DIRECT in the cases that try it; 0 in the others, and where /tmp has none. */
static int direct;

/* OFTEN pages, each full of its number. */
static weft_file *made(void)
{
    unsigned char *page = memory_of(PAGE);
    int fd = weft_openat(folder, "a", O_RDWR | O_CREAT, 0600);
    weft_file *file;

    ok(fd);
    for (int i = 0; i < OFTEN; i++) {
        memset(page, i, PAGE);
        same(weft_pwrite_all(fd, page, PAGE, (off_t)i * PAGE, NULL), PAGE);
    }
    same(weft_close(fd), 0);
    back(page);
    fd = weft_openat(folder, "a", O_RDWR | direct, 0);
    ok(fd);
    same(weft_file_from_fd(fd, OPT(.block_size = PAGE), &file), 0);
    return file;
}

static void expect(const unsigned char *page, size_t size, int number)
{
    size_t same_bytes = 0;

    while (same_bytes < size && page[same_bytes] == (unsigned char)number)
        same_bytes++;
    ck_assert_uint_eq(same_bytes, size);
}

/* All of it, however short the reads are; or what ended it. */
static ssize_t pread_all(weft_file *file, unsigned char *memory, size_t size, off_t offset)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = weft_file_pread(file, memory + done, size - done, offset + (off_t)done);
        if (n <= 0)
            return n < 0 ? n : (ssize_t)done;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static void expect_page(weft_file *file, unsigned char *memory, int number)
{
    memset(memory, 0xee, PAGE);
    same(pread_all(file, memory, PAGE, (off_t)number * PAGE), PAGE);
    expect(memory, PAGE, number);
}

/* -- the same bytes --------------------------------------------------------------------------- */

static void read_and_write(weft_file *file)
{
    static unsigned char own[PAGE] __attribute__((aligned(PAGE)));
    unsigned char *pool = memory_of(2 * PAGE), byte;

    for (int i = 0; i < OFTEN; i++) {
        expect_page(file, i % 2 ? own : pool + PAGE, i);
        memset(pool, OFTEN + i, PAGE);
        same(weft_file_pwrite(file, pool, PAGE, (off_t)i * PAGE, NULL), PAGE);
    }
    for (int i = 0; i < OFTEN; i++) { /* in order, by blocks; and parts, which lie anyhow */
        same(weft_file_read_exactly(file, pool + 10, PAGE, NULL), PAGE);
        expect(pool + 10, PAGE, OFTEN + i);
        same(pread_all(file, pool + 3, 100, (off_t)i * PAGE + 7), 100);
        expect(pool + 3, 100, OFTEN + i);
    }
    same(weft_file_pwrite(file, pool + 5, 1, OFTEN * PAGE, NULL), 1);
    same(weft_file_pread(file, &byte, 1, OFTEN * PAGE), 1);
    ck_assert_int_eq(byte, pool[5]);
    same(weft_file_pread(file, pool, PAGE, (OFTEN + 1) * PAGE), 0);
    back(pool);
}

static int main_bytes(void *arg)
{
    weft_file *file = made();

    (void)arg;
    read_and_write(file);
    return weft_file_close(file);
}

static int main_bytes_direct(void *arg)
{
    int fd = weft_openat(folder, ".", O_TMPFILE | O_RDWR | O_DIRECT, 0600);

    direct = fd >= 0 ? O_DIRECT : 0; /* where the file system has none: the same once more */
    if (fd >= 0)
        same(weft_close(fd), 0);
    return main_bytes(arg);
}

TEST(bytes)
{
    file_run(main_bytes);
}

TEST(bytes_direct)
{
    file_run(main_bytes_direct);
}

/* -- the end ---------------------------------------------------------------------------------- */

static weft_file *shared;
static int at_it, in_the_way;

/* Reads for as long as it is let. */
static int reader(void *arg)
{
    unsigned char *page = memory_of(PAGE);
    ssize_t n;
    int i = 0;

    (void)arg;
    at_it++;
    while ((n = pread_all(shared, page, PAGE, (off_t)(i % OFTEN) * PAGE)) == PAGE)
        expect(page, PAGE, i++ % OFTEN);
    back(page);
    in_the_way += n == -EBADF || n == -ECANCELED;
    return 0;
}

static void begin_reading(weft_scope *scope)
{
    same(weft_scope_open(scope, NULL), 0);
    for (int i = 0; i < READERS; i++)
        same(weft_spawn(scope, reader, NULL, 0, NULL), 0);
    while (at_it < READERS)
        same(weft_yield(), 0);
    same(weft_sleep(1000000), 0); /* and have been for a while, as a rule */
}

static int main_closed(void *arg)
{
    weft_scope scope;
    int again;

    (void)arg;
    shared = made();
    file_put("b", "stranger");
    begin_reading(&scope);
    same(weft_file_close(shared), 0);
    again = weft_openat(folder, "b", O_RDONLY, 0);
    ok(again); /* the number is free, and this may have it: nobody reads that */
    same(weft_scope_close(&scope), 0);
    same(in_the_way, READERS);
    return weft_close(again);
}

TEST(closed_under_readers)
{
    file_run(main_closed);
}

static int main_cancelled(void *arg)
{
    unsigned char *page = memory_of(PAGE);
    weft_scope scope;

    (void)arg;
    shared = made();
    begin_reading(&scope);
    weft_scope_cancel(&scope);
    same(weft_scope_close(&scope), 0);
    same(in_the_way, READERS);
    same(weft_scope_open(&scope, &(struct weft_scope_opt){.size = sizeof(struct weft_scope_opt),
                                                          .deadline = weft_after_ms(2)}),
         0);
    same(reader(NULL), 0);
    same(weft_scope_close(&scope), -ETIMEDOUT);
    expect_page(shared, page, 5); /* nothing of it has suffered */
    back(page);
    return weft_file_close(shared);
}

TEST(cancelled_and_late)
{
    file_run(main_cancelled);
}

static int main_left(void *arg)
{
    unsigned char *page = memory_of(PAGE);

    (void)arg;
    shared = made();
    for (int i = 0; i < OFTEN; i++)
        expect_page(shared, page, i);
    return 0;
}

/* Neither is put back: both end with the run. */
TEST(left_behind)
{
    file_run(main_left);
}

/* By close(2), which does nothing to a simulated one; then the number is another file's, which is
   read as often. */
static int main_behind(void *arg)
{
    unsigned char *page = memory_of(PAGE);
    weft_file *file = made(), *other;
    int fd = weft_file_fd(file);

    (void)arg;
    for (int i = 0; i < OFTEN; i++)
        expect_page(file, page, i);
    if (close(fd) == 0) {
        file_put("b", "stranger");
        same(weft_file_from_fd(weft_openat(folder, "b", O_RDWR, 0), NULL, &other), 0);
        same(weft_file_fd(other), fd);
        for (int i = 0; i < OFTEN; i++) {
            same(pread_all(other, page, PAGE, 0), 8);
            ck_assert_mem_eq(page, "stranger", 8);
        }
        ck_misuse(weft_file_close(file), -EBADF, "weft_file_close", "was closed");
        same(pread_all(other, page, PAGE, 0), 8);
        file = other;
    }
    back(page);
    return weft_file_close(file);
}

TEST(closed_behind)
{
    file_run(main_behind);
}

/* -- memory ----------------------------------------------------------------------------------- */

static int main_memory(void *arg)
{
    enum { COUNT = 40 };
    unsigned char *pieces[COUNT];
    void *memory = NULL;
    char *inside;

    (void)arg;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) { /* with more than there is room for, and larger ones */
            size_t size = i % 5 == 4 ? 2 * MIB : (size_t)(i % 5 + 1) * 200000;
            pieces[i] = memory_of(size);
            memset(pieces[i], i, PAGE);
            memset(pieces[i] + size - PAGE, i, PAGE);
        }
        for (int i = 0; i < COUNT; i++) {
            expect(pieces[i], PAGE, i);
            back(pieces[(i + round) % COUNT]);
            pieces[(i + round) % COUNT] = memory_of(1); /* into the gap */
            memset(pieces[(i + round) % COUNT], (i + round) % COUNT, PAGE);
        }
        for (int i = 0; i < COUNT; i++)
            back(pieces[i]);
    }
    ck_misuse(weft_file_memory_take(0, &memory), -EINVAL, "weft_file_memory_take", "no size");
    same(weft_file_memory_take(1, NULL), -EINVAL);
    same(weft_file_memory_take(SIZE_MAX, &memory), -ENOMEM);
    ck_assert_ptr_null(memory);
    back(NULL);
    memory = memory_of(2 * PAGE);
    inside = (char *)memory + PAGE;
    ck_misuse(weft_file_memory_put(inside), -EINVAL, "weft_file_memory_put", "no memory");
    same(weft_file_memory_put(inside + 1), -EINVAL);
    back(memory);
    same(weft_file_memory_put(memory), -EINVAL);
    same(weft_file_memory_put(&memory), -EINVAL);
    return 0;
}

TEST(memory_comes_and_goes)
{
    file_run(main_memory);
}

/* Not put back, the large one and the small: both go with the run. */
static int main_memory_left(void *arg)
{
    (void)arg;
    *(char *)memory_of(1) = 'x';
    *(char *)memory_of(512 * PAGE) = 'x';
    return 0;
}

TEST(memory_is_left)
{
    file_run(main_memory_left);
}

static int main_none_taken(void *arg)
{
    (void)arg;
    same(weft_file_memory_put(&shared), -EINVAL);
    return 0;
}

TEST(outside_and_before)
{
    void *memory;

    same(weft_file_memory_take(1, &memory), -EPERM);
    same(weft_file_memory_put(&memory), -EPERM);
    file_run(main_none_taken);
}

/* -- what was held ---------------------------------------------------------------------------- */

/* Of the file and the memory, each is held, or refused and counted, or the kernel has no such
   thing. */
static int main_counted(void *arg)
{
    unsigned char *page = memory_of(PAGE);
    weft_file *file = made();
    struct weft_stats stats;
    char features[512];

    (void)arg;
    for (int i = 0; i < 15; i++)
        ok(weft_file_pread(file, page, PAGE, 0));
    same(weft_stats(&stats, sizeof stats), 0);
    ck_assert_uint_eq(stats.files_held, 0); /* not for so few */
    ok(weft_file_pread(file, page, PAGE, 0));
    same(weft_stats(&stats, sizeof stats), 0);
    ok(weft_features(features, sizeof features));
    ck_assert_uint_eq(stats.files_held + (stats.memory_held == MIB) + stats.holds_refused,
                      (strstr(features, "fixed_files") != NULL) +
                          (strstr(features, "fixed_buffers") != NULL));
    back(page);
    return weft_file_close(file);
}

TEST(counted)
{
    file_run(main_counted);
}

TEST_MAIN("api/file_held", 20, bytes, bytes_direct, closed_under_readers, cancelled_and_late,
          left_behind, closed_behind, memory_comes_and_goes, memory_is_left, outside_and_before,
          counted)
