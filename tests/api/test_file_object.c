/*
 * File objects: every byte once and in its order, however it is read, with blocks read ahead and
 * without; what is written shows; ends, growth, seeks, views, lines; through the page cache and
 * past it. Catches a block read for the wrong place, one kept though the file was changed, an end
 * that is believed too long, a position that moves when it should not, and blocks, descriptors and
 * memory that are left. Who is cancelled, refused or closed upon: test_file_object_edges.c. Random
 * steps: test_file_object_steps.c.
 */
#include "file_object.h"

/* -- through the file ----------------------------------------------------------------------- */

static void read_through(weft_file *file, size_t size, size_t piece)
{
    unsigned char bytes[3 * BLOCK];
    size_t at = 0;
    ssize_t n;

    while ((n = weft_file_read(file, bytes, piece)) > 0) {
        check(bytes, (size_t)n, at);
        at += (size_t)n;
        same(weft_file_tell(file), (off_t)at);
        same(weft_yield(), 0); /* it computes: others may run, and the loop */
    }
    same(n, 0);
    ck_assert_uint_eq(at, size);
    same(weft_file_read(file, bytes, piece), 0); /* once more: the end is still there */
}

static int main_through(void *arg)
{
    static const size_t sizes[] = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, MUCH};
    static const size_t pieces[] = {3 * BLOCK, BLOCK, 1000};

    (void)arg;
    for (uint32_t ahead = 0; ahead < 5; ahead += 2)
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            weft_file *file =
                made(sizes[i], OPT(.block_size = BLOCK, .ahead = ahead, .no_ahead = ahead == 0));
            for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
                same(weft_file_seek(file, 0, SEEK_SET), 0);
                read_through(file, sizes[i], pieces[k]);
            }
            done_with(file);
        }
    return 0;
}

TEST(through)
{
    file_run(main_through);
}

static int main_views(void *arg)
{
    weft_file *file = made(MUCH, OPT(.block_size = BLOCK));
    const void *data, *again;
    size_t size, size_again, at = 0;
    int more;

    (void)arg;
    while ((more = weft_file_peek(file, &data, &size)) > 0) {
        size_t part = size > 100 ? size - 100 : size;
        ck_assert_uint_ge(size, 1);
        check(data, size, at);
        same(weft_file_consume(file, 0), 0); /* it is still there */
        same(weft_file_peek(file, &again, &size_again), 1);
        ck_assert_ptr_eq(again, data);
        ck_assert_uint_ge(size_again, size); /* more of it may have come */
        same(weft_file_consume(file, part), 0);
        at += part;
        same(weft_file_tell(file), (off_t)at);
    }
    same(more, 0);
    ck_assert_uint_eq(at, MUCH);
    done_with(file);
    return 0;
}

TEST(views)
{
    file_run(main_views);
}

static int main_exactly(void *arg)
{
    weft_file *file = made(MUCH, OPT(.block_size = BLOCK));
    static unsigned char bytes[MUCH + 1];
    size_t done = 7;

    (void)arg;
    same(weft_file_read_exactly(file, bytes, 2 * BLOCK + 5, &done), 2 * BLOCK + 5);
    ck_assert_uint_eq(done, 2 * BLOCK + 5);
    check(bytes, done, 0);
    same(weft_file_read_exactly(file, bytes, 0, NULL), 0);
    same(weft_file_read_exactly(file, bytes, sizeof bytes, &done), -ENODATA);
    ck_assert_uint_eq(done, MUCH - (2 * BLOCK + 5));
    check(bytes, done, 2 * BLOCK + 5);
    same(weft_file_tell(file), MUCH);
    same(weft_file_read(file, bytes, 0), 0);
    done_with(file);
    return 0;
}

TEST(exactly)
{
    file_run(main_exactly);
}

/* -- lines ---------------------------------------------------------------------------------- */

