/*
 * Files: opening, reading and writing at a position and at offsets, all of it or some, what a sync,
 * a truncation, a rename and an unlink leave behind. Catches requests filled wrongly, positions
 * that move when they should not, counts that are short or lie, and descriptors that leak.
 */
#include "support/file.h"

/* -- opening -------------------------------------------------------------------------------- */

static int main_open(void *arg)
{
    int fd = file_new("a"), other;
    char byte;

    (void)arg;
    ck_assert_int_gt(fd, 2);
    same(weft_openat(folder, "a", O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST);
    same(weft_openat(folder, "none", O_RDWR, 0), -ENOENT);
    same(weft_openat(folder, "none/a", O_RDWR | O_CREAT, 0600), -ENOENT);
    same(weft_openat(folder, "a/b", O_RDWR | O_CREAT, 0600), -ENOTDIR);
    same(weft_openat(folder, "a", O_RDONLY | O_DIRECTORY, 0), -ENOTDIR);
    same(weft_openat(folder, ".", O_RDWR, 0), -EISDIR);
    same(weft_openat(folder, "", O_RDWR, 0), -ENOENT);
    same(weft_openat(fd, "b", O_RDWR | O_CREAT, 0600), -ENOTDIR);
    other = weft_openat(folder, "a", O_RDONLY, 07777); /* a mode without O_CREAT is let pass */
    ok(other);
    same(weft_write(other, "x", 1), -EBADF);
    same(weft_close(other), 0);
    other = weft_openat(folder, "a", O_WRONLY, 0);
    ok(other);
    same(weft_read(other, &byte, 1), -EBADF);
    same(weft_close(other), 0);
    same(weft_fsync(other), -EBADF);
    return weft_close(fd);
}

TEST(opening)
{
    file_run(main_open);
}

static int main_long_names(void *arg)
{
    char name[300], path[5000];

    (void)arg;
    memset(name, 'n', sizeof name);
    name[256] = '\0';
    same(weft_openat(folder, name, O_RDWR | O_CREAT, 0600), -ENAMETOOLONG);
    name[255] = '\0';
    same(weft_close(file_new(name)), 0);
    memset(path, '/', sizeof path);
    path[sizeof path - 1] = '\0';
    same(weft_open(path, O_RDONLY, 0), -ENAMETOOLONG);
    return 0;
}

TEST(long_names)
{
    file_run(main_long_names);
}

static int main_truncating_open(void *arg)
{
    int fd;

    (void)arg;
    file_put("a", "some text");
    fd = weft_openat(folder, "a", O_RDWR, 0);
    ok(fd);
    same(weft_close(fd), 0);
    ck_assert_str_eq(file_text("a"), "some text");
    fd = weft_openat(folder, "a", O_RDWR | O_TRUNC, 0);
    ok(fd);
    same(file_size("a"), 0);
    return weft_close(fd);
}

TEST(truncating_open)
{
    file_run(main_truncating_open);
}

/* -- reading and writing -------------------------------------------------------------------- */

static int main_positions(void *arg)
{
    char buffer[16] = "";
    size_t done = 99;
    int fd = file_new("a");

    (void)arg;
    same(weft_write_all(fd, "0123456789", 10, &done), 10);
    ck_assert_uint_eq(done, 10);
    same(weft_read(fd, buffer, sizeof buffer), 0); /* the position is at the end */
    same(weft_pread_exactly(fd, buffer, 4, 3, NULL), 4);
    ck_assert_mem_eq(buffer, "3456", 4);
    same(weft_pwrite_all(fd, "ab", 2, 4, NULL), 2);
    same(weft_read(fd, buffer, sizeof buffer), 0); /* and has not moved */
    same(weft_close(fd), 0);
    ck_assert_str_eq(file_text("a"), "0123ab6789");

    fd = weft_openat(folder, "a", O_RDWR, 0);
    ok(fd);
    same(weft_read_exactly(fd, buffer, 4, NULL), 4);
    same(weft_write_all(fd, "X", 1, NULL), 1); /* where the reading ended */
    same(weft_read_exactly(fd, buffer, 16, &done), -ENODATA);
    ck_assert_uint_eq(done, 5);
    ck_assert_mem_eq(buffer, "b6789", 5);
    same(weft_pread_exactly(fd, buffer, 4, 8, &done), -ENODATA);
    ck_assert_uint_eq(done, 2);
    same(weft_pread(fd, buffer, 4, 10), 0);
    same(weft_pread(fd, buffer, 4, 1000000), 0);
    same(weft_pread(fd, buffer, 0, 0), 0);
    return weft_close(fd);
}

TEST(positions_and_offsets)
{
    file_run(main_positions);
}

static int main_append(void *arg)
{
    int fd = weft_openat(folder, "a", O_WRONLY | O_CREAT | O_APPEND, 0600);

    (void)arg;
    ok(fd);
    same(weft_write_all(fd, "one", 3, NULL), 3);
    file_put("b", "");
    same(weft_pwrite_all(fd, "two", 3, 0, NULL), 3); /* as Linux has it */
    same(weft_close(fd), 0);
    ck_assert_str_eq(file_text("a"), "onetwo");
    return 0;
}

TEST(appending)
{
    file_run(main_append);
}

/* Far apart: between them zeros, and no space taken. */
static int main_holes(void *arg)
{
    struct statx status;
    char buffer[64], zeros[64] = "";
    int fd = file_new("a");

    (void)arg;
    same(weft_pwrite_all(fd, "a", 1, 0, NULL), 1);
    same(weft_pwrite_all(fd, "z", 1, 10000000, NULL), 1);
    same(file_size("a"), 10000001);
    same(weft_pread_exactly(fd, buffer, sizeof buffer, 5000000, NULL), (int)sizeof buffer);
    ck_assert_mem_eq(buffer, zeros, sizeof zeros);
    same(weft_statx(fd, "", AT_EMPTY_PATH, STATX_BLOCKS | STATX_TYPE, &status), 0);
    ck_assert_uint_lt(status.stx_blocks, 10000000 / 512);
    ck_assert_uint_eq(status.stx_mode & S_IFMT, S_IFREG);
    return weft_close(fd);
}

TEST(holes)
{
    file_run(main_holes);
}

static int main_vectors(void *arg)
{
    char a[3], b[5], c[8], text[] = "0123456789abcdef";
    struct iovec in[] = {{a, 3}, {NULL, 0}, {b, 5}, {c, 8}}, out[] = {{text, 10}, {text + 10, 6}};
    struct iovec many[40];
    int fd = file_new("a");
    size_t done = 0;

    (void)arg;
    same(weft_writev_all(fd, out, 2, &done), 16);
    ck_assert_uint_eq(done, 16);
    same(weft_preadv_exactly(fd, in, 4, 0, NULL), 16);
    ck_assert_mem_eq(a, "012", 3);
    ck_assert_mem_eq(b, "34567", 5);
    ck_assert_mem_eq(c, "89abcdef", 8);
    same(weft_preadv_exactly(fd, in, 4, 4, &done), -ENODATA);
    ck_assert_uint_eq(done, 12);
    ck_assert_mem_eq(c, "cdef", 4);
    same(weft_preadv(fd, in, 0, 0), 0);
    same(weft_preadv(fd, in, 4, 16), 0);
    for (int i = 0; i < 40; i++) /* more than go at once */
        many[i] = (struct iovec){text + i % 16, 1};
    same(weft_pwritev_all(fd, many, 40, 100, &done), 40);
    ck_assert_uint_eq(done, 40);
    same(weft_pread_exactly(fd, c, 8, 132, NULL), 8);
    ck_assert_mem_eq(c, "01234567", 8);
    return weft_close(fd);
}

TEST(vectors)
{
    file_run(main_vectors);
}

/* Megabytes, and the same bytes back. */
static int main_large(void *arg)
{
    enum { SIZE = 3 << 20 };
    char *out = malloc(SIZE), *in = malloc(SIZE);
    int fd = file_new("a");

    (void)arg;
    for (uint32_t i = 0; i < SIZE; i++)
        out[i] = (char)(i * 2654435761u >> 24);
    same(weft_pwrite_all(fd, out, SIZE, 1234567, NULL), SIZE);
    same(weft_pread_exactly(fd, in, SIZE, 1234567, NULL), SIZE);
    ck_assert_int_eq(memcmp(in, out, SIZE), 0);
    free(out);
    free(in);
    return weft_close(fd);
}

TEST(large)
{
    file_run(main_large);
}

/* -- many at once --------------------------------------------------------------------------- */

struct part {
    int fd;
    int index;
    ssize_t result;
};

enum { PARTS = 50, PART_SIZE = 1000 };

static int write_part(void *arg)
{
    struct part *part = arg;
    char bytes[PART_SIZE];

    memset(bytes, 'A' + part->index, sizeof bytes);
    return (int)weft_pwrite_all(part->fd, bytes, sizeof bytes, part->index * PART_SIZE, NULL);
}

static int read_part(void *arg)
{
    struct part *part = arg;
    char bytes[PART_SIZE];

    same(weft_pread_exactly(part->fd, bytes, sizeof bytes, part->index * PART_SIZE, NULL),
         PART_SIZE);
    for (int i = 0; i < PART_SIZE; i++)
        same(bytes[i], 'A' + part->index);
    return 0;
}

static int main_many(void *arg)
{
    int fd = file_new("a");

    (void)arg;
    for (int pass = 0; pass < 2; pass++)
        WEFT_SCOPE(s) {
            for (int i = 0; i < PARTS; i++) {
                struct part part = {.fd = fd, .index = i};
                same(weft_spawn(&s, pass ? read_part : write_part, &part, sizeof part, NULL), 0);
            }
        }
    same(file_size("a"), PARTS * PART_SIZE);
    return weft_close(fd);
}

TEST(many_offsets_at_once)
{
    file_run(main_many);
}

/* -- the file as a whole -------------------------------------------------------------------- */

static int main_whole(void *arg)
{
    char buffer[8], zeros[8] = "";
    int fd = file_new("a");

    (void)arg;
    same(weft_pwrite_all(fd, "0123456789", 10, 0, NULL), 10);
    same(weft_fsync(fd), 0);
    same(weft_fdatasync(fd), 0);
    same(weft_ftruncate(fd, 4), 0);
    same(file_size("a"), 4);
    same(weft_ftruncate(fd, 12), 0);
    same(weft_pread_exactly(fd, buffer, 8, 4, NULL), 8);
    ck_assert_mem_eq(buffer, zeros, 8);
    same(weft_ftruncate(fd, -1), -EINVAL);
    same(weft_fsync(folder), 0);
    same(weft_ftruncate(folder, 0), -EINVAL);
    same(weft_fallocate(fd, 0, 0, 100000), 0);
    same(file_size("a"), 100000);
    same(weft_fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 2), 0);
    same(weft_pread_exactly(fd, buffer, 4, 0, NULL), 4);
    ck_assert_mem_eq(buffer, "\0\00023", 4);
    same(weft_fallocate(fd, 0, 0, 0), -EINVAL);
    same(weft_close(fd), 0);
    fd = weft_openat(folder, "a", O_RDONLY, 0);
    ok(fd);
    same(weft_ftruncate(fd, 0), -EINVAL);
    same(weft_fallocate(fd, 0, 0, 1), -EBADF);
    same(weft_fsync(fd), 0);
    return weft_close(fd);
}

TEST(sync_truncate_allocate)
{
    file_run(main_whole);
}

/* -- names ---------------------------------------------------------------------------------- */

static int main_rename(void *arg)
{
    int fd;

    (void)arg;
    file_put("new", "new");
    file_put("old", "old");
    fd = weft_openat(folder, "old", O_RDONLY, 0);
    ok(fd);
    same(weft_renameat(folder, "new", folder, "old"), 0);
    ck_assert_str_eq(file_text("old"), "new");
    ck_assert_str_eq(file_text("new"), "(none)");
    char buffer[3];
    same(weft_pread_exactly(fd, buffer, 3, 0, NULL), 3); /* replaced, and there while open */
    ck_assert_mem_eq(buffer, "old", 3);
    same(weft_close(fd), 0);
    same(weft_renameat(folder, "none", folder, "old"), -ENOENT);
    ck_assert_str_eq(file_text("old"), "new");
    return 0;
}

TEST(renaming)
{
    file_run(main_rename);
}

static int main_unlink(void *arg)
{
    char buffer[4];
    int fd = file_new("a");

    (void)arg;
    same(weft_write_all(fd, "here", 4, NULL), 4);
    same(weft_unlinkat(folder, "a", 0), 0);
    same(weft_unlinkat(folder, "a", 0), -ENOENT);
    same(weft_openat(folder, "a", O_RDONLY, 0), -ENOENT);
    same(weft_pread_exactly(fd, buffer, 4, 0, NULL), 4);
    ck_assert_mem_eq(buffer, "here", 4);
    same(weft_pwrite_all(fd, "more", 4, 4, NULL), 4);
    return weft_close(fd);
}

TEST(unlinked_while_open)
{
    file_run(main_unlink);
}

TEST_MAIN("file", 60, opening, long_names, truncating_open, positions_and_offsets, appending, holes,
          vectors, large, many_offsets_at_once, sync_truncate_allocate, renaming,
          unlinked_while_open)