static int main_lines(void *arg)
{
    weft_file *file;
    char line[64], text[2 * BLOCK + 64];

    (void)arg;
    memset(text, 'x', sizeof text);
    memcpy(text, "one\n\nthree\n", 11);
    memcpy(text + BLOCK - 7, "\nends\r\n\r\nlast", 13); /* the delimiter is cut by a block's end */
    text[BLOCK + 6] = '\0';
    file_put("a", text);
    same(weft_openat(folder, "none", O_RDONLY, 0), -ENOENT);
    same(weft_file_from_fd(weft_openat(folder, "a", O_RDONLY, 0), OPT(.block_size = BLOCK), &file),
         0);
    same(weft_file_read_until(file, "xo", 2, line, 2), -EMSGSIZE); /* its end alone is none */
    same(weft_file_read_line(file, line, sizeof line), 4);
    ck_assert_str_eq(line, "one\n");
    same(weft_file_read_line(file, line, sizeof line), 1);
    ck_assert_str_eq(line, "\n");
    same(weft_file_read_line(file, line, 6), -EMSGSIZE); /* "three\n" and the end do not fit */
    same(weft_file_tell(file), 5);
    same(weft_file_read_line(file, line, 7), 6);
    ck_assert_str_eq(line, "three\n");
    same(weft_file_seek(file, BLOCK - 6, SEEK_SET), BLOCK - 6);
    same(weft_file_read_until(file, "\r\n\r\n", 4, line, 7), -EMSGSIZE);
    same(weft_file_read_until(file, "\r\n\r\n", 4, line, sizeof line), 8);
    ck_assert_mem_eq(line, "ends\r\n\r\n", 8);
    same(weft_file_read_line(file, line, sizeof line), -ENODATA); /* a line that does not end */
    same(weft_file_tell(file), BLOCK + 2);
    same(weft_file_read(file, line, sizeof line), 4);
    ck_assert_mem_eq(line, "last", 4);
    same(weft_file_read_line(file, line, sizeof line), -ENODATA);
    done_with(file);
    return 0;
}

TEST(lines)
{
    file_run(main_lines);
}

/* -- what is written shows ------------------------------------------------------------------- */

static void expect(weft_file *file, off_t at, const char *text)
{
    char bytes[64];

    same(weft_file_seek(file, at, SEEK_SET), at);
    same(weft_file_read_exactly(file, bytes, strlen(text), NULL), (ssize_t)strlen(text));
    ck_assert_mem_eq(bytes, text, strlen(text));
}

static int main_written(void *arg)
{
    weft_file *file = made(3 * BLOCK, OPT(.block_size = BLOCK, .ahead = 4));
    unsigned char bytes[BLOCK];
    const void *data;
    size_t size;

    (void)arg;
    same(weft_file_read_exactly(file, bytes, 10, NULL), 10); /* and the rest may be read ahead */
    same(weft_yield(), 0);
    same(weft_file_pwrite(file, "here", 4, 20, NULL), 4);
    same(weft_file_pwrite(file, "there", 5, BLOCK + 7, NULL), 5);
    expect(file, 20, "here");
    expect(file, BLOCK + 7, "there");

    same(weft_file_seek(file, 0, SEEK_END), 3 * BLOCK);
    same(weft_file_read(file, bytes, 1), 0);
    same(weft_file_write(file, "grown", 5, &size), 5); /* behind an end that was found */
    ck_assert_uint_eq(size, 5);
    same(weft_file_read(file, bytes, 1), 0);
    expect(file, 3 * BLOCK, "grown");
    same(weft_file_pwrite(file, "far", 3, 5 * BLOCK, NULL), 3);
    expect(file, 3 * BLOCK + 4, "n\0\0");
    expect(file, 5 * BLOCK, "far");

    same(weft_file_seek(file, 100, SEEK_SET), 100);
    same(weft_file_peek(file, &data, &size), 1);
    same(weft_file_pwrite(file, "under", 5, 101, NULL), 5); /* the view is lent meanwhile */
    same(weft_file_consume(file, 1), 0);
    same(weft_file_read_exactly(file, bytes, 5, NULL), 5);
    ck_assert_mem_eq(bytes, "under", 5);

    same(weft_pwrite_all(weft_file_fd(file), "others", 6, 200, NULL), 6);
    same(weft_file_discard(file), 0);
    expect(file, 200, "others");
    same(weft_file_pread(file, bytes, 5, 101), 5);
    ck_assert_mem_eq(bytes, "under", 5);
    done_with(file);
    return 0;
}

TEST(what_is_written_shows)
{
    file_run(main_written);
}

/* Another file would be read to where the view lies, were that let go of. */
static int main_lent(void *arg)
{
    weft_file *file = made(BLOCK, OPT(.block_size = BLOCK, .no_ahead = true)), *other;
    const void *data;
    char bytes[5];
    size_t size;

    (void)arg;
    file_put("b", "another file");
    same(weft_file_peek(file, &data, &size), 1);
    same(weft_file_pwrite(file, "", 1, 0, NULL), 1);
    same(weft_file_from_fd(weft_openat(folder, "b", O_RDONLY, 0), OPT(.block_size = BLOCK), &other),
         0);
    same(weft_file_read_exactly(other, bytes, 5, NULL), 5);
    same(weft_file_close(other), 0);
    check((const char *)data + 1, size - 1, 1);
    same(weft_file_consume(file, size), 0);
    done_with(file);
    return 0;
}

TEST(what_is_lent_stays)
{
    file_run(main_lent);
}

static int main_append(void *arg)
{
    char path[96], bytes[16];
    weft_file *file;

    (void)arg;
    snprintf(path, sizeof path, "%s/a", folder_path);
    same(weft_file_open(path, O_RDWR, 0, NULL, &file), -ENOENT);
    same(weft_file_open(path, O_RDWR | O_CREAT | O_APPEND | direct, 0600, NULL, &file), 0);
    same(weft_file_read(file, bytes, 1), 0);
    same(weft_file_write(file, "one", 3, NULL), 3);
    same(weft_file_tell(file), 0);
    same(weft_file_read(file, bytes, sizeof bytes), 3);
    same(weft_file_pwrite(file, "two", 3, 0, NULL), 3); /* as Linux has it */
    same(weft_file_read(file, bytes + 3, sizeof bytes), 3);
    ck_assert_mem_eq(bytes, "onetwo", 6);
    done_with(file);
    return 0;
}

TEST(appending)
{
    file_run(main_append);
}

/* -- past the page cache ---------------------------------------------------------------------- */

static int main_direct(void *arg)
{
    (void)arg;
    return has_direct() ? main_through(NULL) : 0;
}

TEST(through_direct)
{
    file_run(main_direct);
}

/* The file's end lay within a unit, and it has grown since. */
static int main_grown_direct(void *arg)
{
    static char bytes[4 * BLOCK];
    weft_file *file;

    (void)arg;
    if (!has_direct())
        return 0;
    file = made(5000, OPT(.block_size = sizeof bytes));
    same(weft_file_read_exactly(file, bytes, 5000, NULL), 5000);
    same(weft_file_pwrite(file, "far", 3, 5 * BLOCK, NULL), 3); /* the block at 0 stays */
    same(weft_file_read_exactly(file, bytes, sizeof bytes - 5000, NULL), sizeof bytes - 5000);
    for (size_t i = 0; i < sizeof bytes - 5000; i++)
        same(bytes[i], 0);
    done_with(file);
    return 0;
}

TEST(grown_direct)
{
    file_run(main_grown_direct);
}

/* What is refused is refused there, too; and a cancellation that comes first. */
static int main_wrong_direct(void *arg)
{
    _Alignas(BLOCK) static char bytes[BLOCK];
    weft_file *file;

    (void)arg;
    if (!has_direct())
        return 0;
    file = made(MUCH, OPT(.block_size = BLOCK));
    same(weft_cancel(weft_current_task()), 1);
    same(weft_file_pread(file, bytes + 1, 1, 1), -ECANCELED);
    same(weft_uncancel(), 0);
    same(weft_cancel(weft_current_task()), 1);
    same(weft_file_pwrite(file, bytes + 1, 1, 1, NULL), -ECANCELED);
    same(weft_uncancel(), 0);
    same(weft_file_pwrite(file, NULL, 1, 0, NULL), -EFAULT);
    same(weft_file_pwrite(file, bytes, 1, -1, NULL), -EINVAL);
    same(weft_file_pread(file, NULL, 1, 0), -EFAULT);
    same(weft_file_pread(file, bytes, 1, -1), -EINVAL);
    same(weft_file_pread(file, bytes + 1, 0, 0), 0);
    same(weft_file_pread(file, NULL, 0, 0), 0);
    same(weft_file_pwrite(file, bytes, 0, 0, NULL), 0);
    same(weft_file_write(file, NULL, 0, NULL), 0);
    same(weft_file_pread(file, bytes + 1, 100, 1), 100);
    check(bytes + 1, 100, 1);
    done_with(file);
    return 0;
}

TEST(refused_direct)
{
    file_run(main_wrong_direct);
}

static int main_append_direct(void *arg)
{
    (void)arg;
    return has_direct() ? main_append(NULL) : 0;
}

TEST(appending_direct)
{
    file_run(main_append_direct);
}

/* Memory that one has read into is the next one's, if it is of its kind and not too much. */
static int main_blocks(void *arg)
{
    static const uint32_t sizes[] = {4 << 20, BLOCK, 2 * BLOCK, BLOCK};
    bool both = has_direct();
    char bytes[3 * BLOCK];

    (void)arg;
    for (int i = 0; i < 16; i++) {
        weft_file *file;
        direct = both && i & 1 ? O_DIRECT : 0;
        file = made(MUCH, OPT(.block_size = sizes[i / 4], .ahead = 2));
        same(weft_file_read_exactly(file, bytes, sizeof bytes, NULL), sizeof bytes);
        check(bytes, sizeof bytes, 0);
        done_with(file);
    }
    return 0;
}

TEST(blocks_of_all_kinds)
{
    file_run(main_blocks);
}

/* Whatever lies as the device wants it goes there as it is, and the flag stays. */
static int main_units(void *arg)
{
    _Alignas(BLOCK) static unsigned char bytes[2 * BLOCK];
    weft_file *file;
    size_t done;

    (void)arg;
    if (!has_direct())
        return 0;
    file = made(MUCH, OPT(.block_size = BLOCK));
    same(weft_file_pread(file, bytes, sizeof bytes, BLOCK), sizeof bytes);
    check(bytes, sizeof bytes, BLOCK);
    same(weft_file_pread(file, bytes + 1, 100, BLOCK + 1), 100);
    check(bytes + 1, 100, BLOCK + 1);
    same(weft_file_pread(file, bytes, BLOCK, MUCH - 3), 3);
    same(weft_file_pread(file, bytes, BLOCK, MUCH), 0);
    same(weft_file_pread(file, bytes, BLOCK, MUCH + 2 * BLOCK), 0);
    memset(bytes, 'w', sizeof bytes);
    same(weft_file_pwrite(file, bytes, sizeof bytes, 0, &done), sizeof bytes);
    same(weft_file_pwrite(file, bytes + 1, BLOCK + 5, 3 * BLOCK - 2, &done), BLOCK + 5);
    ck_assert_uint_eq(done, BLOCK + 5);
    memset(bytes, 0, sizeof bytes);
    same(weft_file_read_exactly(file, bytes, sizeof bytes, NULL), sizeof bytes);
    same(bytes[0], 'w');
    same(bytes[sizeof bytes - 1], 'w');
    same(weft_file_seek(file, 3 * BLOCK - 3, SEEK_SET), 3 * BLOCK - 3);
    same(weft_file_read_exactly(file, bytes, BLOCK + 7, NULL), BLOCK + 7);
    check(bytes, 1, 3 * BLOCK - 3);
    same(bytes[1], 'w');
    same(bytes[BLOCK + 5], 'w');
    check(bytes + BLOCK + 6, 1, 4 * BLOCK + 3);
    same(file_size("a"), MUCH);
    done_with(file);
    return 0;
}

TEST(units)
{
    file_run(main_units);
}

TEST_MAIN("file_object", 60, through, views, exactly, lines, what_is_written_shows,
          what_is_lent_stays, appending, through_direct, grown_direct, refused_direct,
          appending_direct, blocks_of_all_kinds, units)
